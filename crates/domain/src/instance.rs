//! Backup instances: a database under protection.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::data_source::DataSource;
use crate::ids::{InstanceId, JobId, PointId};

/// The name people call an instance by; unique in its vault.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(try_from = "String", into = "String")]
#[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{0,62}$")]
pub struct InstanceName(String);

/// A text that cannot name an instance.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no instance name: expected 1 to 63 of a-z, 0-9 and '-', not beginning with '-' and unlike an id (bi-…)"
)]
pub struct InvalidInstanceName(String);

impl InstanceName {
    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for InstanceName {
    type Err = InvalidInstanceName;
    fn from_str(text: &str) -> Result<Self, InvalidInstanceName> {
        let valid = (1..=63).contains(&text.len())
            && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
            && !text.starts_with('-')
            && text.parse::<InstanceId>().is_err();
        if valid {
            Ok(Self(text.to_owned()))
        } else {
            Err(InvalidInstanceName(text.chars().take(80).collect()))
        }
    }
}

impl TryFrom<String> for InstanceName {
    type Error = InvalidInstanceName;
    fn try_from(text: String) -> Result<Self, InvalidInstanceName> {
        text.parse()
    }
}

impl From<InstanceName> for String {
    fn from(name: InstanceName) -> String {
        name.0
    }
}

impl fmt::Display for InstanceName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.0)
    }
}

/// An instance as a request names it: by id or by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum InstanceRef {
    /// By its id.
    Id(InstanceId),
    /// By its name.
    Name(InstanceName),
}

impl FromStr for InstanceRef {
    type Err = InvalidInstanceName;
    fn from_str(text: &str) -> Result<Self, InvalidInstanceName> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => text.parse().map(Self::Name),
        }
    }
}

/// Whether an instance is protected.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub enum ProtectionStatus {
    /// Readiness is being checked; backups are refused until it has passed.
    ConfiguringProtection,
    /// Backups run.
    Protected,
}

/// A database under protection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Instance {
    /// Its id.
    pub id: InstanceId,
    /// The name people call it by.
    pub name: InstanceName,
    /// The database.
    pub data_source: DataSource,
    /// Whether it is protected.
    pub status: ProtectionStatus,
    /// When protection was asked for.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// The newest recovery point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub latest_point: Option<PointId>,
    /// The consistent time of the newest recovery point.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub latest_consistent_at: Option<Timestamp>,
    /// The backup that is running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub running_backup: Option<JobId>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_never_taken_for_a_name() {
        let id = InstanceId::new(Timestamp::UNIX_EPOCH, 7);
        assert!(id.to_string().parse::<InstanceName>().is_err());
        assert_eq!(id.to_string().parse(), Ok(InstanceRef::Id(id)));
        assert_eq!("shop".parse(), Ok(InstanceRef::Name(InstanceName("shop".into()))));
        for bad in ["", "-a", "Shop", "a b", &"x".repeat(64)] {
            assert!(bad.parse::<InstanceRef>().is_err(), "{bad}");
        }
    }
}
