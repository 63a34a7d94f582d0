//! What a dump has to copy: the tables that have data in the table of contents, and the large objects.

use std::collections::HashMap;

use permafrost_pgarchive::{Entry, TableOfContents, Text};
use permafrost_vault::plan::{OidRange, Part, PartData, Rows, TablePart};

use super::plan::DumpOptions;
use super::ranges::{key_ranges, page_ranges};
use crate::error::EngineError;
use crate::pg::Connection;

/// Large objects of one part.
const LARGE_OBJECTS: u64 = 1_000;

/// Everything that has data, with its size.
pub(super) struct Pieces {
    tables: Vec<Table>,
    large_objects: Vec<Part>,
}

/// A table, before it is cut.
struct Table {
    oid: u32,
    part: TablePart,
    size: Size,
}

/// A table on the server's disk.
#[derive(Debug, Clone, Copy, Default)]
struct Size {
    /// With its TOAST.
    bytes: u64,
    /// Its own pages.
    pages: u32,
    /// Whether the server can read it by its pages: from PostgreSQL 14 on, and as a heap.
    by_pages: bool,
}

impl Pieces {
    /// Reads what there is to copy.
    pub(super) async fn read(
        connection: &mut Connection,
        toc: &TableOfContents,
    ) -> Result<Self, EngineError> {
        let data: Vec<&Entry> = toc.entries.iter().filter(|entry| entry.desc.is_table_data()).collect();
        let sizes = sizes(connection, &data).await?;
        let mut conditions = extension_conditions(connection).await?;
        let tables = data
            .into_iter()
            .map(|entry| {
                let rows = conditions.remove(&entry.oid).map_or(Rows::All, Rows::Condition);
                let size = sizes.get(&entry.oid).copied().unwrap_or_default();
                Ok(Table { oid: entry.oid, part: table_part(entry, rows)?, size })
            })
            .collect::<Result<_, EngineError>>()?;
        let has_large_objects = toc.entries.iter().any(|entry| entry.desc.is_blobs());
        let large_objects = if has_large_objects { large_objects(connection).await? } else { Vec::new() };
        Ok(Self { tables, large_objects })
    }

    /// The size of it all on the server's disk.
    pub(super) fn total_bytes(&self) -> u64 {
        let tables = self.tables.iter().map(|table| table.size.bytes);
        tables.chain(self.large_objects.iter().map(|part| part.estimated_bytes)).sum()
    }

    /// Cuts large tables into parts of about `target_bytes`.
    pub(super) async fn parts(
        self,
        connection: &mut Connection,
        target_bytes: u64,
        options: &DumpOptions,
    ) -> Result<Vec<Part>, EngineError> {
        let whole_bytes = options.unsplit_bytes(self.total_bytes());
        let mut parts = self.large_objects;
        for Table { oid, part, size } in self.tables {
            let ranges = match part.rows {
                Rows::All if size.by_pages => {
                    let ranges = page_ranges(size.pages, size.bytes, target_bytes, whole_bytes);
                    ranges.into_iter().map(Rows::Pages).collect()
                }
                Rows::All if size.bytes > options.whole_table_bytes() => {
                    ranges_of_key(connection, oid, &part, size.bytes, target_bytes).await?
                }
                _ => Vec::new(),
            };
            parts.extend(cut_table(&part, size.bytes, ranges));
        }
        Ok(parts)
    }
}

/// The table as one part, or one for each range.
fn cut_table(whole: &TablePart, bytes: u64, ranges: Vec<Rows>) -> Vec<Part> {
    let rows = if ranges.is_empty() { vec![whole.rows.clone()] } else { ranges };
    let parts = u32::try_from(rows.len()).unwrap_or(u32::MAX);
    (0..)
        .zip(rows)
        .map(|(part, rows)| Part {
            data: PartData::Table(TablePart { part, parts, rows, ..whole.clone() }),
            estimated_bytes: bytes / u64::from(parts),
        })
        .collect()
}

fn table_part(entry: &Entry, rows: Rows) -> Result<TablePart, EngineError> {
    let relation = entry.relation();
    let statement = entry
        .copy_statement()
        .map_err(|error| EngineError::TocContents { what: error.to_string() })?
        .ok_or_else(|| EngineError::TocContents {
            what: format!("no COPY statement for {}", relation.name.to_string_lossy()),
        })?;
    Ok(TablePart {
        dump_id: entry.dump_id.get(),
        part: 0,
        parts: 1,
        schema: relation.schema.as_ref().map(utf8).transpose()?.unwrap_or_default(),
        name: utf8(&relation.name)?,
        columns: match &statement.columns {
            Some(columns) => format!("({})", utf8(columns)?),
            None => String::new(),
        },
        rows,
    })
}

/// A text of the table of contents as UTF-8.
fn utf8(text: &Text) -> Result<String, EngineError> {
    text.to_str().map(str::to_owned).map_err(|_| EngineError::TocContents {
        what: format!("the name {:?}, which is not UTF-8", text.to_string_lossy()),
    })
}

async fn sizes(connection: &mut Connection, data: &[&Entry]) -> Result<HashMap<u32, Size>, EngineError> {
    let failed = || EngineError::query("read the sizes of the tables");
    let oids: Vec<String> = data.iter().map(|entry| entry.oid.to_string()).collect();
    // Before 12 there are only heaps; before 14 a condition on ctid reads the whole table.
    let by_pages = match connection.server_version().num() {
        num if num >= 140_000 => {
            "EXISTS (SELECT FROM pg_catalog.pg_am a WHERE a.oid = c.relam AND a.amname = 'heap')"
        }
        _ => "false",
    };
    let query = format!(
        "SELECT c.oid, pg_catalog.pg_table_size(c.oid), \
                pg_catalog.pg_relation_size(c.oid) / pg_catalog.current_setting('block_size')::pg_catalog.int8, \
                {by_pages} \
           FROM pg_catalog.unnest($1::pg_catalog.oid[]) o JOIN pg_catalog.pg_class c ON c.oid = o"
    );
    let rows =
        connection.query(&query, &[Some(&format!("{{{}}}", oids.join(",")))]).await.map_err(failed())?;
    let mut sizes = HashMap::with_capacity(rows.len());
    for row in rows {
        let bytes: Option<u64> = row.parse(1).map_err(failed())?;
        let pages: Option<u32> = row.parse(2).map_err(failed())?;
        let size = Size {
            bytes: bytes.unwrap_or_default(),
            pages: pages.unwrap_or_default(),
            by_pages: row.get(3) == Some("t"),
        };
        sizes.insert(row.parse(0).map_err(failed())?, size);
    }
    Ok(sizes)
}

/// Which rows of an extension's configuration table are the user's (`pg_extension_config_dump`).
async fn extension_conditions(connection: &mut Connection) -> Result<HashMap<u32, String>, EngineError> {
    let failed = || EngineError::query("read the configuration tables of the extensions");
    let rows = connection
        .query(
            "SELECT t.oid, t.condition FROM pg_catalog.pg_extension e, \
             LATERAL ROWS FROM (pg_catalog.unnest(e.extconfig), pg_catalog.unnest(e.extcondition)) \
             AS t (oid, condition) WHERE t.condition <> ''",
            &[],
        )
        .await
        .map_err(failed())?;
    rows.iter()
        .map(|row| Ok((row.parse(0).map_err(failed())?, row.get(1).unwrap_or_default().to_owned())))
        .collect()
}

/// Ranges of a table's primary key, along what the server's statistics know of it; none where there is no key, or
/// no statistics, or a type or collation for which they could be in another order than the key.
async fn ranges_of_key(
    connection: &mut Connection,
    oid: u32,
    part: &TablePart,
    bytes: u64,
    target_bytes: u64,
) -> Result<Vec<Rows>, EngineError> {
    let object = format!("table {}.{}", part.schema, part.name);
    let failed = || EngineError::query_on(format!("read the key of {object}"), object.clone());
    let key = connection
        .query(
            "SELECT pg_catalog.quote_ident(a.attname), pg_catalog.format_type(a.atttypid, NULL) \
               FROM pg_catalog.pg_index i \
               JOIN pg_catalog.pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0] \
               JOIN pg_catalog.pg_type t ON t.oid = a.atttypid \
              WHERE i.indrelid = $1::pg_catalog.oid AND i.indisprimary AND i.indisvalid \
                AND a.attcollation IN (0, 100) \
                AND t.typnamespace = 'pg_catalog'::pg_catalog.regnamespace AND t.typtype = 'b'",
            &[Some(&oid.to_string())],
        )
        .await
        .map_err(failed())?;
    let Some(key) = key.first() else { return Ok(Vec::new()) };
    let (column, of_type) = (key.get(0).unwrap_or_default(), key.get(1).unwrap_or_default());
    // In the order of the type, hence `u.b`: the result's own column is text, whose order would make ranges overlap.
    let rows = connection
        .query(
            &format!(
                "SELECT b::pg_catalog.text FROM (SELECT DISTINCT \
                   pg_catalog.unnest(s.histogram_bounds::pg_catalog.text::{of_type}[]) b \
                   FROM pg_catalog.pg_stats s JOIN pg_catalog.pg_class c ON c.relname = s.tablename \
                   JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace AND n.nspname = s.schemaname \
                  WHERE c.oid = $1::pg_catalog.oid AND pg_catalog.quote_ident(s.attname) = $2 \
                    AND NOT s.inherited) u ORDER BY u.b"
            ),
            &[Some(&oid.to_string()), Some(column)],
        )
        .await
        .map_err(failed())?;
    let bounds: Vec<String> = rows.iter().map(|row| row.get(0).unwrap_or_default().to_owned()).collect();
    let count = usize::try_from(bytes.div_ceil(target_bytes.max(1))).unwrap_or(usize::MAX);
    let ranges = key_ranges(column, of_type, &bounds, count);
    Ok(if ranges.len() > 1 { ranges.into_iter().map(Rows::Keys).collect() } else { Vec::new() })
}

/// The large objects, in ranges of their numbers.
async fn large_objects(connection: &mut Connection) -> Result<Vec<Part>, EngineError> {
    let failed = || EngineError::query("count the large objects");
    let query = format!(
        "SELECT pg_catalog.min(oid::pg_catalog.int8), pg_catalog.max(oid::pg_catalog.int8), pg_catalog.count(*), \
                pg_catalog.pg_relation_size('pg_catalog.pg_largeobject'::pg_catalog.regclass) \
           FROM (SELECT oid, (pg_catalog.row_number() OVER (ORDER BY oid) - 1) / {LARGE_OBJECTS} AS part \
                   FROM pg_catalog.pg_largeobject_metadata) o GROUP BY part ORDER BY part"
    );
    let rows = connection.query(&query, &[]).await.map_err(failed())?;
    let mut ranges = Vec::with_capacity(rows.len());
    for row in &rows {
        let range = OidRange { from: row.parse(0).map_err(failed())?, to: row.parse(1).map_err(failed())? };
        let (count, bytes): (u64, u64) = (row.parse(2).map_err(failed())?, row.parse(3).map_err(failed())?);
        ranges.push((range, count, bytes));
    }
    // How large each one is, only a superuser may ask: they are taken to be of one size.
    let total: u64 = ranges.iter().map(|(_, count, _)| count).sum();
    Ok(ranges
        .into_iter()
        .map(|(range, count, bytes)| Part {
            data: PartData::LargeObjects(range),
            estimated_bytes: bytes / total.max(1) * count,
        })
        .collect())
}
