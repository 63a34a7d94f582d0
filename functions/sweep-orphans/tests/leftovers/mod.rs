//! What backups leave in the stores, and a sweep over it.

use std::sync::atomic::{AtomicU32, Ordering};

use bytes::Bytes;
use jiff::SignedDuration;
use permafrost_catalog::JobOutcome;
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::{Code, Fault, JobId, PointId};
use permafrost_function::{Tools, clock};
use permafrost_vault::{Manifest, ObjectVersion, PointLayout, Store};
use sweep_orphans::{Input, Output, Scope};

use permafrost_testing::{TestPoint, Vault};

static BACKUPS: AtomicU32 = AtomicU32::new(0);

/// Sweeps all instances when everything that is there now is more than a week old.
pub(crate) async fn sweep(tools: &Tools) -> Result<Output, Fault> {
    let now = Some(clock::now() + SignedDuration::from_hours(24 * 8));
    sweep_orphans::handle(tools, Input { now, scope: Scope::All }).await
}

/// Writes an object that nothing names.
pub(crate) async fn leave(store: &Store, point: &TestPoint, name: &str) -> ObjectVersion {
    let object = store.put_new(&point.layout, name, Bytes::from_static(b"left")).await.unwrap();
    ObjectVersion::from(&object)
}

/// A segment that a run of a task has written which another run overtook.
pub(crate) async fn leave_segment(vault: &Vault, point: &TestPoint) -> ObjectVersion {
    leave(&vault.tools.store, point, &PointLayout::segment(1, "b", 0)).await
}

/// A backup with two objects in the store, of which the catalog knows nothing. `like` lends its manifest.
pub(crate) async fn unknown_backup(vault: &Vault, like: &Manifest) -> (JobId, TestPoint) {
    let job = JobId::new(clock::now(), u128::from(BACKUPS.fetch_add(1, Ordering::Relaxed)) + 1_000);
    let layout = PointLayout::new(vault.instance.id, PointId::of_backup(job));
    let point = TestPoint { id: layout.point(), layout, manifest: like.clone() };
    leave(&vault.tools.store, &point, PointLayout::TOC).await;
    leave(&vault.tools.store, &point, &PointLayout::segment(1, "a", 0)).await;
    (job, point)
}

/// The same, with a job that is open.
pub(crate) async fn running_backup(vault: &Vault, like: &Manifest) -> (JobId, TestPoint) {
    let (id, point) = unknown_backup(vault, like).await;
    let job = Job::queued(id, Operation::Backup, &vault.instance, clock::now());
    vault.tools.catalog.open_job(&job).await.unwrap();
    (id, point)
}

/// The same, with a job that has failed.
pub(crate) async fn failed_backup(vault: &Vault, like: &Manifest) -> TestPoint {
    let (id, point) = running_backup(vault, like).await;
    let failed = JobOutcome::Failed(Fault::new(Code::SnapshotLost, "lost"));
    vault.tools.catalog.close_job(id, &failed, clock::now()).await.unwrap();
    point
}
