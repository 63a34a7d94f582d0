//! Restored files are read by stock pg_restore and psql: each format, each compression, from a backup in either.
//!
//! zstd is read by a pg_restore that knows it: the one in `PERMAFROST_PG_RESTORE_ZSTD` (16 or newer, built with
//! zstd), where it is named.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod pg_server;
mod s3;

use std::collections::BTreeSet;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use permafrost_domain::data_source::DataSource;
use permafrost_domain::files::{FileCompression, FileFormat, FilesOrder, FilesTarget};
use permafrost_domain::job::Progress;
use permafrost_domain::{Code, Fault, InstanceId, JobId, PointId};
use permafrost_engine::dump::plan::{DumpOptions, SnapshotRef, plan_dump};
use permafrost_engine::dump::task::TaskRun;
use permafrost_engine::restore::files::{FileRestore, finish, plan, write};
use permafrost_engine::snapshot::HeldSnapshot;
use permafrost_engine::{EngineError, Login, PgPrograms};
use permafrost_pgarchive::TableOfContents;
use permafrost_vault::manifest::{Assembly, Belonging};
use permafrost_vault::plan::Compression;
use permafrost_vault::store::{parse_document, write_document};
use permafrost_vault::{DumpPlan, Folder, Manifest, PointLayout, Store, TaskResult};
use pg_server::Server;
use s3::S3;
use tempfile::TempDir;

const VAULT: &str = "vault";
const TARGET: &str = "restores";

/// `giant` does not compress and is cut into two parts, each of which is put together inside S3. The others are
/// small, some of them empty.
const SOURCE: &str = "
    CREATE ROLE reader;
    CREATE SCHEMA app;
    CREATE TABLE app.giant (id integer PRIMARY KEY, noise text);
    INSERT INTO app.giant SELECT n, translate(encode(sha256(n::text::bytea) || sha256((-n)::text::bytea), 'base64'),
        E'\\n', '') FROM generate_series(1, 260000) AS n;
    CREATE TABLE app.\"od;d \"\"name\" (id serial PRIMARY KEY, note text, giant integer REFERENCES app.giant);
    INSERT INTO app.\"od;d \"\"name\" (note, giant) VALUES (E'a\\tb\\nc\\\\d', 1), (NULL, 2), ('', NULL), ('ä', 3);
    CREATE TABLE app.empty (a integer);
    CREATE TABLE app.nothing ();
    CREATE VIEW app.seen AS SELECT count(*) FROM app.giant;
    CREATE MATERIALIZED VIEW app.kept AS SELECT id FROM app.giant WHERE id < 10;
    GRANT SELECT ON app.giant TO reader;
    SELECT lo_from_bytea(4711, 'a large object'), lo_create(4712), lo_from_bytea(3000000000,
        decode(repeat(md5('x'), 100000), 'hex'));";

struct Backup {
    server: Server,
    s3: S3,
    store: Store,
    programs: PgPrograms,
    layout: PointLayout,
    manifest: Manifest,
    toc: TableOfContents,
    work: TempDir,
}

fn id<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

impl Backup {
    async fn make(compression: Compression) -> Self {
        let server = Server::start();
        let s3 = S3::start();
        s3.create_bucket(VAULT).await;
        s3.create_bucket(TARGET).await;
        let work = tempfile::tempdir().unwrap();
        let backup_login =
            |database: &str| Login { options: server.options(), ca_pem: None }.to_database(database);
        let mut admin = backup_login("postgres").connect().await.unwrap();
        admin
            .execute("CREATE DATABASE source TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'")
            .await
            .unwrap();
        admin.close().await;
        let login = backup_login("source");
        let mut owner = login.connect().await.unwrap();
        owner.execute(SOURCE).await.unwrap();
        owner.close().await;

        let store = Store::new(s3.client.clone(), VAULT, "arn:aws:kms:eu-central-1:1:key/k");
        let majors = work.path().join("pg");
        std::fs::create_dir(&majors).unwrap();
        symlink(debian(), majors.join("15")).unwrap();
        let programs = PgPrograms::new(&majors);
        let job: JobId = id("job-01kb0000000000000000000001");
        let layout =
            PointLayout::new(id::<InstanceId>("bi-01kb0000000000000000000001"), PointId::of_backup(job));
        let source: DataSource = serde_json::from_value(serde_json::json!({
            "host": "127.0.0.1", "port": login.options.port, "database": "source",
            "login": {"method": "iam", "user": "postgres"}, "tls": {"mode": "disable"},
        }))
        .unwrap();
        let snapshot = HeldSnapshot::take(&login).await.unwrap();
        let reference = SnapshotRef { id: &snapshot.id, consistent_at: snapshot.consistent_at };
        let options =
            DumpOptions { task_bytes: 20 * 1024 * 1024, compression, level: 1, ..DumpOptions::default() };
        plan_dump(&store, &layout, &programs, &source, &login, reference, &options).await.unwrap();
        let (_, body) = store.get_current(&layout, PointLayout::PLAN).await.unwrap();
        let plan: DumpPlan = parse_document("plan", &body).unwrap();
        let run = TaskRun {
            store: &store,
            layout,
            login: &login,
            snapshot_id: &snapshot.id,
            compression: (compression, 1),
            attempt: "a",
        };
        let mut assembly = Assembly::of(&plan);
        for task in &plan.tasks {
            run.run(task, &mut async |_| Ok(())).await.unwrap();
            let name = PointLayout::task_result(task.task);
            let (object, body) = store.get_current(&layout, &name).await.unwrap();
            assembly.take(object, &parse_document::<TaskResult>(&name, &body).unwrap()).unwrap();
        }
        snapshot.let_go().await;
        let belonging = Belonging {
            vault: "test".into(),
            instance: layout.instance(),
            instance_name: id("shop"),
            point: layout.point(),
            job,
        };
        let manifest = assembly.finish(belonging).unwrap();
        store.put_new(&layout, PointLayout::MANIFEST, write_document(&manifest)).await.unwrap();
        let body = store.get(&layout, &manifest.toc).await.unwrap();
        let toc = TableOfContents::read(&mut body.as_ref()).unwrap();
        Self { server, s3, store, programs, layout, manifest, toc, work }
    }

    fn restore<'a>(&'a self, job: &str, order: &'a FilesOrder, folder: &'a Folder) -> FileRestore<'a> {
        FileRestore {
            job: id(job),
            order,
            programs: &self.programs,
            store: &self.store,
            layout: self.layout,
            manifest: &self.manifest,
            toc: &self.toc,
            folder,
        }
    }

    /// Writes the files, every step twice where that takes no new compressing, and fetches them.
    async fn files(&self, format: FileFormat, compression: FileCompression) -> PathBuf {
        let prefix = format!("{format}/{compression:?}");
        let order = self.order(&prefix, format, compression);
        let folder = Folder::new(self.s3.client.clone(), &order.target);
        let restore = self.restore("job-01kb0000000000000000000002", &order, &folder);
        for _ in 0..2 {
            plan(&restore).await.unwrap();
        }
        let mut done = Progress::default();
        for task in 1..=u32::try_from(restore.tasks()).unwrap() {
            let written = write(&restore, task, &mut async |_| Ok(())).await.unwrap();
            if compression == FileCompression::Stored {
                assert_eq!(write(&restore, task, &mut async |_| Ok(())).await.unwrap(), written);
            }
            done = done.plus_done(&written);
        }
        let totals = &self.manifest.totals;
        assert_eq!((done.tables_done, done.bytes_done), (totals.tables, totals.raw_bytes), "{prefix}");
        for _ in 0..2 {
            finish(&restore).await.unwrap();
        }
        assert_eq!(self.s3.open_uploads(TARGET).await, 0, "{prefix}");
        let directory = self.work.path().join(&prefix);
        let names = self.s3.download(TARGET, &prefix, &directory).await;
        assert_checked(&directory, &names);
        directory
    }

    fn order(&self, prefix: &str, format: FileFormat, compression: FileCompression) -> FilesOrder {
        let target = FilesTarget { bucket: id(TARGET), prefix: id(prefix) };
        FilesOrder { point: self.layout.point(), target, format, compression }
    }

    fn psql(&self, database: &str, command: &str) -> String {
        self.run("psql", &["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database, "-c", command])
    }

    fn run(&self, program: &str, arguments: &[&str]) -> String {
        self.run_of(&debian().join("bin"), program, arguments)
    }

    fn run_of(&self, bin: &Path, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(bin.join(program))
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", self.server.port().to_string())
            .env("PGUSER", "postgres")
            .env("PGPASSWORD", pg_server::PASSWORD)
            .args(arguments)
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() || program == "pg_restore", "{program} {arguments:?}: {said}");
        // A pg_restore of 17 and newer sets what older servers do not know, and goes on.
        let known = |line: &str| {
            line.contains("transaction_timeout")
                || line.contains("errors ignored on restore")
                || line.is_empty()
        };
        assert!(program != "pg_restore" || said.lines().all(known), "{program} {arguments:?}: {said}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn pg_restore(&self, bin: &Path, arguments: &[&str]) {
        self.run_of(bin, "pg_restore", arguments);
    }

    /// What a database holds, as pg_dump prints it.
    fn contents(&self, database: &str) -> BTreeSet<String> {
        let is_key = |line: &&str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
        let dump = self.run("pg_dump", &[database]);
        dump.lines().filter(|line| !is_key(line)).map(str::to_owned).collect()
    }

    /// Restores into a fresh database, which then is equal to the source.
    fn assert_restored(&self, what: &str, restore: impl FnOnce(&str)) {
        self.psql(
            "postgres",
            "CREATE DATABASE target TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'",
        );
        restore("target");
        assert!(self.contents("target") == self.contents("source"), "{what}: the databases differ");
        self.psql("postgres", "DROP DATABASE target");
    }

    /// `pg_restore` of `bin` lists the archive, restores one table, and all of it, with several connections too.
    fn assert_read(&self, bin: &Path, archive: &Path) {
        let path = archive.to_str().unwrap();
        let list = self.run_of(bin, "pg_restore", &["--list", path]);
        assert!(list.contains("TABLE DATA app giant"), "{list}");
        self.assert_restored(path, |database| self.pg_restore(bin, &["-j2", "-d", database, path]));
        self.psql("postgres", "CREATE DATABASE one");
        self.psql("one", "CREATE SCHEMA app");
        self.pg_restore(bin, &["-n", "app", "-t", "giant", "-d", "one", path]);
        let count = "SELECT count(*), sum(hashtext(noise)) FROM app.giant";
        assert_eq!(self.psql("one", count), self.psql("source", count));
        self.psql("postgres", "DROP DATABASE one");
    }

    fn assert_script(&self, directory: &Path, decompress: &str) {
        self.assert_restored(&directory.display().to_string(), |database| {
            let script = format!(
                "{decompress} | {}/bin/psql -X -q -v ON_ERROR_STOP=1 -d {database} > script.log",
                debian().display()
            );
            let status = Command::new("sh")
                .current_dir(directory)
                .args(["-e", "-c", &script])
                .env("PGHOST", "127.0.0.1")
                .env("PGPORT", self.server.port().to_string())
                .env("PGUSER", "postgres")
                .env("PGPASSWORD", pg_server::PASSWORD)
                .status()
                .unwrap();
            assert!(status.success());
        });
    }
}

fn debian() -> PathBuf {
    let mut found: Vec<PathBuf> =
        std::fs::read_dir("/usr/lib/postgresql").unwrap().map(|entry| entry.unwrap().path()).collect();
    found.sort();
    found.pop().unwrap()
}

/// The folder of a pg_restore that knows zstd.
#[expect(clippy::print_stderr, reason = "who runs the test should know what it does not test")]
fn with_zstd() -> Option<PathBuf> {
    let program = std::env::var_os("PERMAFROST_PG_RESTORE_ZSTD").map(PathBuf::from);
    if program.is_none() {
        eprintln!("zstd is not tested: no pg_restore that knows it is named in PERMAFROST_PG_RESTORE_ZSTD");
    }
    program.map(|program| program.parent().unwrap().to_owned())
}

/// The commands of the README find nothing wrong, and every file is told of.
fn assert_checked(directory: &Path, names: &[String]) {
    let readme = std::fs::read_to_string(directory.join("README.md")).unwrap();
    let commands: Vec<&str> = readme
        .lines()
        .skip_while(|line| !line.starts_with("aws s3 cp"))
        .skip(1)
        .take_while(|line| *line != "```")
        .collect();
    assert!(commands.len() >= 2, "{readme}");
    let has_zstd = Command::new("zstd").arg("-V").output().is_ok();
    for command in commands.iter().filter(|command| has_zstd || !command.contains("zstd -t")) {
        let output = Command::new("sh").current_dir(directory).args(["-e", "-c", command]).output().unwrap();
        assert!(output.status.success() && output.stdout.is_empty(), "{command}: {output:?}");
    }
    let sizes = std::fs::read_to_string(directory.join("SIZES")).unwrap();
    let told: BTreeSet<&str> = sizes.lines().map(|line| line.split_once(' ').unwrap().1).collect();
    let beside = ["README.md", "SHA256SUMS", "SIZES"];
    let found: BTreeSet<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|name| !beside.contains(name) && !name.starts_with(".permafrost/"))
        .collect();
    assert_eq!(told, found);
}

/// Files that S3 has put together have no line in SHA256SUMS.
fn copied(directory: &Path) -> usize {
    let lines = |name| std::fs::read_to_string(directory.join(name)).unwrap().lines().count();
    lines("SIZES") - lines("SHA256SUMS")
}

#[tokio::test]
async fn stock_tools_read_what_is_restored_from_zstd() {
    let backup = Backup::make(Compression::Zstd).await;
    let giant = backup.manifest.tables.iter().find(|table| table.name == "giant").unwrap();
    assert_eq!(giant.parts.len(), 2);

    let stored = backup.files(FileFormat::Directory, FileCompression::Stored).await;
    assert_eq!(copied(&stored), 2, "each part of the large table");
    let custom = backup.files(FileFormat::Custom, FileCompression::Zstd).await;
    if let Some(bin) = with_zstd() {
        backup.assert_read(&bin, &stored.join("archive"));
        backup.assert_read(&bin, &custom.join("archive.dump"));
    }
    for compression in [FileCompression::Gzip, FileCompression::None] {
        let directory = backup.files(FileFormat::Directory, compression).await;
        assert_eq!(copied(&directory), 0);
        let custom = backup.files(FileFormat::Custom, compression).await;
        for archive in [directory.join("archive"), custom.join("archive.dump")] {
            backup.assert_read(&debian().join("bin"), &archive);
            if let Some(bin) = with_zstd() {
                backup.assert_read(&bin, &archive);
            }
        }
    }
    let script = backup.files(FileFormat::Plain, FileCompression::None).await;
    backup.assert_script(&script, "cat archive.sql");
}

#[tokio::test]
async fn stock_tools_read_what_is_restored_from_gzip() {
    let backup = Backup::make(Compression::Gzip).await;
    let stored = backup.files(FileFormat::Directory, FileCompression::Stored).await;
    assert_eq!(copied(&stored), 2, "each part of the large table");
    backup.assert_read(&debian().join("bin"), &stored.join("archive"));
    let script = backup.files(FileFormat::Plain, FileCompression::Stored).await;
    backup.assert_script(&script, "gzip -dc archive.sql.gz");
    let custom = backup.files(FileFormat::Custom, FileCompression::Zstd).await;
    if let Some(bin) = with_zstd() {
        backup.assert_read(&bin, &custom.join("archive.dump"));
    }

    let fault = |result: Result<(), EngineError>| Fault::from(result.unwrap_err()).code;
    let order = backup.order("directory/Stored", FileFormat::Directory, FileCompression::Stored);
    let folder = Folder::new(backup.s3.client.clone(), &order.target);
    let other = backup.restore("job-01kb0000000000000000000009", &order, &folder);
    assert_eq!(fault(plan(&other).await), Code::TargetNotEmpty, "another job's");

    let order = backup.order("directory", FileFormat::Directory, FileCompression::Stored);
    let folder = Folder::new(backup.s3.client.clone(), &order.target);
    let above = backup.restore("job-01kb0000000000000000000009", &order, &folder);
    assert_eq!(fault(plan(&above).await), Code::TargetNotEmpty, "files that no job has marked");

    let mut order = backup.order("x", FileFormat::Directory, FileCompression::Stored);
    order.target.bucket = id(VAULT);
    let folder = Folder::new(backup.s3.client.clone(), &order.target);
    let own = backup.restore("job-01kb0000000000000000000009", &order, &folder);
    assert_eq!(fault(plan(&own).await), Code::InvalidRequest);
    order.target.bucket = id("no-such-bucket");
    let folder = Folder::new(backup.s3.client.clone(), &order.target);
    let nowhere = backup.restore("job-01kb0000000000000000000009", &order, &folder);
    assert_eq!(fault(plan(&nowhere).await), Code::ContainerNotAccessible);

    let mut huge = backup.manifest.clone();
    huge.totals.raw_bytes = u64::MAX;
    let order = backup.order("huge", FileFormat::Plain, FileCompression::Stored);
    let folder = Folder::new(backup.s3.client.clone(), &order.target);
    let huge =
        FileRestore { manifest: &huge, ..backup.restore("job-01kb0000000000000000000009", &order, &folder) };
    assert_eq!(fault(plan(&huge).await), Code::SingleFileTooLarge);
    assert_eq!(folder.any_file().await.unwrap(), None, "nothing was written");
}
