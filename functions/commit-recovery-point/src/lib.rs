//! `CommitRecoveryPoint`: checks that everything is there, writes the manifest, and makes the point visible.
//!
//! Order of effects: nothing is written before every object was found in the store with its checksum; then the
//! manifest, create-only; then the rule is decided, and the objects are locked for as long as it says; then one
//! transaction in the catalog, which claims the periods that the rule was decided with. Where another backup has claimed
//! one of them in between, it writes nothing, and the rule is decided anew. A repeated call writes the same manifest,
//! which counts as written, and meets its own transaction.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use permafrost_catalog::{Catalog, CommitOutcome, SnapshotState};
use permafrost_domain::job::Job;
use permafrost_domain::recovery_point::{BackupKind, ManifestRef, PointState, RecoveryPoint};
use permafrost_domain::retention::{Rule, StampedRetention};
use permafrost_domain::{Code, Fault, InstanceId, JobId, PointId};
use permafrost_function::Tools;
use permafrost_function::lock::lock_point;
use permafrost_vault::layout::VAULT_KEY;
use permafrost_vault::manifest::{Assembly, Belonging};
use permafrost_vault::store::{parse_document, write_document};
use permafrost_vault::{DumpPlan, FORMAT, Manifest, PointLayout, TaskResult, VaultError};
use serde::{Deserialize, Serialize};

pub use crate::verdict::{Decision, decide};

mod verdict;

/// Requests to the store at one time.
const AT_ONCE: usize = 16;
/// How often the rule is decided anew because other backups took a period. Each time at least one of the four that a
/// point can claim is gone.
const DECISIONS: u32 = 6;

/// The step's input.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Input {
    /// The job.
    pub job: JobId,
    /// The instance.
    pub instance: InstanceId,
    /// What time it is, where the stack takes that from its inputs.
    #[serde(default)]
    pub now: Option<Timestamp>,
}

/// The step's answer.
#[derive(Debug, Serialize)]
pub struct Output {
    point: PointId,
}

/// The object that names the vault.
#[derive(Serialize)]
struct VaultDocument<'a> {
    format: u32,
    vault: &'a str,
}

/// Commits the job's recovery point.
///
/// # Errors
/// `BackupIncomplete` where anything is missing; `SnapshotLost` where the snapshot was not held to the end;
/// `JobCancelled`; the store or the catalog fails. Then nothing is visible.
pub async fn handle(tools: &Tools, input: Input) -> Result<Output, Fault> {
    let point = PointId::of_backup(input.job);
    let layout = PointLayout::new(input.instance, point);
    snapshot_was_held(tools, input.job).await?;
    let (object, body) = tools.store.get_current(&layout, PointLayout::PLAN).await?;
    let plan: DumpPlan = parse_document(&layout.key(&object.key), &body)?;
    let job = tools.catalog.job_record(input.job).await?;
    let belonging = Belonging {
        vault: tools.config.vault_name.clone(),
        instance: input.instance,
        instance_name: job.instance_name.clone(),
        point,
        job: input.job,
    };
    let manifest = assemble(tools, &layout, &plan, belonging).await?;
    check_objects(tools, &layout, &manifest).await?;

    let vault = VaultDocument { format: FORMAT, vault: &tools.config.vault_name };
    tools.store.put_if_absent(VAULT_KEY, write_document(&vault)).await?;
    let written = tools.store.put_new(&layout, PointLayout::MANIFEST, write_document(&manifest)).await?;
    let manifest_ref = ManifestRef {
        key: written.key.clone(),
        version: written.version.clone(),
        sha256: written.sha256.to_string(),
    };
    let now = tools.config.clock.time(input.now)?;
    let record = RecoveryPoint {
        id: point,
        instance: input.instance,
        job: input.job,
        state: PointState::Available,
        consistent_at: manifest.consistent_at,
        committed_at: now,
        kind: job.backup.as_ref().map_or(BackupKind::OnDemand, |order| order.kind),
        retention: StampedRetention::new(Rule::DEFAULT, manifest.consistent_at),
        database: manifest.source.database.clone(),
        server_version: manifest.source.server_version.clone(),
        tables: manifest.totals.tables,
        rows: manifest.totals.rows,
        raw_bytes: manifest.totals.raw_bytes,
        stored_bytes: manifest.totals.stored_bytes,
        segments: manifest.totals.segments,
        manifest: manifest_ref,
        archive: None,
        rehydrated_until: None,
        legal_hold: false,
        hold_job: None,
        locked_until: None,
    };
    let lock = async |retention: &StampedRetention| {
        lock_point(tools, &layout, &manifest, &written, retention, now).await
    };
    commit(&tools.catalog, &job, record, now, lock).await?;
    Ok(Output { point })
}

/// Makes the point of the backup `job` visible under the rule that applies to it, whatever `point` says of its
/// retention, once `lock` has locked its objects for as long; until when they are locked is its answer. The point as it
/// stands: as it was committed first, where this is a repetition.
///
/// # Errors
/// Those of `lock`;
/// `JobCancelled` and the other states of job and instance that forbid it; `CatalogConflict` where other backups take
/// its periods all the time. Then nothing is visible.
pub async fn commit(
    catalog: &Catalog,
    job: &Job,
    mut point: RecoveryPoint,
    now: Timestamp,
    lock: impl AsyncFn(&StampedRetention) -> Result<Option<Timestamp>, Fault>,
) -> Result<RecoveryPoint, Fault> {
    for _ in 0..DECISIONS {
        let decision = decide(catalog, job, point.consistent_at).await?;
        point.locked_until = lock(&decision.retention).await?;
        point.retention = decision.retention;
        let warnings: Vec<String> = job.warnings.iter().cloned().chain(decision.warning).collect();
        match catalog.commit_recovery_point(&point, &decision.claims, now, &warnings).await? {
            CommitOutcome::Committed { point, .. } => return Ok(*point),
            CommitOutcome::PeriodsTaken(taken) => {
                let taken: Vec<String> = taken.iter().map(ToString::to_string).collect();
                tracing::info!(job = %job.id, taken = taken.join(", "), "decides the rule anew");
            }
        }
    }
    let message = "other backups take the periods that it could claim all the time";
    Err(Fault::new(Code::CatalogConflict, message).on(format!("job {}", job.id)))
}

/// What was read counts only if the snapshot and its locks were held until all of it was.
async fn snapshot_was_held(tools: &Tools, job: JobId) -> Result<(), Fault> {
    match tools.catalog.snapshot(job).await? {
        Some(snapshot) if snapshot.state == SnapshotState::Released => Ok(()),
        Some(snapshot) => Err(Fault::new(Code::SnapshotLost, format!("the snapshot is {}", snapshot.state))),
        None => Err(Fault::new(Code::SnapshotLost, "the backup has no snapshot")),
    }
}

/// The manifest of what the tasks have left. Their results are read some at a time, and none is kept.
async fn assemble(
    tools: &Tools,
    layout: &PointLayout,
    plan: &DumpPlan,
    belonging: Belonging,
) -> Result<Manifest, Fault> {
    let read = |task: u32| async move {
        let name = PointLayout::task_result(task);
        match tools.store.get_current(layout, &name).await {
            Ok((object, body)) => Ok((object, parse_document::<TaskResult>(&layout.key(&name), &body)?)),
            Err(VaultError::Missing { key }) => {
                let message = format!("task {task} has left no result");
                Err(Fault::new(Code::BackupIncomplete, message).on(format!("object {key}")))
            }
            Err(error) => Err(error.into()),
        }
    };
    let tasks: Vec<u32> = plan.tasks.iter().map(|task| task.task).collect();
    let mut results = stream::iter(tasks).map(read).buffered(AT_ONCE);
    let mut assembly = Assembly::of(plan);
    while let Some((object, result)) = results.try_next().await? {
        assembly.take(object, &result)?;
    }
    Ok(assembly.finish(belonging)?)
}

async fn check_objects(tools: &Tools, layout: &PointLayout, manifest: &Manifest) -> Result<(), Fault> {
    let objects: Vec<_> = manifest.objects().cloned().collect();
    stream::iter(objects)
        .map(|object| async move { tools.store.check(layout, &object).await })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    Ok(())
}
