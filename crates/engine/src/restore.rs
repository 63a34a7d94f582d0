//! Restore as database: under a temporary name, renamed when complete.
//!
//! Order of effects: database under the temporary name, definitions before the data, data (in units, each a
//! transaction with its marker), counts, definitions after the data by levels (each entry a transaction with its
//! marker), statistics, then sequences and comparisons, markers away, settings of the database, rename. A step that is
//! run again finds its markers and leaves alone what is done. What fails for good is dropped, and the wanted name was
//! never taken.
//!
//! | module | subject |
//! |---|---|
//! | `plan`, `nearest` | what is restored: a pure function of the table of contents and the options |
//! | `prepare` | the database, and what comes before the data |
//! | `load`, `units`, `frames`, `large_objects` | the data |
//! | `levels` | what comes after the data, in its order: pure as well |
//! | `post_data` | carrying that out, also where a statement outlives a function |
//! | `definitions`, `skipped` | the statements of entries; what an older server cannot take |
//! | `finish`, `database` | sequences, comparisons, settings of the database, its name |
//! | `abandon` | dropping what a failed restore has built |

use std::collections::{HashMap, HashSet};

use permafrost_domain::JobId;
use permafrost_domain::data_source::DatabaseName;
use permafrost_pgarchive::{DumpId, TableOfContents, TocIndex};
use permafrost_vault::Manifest;
use permafrost_vault::manifest::{TableSummary, TaskObjects};

use crate::error::EngineError;
use crate::login::Login;
use crate::pg::{ConnectError, Connection};
use crate::sql;

mod abandon;
mod database;
mod definitions;
pub mod files;
mod finish;
mod frames;
mod large_objects;
mod levels;
mod load;
mod nearest;
mod plan;
mod post_data;
mod prepare;
mod skipped;
mod units;

pub use abandon::abandon;
pub use finish::{finish, warnings};
pub use load::{Stored, load};
pub use plan::{PlanError, RestorePlan, restore_plan};
pub use post_data::{PostDataState, run_post_data};
pub use prepare::prepare;

/// About how many bytes of rows a task loads.
const TASK_BYTES: u64 = 1024 * 1024 * 1024;
/// About the most tasks: a Map's items travel in a payload. Tasks of a larger database are larger.
const MOST_TASKS: u64 = 1_500;

/// One restore: what, and to where.
#[derive(Debug)]
pub struct Restore<'a> {
    /// The job; the temporary name is made of it.
    pub job: JobId,
    /// The login to the target server.
    pub login: &'a Login,
    /// The name that the database gets.
    pub name: &'a DatabaseName,
    /// The point's manifest.
    pub manifest: &'a Manifest,
    /// What is restored of it.
    pub plan: &'a RestorePlan,
    /// The entries of the plan.
    pub index: TocIndex<'a>,
}

impl<'a> Restore<'a> {
    /// The name under which the database is built.
    pub fn temporary_name(&self) -> String {
        temporary_name(self.job)
    }

    /// The login to the database that is being built.
    pub(crate) fn login_to_new(&self) -> Login {
        self.login.to_database(&self.temporary_name())
    }

    pub(crate) fn toc(&self) -> &'a TableOfContents {
        self.index.toc()
    }

    /// The tables whose rows are restored.
    pub fn tables(&self) -> impl Iterator<Item = &'a TableSummary> {
        self.manifest.tables.iter().filter(|table| self.restores_rows_of(table.dump_id))
    }

    /// Whether the rows of the entry of this number are restored.
    pub(crate) fn restores_rows_of(&self, dump_id: i32) -> bool {
        DumpId::new(dump_id).is_ok_and(|id| self.index.entry(id).is_some())
    }

    /// Whether the bytes of large objects are restored.
    pub(crate) fn restores_large_objects(&self) -> bool {
        self.toc().entries.iter().any(|entry| entry.desc.is_blobs())
    }

    /// What there is to load, cut into tasks: the same on every call.
    pub fn data_tasks(&self) -> Vec<DataTask> {
        let slice_bytes = TASK_BYTES.max(self.manifest.totals.raw_bytes / MOST_TASKS);
        let slices_of = |task: &TaskObjects| task.raw_bytes.div_ceil(slice_bytes).max(1);
        let of_task = |task: &TaskObjects| {
            let number = task.task;
            (0..slices_of(task)).map(move |slice| DataTask { task: number, slice, slice_bytes })
        };
        // Which task has large objects stands in the tasks' results only.
        let all = self.restores_large_objects();
        let wanted: HashSet<u32> =
            self.tables().flat_map(|table| &table.parts).map(|part| part.task).collect();
        let tasks = self.manifest.tasks.iter().filter(|task| all || wanted.contains(&task.task));
        tasks.flat_map(of_task).collect()
    }
}

/// A slice of what one task of the dump copied: what one run of one function loads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DataTask {
    /// The task of the dump.
    pub task: u32,
    /// The slice, from 0.
    pub slice: u64,
    /// Bytes of rows in a slice.
    pub slice_bytes: u64,
}

/// The name under which the database of a restore is built.
pub fn temporary_name(job: JobId) -> String {
    format!("permafrost_restore_{}", body(job))
}

/// The schema that holds a restore's markers, for as long as it runs.
pub(crate) fn marker_schema(job: JobId) -> String {
    format!("permafrost_{}", body(job))
}

/// The table of markers, quoted.
pub(crate) fn marker_table(job: JobId) -> String {
    sql::qualified(&marker_schema(job), "done")
}

fn body(job: JobId) -> String {
    job.to_string().trim_start_matches("job-").to_owned()
}

/// Connects to the target server, to a database that is always there.
///
/// # Errors
/// Those of connecting.
pub(crate) async fn connect_to_server(login: &Login) -> Result<Connection, EngineError> {
    match login.to_database("postgres").connect().await {
        Err(EngineError::Connect { source: ConnectError::DatabaseDoesNotExist(_), .. }) => {
            login.to_database("template1").connect().await
        }
        other => other,
    }
}

/// Whether the server has a database of this name.
pub(crate) async fn database_exists(connection: &mut Connection, name: &str) -> Result<bool, EngineError> {
    let rows = connection
        .query("SELECT 1 FROM pg_catalog.pg_database WHERE datname = $1", &[Some(name)])
        .await
        .map_err(EngineError::query("look a database up"))?;
    Ok(!rows.is_empty())
}

/// The steps that are done, with the rows that each loaded; `None` where there are no markers (any more).
pub(crate) async fn markers(
    connection: &mut Connection,
    job: JobId,
) -> Result<Option<HashMap<String, u64>>, EngineError> {
    let failed = || EngineError::query("read the markers");
    let query = format!("SELECT step, rows FROM {}", marker_table(job));
    let rows = match connection.query(&query, &[]).await {
        Ok(rows) => rows,
        Err(error) if matches!(error.sqlstate(), Some("42P01" | "3F000")) => return Ok(None),
        Err(error) => return Err(failed()(error)),
    };
    let mut markers = HashMap::new();
    for row in rows {
        markers.insert(row.get(0).unwrap_or_default().to_owned(), row.parse(1).map_err(failed())?);
    }
    Ok(Some(markers))
}

/// Whether a step is done.
pub(crate) async fn is_done(
    connection: &mut Connection,
    job: JobId,
    step: &str,
) -> Result<bool, EngineError> {
    let query = format!("SELECT 1 FROM {} WHERE step = $1", marker_table(job));
    match connection.query(&query, &[Some(step)]).await {
        Ok(rows) => Ok(!rows.is_empty()),
        Err(error) if matches!(error.sqlstate(), Some("42P01" | "3F000")) => Ok(false),
        Err(error) => Err(EngineError::query("read the markers")(error)),
    }
}
