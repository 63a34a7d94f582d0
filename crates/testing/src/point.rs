//! Recovery points with objects in the store, as a backup would have left them.

use std::sync::atomic::Ordering;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::Seed;
use permafrost_domain::recovery_point::{BackupKind, ManifestRef, PointState, RecoveryPoint};
use permafrost_domain::retention::{RuleName, StampedArchive, StampedRetention};
use permafrost_domain::{JobId, PointId};
use permafrost_function::lock::lock_point;
use permafrost_vault::manifest::{Belonging, TaskObjects, Totals};
use permafrost_vault::plan::{Compression, Source};
use permafrost_vault::store::write_document;
use permafrost_vault::{FORMAT, Manifest, ObjectRef, PointLayout};

use super::{Vault, at};

/// A point that was made for a test.
pub struct TestPoint {
    /// Its id.
    pub id: PointId,
    /// Where its objects are.
    pub layout: PointLayout,
    /// What was written as its manifest.
    pub manifest: Manifest,
}

/// Whether a point's objects are locked when it is committed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Locks {
    /// As the vault's immutability wants it.
    Set,
    /// Not at all.
    Left,
}

impl Vault {
    /// A point of two segments that was committed on 1 January 2016; its objects are not locked.
    pub async fn commit(&self, backup_store_until: &str, archive_until: Option<&str>) -> TestPoint {
        self.commit_with(backup_store_until, archive_until, Locks::Left).await
    }

    /// The same, of so many segments.
    pub async fn commit_segments(&self, segments: u32, archive_until: &str) -> TestPoint {
        self.commit_of(segments, "2016-04-01T00:00:00Z", Some(archive_until), Locks::Left).await
    }

    /// The same, with its objects locked as the vault's immutability wants, or not.
    pub async fn commit_with(
        &self,
        backup_store_until: &str,
        archive_until: Option<&str>,
        locks: Locks,
    ) -> TestPoint {
        self.commit_of(2, backup_store_until, archive_until, locks).await
    }

    async fn commit_of(
        &self,
        count: u32,
        backup_store_until: &str,
        archive_until: Option<&str>,
        locks: Locks,
    ) -> TestPoint {
        let number = self.commits.fetch_add(1, Ordering::Relaxed);
        let consistent_at = at("2016-01-01T00:00:00Z") + SignedDuration::from_secs(i64::from(number));
        let job = JobId::new(consistent_at, u128::from(number));
        let id = PointId::of_backup(job);
        let layout = PointLayout::new(self.instance.id, id);
        let put = async |name: &str, body: &'static str| -> ObjectRef {
            self.tools.store.put_new(&layout, name, Bytes::from_static(body.as_bytes())).await.unwrap()
        };
        let toc = put(PointLayout::TOC, "table of contents").await;
        let globals = put(PointLayout::GLOBALS, "roles").await;
        put(PointLayout::PLAN, "plan").await;
        let mut segments = Vec::new();
        for n in 0..count {
            segments.push(put(&PointLayout::segment(1, "a", n), "rows of a segment").await);
        }
        let result = put(&PointLayout::task_result(1), "result").await;
        let stored_bytes = segments.iter().map(|segment| segment.bytes).sum();
        let manifest = Manifest {
            format: FORMAT,
            belonging: Belonging {
                vault: "permafrost".to_owned(),
                instance: self.instance.id,
                instance_name: self.instance.name.clone(),
                point: id,
                job,
            },
            consistent_at,
            source: source(),
            compression: Compression::Zstd,
            toc,
            globals,
            tasks: vec![TaskObjects { task: 1, result, segments, raw_bytes: 100 }],
            tables: Vec::new(),
            totals: Totals { stored_bytes, segments: u64::from(count), ..Totals::default() },
        };
        let written = self
            .tools
            .store
            .put_new(&layout, PointLayout::MANIFEST, write_document(&manifest))
            .await
            .unwrap();
        let retention = StampedRetention {
            rule: RuleName::Default,
            backup_store_until: at(backup_store_until),
            archive: archive_until.map(|until| StampedArchive { class: None, until: at(until) }),
            policy: None,
            reasons: Vec::new(),
        };
        let locked_until = match locks {
            Locks::Set => lock_point(&self.tools, &layout, &manifest, &written, &retention, consistent_at)
                .await
                .unwrap(),
            Locks::Left => None,
        };
        let manifest_ref =
            ManifestRef { key: written.key, version: written.version, sha256: written.sha256.to_string() };
        let mut point = self.record(id, consistent_at, retention, manifest_ref);
        point.locked_until = locked_until;
        self.tools.catalog.seed([Seed::Point(Box::new(point))]).await.unwrap();
        TestPoint { id, layout, manifest }
    }

    /// The record of a point that is newer than all others and never due.
    pub(crate) fn record_of_newest(&self) -> RecoveryPoint {
        let consistent_at = at("2026-01-01T00:00:00Z");
        let retention = StampedRetention {
            rule: RuleName::Default,
            backup_store_until: at("2100-01-01T00:00:00Z"),
            archive: None,
            policy: None,
            reasons: Vec::new(),
        };
        let id = PointId::of_backup(JobId::new(consistent_at, 0));
        let manifest =
            ManifestRef { key: "manifest.json".into(), version: "v".into(), sha256: "0".repeat(64) };
        self.record(id, consistent_at, retention, manifest)
    }

    fn record(
        &self,
        id: PointId,
        consistent_at: Timestamp,
        retention: StampedRetention,
        manifest: ManifestRef,
    ) -> RecoveryPoint {
        RecoveryPoint {
            id,
            instance: self.instance.id,
            job: id.backup_job(),
            state: PointState::Available,
            consistent_at,
            committed_at: consistent_at,
            kind: BackupKind::Scheduled,
            retention,
            database: "shop".to_owned(),
            server_version: "15.18".to_owned(),
            tables: 0,
            rows: 0,
            raw_bytes: 100,
            stored_bytes: 42,
            segments: 2,
            manifest,
            archive: None,
            rehydrated_until: None,
            legal_hold: false,
            hold_job: None,
            locked_until: None,
        }
    }
}

/// The database that points of tests are of.
pub fn source() -> Source {
    Source {
        host: "db.example".to_owned(),
        port: 5432,
        database: "shop".to_owned(),
        server_version: "15.18".to_owned(),
        encoding: "UTF8".to_owned(),
        collate: "C".to_owned(),
        ctype: "C".to_owned(),
        locale_provider: 'c',
        locale: None,
        pg_dump_version: "15.18".to_owned(),
        archive_version: "1.14".to_owned(),
    }
}
