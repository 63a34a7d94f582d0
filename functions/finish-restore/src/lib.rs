//! `FinishRestore`: sequences, comparisons, settings of the database, and its name.

use permafrost_domain::Fault;
use permafrost_engine::restore::{finish, warnings};
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
    let restore = open.restore()?;
    // Recorded first: once the step is done, nothing on the server tells any more what is missing.
    tools.catalog.record_warnings(input.job, &warnings(&restore).await?).await?;
    let warnings = finish(&restore).await?;
    tools.catalog.record_warnings(input.job, &warnings).await?;
    Ok(Done {})
}
