//! Backup instances: a database under protection.

use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::data_source::DataSource;
use crate::ids::{InstanceId, JobId, PointId, PolicyId};

pub use crate::names::{InstanceName, InvalidInstanceName};
pub use crate::protection::{ProtectionStatus, SoftDeletion, StopMode};

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
    /// The policy that protects it; without one, backups are taken on demand and kept by the default rule.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyId>,
    /// How its protection was stopped, where it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stopped: Option<StopMode>,
    /// When and why its data goes, where somebody asked for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion: Option<SoftDeletion>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_never_taken_for_a_name() {
        let id = InstanceId::new(Timestamp::UNIX_EPOCH, 7);
        assert!(id.to_string().parse::<InstanceName>().is_err());
        assert_eq!(id.to_string().parse(), Ok(InstanceRef::Id(id)));
        assert_eq!("shop".parse(), Ok(InstanceRef::Name("shop".parse().unwrap())));
        for bad in ["", "-a", "Shop", "a b", &"x".repeat(64)] {
            assert!(bad.parse::<InstanceRef>().is_err(), "{bad}");
        }
    }
}
