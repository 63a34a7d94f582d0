//! What travels over the API: requests and answers. Parsed here, trusted inside.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::data_source::DataSource;
use crate::fault::{Code, Fault};
use crate::files::{FileCompression, FileFormat, FilesTarget};
use crate::ids::{InstanceId, InvalidId, JobId, PlanId, PointId, PolicyId};
use crate::instance::{Instance, InstanceName, StopMode};
use crate::policy::{PolicyName, PolicyRef, PolicySpec};
use crate::protection::SoftDeleteDays;
use crate::recovery_point::RecoveryPoint;
use crate::restore_options::RestoreOptions;
use crate::retention::RuleName;
use crate::tiering::{RehydrationDays, RehydrationPriority};

/// The most items that a page of a list holds.
pub const MAX_PAGE: u16 = 100;
/// The most instances that may be under one policy.
pub const MAX_INSTANCES_OF_POLICY: usize = 1_000;
/// The most characters of the reason for a deletion.
pub const MAX_REASON_CHARS: usize = 1_000;

/// `POST /instances`: protect a database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ProtectRequest {
    /// The name people will call the instance by.
    pub name: InstanceName,
    /// The database.
    pub data_source: DataSource,
    /// The policy, by id or name, that backs it up and keeps its points; without one it is backed up when somebody
    /// asks, and its points are kept for three months.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRef>,
}

/// Protection is being configured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ProtectResponse {
    /// The new instance.
    pub instance: InstanceId,
    /// The job that checks readiness.
    pub job: JobId,
}

/// `POST /instances/{instance}/backups`: back up now.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupRequest {
    /// The rule of the instance's policy that says how long the point is kept; `default` unless said otherwise. It
    /// uses no period up.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
}

/// `POST /instances/{instance}/restores`: restore a point into a new database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreRequest {
    /// The point; the latest unless said otherwise.
    #[serde(default)]
    pub point: PointSelector,
    /// The server, the login, and the name of the new database.
    pub target: DataSource,
    /// What of the point to restore, and how; everything as it was unless said otherwise.
    #[serde(default, skip_serializing_if = "RestoreOptions::is_default")]
    pub options: RestoreOptions,
    /// How to rehydrate the point where it is in the archive store. The restore waits for it, and goes on by itself;
    /// without this word an archived point is refused, since rehydrating takes time and costs money.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehydrate: Option<RehydrateRequest>,
}

/// `POST /instances/{instance}/file-restores`: write a point as files into a bucket.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FileRestoreRequest {
    /// The point; the latest unless said otherwise.
    #[serde(default)]
    pub point: PointSelector,
    /// Where the files go.
    pub target: FilesTarget,
    /// What they are; a directory unless said otherwise.
    #[serde(default)]
    pub format: FileFormat,
    /// How they are compressed; as the backup is unless said otherwise.
    #[serde(default)]
    pub compression: FileCompression,
    /// As in a [`RestoreRequest`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehydrate: Option<RehydrateRequest>,
}

/// `POST /instances/{instance}/recovery-points/{point}/rehydrate`: copy an archived point back for a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RehydrateRequest {
    /// How soon; standard unless said otherwise.
    #[serde(default)]
    pub priority: RehydrationPriority,
    /// For how many days, 10 to 30; 15 unless said otherwise.
    #[serde(default)]
    pub days: RehydrationDays,
}

/// `POST /instances/{instance}/recovery-points/{point}/legal-hold`: forbid, or allow again, that it is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct LegalHoldRequest {
    /// Whether the point is under legal hold from now on.
    pub legal_hold: LegalHold,
}

/// Whether a point is under legal hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum LegalHold {
    /// It is: nothing deletes it.
    On,
    /// It is not.
    Off,
}

/// `POST /policies`: make a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreatePolicyRequest {
    /// The name people will call the policy by.
    pub name: PolicyName,
    /// What it says.
    pub spec: PolicySpec,
}

/// `PUT /policies/{policy}`: change a policy. Points that exist keep the retention that they were stamped with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplacePolicyRequest {
    /// Its new name; the one it has unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<PolicyName>,
    /// What it is to say.
    pub spec: PolicySpec,
    /// The revision that the change was made from: where the policy is of another one by now, nothing is changed.
    /// Unless said otherwise, the one that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from_revision: Option<u32>,
}

/// The answer to `DELETE /policies/{policy}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PolicyDeleted {
    /// The policy that is gone.
    pub policy: PolicyId,
}

/// `POST /instances/{instance}/policy`: put an instance under a policy, or under none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChangePolicyRequest {
    /// The policy, by id or name; none unless said otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyRef>,
    /// What happens to the points that exist.
    #[serde(default)]
    pub existing_points: ExistingPoints,
}

/// What a change of policy does to the points that exist.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ExistingPoints {
    /// Nothing: they keep the retention that they were stamped with.
    #[default]
    Keep,
    /// Each gets the retention that the policy says. Never a shorter one while the vault is immutable.
    Reevaluate,
}

/// The answer to [`ChangePolicyRequest`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PolicyChanged {
    /// The instance as it is now.
    pub instance: Instance,
    /// The job that gives existing points their new retention, where that was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub job: Option<JobId>,
}

/// `POST /instances/{instance}/stop-protection`: make no more backups and keep the points.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct StopProtectionRequest {
    /// How long the points stay.
    pub retain: Retain,
}

/// How long the points of an instance stay whose protection is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Retain {
    /// All of them, until somebody deletes them.
    Forever,
    /// As long as each was stamped for; the newest one for ever.
    AsPerPolicy,
}

impl From<Retain> for StopMode {
    fn from(retain: Retain) -> StopMode {
        match retain {
            Retain::Forever => StopMode::RetainForever,
            Retain::AsPerPolicy => StopMode::RetainAsPerPolicy,
        }
    }
}

/// `POST /instances/{instance}/delete-data`: stop protection and delete every point, after a time in which that can
/// be undone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeleteDataRequest {
    /// The instance's name, whatever it is named by in the path: nobody deletes by a slip.
    pub confirm_name: InstanceName,
    /// Why, for the record: 1 to 1,000 characters.
    #[schema(min_length = 1, max_length = 1_000)]
    pub reason: String,
    /// For how many days it can be undone, 14 to 180; 14 unless said otherwise.
    #[serde(default)]
    pub undo_days: SoftDeleteDays,
}

/// A point as a request names it: `latest`, or an id.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PointSelector {
    /// The newest point.
    #[default]
    Latest,
    /// The point of this id.
    Id(PointId),
}

impl FromStr for PointSelector {
    type Err = InvalidId;
    fn from_str(text: &str) -> Result<Self, InvalidId> {
        if text == "latest" { Ok(Self::Latest) } else { text.parse().map(Self::Id) }
    }
}

impl fmt::Display for PointSelector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Latest => f.pad("latest"),
            Self::Id(id) => fmt::Display::fmt(id, f),
        }
    }
}

impl TryFrom<String> for PointSelector {
    type Error = InvalidId;
    fn try_from(text: String) -> Result<Self, InvalidId> {
        text.parse()
    }
}

impl From<PointSelector> for String {
    fn from(selector: PointSelector) -> String {
        selector.to_string()
    }
}

impl utoipa::PartialSchema for PointSelector {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^(latest|rp-[0-7][0-9a-hjkmnp-tv-z]{25})$"))
            .into()
    }
}

impl utoipa::ToSchema for PointSelector {}

/// A job was started.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobStarted {
    /// The job.
    pub job: JobId,
}

/// A page of a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Page<T> {
    /// The items.
    pub items: Vec<T>,
    /// Send it back as `next` for the page after this one; absent on the last page.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// `GET /instances/{instance}/recovery-points/{point}`: a point with what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RecoveryPointDetail {
    /// The point.
    #[serde(flatten)]
    pub point: RecoveryPoint,
    /// Its tables, the largest first, at most 1,000.
    pub contents: Vec<TableSummary>,
}

/// A table of a recovery point.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct TableSummary {
    /// The table's schema.
    pub schema: String,
    /// The table's name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Bytes of its rows in COPY's text form.
    pub raw_bytes: u64,
    /// Bytes of its frames in the store.
    pub stored_bytes: u64,
    /// Its checksum, as in the manifest.
    pub checksum: String,
}

/// `GET /retention-plans`: a plan without what it lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RetentionPlanSummary {
    /// The plan.
    #[schema(value_type = String)]
    pub id: PlanId,
    /// The instance.
    pub instance: InstanceId,
    /// The time that it was made for.
    #[schema(value_type = String, format = DateTime)]
    pub made_at: Timestamp,
    /// How many points it could delete at most.
    pub deletion_limit: u64,
    /// With how many points something is done.
    pub actions: u64,
    /// How many that were due are left alone.
    pub kept: u64,
}

/// The body of every answer that is not a success.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ErrorBody {
    /// What went wrong.
    pub error: Fault,
}

/// Reads a request's body.
///
/// # Errors
/// `CredentialsInRequest` where any key of the body speaks of a password, `InvalidRequest` where the body is
/// not what the route takes; the message says where.
pub fn parse_request<'a, T: Deserialize<'a>>(body: &'a str) -> Result<T, Fault> {
    let body = if body.trim().is_empty() { "{}" } else { body };
    let value: serde_json::Value = serde_json::from_str(body)
        .map_err(|error| Fault::new(Code::InvalidRequest, format!("the body is not JSON: {error}")))?;
    if let Some(path) = find_password(&value, "") {
        return Err(Fault::new(Code::CredentialsInRequest, "a password is not accepted").on(path));
    }
    serde_json::from_str(body).map_err(|error| {
        Fault::new(Code::InvalidRequest, format!("the body is not what the route takes: {error}"))
    })
}

/// The path of a key that speaks of a password.
fn find_password(value: &serde_json::Value, at: &str) -> Option<String> {
    match value {
        serde_json::Value::Object(fields) => fields.iter().find_map(|(key, value)| {
            let path = format!("{at}.{key}");
            let word = key.to_ascii_lowercase();
            let speaks =
                ["password", "passwd", "pwd", "token"].iter().any(|credential| word.contains(credential));
            if speaks { Some(path) } else { find_password(value, &path) }
        }),
        serde_json::Value::Array(items) => items
            .iter()
            .enumerate()
            .find_map(|(index, value)| find_password(value, &format!("{at}[{index}]"))),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_is_refused_wherever_it_stands() {
        let body = r#"{"name": "shop", "data_source": {"host": "db", "database": "shop",
            "login": {"method": "secret", "user": "u", "Password": "hunter2"}}}"#;
        let fault = parse_request::<ProtectRequest>(body).unwrap_err();
        assert_eq!(fault.code, Code::CredentialsInRequest);
        assert_eq!(fault.object.as_deref(), Some(".data_source.login.Password"));
        assert!(!fault.to_string().contains("hunter2"));
    }

    #[test]
    fn an_empty_body_is_an_empty_request() {
        assert_eq!(parse_request::<BackupRequest>(""), Ok(BackupRequest {}));
        let fault = parse_request::<BackupRequest>(r#"{"rule": "yearly"}"#).unwrap_err();
        assert_eq!(fault.code, Code::InvalidRequest);
        assert!(fault.message.contains("rule"), "{fault}");
    }

    #[test]
    fn the_latest_point_is_the_default() {
        let body =
            r#"{"target": {"host": "db", "database": "copy", "login": {"method": "iam", "user": "u"}}}"#;
        assert_eq!(parse_request::<RestoreRequest>(body).unwrap().point, PointSelector::Latest);
    }

    #[test]
    fn a_restores_options_are_read_and_a_role_may_have_any_name() {
        let body = r#"{"target": {"host": "db", "database": "copy", "login": {"method": "iam", "user": "u"}},
            "options": {"ownership": {"mode": "map", "roles": [{"from": "token_reader", "to": "password"}]}}}"#;
        let request = parse_request::<RestoreRequest>(body).unwrap();
        assert!(!request.options.is_default());
        let unknown = body.replace("ownership", "owner");
        assert_eq!(parse_request::<RestoreRequest>(&unknown).unwrap_err().code, Code::InvalidRequest);
    }
}
