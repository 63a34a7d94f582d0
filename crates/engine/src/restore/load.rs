//! Loading the data.
//!
//! Race and crash story: data is loaded in units, each a transaction that also writes its marker. A task that is
//! killed leaves nothing of the unit that it was loading; run again, or twice at once, it finds the markers and
//! loads what is missing.

use permafrost_domain::job::Progress;
use permafrost_domain::{Code, Fault};
use permafrost_pgarchive::{DumpId, Entry};
use permafrost_vault::store::parse_document;
use permafrost_vault::{PointLayout, SegmentReader, Store, TaskResult};

use super::definitions::Definitions;
use super::frames::Decompressor;
use super::skipped::Skipped;
use super::units::{Unit, What, units};
use super::{Restore, large_objects, marker_table};
use crate::error::EngineError;
use crate::pg::Connection;
use crate::session;
use crate::sql;

/// Where the data of a point is.
#[derive(Debug, Clone, Copy)]
pub struct Stored<'a> {
    /// The store.
    pub store: &'a Store,
    /// The point's place in it.
    pub layout: PointLayout,
}

/// Loads data task `number` (from 1). `watch` is told after every frame how far it has come, and stops the loading
/// with an error where it should end.
///
/// # Errors
/// A frame is damaged, the server refuses a row, or the number of rows is not the manifest's.
pub async fn load(
    restore: &Restore<'_>,
    stored: Stored<'_>,
    number: u32,
    watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
) -> Result<Progress, EngineError> {
    let tasks = restore.data_tasks();
    let missing = || {
        EngineError::from(Fault::new(Code::InvalidRequest, format!("the restore has no data task {number}")))
    };
    let task = (number as usize).checked_sub(1).and_then(|index| tasks.get(index)).ok_or_else(missing)?;
    let objects = restore.manifest.task(task.task).ok_or_else(missing)?;
    let body = stored.store.get(&stored.layout, &objects.result).await?;
    let result: TaskResult = parse_document(&objects.result.key, &body)?;

    let mut connection = restore.login_to_new().connect().await?;
    let definitions = Definitions::settle(restore, &mut connection).await?;
    // Rows and their marker stay or go together, and the commits of the last step, which compares the rows, are
    // waited for: no need to wait for each one here.
    let settings = "SET synchronous_commit = off";
    connection.execute(settings).await.map_err(EngineError::query("set up the session"))?;
    let skipped = Skipped::read(restore, &mut connection).await?;
    let reader = SegmentReader::new(stored.store, stored.layout, &objects.segments);
    let decompressor = Decompressor::new(restore.manifest.compression)?;
    let done = Progress::default();
    let mut loader = Loader { restore, definitions, reader, decompressor, connection, done };
    for unit in units(&result, task.slice_bytes).iter().filter(|unit| unit.slice == task.slice) {
        if !is_wanted(restore, &skipped, unit) {
            continue;
        }
        loader.load_unit(unit, watch).await?;
    }
    watch(loader.done).await?;
    loader.connection.close().await;
    Ok(loader.done)
}

/// Whether the restore takes what the unit loads, and the target could take its table.
fn is_wanted(restore: &Restore<'_>, skipped: &Skipped, unit: &Unit<'_>) -> bool {
    let What::Rows { table, .. } = unit.what else { return restore.restores_large_objects() };
    let entry = DumpId::new(table.dump_id).ok().and_then(|id| restore.index.entry(id));
    entry.is_some_and(|entry| skipped.missing_for(&restore.index, entry).is_none())
}

/// The entry of the table of contents that a table's data belongs to.
pub(super) fn entry_of<'t>(
    restore: &'t Restore<'_>,
    dump_id: i32,
    object: &str,
) -> Result<&'t Entry, EngineError> {
    DumpId::new(dump_id)
        .ok()
        .and_then(|id| restore.index.entry(id))
        .ok_or_else(|| EngineError::TocContents { what: format!("no entry {dump_id} for {object}") })
}

/// Tables of fewer bytes are loaded as they are.
const FREEZE_FROM_BYTES: u64 = 1024 * 1024;

struct Loader<'a> {
    restore: &'a Restore<'a>,
    definitions: Definitions<'a>,
    reader: SegmentReader<'a>,
    decompressor: Decompressor,
    connection: Connection,
    done: Progress,
}

impl Loader<'_> {
    async fn load_unit(
        &mut self,
        unit: &Unit<'_>,
        watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        let object = unit.object();
        let failed = || EngineError::query_on(format!("load {object}"), object.clone());
        self.connection.execute("BEGIN").await.map_err(failed())?;
        let marker = format!(
            "INSERT INTO {} VALUES ($1, $2) ON CONFLICT DO NOTHING RETURNING 1",
            marker_table(self.restore.job)
        );
        let rows = unit.rows();
        let values = (unit.marker(), rows.to_string());
        let new =
            self.connection.query(&marker, &[Some(&values.0), Some(&values.1)]).await.map_err(failed())?;
        if new.is_empty() {
            self.connection.execute("ROLLBACK").await.map_err(failed())?;
            self.done.rows_done += rows;
            self.done.bytes_done += unit.raw_bytes();
        } else {
            let loaded = match unit.what {
                What::Rows { .. } => self.copy_in(unit, &object, watch).await?,
                What::LargeObjects { objects } => {
                    for large_object in objects {
                        let Self { connection, reader, decompressor, .. } = self;
                        let bytes =
                            large_objects::load(connection, reader, decompressor, large_object).await?;
                        self.done.bytes_done += bytes;
                        watch(self.done).await?;
                    }
                    rows
                }
            };
            if loaded != rows {
                let message = format!("{object} took {loaded} rows, its backup has {rows}");
                return Err(Fault::new(Code::RowCountMismatch, message).on(object).into());
            }
            self.connection.execute("COMMIT").await.map_err(failed())?;
        }
        self.done.tables_done += u64::from(unit.is_first_of_table());
        Ok(())
    }

    async fn copy_in(
        &mut self,
        unit: &Unit<'_>,
        object: &str,
        watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
    ) -> Result<u64, EngineError> {
        let failed = || EngineError::query_on(format!("load {object}"), object.to_owned());
        let What::Rows { table, frames, .. } = unit.what else { return Ok(0) };
        let entry = entry_of(self.restore, table.dump_id, object)?;
        let statement =
            entry.copy_statement().ok().flatten().ok_or_else(|| EngineError::TocContents {
                what: format!("no COPY statement for {object}"),
            })?;
        // Rows of a table that is created and filled in one transaction are frozen as they are written, which
        // saves the server from writing them again later. Truncating counts as creating. Only where the
        // transaction holds all of the table's rows: it would take away what others have loaded. And only where
        // there is enough to save: truncating makes new files.
        let is_worth_it = unit.raw_bytes() >= FREEZE_FROM_BYTES;
        let freeze = if is_worth_it && unit.is_whole_table() && !entry.is_loaded_via_partition_root() {
            let truncate = format!("TRUNCATE ONLY {}", sql::qualified(&table.schema, &table.name));
            self.connection.execute(&truncate).await.map_err(failed())?;
            ", FREEZE"
        } else {
            ""
        };
        let copy = self.definitions.decode(&mut self.connection, &statement.copy_from_stdin()).await?;
        let encoding = session::encoding_option(&self.connection);
        let mut copy =
            self.connection.copy_in(&format!("{copy} ({encoding}{freeze})")).await.map_err(failed())?;
        for frame in frames {
            let stored = self.reader.frame(frame).await?;
            let rows = self.decompressor.raw_of(&stored, frame, object)?;
            drop(stored);
            copy.send(&rows).await.map_err(failed())?;
            self.done.rows_done += frame.rows;
            self.done.bytes_done += frame.raw_length;
            watch(self.done).await?;
        }
        copy.finish().await.map_err(failed())
    }
}
