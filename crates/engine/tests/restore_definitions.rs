//! Restoring definitions on a real server: what comes before the data, after it, and the end.

#![allow(clippy::unwrap_used, reason = "a helper that fails has failed the test")]

mod pg_server;
mod restore_target;

use std::time::Duration;

use permafrost_domain::restore_options::{
    Content, Ownership, RestoreOptions, RoleMapping, TablespaceMapping, Tablespaces,
};
use permafrost_domain::{Code, Fault};
use permafrost_engine::restore::{
    PostDataState, abandon, finish, prepare, restore_plan, run_post_data, warnings,
};
use permafrost_pgarchive::Section;

use restore_target::Restored;

/// Almost every kind of object that has an entry in an archive.
const MANY_KINDS: &str = include_str!("../../pgarchive/tests/support/many_kinds.sql");
/// The same, as pg_dump 18 wrote it.
const OF_18: &[u8] = include_bytes!("../../pgarchive/tests/data/1.16-many-kinds.toc");
/// An index takes about 3 s; each of its rows is counted where no rollback reaches, and says something to the client.
const SLOW: &str = "
    CREATE SEQUENCE calls;
    CREATE FUNCTION slow(n integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
        RAISE NOTICE 'row %', n;
        PERFORM pg_sleep(0.1), nextval('public.calls');
        RETURN n;
    END $$;
    CREATE TABLE t AS SELECT i AS n FROM generate_series(1, 30) AS i;
    CREATE INDEX t_slow ON t (slow(n));";

fn everything() -> RestoreOptions {
    RestoreOptions::default()
}

/// Two dumps hold the same objects; where not, those that only one of them has are told. Among objects of one kind and
/// name pg_dump goes by their oids, so that the order is not compared.
fn assert_same(copied: &str, origin: &str) {
    let objects = |text: &str| -> Vec<String> {
        let mut objects: Vec<String> = text.split("\n--\n").map(str::to_owned).collect();
        objects.sort_unstable();
        objects
    };
    let (copied, origin) = (objects(copied), objects(origin));
    let without = |some: &[String], other: &[String]| -> Vec<String> {
        some.iter().filter(|object| other.binary_search(object).is_err()).cloned().collect()
    };
    let (more, less) = (without(&copied, &origin), without(&origin, &copied));
    assert!(copied == origin, "only in the copy: {more:#?}\nonly in the original: {less:#?}");
}

/// The level and group in which the index is built.
const SLOW_PLACE: (usize, usize) = (1, 1);

async fn calls(restored: &Restored) -> u32 {
    let value = restored.in_new("SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM calls").await;
    value[0].parse().unwrap()
}

async fn slow() -> Restored {
    let mut script = SLOW.replace("CREATE INDEX t_slow ON t (slow(n));", "");
    // Not slowly, and not counted, in the database that is only a source.
    script.push_str(
        "ALTER TABLE t RENAME TO u; CREATE TABLE t (n integer); CREATE INDEX t_slow ON t (slow(n));",
    );
    let restored = Restored::new(&script, &everything()).await;
    prepare(&restored.restore()).await.unwrap();
    restored.load().await;
    let mut connection = restored.connect(&restored.restore().temporary_name()).await;
    connection.execute("INSERT INTO t SELECT n FROM u").await.unwrap();
    connection.close().await;
    restored
}

/// A database with almost every kind of object comes back as pg_dump writes it: definitions, owners, grants, rows,
/// sequences, and what belongs to the database itself.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restored_database_is_dumped_as_its_source() {
    let script = format!(
        "{MANY_KINDS}
         ALTER DATABASE origin SET work_mem TO '7MB';
         ALTER DATABASE origin SET search_path TO 'shop', 'a;b';
         ALTER ROLE reader IN DATABASE origin SET enable_seqscan TO off;
         COMMENT ON DATABASE origin IS 'it''s the DATABASE origin';
         REVOKE TEMPORARY ON DATABASE origin FROM PUBLIC; GRANT CONNECT ON DATABASE origin TO reader;
         ALTER DATABASE origin OWNER TO \"Own er\";"
    );
    let restored = Restored::new(&script, &everything()).await;
    // Their statements name the database that was backed up, which is there and would take them.
    let restore = restored.restore();
    let of_database =
        restore.index.post_data().filter(|entry| entry.tag.as_bytes().starts_with(b"DATABASE "));
    assert_eq!(of_database.count(), 0);
    assert_eq!(restored.run().await.unwrap(), Vec::<String>::new());
    let text = |database| restored.dumped(database, &["--create"]);
    let comment = "COMMENT ON DATABASE origin IS";
    assert!(text("origin").contains(comment) && text("origin").contains("work_mem"));
    assert_same(&text("copied"), &text("origin"));
    let statistics = "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
        WHERE relkind = 'm' AND nspname = 'shop' AND reltuples < 0 AND relispopulated";
    assert_eq!(restored.query("copied", statistics).await, ["0"], "materialized views are analysed");
    // Once more, as after a lost answer: nothing is left to do.
    assert_eq!(finish(&restored.restore()).await.unwrap(), Vec::<String>::new());
}

/// A statement of a restore is run once, also where it outlives the function that started it: it is left to the
/// server, and found by the next run.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_outlives_its_run_is_run_once() {
    let restored = slow().await;
    let polls = restored.run_group(SLOW_PLACE.0, SLOW_PLACE.1, Duration::from_secs(1)).await.unwrap();
    assert!(polls >= 2, "the index takes three seconds, a run one: {polls}");
    assert_eq!(calls(&restored).await, 30, "every row was looked at once");
    let index =
        restored.in_new("SELECT indisvalid FROM pg_index WHERE indexrelid = 't_slow'::regclass").await;
    assert_eq!(index, ["t"]);
}

/// A function that is killed in the middle of a statement leaves it to the server, too, without having said so.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_whose_client_is_killed_goes_on() {
    let restored = slow().await;
    let (level, group) = SLOW_PLACE;
    let restore = restored.restore();
    let limit = Duration::from_mins(1);
    let mut watch = async || Ok(());
    let killed = run_post_data(&restore, level, group, limit, &mut watch);
    assert!(tokio::time::timeout(Duration::from_secs(1), killed).await.is_err());
    assert_eq!(
        run_post_data(&restore, level, group, limit, &mut async || Ok(())).await.unwrap(),
        PostDataState::Done
    );
    assert_eq!(calls(&restored).await, 30);
}

/// Two runs of one group at once, as by a doubled event: one does it, the other waits and finds it done.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_doubled_run_does_nothing_twice() {
    let restored = slow().await;
    let (level, group) = SLOW_PLACE;
    let limit = Duration::from_mins(1);
    let (one, other) =
        tokio::join!(restored.run_group(level, group, limit), restored.run_group(level, group, limit));
    assert_eq!((one.unwrap(), other.unwrap()), (0, 0));
    assert_eq!(calls(&restored).await, 30);
}

/// A statement that fails when nobody waits for it any more is started once more, and then fails the restore.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_fails_unseen_comes_to_an_end() {
    let restored = slow().await;
    let mut connection = restored.connect(&restored.restore().temporary_name()).await;
    // The index is unique and the rows are not, which shows when all have been looked at.
    connection.execute("DELETE FROM t WHERE n > 20; INSERT INTO t VALUES (1)").await.unwrap();
    connection.close().await;
    let mut restored = restored;
    for entry in restored.plan.toc.entries.iter_mut().filter(|entry| entry.tag == *"t_slow") {
        entry.defn = Some("CREATE UNIQUE INDEX t_slow ON public.t (public.slow(n));".into());
    }
    let failed = restored.run_group(SLOW_PLACE.0, SLOW_PLACE.1, Duration::from_secs(1)).await;
    let fault = Fault::from(failed.unwrap_err());
    assert_eq!((fault.code, fault.object.as_deref()), (Code::RestoreFailed, Some("INDEX public.t_slow")));
    assert!(fault.message.contains("was started 2 times"), "{fault}");
    assert_eq!(calls(&restored).await, 42, "twice 21 rows");
}

/// A run whose job is being cancelled stops, and what it left to the server is ended with the database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cancelled_run_leaves_nothing_behind() {
    let restored = slow().await;
    let restore = restored.restore();
    let mut asked = 0;
    let watch = &mut async || {
        asked += 1;
        if asked > 2 { Err(Fault::new(Code::JobCancelled, "cancelled").into()) } else { Ok(()) }
    };
    let limit = Duration::from_mins(1);
    let stopped = run_post_data(&restore, SLOW_PLACE.0, SLOW_PLACE.1, limit, watch).await.unwrap_err();
    assert_eq!(Fault::from(stopped).code, Code::JobCancelled);
    abandon(restore.login, restore.job).await.unwrap();
    let left = "SELECT datname FROM pg_database WHERE datname LIKE 'permafrost%' \
        UNION ALL SELECT query FROM pg_stat_activity WHERE application_name LIKE 'permafrost job%'";
    assert_eq!(restored.query("postgres", left).await, Vec::<String>::new());
}

/// What cannot be restored fails the restore with the object's kind and name.
#[tokio::test]
async fn a_failure_names_the_object() {
    let script = "CREATE SCHEMA app; CREATE TABLE app.t (n integer); CREATE UNIQUE INDEX t_key ON app.t (n);";
    let restored = Restored::new(script, &everything()).await;
    prepare(&restored.restore()).await.unwrap();
    restored.load().await;
    let mut connection = restored.connect(&restored.restore().temporary_name()).await;
    connection.execute("INSERT INTO app.t VALUES (1), (1)").await.unwrap();
    connection.close().await;
    let fault = Fault::from(restored.run_levels().await.unwrap_err());
    assert_eq!((fault.code, fault.object.as_deref()), (Code::RestoreFailed, Some("INDEX app.t_key")));
    assert!(fault.message.contains("could not create unique index"), "{fault}");
}

/// Objects as a newer version writes them.
const NEWER: &str =
    "CREATE SCHEMA app; CREATE TABLE app.known (n integer PRIMARY KEY); INSERT INTO app.known VALUES (1);
    CREATE TABLE app.future (n integer PRIMARY KEY, twice integer); INSERT INTO app.future VALUES (1, 2);
    CREATE INDEX future_twice ON app.future (twice); CREATE VIEW app.both AS SELECT n FROM app.future;
    COMMENT ON TABLE app.future IS 'x'; CREATE STATISTICS app.stat ON n, twice FROM app.future;";

async fn newer(source_version: &str) -> Restored {
    let mut restored = Restored::new(NEWER, &everything()).await;
    source_version.clone_into(&mut restored.manifest.source.server_version);
    for entry in &mut restored.plan.toc.entries {
        if entry.desc == "TABLE" && entry.tag == *"future" {
            entry.defn =
                Some("CREATE TABLE app.future (n integer, twice integer AS (n * 2) VIRTUAL);".into());
        }
    }
    restored
}

/// On a server older than the source, what cannot be restored is named with its reason; nothing is left out silently.
/// The rest is restored.
#[tokio::test]
async fn what_an_older_target_cannot_take_is_named() {
    let restored = newer("99.1").await;
    let restore = restored.restore();
    prepare(&restore).await.unwrap();
    let mut connection = restored.connect(&restore.temporary_name()).await;
    connection.execute("INSERT INTO app.known VALUES (1)").await.unwrap();
    let known = restore.tables().find(|table| table.name == "known").unwrap().dump_id;
    let schema = format!("permafrost_{}", restore.job.to_string().trim_start_matches("job-"));
    let marker = format!("INSERT INTO {schema}.done VALUES ('table {known} 0 0', 1)");
    connection.execute(&marker).await.unwrap();
    connection.close().await;
    restored.run_levels().await.unwrap();
    let found = warnings(&restore).await.unwrap();
    finish(&restore).await.unwrap();
    let of = |beginning: &str| found.iter().find(|warning| warning.starts_with(beginning)).cloned();
    assert!(of("TABLE app.future is not restored: ").unwrap().contains("syntax error"), "{found:#?}");
    let needs = "it needs TABLE app.future, which is not restored";
    for what in [
        "VIEW app.both",
        "INDEX app.future_twice",
        "CONSTRAINT app.future future_pkey",
        "STATISTICS app.stat",
    ] {
        assert_eq!(of(what), Some(format!("{what} is not restored: {needs}")), "{found:#?}");
    }
    assert_eq!(found.len(), 5, "comments are not named: {found:#?}");
    assert_eq!(restored.query("copied", "SELECT count(*)::text FROM app.known").await, ["1"]);
}

/// An archive that pg_dump 18 has made is restored on an older server, but for the one thing that 15 does not know.
#[tokio::test]
async fn an_archive_of_18_is_restored_on_an_older_server() {
    let roles =
        "CREATE ROLE \"Own er\"; CREATE ROLE reader; CREATE ROLE \"wri\"\"ter\"; CREATE ROLE grantor;";
    let restored = Restored::of_archive(OF_18, "18.1", roles).await;
    let found = restored.run().await.unwrap();
    let version = restored.query("postgres", "SHOW server_version_num").await[0].parse::<u32>().unwrap();
    let expected = "SUBSCRIPTION paper is not restored: streaming requires a Boolean value";
    let known = version >= 160_000;
    assert!(known || (found.len() == 1 && found[0].starts_with(expected)), "{found:#?}");
    assert!(!known || found.is_empty(), "{found:#?}");
    let spaced = "SELECT count(*)::text FROM pg_class WHERE relname IN ('spaced', 'spaced_pkey', 'in_space')";
    assert_eq!(restored.query("copied", spaced).await, ["3"], "tablespaces are the database's own");
}

/// A database with a default tablespace of its own gets it back, or what the options say.
#[tokio::test]
async fn the_default_tablespace_is_restored() {
    let script = "SET allow_in_place_tablespaces = on;\nCREATE TABLESPACE \"sp ace\" LOCATION '';\n\
        CREATE TABLESPACE other LOCATION '';\nCREATE TABLE kept (id integer);\n\\connect postgres\n\
        ALTER DATABASE origin SET TABLESPACE \"sp ace\";";
    let mut restored = Restored::new(script, &everything()).await;
    let mapping = TablespaceMapping { from: "sp ace".parse().unwrap(), to: "other".parse().unwrap() };
    for (tablespaces, expected) in [
        (Tablespaces::Keep, "sp ace"),
        (Tablespaces::Map { tablespaces: vec![mapping] }, "other"),
        (Tablespaces::Default, "pg_default"),
    ] {
        let options = RestoreOptions { tablespaces, ..everything() };
        restored.plan = restore_plan(restored.toc.clone(), &options).unwrap();
        assert_eq!(restored.run().await.unwrap(), Vec::<String>::new());
        let query = "SELECT spcname::text FROM pg_database d JOIN pg_tablespace s ON s.oid = dattablespace \
            WHERE datname = 'copied'";
        assert_eq!(restored.query("postgres", query).await, [expected]);
        let mut connection = restored.connect("postgres").await;
        connection.execute("DROP DATABASE copied").await.unwrap();
        connection.close().await;
    }
    let mapping = TablespaceMapping { from: "sp ace".parse().unwrap(), to: "gone".parse().unwrap() };
    let tablespaces = Tablespaces::Map { tablespaces: vec![mapping] };
    let options = RestoreOptions { tablespaces, ..everything() };
    restored.plan = restore_plan(restored.toc.clone(), &options).unwrap();
    let fault = Fault::from(restored.run().await.unwrap_err());
    assert_eq!((fault.code, fault.object.as_deref()), (Code::TablespaceNotFound, Some("tablespace gone")));
}

/// On a server of the source's version, or a newer one, every failure counts.
#[tokio::test]
async fn nothing_is_skipped_on_the_same_version() {
    let restored = newer("10.1").await;
    let fault = Fault::from(prepare(&restored.restore()).await.unwrap_err());
    assert_eq!((fault.code, fault.object.as_deref()), (Code::RestoreFailed, Some("TABLE app.future")));
}

/// Options decide the same in every step: without data nothing is loaded or counted; with data alone there is nothing
/// that comes after it but counting and statistics.
#[tokio::test]
async fn content_is_definitions_data_or_both() {
    let options = |content| RestoreOptions { content, ..everything() };
    let mut restored = Restored::new(NEWER, &options(Content::SchemaOnly)).await;
    assert_eq!(restored.restore().tables().count(), 0);
    assert_eq!(restored.run().await.unwrap(), Vec::<String>::new());
    assert_eq!(restored.dumped("copied", &["--schema-only"]), restored.dumped("origin", &["--schema-only"]));
    assert_eq!(restored.query("copied", "SELECT n::text FROM app.known").await, Vec::<String>::new());

    let mut connection = restored.connect("postgres").await;
    connection.execute("DROP DATABASE copied").await.unwrap();
    connection.close().await;
    restored.plan = restore_plan(restored.toc.clone(), &options(Content::DataOnly)).unwrap();
    let is_post_data = |entry: &permafrost_pgarchive::Entry| entry.section == Section::PostData;
    assert!(!restored.plan.toc.entries.iter().any(is_post_data));
    assert_eq!(restored.run().await.unwrap(), Vec::<String>::new());
    assert_eq!(restored.dumped("copied", &["--data-only"]), restored.dumped("origin", &["--data-only"]));
    assert_eq!(
        restored
            .query(
                "copied",
                "SELECT 1 FROM pg_index i JOIN pg_class c ON c.oid = indexrelid \
        WHERE relname LIKE 'future%'"
            )
            .await,
        Vec::<String>::new()
    );
}

/// Some tables, under another owner, without grants; what is missing is said.
#[tokio::test]
async fn a_table_is_restored_with_what_it_depends_on() {
    let script = "CREATE ROLE old; CREATE ROLE new; CREATE SCHEMA app; CREATE SCHEMA other; \
        CREATE TYPE other.state AS ENUM ('a'); CREATE TABLE other.parent (id integer PRIMARY KEY); \
        CREATE TABLE app.child (id integer PRIMARY KEY, state other.state, parent integer REFERENCES other.parent); \
        INSERT INTO other.parent VALUES (1); INSERT INTO app.child VALUES (1, 'a', 1); \
        CREATE TABLE app.stranger (); ALTER TABLE app.child OWNER TO old; GRANT SELECT ON app.child TO old;";
    let options = RestoreOptions {
        tables: vec!["app.child".parse().unwrap()],
        ownership: Ownership::Map {
            roles: vec![RoleMapping { from: "old".parse().unwrap(), to: "new".parse().unwrap() }],
        },
        ..everything()
    };
    let restored = Restored::new(script, &options).await;
    let found = restored.run().await.unwrap();
    assert!(found.len() == 1 && found[0].starts_with("FK CONSTRAINT app.child"), "{found:#?}");
    let query = "SELECT relname || ' ' || relowner::regrole FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace \
        WHERE nspname IN ('app', 'other') AND relkind = 'r' ORDER BY 1";
    assert_eq!(restored.query("copied", query).await, ["child new"]);
    assert_eq!(restored.query("copied", "SELECT state::text FROM app.child").await, ["a"]);

    let unknown = RestoreOptions { tables: vec!["app.chidl".parse().unwrap()], ..everything() };
    let fault = Fault::from(restore_plan(restored.toc.clone(), &unknown).unwrap_err());
    assert_eq!((fault.code, fault.object.as_deref()), (Code::ObjectNotInBackup, Some("table app.chidl")));
    assert_eq!(fault.hint, "Did you mean app.child?");
}
