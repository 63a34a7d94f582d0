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
    /// Tasks that load data.
    data_tasks: usize,
    /// Groups of definitions that come after the data, by level.
    levels: Vec<Level>,
}

/// A level of what comes after the data.
#[derive(Debug, Serialize)]
pub struct Level {
    /// Its number, from 1.
    level: usize,
    /// How many groups can be carried out side by side.
    groups: usize,
}

/// Prepares the job's restore.
///
/// # Errors
/// The name is taken, an object cannot be created, the point cannot be read, or the job is being cancelled.
pub async fn handle(tools: &Tools, input: JobStep) -> Result<Output, Fault> {
    tools.check_not_cancelled(input.job).await?;
    let open = OpenRestore::open(tools, input.job).await?;
    let restore = open.restore()?;
    let data_tasks = restore.data_tasks().len();
    let groups =
        restore.post_data_groups().map_err(|error| Fault::new(Code::RestoreFailed, error.to_string()))?;
    let most = groups.iter().copied().max().unwrap_or_default().max(data_tasks);
    if most > MAX_TASKS {
        let message =
            format!("the restore would take {most} tasks at once, at most {MAX_TASKS} are possible");
        return Err(Fault::new(Code::MaxConcurrentOperationLimitReached, message));
    }
    prepare(&restore).await?;
    let tables = restore.tables().count() as u64;
    let bytes = if tables == restore.manifest.totals.tables {
        restore.manifest.totals.raw_bytes
    } else {
        restore.tables().map(|table| table.sums.raw_bytes).sum()
    };
    tools.catalog.record_expected(input.job, tables, bytes).await?;
    let levels = (1..).zip(groups).map(|(level, groups)| Level { level, groups }).collect();
    Ok(Output { data_tasks, levels })
}
