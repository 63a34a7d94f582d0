//! Jobs: one run of one operation, with progress and outcome.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::check::Readiness;
use crate::data_source::DataSource;
use crate::fault::Fault;
use crate::files::FilesOrder;
use crate::ids::{InstanceId, JobId, PointId, PolicyId};
use crate::instance::{Instance, InstanceName};
use crate::recovery_point::BackupKind;
use crate::restore_options::RestoreOptions;
use crate::retention::RuleName;
use crate::tiering::{RehydrationDays, RehydrationPriority};

/// How long a job is kept in the catalog after it was asked for.
pub const KEPT: SignedDuration = SignedDuration::from_hours(400 * 24);

/// What a job does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum Operation {
    /// Checks readiness and puts a database under protection.
    ConfigureProtection,
    /// Makes a recovery point.
    Backup,
    /// Restores a recovery point into a new database.
    RestoreDatabase,
    /// Writes a recovery point as files into a bucket.
    RestoreFiles,
    /// Makes an archived recovery point readable for a time.
    Rehydrate,
    /// Moves a recovery point into the archive store.
    Tier,
    /// Deletes a recovery point.
    Expire,
    /// Stops protection, or takes that back.
    StopProtection,
    /// Puts an instance under another policy, and looks at its points again where that was asked for.
    ChangePolicy,
    /// Puts a recovery point under legal hold.
    Hold,
    /// Takes a recovery point out of legal hold.
    Release,
}

impl Operation {
    /// Every operation.
    pub const ALL: [Operation; 11] = [
        Self::ConfigureProtection,
        Self::Backup,
        Self::RestoreDatabase,
        Self::RestoreFiles,
        Self::Rehydrate,
        Self::Tier,
        Self::Expire,
        Self::StopProtection,
        Self::ChangePolicy,
        Self::Hold,
        Self::Release,
    ];

    /// The word, as it stands in the catalog and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfigureProtection => "ConfigureProtection",
            Self::Backup => "Backup",
            Self::RestoreDatabase => "RestoreDatabase",
            Self::RestoreFiles => "RestoreFiles",
            Self::Rehydrate => "Rehydrate",
            Self::Tier => "Tier",
            Self::Expire => "Expire",
            Self::StopProtection => "StopProtection",
            Self::ChangePolicy => "ChangePolicy",
            Self::Hold => "Hold",
            Self::Release => "Release",
        }
    }
}

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum JobStatus {
    /// Asked for; its execution has not begun.
    Queued,
    /// Running.
    InProgress,
    /// Ended well.
    Completed,
    /// Ended well, with something that somebody should look at.
    CompletedWithWarnings,
    /// Ended with a fault.
    Failed,
    /// Somebody asked to end it; its functions are letting go.
    Cancelling,
    /// Ended because somebody asked.
    Cancelled,
    /// Not run, with its reason.
    Skipped,
}

/// A text that is no status of a job.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no status of a job: expected one of Queued, InProgress, Completed, CompletedWithWarnings, Failed, Cancelling, Cancelled, Skipped"
)]
pub struct InvalidJobStatus(String);

impl JobStatus {
    /// Every status.
    pub const ALL: [JobStatus; 8] = [
        Self::Queued,
        Self::InProgress,
        Self::Completed,
        Self::CompletedWithWarnings,
        Self::Failed,
        Self::Cancelling,
        Self::Cancelled,
        Self::Skipped,
    ];

    /// The statuses of a job that has not ended.
    pub const OPEN: [JobStatus; 3] = [Self::Queued, Self::InProgress, Self::Cancelling];

    /// The word, as it stands in the catalog and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "Queued",
            Self::InProgress => "InProgress",
            Self::Completed => "Completed",
            Self::CompletedWithWarnings => "CompletedWithWarnings",
            Self::Failed => "Failed",
            Self::Cancelling => "Cancelling",
            Self::Cancelled => "Cancelled",
            Self::Skipped => "Skipped",
        }
    }

    /// Whether the job has ended.
    pub fn has_ended(self) -> bool {
        !Self::OPEN.contains(&self)
    }

    /// Whether the job ended well.
    pub fn is_success(self) -> bool {
        matches!(self, Self::Completed | Self::CompletedWithWarnings | Self::Skipped)
    }
}

impl fmt::Display for JobStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for JobStatus {
    type Err = InvalidJobStatus;
    fn from_str(text: &str) -> Result<Self, InvalidJobStatus> {
        Self::ALL
            .into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| InvalidJobStatus(text.chars().take(40).collect()))
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How far a job has come. What is not known yet is absent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Progress {
    /// Tables copied.
    #[serde(default)]
    pub tables_done: u64,
    /// Tables to copy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub tables_expected: Option<u64>,
    /// Rows copied.
    #[serde(default)]
    pub rows_done: u64,
    /// Bytes of table data copied, in COPY's text form.
    #[serde(default)]
    pub bytes_done: u64,
    /// Bytes of table data to copy; for a backup an estimate by the size of the tables on the server's disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bytes_expected: Option<u64>,
}

impl Progress {
    /// The sum of what was done by two parts of a job; the expected amounts stay.
    #[must_use]
    pub fn plus_done(mut self, other: &Progress) -> Self {
        self.tables_done += other.tables_done;
        self.rows_done += other.rows_done;
        self.bytes_done += other.bytes_done;
        self
    }
}

/// What a restore was asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RestoreOrder {
    /// The point to restore.
    pub point: PointId,
    /// The server, the login, and the name of the new database.
    pub target: DataSource,
    /// What of the point to restore, and how.
    #[serde(default, skip_serializing_if = "RestoreOptions::is_default")]
    pub options: RestoreOptions,
}

/// What a backup was asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct BackupOrder {
    /// What asked for it.
    pub kind: BackupKind,
    /// The rule that the caller chose; a scheduled backup's is decided when it commits.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rule: Option<RuleName>,
    /// The policy of the instance when it was asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyId>,
    /// The time of the schedule's run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub scheduled_at: Option<Timestamp>,
}

/// How an archived point is to be rehydrated: by itself, or for a restore that waits for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RehydrationOrder {
    /// The point.
    pub point: PointId,
    /// How soon.
    #[serde(default)]
    pub priority: RehydrationPriority,
    /// For how many days.
    #[serde(default)]
    pub days: RehydrationDays,
}

/// One run of one operation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Job {
    /// Its id; also the name of the execution that carries it out.
    pub id: JobId,
    /// What it does.
    pub operation: Operation,
    /// The instance concerned.
    pub instance: InstanceId,
    /// The instance's name when the job was asked for.
    pub instance_name: InstanceName,
    /// Who asked for it: an ARN.
    pub started_by: String,
    /// Where it is in its life.
    pub status: JobStatus,
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub ended_at: Option<Timestamp>,
    /// Since when it copies nothing because somebody suspended it; only backups can be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub suspended_at: Option<Timestamp>,
    /// How far it has come.
    #[serde(default)]
    pub progress: Progress,
    /// Why it failed, or why it was skipped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fault: Option<Fault>,
    /// What somebody should look at.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warnings: Vec<String>,
    /// What readiness found.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub readiness: Option<Readiness>,
    /// The recovery point that it made, read, held or released.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub point: Option<PointId>,
    /// What a backup was asked to do; absent where it is on demand by the default rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupOrder>,
    /// What a restore was asked to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restore: Option<Box<RestoreOrder>>,
    /// What a restore as files was asked to do.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub files: Option<Box<FilesOrder>>,
    /// How its point is rehydrated, where that is in the archive store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rehydration: Option<RehydrationOrder>,
    /// The ARN of the execution behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub execution: Option<String>,
}

impl Job {
    /// A job that waits for its execution, asked for by nobody yet and with nothing in it but what it does.
    pub fn queued(id: JobId, operation: Operation, instance: &Instance, now: Timestamp) -> Self {
        Self {
            id,
            operation,
            instance: instance.id,
            instance_name: instance.name.clone(),
            started_by: String::new(),
            status: JobStatus::Queued,
            created_at: now,
            ended_at: None,
            suspended_at: None,
            progress: Progress::default(),
            fault: None,
            warnings: Vec::new(),
            readiness: None,
            point: None,
            backup: None,
            restore: None,
            files: None,
            rehydration: None,
            execution: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_the_same_everywhere() {
        for status in JobStatus::ALL {
            assert_eq!(serde_json::to_value(status).unwrap(), status.as_str());
            assert_eq!(status.as_str().parse(), Ok(status));
            assert!(status.has_ended() || !status.is_success());
        }
        for operation in Operation::ALL {
            assert_eq!(serde_json::to_value(operation).unwrap(), operation.to_string());
        }
        assert!("Done".parse::<JobStatus>().is_err());
    }
}
