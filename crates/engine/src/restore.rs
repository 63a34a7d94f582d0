//! Restore as database: under a temporary name, renamed when complete.
//!
//! Order of effects: database under the temporary name, pre-data, data (in units, each a transaction with its
//! marker), post-data (one transaction, with its marker), sequences and counts, markers away, rename. A step
//! that is run again finds its marker and leaves alone what is done. What fails for good is dropped, and the
//! wanted name was never taken.

use std::collections::HashMap;

use permafrost_domain::JobId;
use permafrost_domain::data_source::DatabaseName;
use permafrost_domain::{Code, Fault};
use permafrost_pgarchive::TableOfContents;
use permafrost_vault::manifest::TaskObjects;
use permafrost_vault::plan::Source;
use permafrost_vault::{Manifest, PointLayout, Store};
use tempfile::TempDir;

use crate::error::EngineError;
use crate::login::Login;
use crate::pg::{ConnectError, Connection};
use crate::programs::{PgPrograms, PgProgramsOfMajor};
use crate::sql;
use crate::toc::directory_form;

mod abandon;
pub mod files;
mod finish;
mod large_objects;
mod load;
mod prepare;
mod units;

pub use abandon::abandon;
pub use finish::finish;
pub use load::{load, run_post_data};
pub use prepare::prepare;

/// About how many bytes of rows a task loads.
const TASK_BYTES: u64 = 1024 * 1024 * 1024;
/// About the most tasks: a Map's items travel in a payload. Tasks of a larger database are larger.
const MOST_TASKS: u64 = 1_500;

/// One restore: what, from where, to where.
#[derive(Debug)]
pub struct Restore<'a> {
    /// The job; the temporary name is made of it.
    pub job: JobId,
    /// The login to the target server.
    pub login: &'a Login,
    /// The name that the database gets.
    pub name: &'a DatabaseName,
    /// The programs on board.
    pub programs: &'a PgPrograms,
    /// The store that holds the point.
    pub store: &'a Store,
    /// The point.
    pub layout: PointLayout,
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// Its table of contents.
    pub toc: &'a TableOfContents,
}

impl Restore<'_> {
    /// The name under which the database is built.
    pub fn temporary_name(&self) -> String {
        temporary_name(self.job)
    }

    /// The login to the database that is being built.
    pub(crate) fn login_to_new(&self) -> Login {
        self.login.to_database(&self.temporary_name())
    }

    pub(crate) fn restore_programs(&self, connection: &Connection) -> Result<PgProgramsOfMajor, EngineError> {
        self.programs.for_major(restore_major(connection, &self.manifest.source))
    }

    /// What there is to load, cut into tasks: the same on every call.
    pub fn data_tasks(&self) -> Vec<DataTask> {
        let slice_bytes = TASK_BYTES.max(self.manifest.totals.raw_bytes / MOST_TASKS);
        let slices_of = |task: &TaskObjects| task.raw_bytes.div_ceil(slice_bytes).max(1);
        let of_task = |task: &TaskObjects| {
            let number = task.task;
            (0..slices_of(task)).map(move |slice| DataTask { task: number, slice, slice_bytes })
        };
        self.manifest.tasks.iter().flat_map(of_task).collect()
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

/// The major version whose pg_restore reads the archive and knows the target.
pub(crate) fn restore_major(connection: &Connection, source: &Source) -> u32 {
    let dumped_by: Option<u32> =
        source.pg_dump_version.split('.').next().and_then(|major| major.parse().ok());
    dumped_by.unwrap_or_default().max(connection.server_version().major())
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

/// A directory archive of a table of contents alone, for pg_restore to read.
pub(crate) fn archive_of(toc: &TableOfContents) -> Result<TempDir, EngineError> {
    let spawn = |source| EngineError::Spawn { program: "pg_restore", source };
    let dir = tempfile::tempdir().map_err(spawn)?;
    std::fs::write(dir.path().join("toc.dat"), directory_form(toc)?).map_err(spawn)?;
    Ok(dir)
}

/// pg_restore's failure as a fault that names the object.
pub(crate) fn restore_fault(error: EngineError) -> EngineError {
    let EngineError::Program { stderr, .. } = &error else { return error };
    if stderr.contains("server closed the connection") || stderr.contains("terminating connection") {
        return Fault::new(Code::ServerConnectionClosed, format!("pg_restore: {stderr}")).into();
    }
    // With --exit-on-error it names no entry of the archive, but the statement.
    let object = stderr
        .lines()
        .find_map(|line| line.split_once("Command was: "))
        .map(|(_, statement)| statement.trim().trim_end_matches([';', '(']).trim().to_owned());
    let reason =
        stderr.lines().find_map(|line| line.split_once("ERROR:")).map_or(stderr.as_str(), |(_, r)| r);
    let fault = Fault::new(Code::RestoreFailed, format!("pg_restore: {}", reason.trim()));
    match object {
        Some(object) => fault.on(object).into(),
        None => fault.into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_of_pg_restore_names_its_object() {
        let stderr = "pg_restore: error: could not execute query: ERROR:  relation \"app.x\" does not exist\n\
            LINE 1: ALTER TABLE ONLY app.x\n\
            Command was: ALTER TABLE ONLY app.x\n    ADD CONSTRAINT x_pkey PRIMARY KEY (id);";
        let error = EngineError::Program { program: "pg_restore", status: "1".into(), stderr: stderr.into() };
        let fault = Fault::from(restore_fault(error));
        assert_eq!(fault.code, Code::RestoreFailed);
        assert_eq!(fault.object.as_deref(), Some("ALTER TABLE ONLY app.x"));
        assert_eq!(fault.message, "pg_restore: relation \"app.x\" does not exist");
    }
}
