//! Recovery points: one complete, committed backup of one instance, and the states it passes through.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{InstanceId, JobId, PointId};
use crate::retention::{DueAction, StampedRetention};
use crate::tiering::ArchiveClass;

/// Where a recovery point is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
pub enum PointState {
    /// In the backup store, ready to be restored.
    Available,
    /// On its way into the archive store.
    Archiving,
    /// In the archive store; must be rehydrated before it is read.
    Archived,
    /// Being rehydrated.
    Rehydrating,
    /// In the archive store with a readable copy for a time.
    Rehydrated,
    /// Being deleted.
    Expiring,
    /// Deleted; a tombstone for audit.
    Expired,
    /// Verification failed.
    Damaged,
}

/// A move that the table of transitions does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a recovery point cannot go from {from:?} to {to:?}")]
pub struct IllegalTransition {
    /// The state it is in.
    pub from: PointState,
    /// The state it was to enter.
    pub to: PointState,
}

impl PointState {
    /// Every state.
    pub const ALL: [PointState; 8] = [
        Self::Available,
        Self::Archiving,
        Self::Archived,
        Self::Rehydrating,
        Self::Rehydrated,
        Self::Expiring,
        Self::Expired,
        Self::Damaged,
    ];

    /// The state after moving to `to`, where the table allows it.
    ///
    /// # Errors
    /// [`IllegalTransition`] where it does not.
    pub fn transition(self, to: PointState) -> Result<PointState, IllegalTransition> {
        use PointState::{
            Archived, Archiving, Available, Damaged, Expired, Expiring, Rehydrated, Rehydrating,
        };
        let allowed = matches!(
            (self, to),
            (Available, Archiving | Expiring | Damaged)
                | (Archiving, Archived | Available | Damaged)
                | (Archived, Rehydrating | Expiring | Damaged)
                | (Rehydrating, Rehydrated | Archived | Damaged)
                | (Rehydrated, Archived | Expiring | Damaged)
                | (Damaged, Expiring)
                | (Expiring, Expired)
        );
        if allowed { Ok(to) } else { Err(IllegalTransition { from: self, to }) }
    }

    /// The states that the table lets go to `to`: what a condition of the catalog asks for.
    pub fn before(to: PointState) -> impl Iterator<Item = PointState> {
        Self::ALL.into_iter().filter(move |from| from.transition(to).is_ok())
    }

    /// Whether the point is a complete backup that is there to be restored, at once or after rehydration.
    pub fn is_good(self) -> bool {
        !matches!(self, Self::Damaged | Self::Expiring | Self::Expired)
    }

    /// Whether a restore can read the point now.
    pub fn is_readable(self) -> bool {
        matches!(self, Self::Available | Self::Rehydrated)
    }
}

/// What asked for a backup.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum BackupKind {
    /// A person or a program, through the API.
    OnDemand,
    /// The policy's schedule.
    Scheduled,
}

/// The manifest of a point: the object that names all others.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ManifestRef {
    /// Its key in the backup store.
    pub key: String,
    /// Its version there.
    pub version: String,
    /// The SHA-256 of its bytes, 64 hexadecimal digits.
    pub sha256: String,
}

/// The list of a point's segments in the archive store: the object that names their keys and versions there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct ArchiveRef {
    /// Its key in the backup store, where it stays readable.
    pub key: String,
    /// Its version there.
    pub version: String,
    /// The SHA-256 of its bytes, 64 hexadecimal digits.
    pub sha256: String,
    /// The class that the segments are kept in.
    pub class: ArchiveClass,
}

/// A complete, committed backup of one instance; needs no other point to be read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RecoveryPoint {
    /// Its id.
    pub id: PointId,
    /// The instance that it is a backup of.
    pub instance: InstanceId,
    /// The backup job that made it.
    pub job: JobId,
    /// Where it is in its life.
    pub state: PointState,
    /// The moment whose data it holds: when its snapshot was taken.
    #[schema(value_type = String, format = DateTime)]
    pub consistent_at: Timestamp,
    /// When it was committed.
    #[schema(value_type = String, format = DateTime)]
    pub committed_at: Timestamp,
    /// What asked for it.
    pub kind: BackupKind,
    /// How long it stays, decided at commit.
    pub retention: StampedRetention,
    /// The database's name.
    pub database: String,
    /// The server's version, for instance `15.18`.
    pub server_version: String,
    /// Tables whose rows it holds.
    pub tables: u64,
    /// Rows in all tables.
    pub rows: u64,
    /// Bytes of table data in COPY's text form.
    pub raw_bytes: u64,
    /// Bytes of all segments in the store.
    pub stored_bytes: u64,
    /// Segments in the store.
    pub segments: u64,
    /// The object that names all others.
    pub manifest: ManifestRef,
    /// Where its segments are in the archive store, once they were moved there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<ArchiveRef>,
    /// Until when an archived point can be read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub rehydrated_until: Option<Timestamp>,
    /// Whether somebody holds it: then nothing deletes it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub legal_hold: bool,
    /// The job that puts it under legal hold, or releases it, at this moment.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hold_job: Option<JobId>,
    /// Until when its objects are locked where they are, by an Object Lock of the store.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub locked_until: Option<Timestamp>,
}

impl RecoveryPoint {
    /// What is due next for it, and when.
    pub fn next_due(&self) -> Option<(Timestamp, DueAction)> {
        self.retention.next_due(self.state)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_ends_in_expired_and_nothing_leaves_it() {
        for from in PointState::ALL {
            assert!(PointState::Expired.transition(from).is_err());
            assert!(from.transition(from).is_err(), "{from:?} to itself");
            let mut reached = vec![from];
            while let Some(next) = PointState::ALL
                .into_iter()
                .find(|to| !reached.contains(to) && reached.iter().any(|at| at.transition(*to).is_ok()))
            {
                reached.push(next);
            }
            assert!(reached.contains(&PointState::Expired), "{from:?} never ends");
        }
    }

    #[test]
    fn nothing_is_deleted_while_it_is_being_moved_or_rehydrated() {
        for from in [PointState::Archiving, PointState::Rehydrating] {
            assert!(from.transition(PointState::Expiring).is_err());
        }
    }
}
