//! `RestoreFiles`: writes the files of one task.

use permafrost_domain::{Fault, JobId};
use permafrost_engine::EngineError;
use permafrost_engine::restore::files::write;
use permafrost_function::Tools;
use permafrost_function::files::OpenFiles;
use permafrost_function::progress::TaskProgress;
use permafrost_function::step::Done;
use serde::Deserialize;

/// The step's input.
#[derive(Debug, Deserialize)]
pub struct Input {
    job: JobId,
    task: u32,
}

/// Carries out one task of the job's restore as files.
///
/// # Errors
/// A frame is damaged, the bucket refuses access, or the job is being cancelled.
pub async fn handle(tools: &Tools, input: Input) -> Result<Done, Fault> {
    tools.check_not_cancelled(input.job).await?;
    let open = OpenFiles::open(tools, input.job).await?;
    let mut progress = TaskProgress::new(tools, input.job, input.task);
    let watch = &mut async |done| progress.say(done).await.map_err(EngineError::from);
    let done = write(&open.restore(tools), input.task, watch).await?;
    progress.record(&done).await?;
    Ok(Done {})
}
