//! `PlanDump`: waits for the snapshot, takes the table of contents under it, and writes the plan.

use std::time::Duration;

use permafrost_catalog::{CatalogError, Snapshot};
use permafrost_domain::{Code, Fault, JobId, PointId};
use permafrost_engine::dump::plan::{SnapshotRef, plan_dump};
use permafrost_function::snapshot::under_snapshot;
use permafrost_function::step::InstanceStep;
use permafrost_function::{Tools, clock};
use permafrost_vault::PointLayout;
use serde::Serialize;
use tokio::time::{Instant, sleep};

/// How long to wait for the holder: locks that are held by others are waited for, and tried again.
const WAIT: Duration = Duration::from_secs(400);
/// The most tasks that a plan may have: the Map's items travel in a payload of 256 KB.
const MAX_TASKS: u32 = 2_000;

/// The step's answer.
#[derive(Debug, Serialize)]
pub struct Output {
    tasks: u32,
}

/// Writes the plan of the job's dump.
///
/// # Errors
/// The snapshot does not come, pg_dump refuses, or the store cannot be written.
pub async fn handle(tools: &Tools, input: InstanceStep) -> Result<Output, Fault> {
    wait_for_snapshot(tools, input.job).await?;
    let instance = tools.catalog.instance(input.instance).await?;
    let login = tools.login(&instance.data_source, input.job).await?;
    let layout = PointLayout::new(input.instance, PointId::of_backup(input.job));
    let planned = under_snapshot(tools, input.job, async |snapshot: &Snapshot| {
        let snapshot = SnapshotRef { id: &snapshot.snapshot_id, consistent_at: snapshot.consistent_at };
        plan_dump(&tools.store, &layout, &tools.programs, &instance.data_source, &login, snapshot).await
    })
    .await?;
    if planned.tasks > MAX_TASKS {
        let message =
            format!("the dump would take {} tasks, at most {MAX_TASKS} are possible", planned.tasks);
        return Err(Fault::new(Code::MaxConcurrentOperationLimitReached, message));
    }
    tools.catalog.record_expected(input.job, planned.tables, planned.estimated_bytes).await?;
    Ok(Output { tasks: planned.tasks })
}

async fn wait_for_snapshot(tools: &Tools, job: JobId) -> Result<(), Fault> {
    let until = Instant::now() + WAIT;
    loop {
        match tools.catalog.use_snapshot(job, clock::now()).await {
            Ok(_) => return Ok(()),
            Err(CatalogError::SnapshotNotFound(_)) if Instant::now() < until => {
                let status = tools.catalog.job(job).await?;
                if let Some(fault) = status.fault {
                    // The holder has failed for good; its fault is the job's.
                    return Err(fault);
                }
                tools.check_not_cancelled(job).await?;
                sleep(Duration::from_millis(300)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}
