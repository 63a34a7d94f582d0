//! `PlanFiles`: makes sure that a restore's files can be written, and takes the folder that they go to.

use permafrost_domain::{Code, Fault};
use permafrost_engine::restore::files::plan;
use permafrost_function::Tools;
use permafrost_function::files::OpenFiles;
use permafrost_function::step::JobStep;
use serde::Serialize;

/// The most tasks that a restore may have: the Map's items travel in a payload of 256 KB.
const MAX_TASKS: usize = 2_000;

/// The step's answer.
#[derive(Debug, Serialize)]
pub struct Output {
    tasks: usize,
}

/// Plans the job's restore as files.
///
/// # Errors
/// The folder is not empty, the bucket refuses access, a single file would be too large, the point cannot be read,
/// or the job is being cancelled.
pub async fn handle(tools: &Tools, input: JobStep) -> Result<Output, Fault> {
    tools.check_not_cancelled(input.job).await?;
    let open = OpenFiles::describe(tools, input.job).await?;
    let restore = open.restore(tools);
    let tasks = restore.tasks();
    if tasks > MAX_TASKS {
        let message = format!("the restore would take {tasks} tasks, at most {MAX_TASKS} are possible");
        return Err(Fault::new(Code::MaxConcurrentOperationLimitReached, message));
    }
    plan(&restore).await?;
    let totals = &restore.manifest.totals;
    tools.catalog.record_expected(input.job, totals.tables, totals.raw_bytes).await?;
    Ok(Output { tasks })
}
