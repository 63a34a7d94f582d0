//! `RunDumpTask`: copies the tables of one task into segments, then writes what it copied.

use permafrost_catalog::Snapshot;
use permafrost_domain::{Code, Fault, InstanceId, JobId, PointId};
use permafrost_engine::EngineError;
use permafrost_engine::dump::task::TaskRun;
use permafrost_function::progress::TaskProgress;
use permafrost_function::snapshot::under_snapshot;
use permafrost_function::step::Done;
use permafrost_function::{Tools, clock};
use permafrost_vault::store::parse_document;
use permafrost_vault::{DumpPlan, PointLayout};
use serde::Deserialize;

/// The step's input.
#[derive(Debug, Deserialize)]
pub struct Input {
    job: JobId,
    instance: InstanceId,
    task: u32,
}

/// Copies one task.
///
/// # Errors
/// The snapshot is gone, the server or the store fails, or the job is being cancelled.
pub async fn handle(tools: &Tools, input: Input) -> Result<Done, Fault> {
    tools.check_not_cancelled(input.job).await?;
    let layout = PointLayout::new(input.instance, PointId::of_backup(input.job));
    let (object, body) = tools.store.get_current(&layout, PointLayout::PLAN).await?;
    let plan: DumpPlan = parse_document(&layout.key(&object.key), &body)?;
    let task = plan.task(input.task).ok_or_else(|| {
        Fault::new(Code::InvalidRequest, format!("the plan has no task {}", input.task))
            .on(input.job.to_string())
    })?;
    let instance = tools.catalog.instance(input.instance).await?;
    let login = tools.login(&instance.data_source, input.job).await?;

    let mut progress = TaskProgress::new(tools, input.job, input.task);
    let done = under_snapshot(tools, input.job, async |snapshot: &Snapshot| {
        let run = TaskRun {
            store: &tools.store,
            layout,
            login: &login,
            snapshot_id: &snapshot.snapshot_id,
            compression: (plan.compression, plan.level),
            attempt: &attempt(),
        };
        run.run(task, &mut async |done| progress.say(done).await.map_err(EngineError::from)).await
    })
    .await?;
    progress.record(&done).await?;
    Ok(Done {})
}

/// Tells this run of the task from others: no two begin in one nanosecond.
fn attempt() -> String {
    format!("{:x}", clock::now().as_nanosecond())
}
