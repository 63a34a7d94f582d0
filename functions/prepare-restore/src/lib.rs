//! `PrepareRestore`: the new database under its temporary name, with everything that goes before the data.

use permafrost_domain::{Code, Fault};
use permafrost_engine::restore::prepare;
use permafrost_function::Tools;
use permafrost_function::restore::OpenRestore;
use permafrost_function::step::JobStep;
use serde::Serialize;

/// The most tasks that a restore may have: the Map's items travel in a payload of 256 KB.
const MAX_TASKS: usize = 2_000;

/// The step's answer.
#[derive(Debug, Serialize)]
pub struct Output {
    data_tasks: usize,
}

/// Prepares the job's restore.
///
/// # Errors
/// The name is taken, an object cannot be created, the point cannot be read, or the job is being cancelled.
pub async fn handle(tools: &Tools, input: JobStep) -> Result<Output, Fault> {
    tools.check_not_cancelled(input.job).await?;
    let open = OpenRestore::open(tools, input.job).await?;
    let restore = open.restore(tools);
    let data_tasks = restore.data_tasks().len();
    if data_tasks > MAX_TASKS {
        let message = format!("the restore would take {data_tasks} tasks, at most {MAX_TASKS} are possible");
        return Err(Fault::new(Code::MaxConcurrentOperationLimitReached, message));
    }
    prepare(&restore).await?;
    let totals = &restore.manifest.totals;
    tools.catalog.record_expected(input.job, totals.tables, totals.raw_bytes).await?;
    Ok(Output { data_tasks })
}
