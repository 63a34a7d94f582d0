//! `AbandonRestore`: drops what a failed restore has built under its temporary name.

use permafrost_domain::Fault;
use permafrost_engine::restore::abandon;
use permafrost_function::Tools;
use permafrost_function::restore::no_order;
use permafrost_function::step::{Done, JobStep};

/// Drops the database that the job was building.
///
/// # Errors
/// The server does not answer, or refuses.
pub async fn handle(tools: &Tools, input: JobStep) -> Result<Done, Fault> {
    let order = tools.catalog.job_record(input.job).await?.restore.ok_or_else(|| no_order(input.job))?;
    let login = tools.login(&order.target, input.job).await?;
    abandon(&login, input.job).await?;
    Ok(Done {})
}
