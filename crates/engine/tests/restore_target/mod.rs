//! A restore without a store: a database of a server is taken apart by pg_dump and put together by the engine. The
//! rows, which would come from the store, are put in by psql.

use std::collections::BTreeMap;
use std::time::Duration;

use permafrost_domain::data_source::DatabaseName;
use permafrost_domain::restore_options::{Content, RestoreOptions, Tablespaces};
use permafrost_domain::{InstanceId, JobId, PointId};
use permafrost_engine::restore::{
    PostDataState, Restore, RestorePlan, finish, prepare, restore_plan, run_post_data, warnings,
};
use permafrost_engine::{EngineError, Login};
use permafrost_pgarchive::TableOfContents;
use permafrost_vault::manifest::{Belonging, Manifest, TableSummary, Totals};
use permafrost_vault::plan::{Compression, Source};
use permafrost_vault::task_result::Sums;
use permafrost_vault::{Blake3, FORMAT, ObjectRef};

use crate::pg_server::Server;

/// A moment of 2026.
const AT: &str = "2026-11-22T10:00:00Z";

/// A database, as its backup describes it, and the restore of it under another name.
pub(crate) struct Restored {
    pub(crate) server: Server,
    pub(crate) toc: TableOfContents,
    pub(crate) manifest: Manifest,
    pub(crate) plan: RestorePlan,
    login: Login,
    name: DatabaseName,
    job: JobId,
}

impl Restored {
    /// Makes the database `origin` by `script`, and plans the restore of it as `copied`.
    pub(crate) async fn new(script: &str, options: &RestoreOptions) -> Self {
        let server = Server::start();
        let mut connection = server.connect().await;
        connection.execute("CREATE DATABASE origin").await.unwrap();
        connection.close().await;
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("script.sql");
        std::fs::write(&file, script).unwrap();
        run(
            &server,
            "psql",
            &["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", "origin", "-f", file.to_str().unwrap()],
        );
        let archive = directory.path().join("archive");
        run(&server, "pg_dump", &["-Fc", "-Z0", "-f", archive.to_str().unwrap(), "origin"]);
        let bytes = std::fs::read(archive).unwrap();
        let toc = TableOfContents::read(&mut bytes.as_slice()).unwrap();
        let tables = tables(&server, &toc).await;
        let login = Login { options: server.options(), ca_pem: None };
        let connection = login.connect().await.unwrap();
        let manifest = manifest(&server, &connection.server_version().to_string(), &toc, tables);
        connection.close().await;
        let plan = restore_plan(toc.clone(), options).unwrap();
        let job = JobId::new(AT.parse().unwrap(), 7);
        Self { server, toc, manifest, plan, login, name: "copied".parse().unwrap(), job }
    }

    /// Plans the restore of the definitions in `archive`, which another version has made, after `script`.
    pub(crate) async fn of_archive(archive: &[u8], source_version: &str, script: &str) -> Self {
        let server = Server::start();
        let mut connection = server.connect().await;
        connection.execute(script).await.unwrap();
        connection.close().await;
        let toc = TableOfContents::read(&mut &*archive).unwrap();
        let manifest = manifest(&server, source_version, &toc, BTreeMap::new());
        let (content, tablespaces) = (Content::SchemaOnly, Tablespaces::Default);
        let options = RestoreOptions { content, tablespaces, ..RestoreOptions::default() };
        let plan = restore_plan(toc.clone(), &options).unwrap();
        let login = Login { options: server.options(), ca_pem: None };
        let job = JobId::new(AT.parse().unwrap(), 7);
        Self { server, toc, manifest, plan, login, name: "copied".parse().unwrap(), job }
    }

    pub(crate) fn restore(&self) -> Restore<'_> {
        let index = self.plan.index().unwrap();
        let (login, name, manifest, plan) = (&self.login, &self.name, &self.manifest, &self.plan);
        Restore { job: self.job, login, name, manifest, plan, index }
    }

    /// A session in a database of the server.
    pub(crate) async fn connect(&self, database: &str) -> permafrost_engine::pg::Connection {
        self.login.to_database(database).connect().await.unwrap()
    }

    /// The first column of a query's rows, in the database that is being built.
    pub(crate) async fn in_new(&self, query: &str) -> Vec<String> {
        self.query(&self.restore().temporary_name(), query).await
    }

    /// The first column of a query's rows.
    pub(crate) async fn query(&self, database: &str, query: &str) -> Vec<String> {
        let mut connection = self.connect(database).await;
        let rows = connection.query(query, &[]).await.unwrap();
        connection.close().await;
        rows.iter().map(|row| row.get(0).unwrap_or_default().to_owned()).collect()
    }

    /// What loading does: the rows that the plan takes, with their markers.
    pub(crate) async fn load(&self) {
        let restore = self.restore();
        let temporary = restore.temporary_name();
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("data.sql");
        let file = file.to_str().unwrap();
        let mut tables = Vec::new();
        for table in restore.tables() {
            tables.push(format!("--table=\"{}\".\"{}\"", table.schema, table.name.replace('"', "\"\"")));
        }
        if !tables.is_empty() {
            let mut arguments = vec!["--data-only", "--no-blobs", "-f", file];
            arguments.extend(tables.iter().map(String::as_str));
            arguments.push("origin");
            run(&self.server, "pg_dump", &arguments);
            run(&self.server, "psql", &["-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", &temporary, "-f", file]);
        }
        let schema = format!("permafrost_{}", self.job.to_string().trim_start_matches("job-"));
        let mut connection = self.connect(&temporary).await;
        for table in restore.tables() {
            let (id, rows) = (table.dump_id, table.sums.rows);
            let marker = format!("INSERT INTO {schema}.done VALUES ('table {id} 0 0', {rows})");
            connection.execute(&marker).await.unwrap();
        }
        connection.close().await;
    }

    /// Carries out a group until it is done; how often it was still running.
    pub(crate) async fn run_group(
        &self,
        level: usize,
        group: usize,
        limit: Duration,
    ) -> Result<u32, EngineError> {
        let restore = self.restore();
        let mut polls = 0;
        while run_post_data(&restore, level, group, limit, &mut async || Ok(())).await?
            == PostDataState::Running
        {
            polls += 1;
            assert!(polls < 100, "the group does not come to an end");
        }
        Ok(polls)
    }

    /// Carries out all levels.
    pub(crate) async fn run_levels(&self) -> Result<(), EngineError> {
        for (level, groups) in (1..).zip(self.restore().post_data_groups().unwrap()) {
            for group in 1..=groups {
                self.run_group(level, group, Duration::from_mins(1)).await?;
            }
        }
        Ok(())
    }

    /// The whole restore; its warnings.
    pub(crate) async fn run(&self) -> Result<Vec<String>, EngineError> {
        let restore = self.restore();
        prepare(&restore).await?;
        self.load().await;
        self.run_levels().await?;
        let mut found = warnings(&restore).await?;
        found.extend(finish(&restore).await?);
        Ok(found)
    }

    /// What pg_dump writes of a database with these options; only what says when and how it was made is left out.
    pub(crate) fn dumped(&self, database: &str, options: &[&str]) -> String {
        let output = run(&self.server, "pg_dump", &[options, &["--no-blobs", database]].concat());
        let lines = output.lines().filter(|line| !line.starts_with('\\') || line.starts_with("\\connect"));
        lines.collect::<Vec<_>>().join("\n").replace("copied", "origin")
    }
}

fn run(server: &Server, program: &str, arguments: &[&str]) -> String {
    let output = server.client(program, arguments);
    let words = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {words}");
    String::from_utf8(output.stdout).unwrap()
}

/// Every table of the archive, with how many rows it has.
async fn tables(server: &Server, toc: &TableOfContents) -> BTreeMap<i32, TableSummary> {
    let login = Login { options: server.options(), ca_pem: None };
    let mut connection = login.to_database("origin").connect().await.unwrap();
    let mut tables = BTreeMap::new();
    for entry in toc.entries.iter().filter(|entry| entry.desc.is_table_data()) {
        let relation = entry.relation();
        let query = format!("SELECT count(*) FROM ONLY {}", relation.to_sql());
        let rows = connection.query(&query, &[]).await.unwrap()[0].parse(0).unwrap();
        let dump_id: i32 = entry.dump_id.to_string().parse().unwrap();
        let sums = Sums { rows, raw_bytes: 100, stored_bytes: 10, checksum: Blake3::of(b"") };
        let (schema, name) = (relation.schema.unwrap().to_string(), relation.name.to_string());
        tables.insert(dump_id, TableSummary { dump_id, schema, name, sums, parts: Vec::new() });
    }
    connection.close().await;
    tables
}

/// A manifest with these tables, and no objects.
fn manifest(
    server: &Server,
    version: &str,
    toc: &TableOfContents,
    tables: BTreeMap<i32, TableSummary>,
) -> Manifest {
    let object = || ObjectRef {
        key: "k".into(),
        version: "v".into(),
        bytes: 0,
        sha256: "00".repeat(32).parse().unwrap(),
    };
    let at = AT.parse().unwrap();
    let job = JobId::new(at, 5);
    Manifest {
        format: FORMAT,
        belonging: Belonging {
            vault: "vault".into(),
            instance: InstanceId::new(at, 6),
            instance_name: "origin".parse().unwrap(),
            point: PointId::of_backup(job),
            job,
        },
        consistent_at: at,
        source: Source {
            host: "127.0.0.1".into(),
            port: server.port(),
            database: "origin".into(),
            server_version: version.to_owned(),
            encoding: "UTF8".into(),
            collate: "C".into(),
            ctype: "C".into(),
            locale_provider: 'c',
            locale: None,
            pg_dump_version: toc.header.pg_dump_version.to_string(),
            archive_version: toc.header.version.to_string(),
        },
        compression: Compression::Zstd,
        toc: object(),
        globals: object(),
        tasks: Vec::new(),
        tables: tables.into_values().collect(),
        totals: Totals::default(),
    }
}
