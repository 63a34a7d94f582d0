//! Copying one task of a dump: rows from the server, frames of whole rows into segments.
//!
//! Crash story: a run of a task writes under a name of its own, and its result last, create-only. Of several
//! runs the first result counts; segments that no result names are garbage.

use permafrost_domain::job::Progress;
use permafrost_vault::plan::{Part, Task};
use permafrost_vault::segment::SEGMENT_BYTES;
use permafrost_vault::store::{Written, write_document};
use permafrost_vault::task_result::{Frame, TableData};
use permafrost_vault::{Blake3, FORMAT, PointLayout, SegmentWriter, Store, TaskResult};

use crate::error::EngineError;
use crate::login::Login;
use crate::pg::Connection;
use crate::{session, snapshot, sql};

/// Bytes of rows at which a frame is full.
const FRAME_BYTES: usize = 2 * 1024 * 1024;
/// The level of compression: on few cores, more costs more time than it saves (docs in `engine.md`).
const ZSTD_LEVEL: i32 = 1;

/// One run of one task.
#[derive(Debug)]
pub struct TaskRun<'a> {
    /// Where the data goes.
    pub store: &'a Store,
    /// The point that it belongs to.
    pub layout: PointLayout,
    /// The login to the source.
    pub login: &'a Login,
    /// The snapshot to read under.
    pub snapshot_id: &'a str,
    /// Tells this run from others.
    pub attempt: &'a str,
}

impl TaskRun<'_> {
    /// Copies the task's parts and writes its result. `watch` is told after every frame how far it has come,
    /// and stops the copying with an error where it should end.
    ///
    /// # Errors
    /// Whatever ends the copying; then nothing that counts was written.
    pub async fn run(
        &self,
        task: &Task,
        watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
    ) -> Result<Progress, EngineError> {
        let mut connection = self.login.connect().await?;
        session::settle(&mut connection).await?;
        let names: Vec<String> =
            task.parts.iter().map(|part| sql::qualified(&part.schema, &part.name)).collect();
        snapshot::join(&mut connection, self.snapshot_id, names.iter().map(String::as_str)).await?;

        let writer = SegmentWriter::new(
            self.store.clone(),
            self.layout,
            task.task,
            self.attempt.to_owned(),
            SEGMENT_BYTES,
        );
        let mut copier = Copier::new(writer)?;
        let mut tables = Vec::with_capacity(task.parts.len());
        for part in &task.parts {
            tables.push(copier.copy(&mut connection, part, watch).await?);
            copier.done.tables_done += 1;
        }
        watch(copier.done).await?;
        connection.close().await;

        let done = copier.done;
        let result = TaskResult {
            format: FORMAT,
            task: task.task,
            attempt: self.attempt.to_owned(),
            segments: copier.writer.finish().await?,
            tables,
        };
        let name = PointLayout::task_result(task.task);
        match self.store.put_or_get(&self.layout, &name, write_document(&result)).await? {
            Written::New(_) | Written::Existing(..) => Ok(done),
        }
    }
}

/// The buffers of a task, used again for every frame.
struct Copier {
    writer: SegmentWriter,
    compressor: zstd::bulk::Compressor<'static>,
    rows: Vec<u8>,
    frame: Vec<u8>,
    done: Progress,
}

impl Copier {
    fn new(writer: SegmentWriter) -> Result<Self, EngineError> {
        let mut compressor = zstd::bulk::Compressor::new(ZSTD_LEVEL).map_err(compression_failed)?;
        compressor
            .set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true))
            .map_err(compression_failed)?;
        Ok(Self { writer, compressor, rows: Vec::new(), frame: Vec::new(), done: Progress::default() })
    }

    async fn copy(
        &mut self,
        connection: &mut Connection,
        part: &Part,
        watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
    ) -> Result<TableData, EngineError> {
        let object = format!("table {}.{}", part.schema, part.name);
        let failed = || EngineError::query_on(format!("read {object}"), object.clone());
        let statement = copy_statement(part, &session::encoding_option(connection));
        let mut copy = connection.copy_out(&statement).await.map_err(failed())?;
        let mut frames = Vec::new();
        loop {
            self.rows.clear();
            let block = copy.read_rows(&mut self.rows, FRAME_BYTES).await.map_err(failed())?;
            if block.rows > 0 {
                frames.push(self.write_frame(block.rows).await?);
                watch(self.done).await?;
            }
            if block.end {
                return Ok(TableData::of_frames(
                    part.dump_id,
                    part.schema.clone(),
                    part.name.clone(),
                    frames,
                ));
            }
        }
    }

    async fn write_frame(&mut self, rows: u64) -> Result<Frame, EngineError> {
        self.frame.clear();
        self.frame.reserve(zstd::zstd_safe::compress_bound(self.rows.len()));
        self.compressor.compress_to_buffer(&self.rows, &mut self.frame).map_err(compression_failed)?;
        let frame = Frame {
            location: self.writer.append(&self.frame).await?,
            raw_length: self.rows.len() as u64,
            rows,
            checksum: Blake3::of(&self.frame),
            raw_checksum: Blake3::of(&self.rows),
        };
        self.done.rows_done += rows;
        self.done.bytes_done += frame.raw_length;
        Ok(frame)
    }
}

fn compression_failed(error: std::io::Error) -> EngineError {
    EngineError::Spawn { program: "zstd", source: error }
}

/// The statement that reads a part, in the encoding in which the database stores it.
fn copy_statement(part: &Part, encoding: &str) -> String {
    let table = sql::qualified(&part.schema, &part.name);
    let columns = if part.columns.is_empty() { String::new() } else { format!(" {}", part.columns) };
    match &part.condition {
        None => format!("COPY {table}{columns} TO STDOUT ({encoding})"),
        Some(condition) => {
            let columns = part.columns.strip_prefix('(').unwrap_or(&part.columns);
            let columns = columns.strip_suffix(')').unwrap_or(columns);
            format!("COPY (SELECT {columns} FROM ONLY {table} {condition}) TO STDOUT ({encoding})")
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(columns: &str, condition: Option<&str>) -> Part {
        let (schema, name) = ("a\"b".to_owned(), "T".to_owned());
        let (columns, condition) = (columns.to_owned(), condition.map(str::to_owned));
        Part { dump_id: 1, schema, name, columns, condition, estimated_bytes: 0 }
    }

    #[test]
    fn statements_name_table_columns_and_encoding() {
        let statement = |columns, condition| copy_statement(&part(columns, condition), "ENCODING 'UTF8'");
        assert_eq!(
            statement("(id, \"x)\")", None),
            "COPY \"a\"\"b\".\"T\" (id, \"x)\") TO STDOUT (ENCODING 'UTF8')"
        );
        assert_eq!(statement("", None), "COPY \"a\"\"b\".\"T\" TO STDOUT (ENCODING 'UTF8')");
        assert_eq!(
            statement("(id, \"x)\")", Some("WHERE id > 9")),
            "COPY (SELECT id, \"x)\" FROM ONLY \"a\"\"b\".\"T\" WHERE id > 9) TO STDOUT (ENCODING 'UTF8')"
        );
    }
}
