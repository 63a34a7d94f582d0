//! `FinishFiles`: what stands beside restored data; the README last, with which the restore is complete.

use permafrost_domain::Fault;
use permafrost_engine::restore::files::finish;
use permafrost_function::Tools;
use permafrost_function::files::OpenFiles;
use permafrost_function::step::{Done, JobStep};

/// Finishes the job's restore as files.
///
/// # Errors
/// A task has not reported, the bucket refuses access, or the job is being cancelled.
pub async fn handle(tools: &Tools, input: JobStep) -> Result<Done, Fault> {
    tools.check_not_cancelled(input.job).await?;
    let open = OpenFiles::open(tools, input.job).await?;
    finish(&open.restore(tools)).await?;
    Ok(Done {})
}
