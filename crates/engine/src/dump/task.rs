//! Copying one task of a dump: rows from the server, frames of whole rows into segments.
//!
//! Crash story: a run of a task writes under a name of its own, and its result last, create-only. Of several
//! runs the first result counts; segments that no result names are garbage. A task that has a result is not
//! copied again: so a backup that goes on after a failure copies only what is missing.

use permafrost_domain::job::Progress;
use permafrost_vault::plan::{Compression, KeyRange, PageRange, Part, PartData, Rows, TablePart, Task};
use permafrost_vault::segment::SEGMENT_BYTES;
use permafrost_vault::store::{Written, parse_document, write_document};
use permafrost_vault::task_result::TableData;
use permafrost_vault::{FORMAT, PointLayout, SegmentWriter, Store, TaskResult, VaultError};

use super::frames::{FRAME_BYTES, FrameWriter};
use super::large_objects;
use crate::error::EngineError;
use crate::login::Login;
use crate::pg::{Connection, QueryError};
use crate::{session, snapshot, sql};

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
    /// How frames are compressed, and the level.
    pub compression: (Compression, i32),
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
        if let Some(result) = self.earlier_result(task).await? {
            return Ok(done_of(&result));
        }
        let mut connection = self.login.connect().await?;
        session::settle(&mut connection).await?;
        let tables = task.parts.iter().filter_map(Part::table);
        let names: Vec<String> = tables.map(|table| sql::qualified(&table.schema, &table.name)).collect();
        snapshot::join(&mut connection, self.snapshot_id, names.iter().map(String::as_str)).await?;

        let writer = SegmentWriter::new(
            self.store.clone(),
            self.layout,
            task.task,
            self.attempt.to_owned(),
            SEGMENT_BYTES,
        );
        let (compression, level) = self.compression;
        let mut frames = FrameWriter::new(writer, compression, level)?;
        let tables = copy_tables(&mut connection, &mut frames, &task.parts, watch).await?;
        let mut objects = Vec::new();
        for part in &task.parts {
            if let PartData::LargeObjects(range) = &part.data {
                frames.begin_part(part.estimated_bytes);
                objects.append(&mut large_objects::copy(&mut connection, &mut frames, *range, watch).await?);
            }
        }
        connection.close().await;

        objects.sort_by_key(|object| object.oid);
        let done = frames.done;
        let result = TaskResult {
            format: FORMAT,
            task: task.task,
            attempt: self.attempt.to_owned(),
            segments: frames.finish().await?,
            tables,
            large_objects: objects,
        };
        let name = PointLayout::task_result(task.task);
        match self.store.put_or_get(&self.layout, &name, write_document(&result)).await? {
            Written::New(_) | Written::Existing(..) => Ok(done),
        }
    }

    async fn earlier_result(&self, task: &Task) -> Result<Option<TaskResult>, EngineError> {
        match self.store.get_current(&self.layout, &PointLayout::task_result(task.task)).await {
            Ok((object, body)) => Ok(Some(parse_document(&object.key, &body)?)),
            Err(VaultError::Missing { .. }) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

/// What a task with this result has done.
fn done_of(result: &TaskResult) -> Progress {
    Progress {
        tables_done: result.tables.iter().filter(|table| table.part == 0).count() as u64,
        rows_done: result.tables.iter().map(|table| table.sums.rows).sum(),
        bytes_done: result.frames().map(|frame| frame.raw_length).sum(),
        ..Progress::default()
    }
}

/// Copies the tables among the parts. The statement behind the one that is read is always on its way: so the server
/// goes on while its last rows are compressed.
async fn copy_tables(
    connection: &mut Connection,
    frames: &mut FrameWriter,
    parts: &[Part],
    watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
) -> Result<Vec<TableData>, EngineError> {
    let encoding = session::encoding_option(connection);
    let mut tables = Vec::with_capacity(parts.len());
    for part in parts {
        if let PartData::Table(table) = &part.data {
            tables.push((part, table, statements(connection, table, &encoding).await?));
        }
    }
    let mut sent = tables.iter().flat_map(|(.., statements)| statements).map(|statement| &statement.sql);
    let (Some(first), Some((_, table, _))) = (sent.next(), tables.first()) else { return Ok(Vec::new()) };
    let mut copy = connection.copy_out(first).await.map_err(unread(table))?;

    let mut begun = true;
    let mut copied = Vec::with_capacity(tables.len());
    for (part, table, statements) in &tables {
        frames.begin_part(part.estimated_bytes);
        let mut written = Vec::new();
        for Statement { page, .. } in statements {
            if !std::mem::take(&mut begun) {
                copy.next().await.map_err(unread(table))?;
            }
            if let Some(next) = sent.next() {
                copy.follow_with(next).await.map_err(unread(table))?;
            }
            loop {
                let block = copy.read_rows(&mut frames.raw, FRAME_BYTES).await.map_err(unread(table))?;
                if block.rows > 0 {
                    written.push(frames.write(block.rows, *page).await?);
                    watch(frames.done).await?;
                }
                if block.end {
                    break;
                }
            }
        }
        copied.push(TableData::of_frames(table, written));
        frames.done.tables_done += u64::from(table.part == 0);
    }
    Ok(copied)
}

/// One of the statements that read a part.
struct Statement {
    sql: String,
    /// The first page of those that it reads.
    page: Option<u32>,
}

/// The statements that read a part: one, or one for each step of its pages.
async fn statements(
    connection: &mut Connection,
    part: &TablePart,
    encoding: &str,
) -> Result<Vec<Statement>, EngineError> {
    let read = |within: &str, page| Statement { sql: copy_statement(part, within, encoding), page };
    Ok(match &part.rows {
        Rows::All | Rows::Condition(_) => vec![read("", None)],
        Rows::Keys(keys) => vec![read(&within_keys(keys), None)],
        Rows::Pages(pages) => {
            let steps = steps(*pages, end_page(connection, part).await?);
            steps.into_iter().map(|(from, to)| read(&within_pages(from, to), Some(from))).collect()
        }
    })
}

fn unread(table: &TablePart) -> impl FnOnce(QueryError) -> EngineError {
    let object = format!("table {}.{}", table.schema, table.name);
    EngineError::query_on(format!("read {object}"), object)
}

/// The page behind the table's last one as it is now: rows of the snapshot lie on no later one.
async fn end_page(connection: &mut Connection, part: &TablePart) -> Result<u32, EngineError> {
    let object = format!("table {}.{}", part.schema, part.name);
    let failed = || EngineError::query_on(format!("read the size of {object}"), object.clone());
    let rows = connection
        .query(
            "SELECT pg_catalog.pg_relation_size($1::pg_catalog.regclass) \
             / pg_catalog.current_setting('block_size')::pg_catalog.int8",
            &[Some(&sql::qualified(&part.schema, &part.name))],
        )
        .await
        .map_err(failed())?;
    let pages: u64 = match rows.first() {
        Some(row) => row.parse(0).map_err(failed())?,
        None => 0,
    };
    Ok(u32::try_from(pages).unwrap_or(u32::MAX))
}

/// The pieces of a range of pages, each within one step; the last one of a range without an end has none.
fn steps(range: PageRange, end_page: u32) -> Vec<(u32, Option<u32>)> {
    let step = range.step.max(1);
    let mut steps = Vec::new();
    let mut from = range.from;
    loop {
        let next = (from / step + 1).checked_mul(step);
        match (next, range.to) {
            (Some(next), Some(to)) if next < to => steps.push((from, Some(next))),
            (_, Some(to)) => {
                steps.push((from, Some(to)));
                return steps;
            }
            (Some(next), None) if next < end_page => steps.push((from, Some(next))),
            (_, None) => {
                steps.push((from, None));
                return steps;
            }
        }
        from = next.unwrap_or(u32::MAX);
    }
}

fn within_pages(from: u32, to: Option<u32>) -> String {
    match to {
        Some(to) => format!("ctid >= '({from},0)' AND ctid < '({to},0)'"),
        None => format!("ctid >= '({from},0)'"),
    }
}

fn within_keys(range: &KeyRange) -> String {
    let bound = |operator: &str, value: &String| {
        format!("{} {operator} {}::{}", range.column, sql::literal(value), range.of_type)
    };
    let from = range.from.as_ref().map(|from| bound(">=", from));
    let to = range.to.as_ref().map(|to| bound("<", to));
    from.into_iter().chain(to).collect::<Vec<_>>().join(" AND ")
}

/// The statement that reads a part, in the encoding in which the database stores it. Of a part that is a range, the
/// rows `within` it.
fn copy_statement(part: &TablePart, within: &str, encoding: &str) -> String {
    let table = sql::qualified(&part.schema, &part.name);
    let condition = match &part.rows {
        Rows::Condition(condition) => condition.clone(),
        Rows::All => String::new(),
        Rows::Pages(_) | Rows::Keys(_) if within.is_empty() => String::new(),
        Rows::Pages(_) | Rows::Keys(_) => format!("WHERE {within}"),
    };
    if condition.is_empty() {
        let columns = if part.columns.is_empty() { String::new() } else { format!(" {}", part.columns) };
        return format!("COPY {table}{columns} TO STDOUT ({encoding})");
    }
    let columns = part.columns.strip_prefix('(').unwrap_or(&part.columns);
    let columns = columns.strip_suffix(')').unwrap_or(columns);
    format!("COPY (SELECT {columns} FROM ONLY {table} {condition}) TO STDOUT ({encoding})")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(columns: &str, rows: Rows) -> TablePart {
        let (schema, name, columns) = ("a\"b".into(), "T".into(), columns.into());
        TablePart { dump_id: 1, part: 0, parts: 1, schema, name, columns, rows }
    }

    #[test]
    fn statements_name_table_columns_and_encoding() {
        let statement =
            |columns, rows, within: &str| copy_statement(&part(columns, rows), within, "ENCODING 'UTF8'");
        assert_eq!(
            statement("(id, \"x)\")", Rows::All, ""),
            "COPY \"a\"\"b\".\"T\" (id, \"x)\") TO STDOUT (ENCODING 'UTF8')"
        );
        assert_eq!(statement("", Rows::All, ""), "COPY \"a\"\"b\".\"T\" TO STDOUT (ENCODING 'UTF8')");
        assert_eq!(
            statement("(id, \"x)\")", Rows::Condition("WHERE id > 9".into()), ""),
            "COPY (SELECT id, \"x)\" FROM ONLY \"a\"\"b\".\"T\" WHERE id > 9) TO STDOUT (ENCODING 'UTF8')"
        );
        let pages = Rows::Pages(PageRange { from: 1024, to: Some(2048), step: 1024 });
        assert_eq!(
            statement("(id)", pages, &within_pages(1024, Some(2048))),
            "COPY (SELECT id FROM ONLY \"a\"\"b\".\"T\" WHERE ctid >= '(1024,0)' AND ctid < '(2048,0)') \
             TO STDOUT (ENCODING 'UTF8')"
        );
    }

    #[test]
    fn keys_are_compared_as_values_of_their_type() {
        let range = |from: Option<&str>, to: Option<&str>| {
            let (from, to) = (from.map(str::to_owned), to.map(str::to_owned));
            within_keys(&KeyRange { column: "\"k\"".into(), of_type: "text".into(), from, to })
        };
        assert_eq!(range(Some("a'b"), Some("c")), "\"k\" >= 'a''b'::text AND \"k\" < 'c'::text");
        assert_eq!(range(None, Some("c")), "\"k\" < 'c'::text");
        assert_eq!(range(None, None), "");
    }

    #[test]
    fn steps_end_at_multiples_and_the_last_one_is_open() {
        let range = |from, to, step| PageRange { from, to, step };
        assert_eq!(
            steps(range(0, Some(2500), 1024), 9999),
            [(0, Some(1024)), (1024, Some(2048)), (2048, Some(2500))]
        );
        assert_eq!(steps(range(1024, None, 1024), 3000), [(1024, Some(2048)), (2048, None)]);
        // The table has shrunk, or is as long as was planned.
        assert_eq!(steps(range(2048, None, 1024), 0), [(2048, None)]);
        assert_eq!(steps(range(0, Some(1024), 1024), 0), [(0, Some(1024))]);
        assert_eq!(steps(range(u32::MAX - 1, None, 1024), u32::MAX), [(u32::MAX - 1, None)]);
    }
}
