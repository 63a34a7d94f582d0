//! The plan of a dump: pg_dump's own table of contents under the snapshot, cut into tasks.

use std::collections::HashMap;

use jiff::Timestamp;
use permafrost_domain::data_source::DataSource;
use permafrost_domain::{Code, Fault};
use permafrost_pgarchive::{Entry, TableOfContents, Text};
use permafrost_vault::plan::{DumpPlan, Part, Source, cut};
use permafrost_vault::store::{Written, parse_document, write_document};
use permafrost_vault::{FORMAT, PointLayout, Store};

use crate::error::EngineError;
use crate::login::Login;
use crate::pg::Connection;
use crate::programs::{PgPrograms, PgProgramsOfMajor, Rest};
use crate::toc::directory_form;
use crate::{session, snapshot};

/// About how much data a task copies: a few minutes' worth, so that a function never runs out of time and a
/// task that has to be repeated costs little.
const TASK_BYTES: u64 = 1024 * 1024 * 1024;

/// What there is to do, for the job's progress.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Planned {
    /// Tasks.
    pub tasks: u32,
    /// Tables.
    pub tables: u64,
    /// The tables' size on the server's disk.
    pub estimated_bytes: u64,
}

impl Planned {
    fn of(plan: &DumpPlan) -> Self {
        let parts = plan.tasks.iter().flat_map(|task| &task.parts);
        Self {
            tasks: u32::try_from(plan.tasks.len()).expect("tasks are numbered by u32"),
            tables: parts.clone().count() as u64,
            estimated_bytes: parts.map(|part| part.estimated_bytes).sum(),
        }
    }
}

/// A snapshot, as the catalog names it.
#[derive(Debug, Clone, Copy)]
pub struct SnapshotRef<'a> {
    /// The name by which sessions join it.
    pub id: &'a str,
    /// When it was taken.
    pub consistent_at: Timestamp,
}

/// Takes the table of contents and the globals, cuts the data into tasks, and writes the plan.
///
/// Crash story: table of contents, globals, plan, each create-only. A repeated call finds the plan and returns
/// it; or it finds a table of contents that an earlier call took under the same snapshot, and plans by that.
///
/// # Errors
/// pg_dump or the server refuse, the snapshot is gone, or the store cannot be written.
pub async fn plan_dump(
    store: &Store,
    layout: &PointLayout,
    programs: &PgPrograms,
    source: &DataSource,
    login: &Login,
    snapshot: SnapshotRef<'_>,
) -> Result<Planned, EngineError> {
    if let Some(plan) = existing_plan(store, layout).await? {
        return Ok(Planned::of(&plan));
    }
    let mut connection = login.connect().await?;
    session::settle(&mut connection).await?;
    snapshot::join(&mut connection, snapshot.id, std::iter::empty()).await?;
    let programs = programs.for_major(connection.server_version().major())?;

    let taken = take_toc(&programs, login, &snapshot::export(&mut connection).await?).await?;
    let (toc_ref, toc) =
        match store.put_or_get(layout, PointLayout::TOC, directory_form(&taken)?.into()).await? {
            Written::New(object) => (object, taken),
            Written::Existing(object, body) => {
                (object, TableOfContents::read(&mut body.as_ref()).map_err(EngineError::Toc)?)
            }
        };
    let globals = take_globals(&programs, login).await?;
    let globals = match store.put_or_get(layout, PointLayout::GLOBALS, globals.into()).await? {
        Written::New(object) | Written::Existing(object, _) => object,
    };

    let plan = DumpPlan {
        format: FORMAT,
        source: describe(&mut connection, source, &toc).await?,
        consistent_at: snapshot.consistent_at,
        tasks: cut(parts(&mut connection, &toc).await?, TASK_BYTES),
        toc: toc_ref,
        globals,
    };
    connection.close().await;
    match store.put_or_get(layout, PointLayout::PLAN, write_document(&plan)).await? {
        Written::New(_) => Ok(Planned::of(&plan)),
        Written::Existing(object, body) => Ok(Planned::of(&parse_document(&object.key, &body)?)),
    }
}

async fn existing_plan(store: &Store, layout: &PointLayout) -> Result<Option<DumpPlan>, EngineError> {
    match store.get_current(layout, PointLayout::PLAN).await {
        Ok((object, body)) => Ok(Some(parse_document(&object.key, &body)?)),
        Err(permafrost_vault::VaultError::Missing { .. }) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The header and table of contents that pg_dump writes before any data; then pg_dump is ended.
async fn take_toc(
    programs: &PgProgramsOfMajor,
    login: &Login,
    snapshot_id: &str,
) -> Result<TableOfContents, EngineError> {
    let (sender, receiver) = std::sync::mpsc::channel();
    programs
        .program("pg_dump", login)?
        .args(["--format=custom", "--compress=0", "--no-password", "--lock-wait-timeout=30000"])
        .args([format!("--snapshot={snapshot_id}")])
        .read_output(move |stdout| {
            let toc = TableOfContents::read(&mut std::io::BufReader::with_capacity(64 * 1024, &mut *stdout))
                .map_err(EngineError::Toc)?;
            // The receiver outlives this call, so sending cannot fail.
            let _ = sender.send(toc);
            Ok(Rest::Kill)
        })
        .await?;
    receiver.try_recv().map_err(|_| EngineError::TocContents { what: "nothing".to_owned() })
}

async fn take_globals(programs: &PgProgramsOfMajor, login: &Login) -> Result<Vec<u8>, EngineError> {
    programs
        .program("pg_dumpall", login)?
        .args(["--globals-only", "--no-role-passwords", "--no-password"])
        .output()
        .await
}

/// A text of the table of contents as UTF-8.
fn utf8(text: &Text) -> Result<String, EngineError> {
    text.to_str().map(str::to_owned).map_err(|_| EngineError::TocContents {
        what: format!("the name {:?}, which is not UTF-8", text.to_string_lossy()),
    })
}

/// The parts to copy: one for every TABLE DATA entry.
async fn parts(connection: &mut Connection, toc: &TableOfContents) -> Result<Vec<Part>, EngineError> {
    if let Some(entry) = toc.entries.iter().find(|entry| entry.desc.is_blobs() || entry.desc.is_blob()) {
        let fault = Fault::new(Code::LargeObjectsNotSupported, "the database holds large objects");
        return Err(fault.on(format!("large object {}", entry.tag.to_string_lossy())).into());
    }
    let data: Vec<&Entry> = toc.entries.iter().filter(|entry| entry.desc.is_table_data()).collect();
    let sizes = sizes(connection, &data).await?;
    let conditions = extension_conditions(connection).await?;
    data.into_iter()
        .map(|entry| {
            let relation = entry.relation();
            let statement = entry
                .copy_statement()
                .map_err(|error| EngineError::TocContents { what: error.to_string() })?
                .ok_or_else(|| EngineError::TocContents {
                    what: format!("no COPY statement for {}", relation.name.to_string_lossy()),
                })?;
            Ok(Part {
                dump_id: entry.dump_id.get(),
                schema: relation.schema.as_ref().map(utf8).transpose()?.unwrap_or_default(),
                name: utf8(&relation.name)?,
                columns: match &statement.columns {
                    Some(columns) => format!("({})", utf8(columns)?),
                    None => String::new(),
                },
                condition: conditions.get(&entry.oid).cloned(),
                estimated_bytes: sizes.get(&entry.oid).copied().unwrap_or_default(),
            })
        })
        .collect()
}

async fn sizes(connection: &mut Connection, data: &[&Entry]) -> Result<HashMap<u32, u64>, EngineError> {
    let failed = || EngineError::query("read the sizes of the tables");
    let oids: Vec<String> = data.iter().map(|entry| entry.oid.to_string()).collect();
    let rows = connection
        .query(
            "SELECT oid, pg_catalog.pg_table_size(oid) FROM pg_catalog.unnest($1::pg_catalog.oid[]) oid",
            &[Some(&format!("{{{}}}", oids.join(",")))],
        )
        .await
        .map_err(failed())?;
    let mut sizes = HashMap::new();
    for row in rows {
        let size: Option<u64> = row.parse(1).map_err(failed())?;
        sizes.insert(row.parse(0).map_err(failed())?, size.unwrap_or_default());
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

async fn describe(
    connection: &mut Connection,
    source: &DataSource,
    toc: &TableOfContents,
) -> Result<Source, EngineError> {
    let version = connection.server_version();
    let provider = match version.num() {
        num if num >= 170_000 => "datlocprovider, datlocale",
        num if num >= 150_000 => "datlocprovider, daticulocale",
        _ => "'c', NULL::text",
    };
    let failed = || EngineError::query("describe the database");
    let rows = connection
        .query(
            &format!(
                "SELECT pg_catalog.pg_encoding_to_char(encoding), datcollate, datctype, {provider} \
                 FROM pg_catalog.pg_database WHERE datname = pg_catalog.current_database()"
            ),
            &[],
        )
        .await
        .map_err(failed())?;
    let row = rows.first().ok_or_else(|| EngineError::TocContents { what: "no database".to_owned() })?;
    let text = |index: usize| row.get(index).unwrap_or_default().to_owned();
    Ok(Source {
        host: source.host.to_string(),
        port: source.port.get(),
        database: source.database.to_string(),
        server_version: version.to_string(),
        encoding: text(0),
        collate: text(1),
        ctype: text(2),
        locale_provider: text(3).chars().next().unwrap_or('c'),
        locale: row.get(4).map(str::to_owned),
        pg_dump_version: toc.header.pg_dump_version.to_string_lossy().into_owned(),
        archive_version: toc.header.version.to_string(),
    })
}
