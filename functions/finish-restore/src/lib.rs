//! `FinishRestore`: sequences, counts, statistics, and the database's name.

use permafrost_domain::Fault;
use permafrost_engine::restore::finish;
use permafrost_function::Tools;
use permafrost_function::restore::OpenRestore;
use permafrost_function::step::{Done, JobStep};

/// Finishes the job's restore.
///
/// # Errors
/// A table has another number of rows than its backup, the name was taken meanwhile, or the job is being
/// cancelled.
pub async fn handle(tools: &Tools, input: JobStep) -> Result<Done, Fault> {
    tools.check_not_cancelled(input.job).await?;
    let open = OpenRestore::open(tools, input.job).await?;
    finish(&open.restore(tools)).await?;
    Ok(Done {})
}
