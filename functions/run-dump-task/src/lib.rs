//! `RunDumpTask`: copies the tables of one task into segments, then writes what it copied. Stops, and says so, where
//! the job is suspended.
//!
//! When a task was tried often enough, the same function is told; then no other is begun in the same round, and those
//! that run are waited for.

use permafrost_catalog::Snapshot;
use permafrost_domain::{Code, Fault, InstanceId, JobId, PointId};
use permafrost_engine::EngineError;
use permafrost_engine::dump::task::TaskRun;
use permafrost_function::progress::TaskProgress;
use permafrost_function::snapshot::under_snapshot;
use permafrost_function::{Tools, clock};
use permafrost_vault::store::parse_document;
use permafrost_vault::{DumpPlan, PointLayout};
use serde::{Deserialize, Serialize};

/// The step's input.
#[derive(Debug, Deserialize)]
pub struct Input {
    /// The job.
    pub job: JobId,
    /// The instance.
    pub instance: InstanceId,
    /// The number of the task.
    pub task: u32,
    /// How often the job's tasks have been begun, with this time.
    #[serde(default)]
    pub round: u32,
    /// Whether it was tried in vain, and is not to be tried again in this round.
    #[serde(default)]
    pub given_up: bool,
}

/// The step's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Output {
    /// Whether the job is suspended, so that the task may not have been copied.
    pub suspended: bool,
}

/// Copies one task.
///
/// # Errors
/// The snapshot is gone, the server or the store fails, or the job is being cancelled.
pub async fn handle(tools: &Tools, input: Input) -> Result<Output, Fault> {
    if input.given_up {
        tools.catalog.give_up_round(input.job, input.round).await?;
        return Ok(Output { suspended: false });
    }
    match copy(tools, &input).await {
        Ok(()) => Ok(Output { suspended: false }),
        Err(fault) if fault.code == Code::JobSuspended => Ok(Output { suspended: true }),
        Err(fault) => Err(fault),
    }
}

async fn copy(tools: &Tools, input: &Input) -> Result<(), Fault> {
    let mut progress = TaskProgress::new(tools, input.job, input.task);
    let standing = tools.catalog.job_standing(input.job).await?;
    if standing.given_up_round.is_some_and(|round| round >= input.round) {
        return Ok(());
    }
    progress.check_wanted(standing)?;
    let layout = PointLayout::new(input.instance, PointId::of_backup(input.job));
    let (object, body) = tools.store.get_current(&layout, PointLayout::PLAN).await?;
    let plan: DumpPlan = parse_document(&layout.key(&object.key), &body)?;
    let task = plan.task(input.task).ok_or_else(|| {
        Fault::new(Code::InvalidRequest, format!("the plan has no task {}", input.task))
            .on(input.job.to_string())
    })?;
    let instance = tools.catalog.instance(input.instance).await?;
    let login = tools.login(&instance.data_source, input.job).await?;

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
    progress.record(&done).await
}

/// Tells this run of the task from others: no two begin in one nanosecond.
fn attempt() -> String {
    format!("{:x}", clock::now().as_nanosecond())
}
