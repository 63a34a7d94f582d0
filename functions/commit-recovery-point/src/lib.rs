//! `CommitRecoveryPoint`: checks that everything is there, writes the manifest, and makes the point visible.
//!
//! Order of effects: nothing is written before every object was found in the store with its checksum; then the
//! manifest, create-only; then one transaction in the catalog. A repeated call writes the same manifest, which
//! counts as written, and meets its own transaction.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use permafrost_catalog::SnapshotState;
use permafrost_domain::recovery_point::{BackupKind, ManifestRef, PointState, RecoveryPoint};
use permafrost_domain::retention::{Rule, StampedRetention};
use permafrost_domain::{Code, Fault, JobId, PointId};
use permafrost_function::step::InstanceStep;
use permafrost_function::{Tools, clock};
use permafrost_vault::layout::VAULT_KEY;
use permafrost_vault::manifest::{Assembly, Belonging};
use permafrost_vault::store::{parse_document, write_document};
use permafrost_vault::{DumpPlan, FORMAT, Manifest, PointLayout, TaskResult, VaultError};
use serde::Serialize;

/// Requests to the store at one time.
const AT_ONCE: usize = 16;

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
pub async fn handle(tools: &Tools, input: InstanceStep) -> Result<Output, Fault> {
    let point = PointId::of_backup(input.job);
    let layout = PointLayout::new(input.instance, point);
    snapshot_was_held(tools, input.job).await?;
    let (object, body) = tools.store.get_current(&layout, PointLayout::PLAN).await?;
    let plan: DumpPlan = parse_document(&layout.key(&object.key), &body)?;
    let job = tools.catalog.job_record(input.job).await?;
    let belonging = Belonging {
        vault: tools.config.vault_name.clone(),
        instance: input.instance,
        instance_name: job.instance_name,
        point,
        job: input.job,
    };
    let manifest = assemble(tools, &layout, &plan, belonging).await?;
    check_objects(tools, &layout, &manifest).await?;

    let vault = VaultDocument { format: FORMAT, vault: &tools.config.vault_name };
    tools.store.put_if_absent(VAULT_KEY, write_document(&vault)).await?;
    let written = tools.store.put_new(&layout, PointLayout::MANIFEST, write_document(&manifest)).await?;
    let now = clock::now();
    let record = RecoveryPoint {
        id: point,
        instance: input.instance,
        job: input.job,
        state: PointState::Available,
        consistent_at: manifest.consistent_at,
        committed_at: now,
        kind: BackupKind::OnDemand,
        retention: StampedRetention::new(Rule::DEFAULT, manifest.consistent_at),
        database: manifest.source.database.clone(),
        server_version: manifest.source.server_version.clone(),
        tables: manifest.totals.tables,
        rows: manifest.totals.rows,
        raw_bytes: manifest.totals.raw_bytes,
        stored_bytes: manifest.totals.stored_bytes,
        segments: manifest.totals.segments,
        manifest: ManifestRef {
            key: written.key,
            version: written.version,
            sha256: written.sha256.to_string(),
        },
        archive: None,
        rehydrated_until: None,
        legal_hold: false,
        locked_until: None,
    };
    tools.catalog.commit_recovery_point(&record, now, &job.warnings).await?;
    Ok(Output { point })
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
