//! A backup of a very small database, from the opening of its job to the commit of its point: objects as the tasks of a
//! backup leave them, and the function that commits them.

use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::{JobOutcome, Snapshot, SnapshotState};
use permafrost_domain::job::{BackupOrder, Job, Operation};
use permafrost_domain::recovery_point::{BackupKind, RecoveryPoint};
use permafrost_domain::simulate::Course;
use permafrost_domain::{Code, Fault, JobId, PointId};
use permafrost_vault::plan::{Compression, Part, PartData, Rows, TablePart, Task};
use permafrost_vault::store::write_document;
use permafrost_vault::task_result::{Frame, TableData};
use permafrost_vault::{Blake3, DumpPlan, FORMAT, PointLayout, SegmentWriter, TaskResult, Xxh3};

use permafrost_testing::{Vault, source};

use crate::steps::EXECUTION;

const HOLDER: &str = "holder";
/// More than the one frame has.
const SEGMENT_BYTES: usize = 4096;

/// Which of the backups that a run starts: a trigger that is doubled starts two.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Which {
    First,
    Second,
}

/// Carries the backup of the run that is due at `due` out, and commits its point.
pub(crate) async fn back_up(vault: &Vault, due: Timestamp, which: Which, course: Course) -> RecoveryPoint {
    let consistent_at = due.checked_add(course.late).unwrap();
    let committed_at = consistent_at.checked_add(course.takes).unwrap();
    let catalog = &vault.tools.catalog;
    let job = open(vault, due, which).await;
    let snapshot = Snapshot {
        job: job.id,
        snapshot_id: "00000003-0000001B-1".to_owned(),
        holder: HOLDER.to_owned(),
        generation: 1,
        held_since: consistent_at,
        consistent_at,
        state: SnapshotState::Held,
        lease_until: committed_at + SignedDuration::from_mins(1),
        tables: 1,
    };
    catalog.put_first_snapshot(&snapshot, consistent_at).await.unwrap();
    let point = PointId::of_backup(job.id);
    write_objects(vault, PointLayout::new(vault.instance.id, point), consistent_at).await;
    catalog.mark_released(job.id, HOLDER).await.unwrap();
    let input =
        commit_recovery_point::Input { job: job.id, instance: vault.instance.id, now: Some(committed_at) };
    commit_recovery_point::handle(&vault.tools, input).await.unwrap();
    vault.point(point).await
}

/// Fails the backup of the run that is due at `due`.
pub(crate) async fn fail(vault: &Vault, due: Timestamp) {
    let job = open(vault, due, Which::First).await;
    let failed = JobOutcome::Failed(Fault::new(Code::ServerConnectionClosed, "the server went away"));
    vault.tools.catalog.close_job(job.id, &failed, due).await.unwrap();
}

async fn open(vault: &Vault, due: Timestamp, which: Which) -> Job {
    let id = match which {
        Which::First => JobId::of_run(vault.instance.id, due, Operation::Backup),
        Which::Second => JobId::new(due, 2),
    };
    let mut job = Job::queued(id, Operation::Backup, &vault.instance, due);
    job.backup = Some(BackupOrder {
        kind: BackupKind::Scheduled,
        rule: None,
        policy: vault.instance.policy,
        scheduled_at: Some(due),
    });
    vault.tools.catalog.open_backup(&job).await.unwrap();
    vault.tools.catalog.job_started(id, EXECUTION).await.unwrap();
    job
}

/// Writes what a backup has in the store before its commit: plan and table of contents, and what one task has copied.
async fn write_objects(vault: &Vault, layout: PointLayout, consistent_at: Timestamp) {
    let put =
        async |name: &str, body: String| vault.tools.store.put_new(&layout, name, body.into()).await.unwrap();
    let table = TablePart {
        dump_id: 1,
        part: 0,
        parts: 1,
        schema: "public".to_owned(),
        name: "orders".to_owned(),
        columns: "(placed_at, number)".to_owned(),
        rows: Rows::All,
    };
    let part = Part { data: PartData::Table(table.clone()), estimated_bytes: 8192 };
    let plan = DumpPlan {
        format: FORMAT,
        source: source(),
        consistent_at,
        toc: put(PointLayout::TOC, format!("table of contents at {consistent_at}")).await,
        globals: put(PointLayout::GLOBALS, "CREATE ROLE shop;".to_owned()).await,
        compression: Compression::Zstd,
        level: 1,
        tasks: vec![Task { task: 1, parts: vec![part] }],
    };
    let write = async |name: &str, body| vault.tools.store.put_new(&layout, name, body).await.unwrap();
    write(PointLayout::PLAN, write_document(&plan)).await;

    let attempt = "a".to_owned();
    let store = vault.tools.store.clone();
    let mut writer = SegmentWriter::new(store, layout, 1, attempt.clone(), SEGMENT_BYTES);
    let rows = format!("{consistent_at}\t1\n");
    let mut compressed = zstd::bulk::compress(rows.as_bytes(), plan.level).unwrap();
    let checksum = Blake3::of(&compressed);
    let frame = Frame {
        location: writer.append(&mut compressed).await.unwrap(),
        raw_length: rows.len() as u64,
        rows: 1,
        checksum,
        raw_checksum: Xxh3::of(rows.as_bytes()),
        page: None,
    };
    let result = TaskResult {
        format: FORMAT,
        task: 1,
        attempt,
        segments: writer.finish().await.unwrap(),
        tables: vec![TableData::of_frames(&table, vec![frame])],
        large_objects: Vec::new(),
    };
    write(&PointLayout::task_result(1), write_document(&result)).await;
}
