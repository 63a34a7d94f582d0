//! `RunRestoreTask`: loads one task of the data.

use permafrost_domain::{Fault, JobId};
use permafrost_engine::EngineError;
use permafrost_engine::restore::load;
use permafrost_function::Tools;
use permafrost_function::progress::TaskProgress;
use permafrost_function::restore::OpenRestore;
use permafrost_function::step::Done;
use serde::Deserialize;

/// The step's input.
#[derive(Debug, Deserialize)]
pub struct Input {
    job: JobId,
    task: u32,
}

/// Carries out one task of the job's restore.
///
/// # Errors
/// A frame is damaged, the server refuses, or the job is being cancelled.
pub async fn handle(tools: &Tools, input: Input) -> Result<Done, Fault> {
    tools.check_not_cancelled(input.job).await?;
    let open = OpenRestore::open(tools, input.job).await?;
    let mut progress = TaskProgress::new(tools, input.job, input.task);
    let watch = &mut async |done| progress.say(done).await.map_err(EngineError::from);
    let done = load(&open.restore()?, open.stored(), input.task, watch).await?;
    progress.record(&done).await?;
    Ok(Done {})
}
