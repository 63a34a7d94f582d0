//! Protection of an instance: its states, the ways of stopping it, and the deletion of its data.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::fault::Code;
use crate::recovery_point::BackupKind;

/// Whether an instance is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum ProtectionStatus {
    /// Readiness is being checked; backups are refused until it has passed.
    ConfiguringProtection,
    /// Backups run.
    Protected,
    /// Scheduled backups are not run; on demand they are.
    BackupsSuspended,
    /// No backups are made; what there is stays as its [`StopMode`] says.
    ProtectionStopped,
    /// Its data goes when its time is over; until then it can be undeleted.
    SoftDeleted,
}

/// A move that the table of transitions does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an instance cannot go from {from} to {to}")]
pub struct IllegalProtectionTransition {
    /// The status it has.
    pub from: ProtectionStatus,
    /// The status it was to take.
    pub to: ProtectionStatus,
}

impl ProtectionStatus {
    /// Every status.
    pub const ALL: [ProtectionStatus; 5] = [
        Self::ConfiguringProtection,
        Self::Protected,
        Self::BackupsSuspended,
        Self::ProtectionStopped,
        Self::SoftDeleted,
    ];

    /// The word, as it stands in the catalog and the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::ConfiguringProtection => "ConfiguringProtection",
            Self::Protected => "Protected",
            Self::BackupsSuspended => "BackupsSuspended",
            Self::ProtectionStopped => "ProtectionStopped",
            Self::SoftDeleted => "SoftDeleted",
        }
    }

    /// The status after moving to `to`, where the table allows it.
    ///
    /// # Errors
    /// [`IllegalProtectionTransition`] where it does not.
    pub fn transition(self, to: ProtectionStatus) -> Result<ProtectionStatus, IllegalProtectionTransition> {
        use ProtectionStatus::{
            BackupsSuspended, ConfiguringProtection, Protected, ProtectionStopped, SoftDeleted,
        };
        let allowed = matches!(
            (self, to),
            (ConfiguringProtection, Protected)
                | (Protected, BackupsSuspended | ProtectionStopped | SoftDeleted)
                | (BackupsSuspended, Protected | ProtectionStopped | SoftDeleted)
                | (ProtectionStopped, Protected | SoftDeleted)
                | (SoftDeleted, ProtectionStopped)
        );
        if allowed { Ok(to) } else { Err(IllegalProtectionTransition { from: self, to }) }
    }

    /// The statuses that the table lets go to `to`: what a condition of the catalog asks for.
    pub fn before(to: ProtectionStatus) -> impl Iterator<Item = ProtectionStatus> {
        Self::ALL.into_iter().filter(move |from| from.transition(to).is_ok())
    }

    /// Whether a backup of `kind` may run.
    ///
    /// # Errors
    /// The code that says why not.
    pub fn takes_backup(self, kind: BackupKind) -> Result<(), Code> {
        match (self, kind) {
            (Self::Protected, _) | (Self::BackupsSuspended, BackupKind::OnDemand) => Ok(()),
            (Self::BackupsSuspended, BackupKind::Scheduled) => Err(Code::BackupsSuspended),
            (Self::ConfiguringProtection, _) => Err(Code::InstanceNotProtected),
            (Self::ProtectionStopped | Self::SoftDeleted, _) => Err(Code::ProtectionStopped),
        }
    }
}

impl fmt::Display for ProtectionStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// How protection is stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum StopMode {
    /// Every point stays where it is, for good.
    RetainForever,
    /// Points go as they were stamped; the newest good one stays for good.
    RetainAsPerPolicy,
    /// Everything goes when the soft deletion is over.
    DeleteData,
}

impl StopMode {
    /// Every mode.
    pub const ALL: [StopMode; 3] = [Self::RetainForever, Self::RetainAsPerPolicy, Self::DeleteData];

    /// The word, as it stands in requests.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RetainForever => "retain_forever",
            Self::RetainAsPerPolicy => "retain_as_per_policy",
            Self::DeleteData => "delete_data",
        }
    }
}

impl fmt::Display for StopMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is no way of stopping protection.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no way of stopping: expected retain_forever, retain_as_per_policy or delete_data")]
pub struct InvalidStopMode(String);

impl FromStr for StopMode {
    type Err = InvalidStopMode;
    fn from_str(text: &str) -> Result<Self, InvalidStopMode> {
        Self::ALL
            .into_iter()
            .find(|mode| mode.as_str() == text.replace('-', "_"))
            .ok_or_else(|| InvalidStopMode(text.chars().take(80).collect()))
    }
}

/// A deletion of an instance's data that was asked for, and that can be taken back until its time is over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct SoftDeletion {
    /// When it was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub requested_at: Timestamp,
    /// When the data goes.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
    /// Why, in the words of who asked.
    pub reason: String,
    /// Who asked: an ARN.
    pub by: String,
}

impl SoftDeletion {
    /// The deletion that `by` asks for at `now`.
    pub fn new(now: Timestamp, days: SoftDeleteDays, reason: String, by: String) -> Self {
        Self { requested_at: now, until: days.end(now), reason, by }
    }
}

/// How many days deleted data can be had back: 14 to 180, 14 unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct SoftDeleteDays(u16);

/// A number of days that deleted data cannot be kept for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("deleted data cannot be kept for {0} days: expected 14 to 180")]
pub struct InvalidSoftDeleteDays(u16);

impl SoftDeleteDays {
    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }

    /// The moment at which data that was deleted at `from` goes; the end of time where the calendar ends first.
    pub fn end(self, from: Timestamp) -> Timestamp {
        from.saturating_add(SignedDuration::from_hours(i64::from(self.0) * 24)).unwrap_or(Timestamp::MAX)
    }
}

impl Default for SoftDeleteDays {
    fn default() -> Self {
        Self(14)
    }
}

impl TryFrom<u16> for SoftDeleteDays {
    type Error = InvalidSoftDeleteDays;
    fn try_from(days: u16) -> Result<Self, InvalidSoftDeleteDays> {
        if (14..=180).contains(&days) { Ok(Self(days)) } else { Err(InvalidSoftDeleteDays(days)) }
    }
}

impl From<SoftDeleteDays> for u16 {
    fn from(days: SoftDeleteDays) -> u16 {
        days.0
    }
}

impl FromStr for SoftDeleteDays {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let days: u16 = text.parse().map_err(|_| format!("{text:?} is no number of days"))?;
        Self::try_from(days).map_err(|error| error.to_string())
    }
}

impl utoipa::PartialSchema for SoftDeleteDays {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::Integer)
            .minimum(Some(14))
            .maximum(Some(180))
            .into()
    }
}

impl utoipa::ToSchema for SoftDeleteDays {}
