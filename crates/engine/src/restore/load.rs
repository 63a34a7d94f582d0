//! Table data and post-data.
//!
//! Race and crash story: each table is loaded in one transaction that also writes its marker. A task that is
//! killed leaves nothing of the table that it was loading; run again, or twice at once, it finds the markers
//! and loads what is missing. Post-data is one transaction of pg_restore's, whose first statement is the marker.

use permafrost_domain::job::Progress;
use permafrost_domain::{Code, Fault};
use permafrost_pgarchive::{DumpId, Entry};
use permafrost_vault::task_result::{Frame, TableData};
use permafrost_vault::{Blake3, SegmentReader};

use super::{Restore, archive_of, marker_table, markers, restore_fault};
use crate::error::EngineError;
use crate::pg::Connection;
use crate::session;
use crate::sql;

/// The marker of post-data.
const POST_DATA: &str = "post-data";

/// Loads the tables of data task `number` (from 1). `watch` is told after every frame how far it has come, and
/// stops the loading with an error where it should end.
///
/// # Errors
/// A frame is damaged, the server refuses a row, or the number of rows is not the manifest's.
pub async fn load(
    restore: &Restore<'_>,
    number: u32,
    watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
) -> Result<Progress, EngineError> {
    let tasks = restore.data_tasks();
    let tables = (number as usize).checked_sub(1).and_then(|index| tasks.get(index)).ok_or_else(|| {
        EngineError::from(Fault::new(Code::InvalidRequest, format!("the restore has no data task {number}")))
    })?;
    let mut connection = restore.login_to_new().connect().await?;
    session::settle(&mut connection).await?;
    let reader = SegmentReader::new(restore.store, restore.layout, restore.manifest);
    let mut loader = Loader { restore, reader, connection, done: Progress::default() };
    for table in tables {
        loader.load_table(table, watch).await?;
        loader.done.tables_done += 1;
    }
    watch(loader.done).await?;
    loader.connection.close().await;
    Ok(loader.done)
}

/// The marker of a table's data.
pub(super) fn step_of(table: &TableData) -> String {
    format!("table {}", table.dump_id)
}

/// The entry of the table of contents that a table's data belongs to.
pub(super) fn entry_of<'t>(restore: &'t Restore<'_>, table: &TableData) -> Result<&'t Entry, EngineError> {
    DumpId::new(table.dump_id).ok().and_then(|id| restore.toc.entry(id)).ok_or_else(|| {
        EngineError::TocContents {
            what: format!("no entry {} for {}.{}", table.dump_id, table.schema, table.name),
        }
    })
}

struct Loader<'a> {
    restore: &'a Restore<'a>,
    reader: SegmentReader<'a>,
    connection: Connection,
    done: Progress,
}

impl Loader<'_> {
    async fn load_table(
        &mut self,
        table: &TableData,
        watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let object = format!("table {}.{}", table.schema, table.name);
        let failed = || EngineError::query_on(format!("load {object}"), object.clone());
        self.connection.execute("BEGIN").await.map_err(failed())?;
        let marker = format!(
            "INSERT INTO {} VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1",
            marker_table(self.restore.job)
        );
        let (step, rows) = (step_of(table), table.rows.to_string());
        let new = self.connection.query(&marker, &[Some(&step), Some(&rows)]).await.map_err(failed())?;
        if new.is_empty() {
            self.connection.execute("ROLLBACK").await.map_err(failed())?;
            self.done.rows_done += table.rows;
            self.done.bytes_done += table.raw_bytes;
            return Ok(());
        }
        let loaded = self.copy_in(table, &object, watch).await?;
        if loaded != table.rows {
            let message = format!("{object} took {loaded} rows, its backup has {}", table.rows);
            return Err(Fault::new(Code::RowCountMismatch, message).on(object).into());
        }
        self.connection.execute("COMMIT").await.map_err(failed())
    }

    async fn copy_in(
        &mut self,
        table: &TableData,
        object: &str,
        watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
    ) -> Result<u64, EngineError> {
        let failed = || EngineError::query_on(format!("load {object}"), object.to_owned());
        let entry = entry_of(self.restore, table)?;
        let statement =
            entry.copy_statement().ok().flatten().ok_or_else(|| EngineError::TocContents {
                what: format!("no COPY statement for {object}"),
            })?;
        // Rows of a table that is created and filled in one transaction are frozen as they are written, which
        // saves the server from writing them again later. Truncating counts as creating.
        let freeze = if entry.is_loaded_via_partition_root() {
            ""
        } else {
            let truncate = format!("TRUNCATE ONLY {}", sql::qualified(&table.schema, &table.name));
            self.connection.execute(&truncate).await.map_err(failed())?;
            ", FREEZE"
        };
        let copy = String::from_utf8_lossy(&statement.copy_from_stdin().into_bytes()).into_owned();
        let encoding = session::encoding_option(&self.connection);
        let mut copy =
            self.connection.copy_in(&format!("{copy} ({encoding}{freeze})")).await.map_err(failed())?;
        for frame in &table.frames {
            let stored = self.reader.frame(frame).await?;
            copy.send(&rows_of(&stored, frame, object)?).await.map_err(failed())?;
            self.done.rows_done += frame.rows;
            self.done.bytes_done += frame.raw_length;
            watch(self.done).await?;
        }
        copy.finish().await.map_err(failed())
    }
}

/// The rows of a frame, checked.
fn rows_of(stored: &[u8], frame: &Frame, object: &str) -> Result<Vec<u8>, EngineError> {
    let damaged = || EngineError::Damaged { what: format!("a frame of {object}") };
    let raw_length = usize::try_from(frame.raw_length).map_err(|_| damaged())?;
    let rows = zstd::bulk::decompress(stored, raw_length).map_err(|_| damaged())?;
    if rows.len() == raw_length && Blake3::of(&rows) == frame.raw_checksum {
        Ok(rows)
    } else {
        Err(damaged())
    }
}

/// Runs the post-data section: indexes, constraints, triggers, rules, policies, materialised views.
///
/// # Errors
/// An object cannot be created; then none of the section is.
pub async fn run_post_data(restore: &Restore<'_>) -> Result<(), EngineError> {
    let login = restore.login_to_new();
    let mut connection = login.connect().await?;
    if is_done(restore, &mut connection).await? {
        return Ok(());
    }
    let mut toc = restore.toc.clone();
    let marker = format!("INSERT INTO {} VALUES ('{POST_DATA}', 0);\n", marker_table(restore.job));
    toc.push_post_data_first("permafrost", "PERMAFROST MARKER", marker.as_str())
        .map_err(|error| EngineError::TocContents { what: error.to_string() })?;
    let archive = archive_of(&toc)?;
    let result = restore
        .restore_programs(&connection)?
        .program("pg_restore", &login)?
        .args(["--section=post-data", "--single-transaction", "--exit-on-error", "--no-password"])
        .path(archive.path())
        .run()
        .await
        .map_err(restore_fault);
    // A double that was faster has written the marker, which made this run fail.
    match result {
        Err(error) if !is_done(restore, &mut connection).await? => Err(error),
        _ => Ok(()),
    }
}

async fn is_done(restore: &Restore<'_>, connection: &mut Connection) -> Result<bool, EngineError> {
    Ok(markers(connection, restore.job).await?.is_some_and(|done| done.contains_key(POST_DATA)))
}
