//! The plan of a dump: pg_dump's own table of contents under the snapshot, cut into tasks.

use jiff::Timestamp;
use permafrost_domain::data_source::DataSource;
use permafrost_pgarchive::TableOfContents;
use permafrost_vault::plan::{Compression, DumpPlan, Part, Source, cut};
use permafrost_vault::store::{Written, parse_document, write_document};
use permafrost_vault::{FORMAT, PointLayout, Store};

use super::parts::Pieces;
use crate::error::EngineError;
use crate::login::Login;
use crate::pg::Connection;
use crate::programs::{PgPrograms, PgProgramsOfMajor, Rest};
use crate::toc::directory_form;
use crate::{session, snapshot};

/// A smaller task is not worth its function's start.
const SMALLEST_TASK_BYTES: u64 = 32 * 1024 * 1024;
/// A task has such a share of what is left for its worker: so none is left waiting long for another's last task.
const SHARES_OF_WHAT_IS_LEFT: u64 = 4;
/// As many parts of a large table as make a full task, so that tasks can become smaller.
const PARTS_OF_A_TASK: u64 = 2;
/// A table of no more than such a share of what each of the workers copies leaves none of them waiting.
const SHARES_OF_A_WORKER: u64 = 3;
/// How many tasks' worth of a table one task copies where the table cannot be cut by its pages: what a function copies
/// in its life, by far.
const WHOLE_TABLE_TASKS: u64 = 16;
/// About the most tasks: a Map's items travel in a payload. Tasks of a larger database are larger.
const MOST_TASKS: u64 = 1_500;

/// How a dump is cut and compressed.
#[derive(Debug, Clone, Copy)]
pub struct DumpOptions {
    /// About how much data a task copies at most: a few minutes' worth, so that a function never runs out of time
    /// and a task that has to be repeated costs little.
    pub task_bytes: u64,
    /// How many tasks run at one time.
    pub workers: u32,
    /// How frames are compressed.
    pub compression: Compression,
    /// The level of the compression.
    pub level: i32,
}

impl Default for DumpOptions {
    fn default() -> Self {
        Self {
            task_bytes: 1024 * 1024 * 1024,
            workers: 2,
            // On few cores, more costs more time than it saves space (docs/benchmarks.md).
            compression: Compression::Zstd,
            level: 1,
        }
    }
}

impl DumpOptions {
    /// Up to which size a table that cannot be read by its pages (before PostgreSQL 14) is copied whole. Beyond, it is
    /// copied by ranges of its primary key, each of which costs a scan of the key's index.
    pub(super) fn whole_table_bytes(&self) -> u64 {
        self.task_bytes.saturating_mul(WHOLE_TABLE_TASKS)
    }

    /// Up to which size a table is one part, in a database of `total_bytes`, though parts are smaller. One of several
    /// tables need not be cut to keep all workers busy, and one that is whole is restored with less work: its rows can
    /// be frozen as they are loaded.
    pub(super) fn unsplit_bytes(&self, total_bytes: u64) -> u64 {
        (total_bytes / (u64::from(self.workers.max(1)) * SHARES_OF_A_WORKER)).min(self.task_bytes)
    }

    /// About how many bytes a task copies where `left_bytes` of a database of `total_bytes` are left.
    fn target_bytes(&self, left_bytes: u64, total_bytes: u64) -> u64 {
        let shared = left_bytes / (u64::from(self.workers.max(1)) * SHARES_OF_WHAT_IS_LEFT);
        shared.max(SMALLEST_TASK_BYTES).min(self.task_bytes.max(1)).max(total_bytes / MOST_TASKS)
    }

    /// About how many bytes a part of a large table has.
    fn part_bytes(&self, total_bytes: u64) -> u64 {
        let task_bytes = self.target_bytes(total_bytes, total_bytes);
        (task_bytes / PARTS_OF_A_TASK).max(SMALLEST_TASK_BYTES).min(task_bytes)
    }
}

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
            tables: parts.clone().filter_map(Part::table).filter(|table| table.part == 0).count() as u64,
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
    options: &DumpOptions,
) -> Result<Planned, EngineError> {
    if let Some(plan) = existing_plan(store, layout).await? {
        return Ok(Planned::of(&plan));
    }
    let mut connection = login.connect().await?;
    session::settle(&mut connection).await?;
    snapshot::join(&mut connection, snapshot.id, std::iter::empty()).await?;
    let programs = programs.for_major(connection.server_version().major())?;

    let exported = snapshot::export(&mut connection).await?;
    // The tasks wait for both, so they run at once.
    let (taken, globals) =
        tokio::try_join!(take_toc(&programs, login, &exported), take_globals(&programs, login))?;
    let (toc_ref, toc) =
        match store.put_or_get(layout, PointLayout::TOC, directory_form(&taken)?.into()).await? {
            Written::New(object) => (object, taken),
            Written::Existing(object, body) => {
                (object, TableOfContents::read(&mut body.as_ref()).map_err(EngineError::Toc)?)
            }
        };
    let globals = match store.put_or_get(layout, PointLayout::GLOBALS, globals.into()).await? {
        Written::New(object) | Written::Existing(object, _) => object,
    };

    let pieces = Pieces::read(&mut connection, &toc).await?;
    let total_bytes = pieces.total_bytes();
    let parts = pieces.parts(&mut connection, options.part_bytes(total_bytes), options).await?;
    let plan = DumpPlan {
        format: FORMAT,
        source: describe(&mut connection, source, &toc).await?,
        consistent_at: snapshot.consistent_at,
        compression: options.compression,
        level: options.level,
        tasks: cut(parts, |left_bytes| options.target_bytes(left_bytes, total_bytes)),
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
