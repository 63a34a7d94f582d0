//! `AbandonBackup`: gives the snapshot and the lock of a failed backup back. What it wrote into the store is
//! named by nothing; this function may not delete.

use permafrost_catalog::Abandoned;
use permafrost_domain::Fault;
use permafrost_function::Tools;
use permafrost_function::step::InstanceStep;
use serde::Serialize;

/// The step's answer.
#[derive(Debug, Serialize)]
pub struct Output {
    /// Whether the backup had been committed after all; then nothing was given up.
    committed: bool,
}

/// Abandons the job's backup, unless it is committed.
///
/// # Errors
/// The catalog does not answer.
pub async fn handle(tools: &Tools, input: InstanceStep) -> Result<Output, Fault> {
    let abandoned = tools.catalog.abandon_backup(input.job, input.instance).await?;
    Ok(Output { committed: abandoned == Abandoned::AlreadyCommitted })
}
