//! Simulated points as the records that a catalog would have of them.

use jiff::Timestamp;

use crate::ids::{InstanceId, JobId, PointId};
use crate::recovery_point::{ArchiveRef, BackupKind, ManifestRef, PointState, RecoveryPoint};
use crate::simulate::{SimulatedPoint, Simulation, StoreKind};
use crate::tiering::ArchiveClass;

impl Simulation {
    /// The records of the points that exist at `moment`, the oldest first. What a simulation says nothing of (the
    /// database, its size, the objects) is empty in them.
    pub fn records_at(&self, moment: Timestamp) -> Vec<RecoveryPoint> {
        let instance = InstanceId::new(Timestamp::UNIX_EPOCH, 0);
        let record = |(index, (point, store))| record(instance, index, point, store);
        self.at(moment).enumerate().map(record).collect()
    }
}

fn record(instance: InstanceId, index: usize, point: &SimulatedPoint, store: StoreKind) -> RecoveryPoint {
    let (state, archive) = match store {
        StoreKind::Backup => (PointState::Available, None),
        StoreKind::Archive => (PointState::Archived, Some(archive(point))),
    };
    RecoveryPoint {
        id: PointId::new(point.time, index as u128),
        instance,
        job: JobId::new(point.due, index as u128),
        state,
        consistent_at: point.time,
        committed_at: point.committed_at,
        kind: BackupKind::Scheduled,
        retention: point.retention.clone(),
        database: String::new(),
        server_version: String::new(),
        tables: 0,
        rows: 0,
        raw_bytes: 0,
        stored_bytes: 0,
        segments: 0,
        manifest: ManifestRef { key: String::new(), version: String::new(), sha256: String::new() },
        archive,
        rehydrated_until: None,
        legal_hold: false,
        hold_job: None,
        locked_until: None,
    }
}

fn archive(point: &SimulatedPoint) -> ArchiveRef {
    let class =
        point.retention.archive.and_then(|archive| archive.class).unwrap_or(ArchiveClass::DeepArchive);
    ArchiveRef { key: String::new(), version: String::new(), sha256: String::new(), class }
}
