//! A large table is copied in parts by several tasks, and put together again whole: by its pages where the server can
//! read those, by ranges of its key before PostgreSQL 14.

use permafrost_domain::job::{Job, JobStatus};
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_engine::sql::ident;
use permafrost_tests::faults::{FaultyStack, Variant};
use permafrost_tests::support::contents::assert_equal;
use permafrost_tests::support::point::PointFolder;
use permafrost_tests::support::{Cli, Contents, Database, Server};
use serde_json::Value;

/// A table of many pages with dead rows in it, one of few pages and much TOAST, one with a key of text, and large
/// objects, of which one takes several frames.
const LARGE: &str = "
    CREATE SCHEMA app;
    CREATE TABLE app.long (id integer PRIMARY KEY, gone boolean, filler text);
    INSERT INTO app.long SELECT i, i % 7 = 0, repeat(md5(i::text), 6) FROM generate_series(1, 60000) i;
    UPDATE app.long SET filler = upper(filler) WHERE id % 5 = 0;
    DELETE FROM app.long WHERE gone;
    CREATE TABLE app.wide (id bigint PRIMARY KEY, body text);
    ALTER TABLE app.wide ALTER body SET STORAGE EXTERNAL;
    INSERT INTO app.wide SELECT i, repeat(md5(i::text), 2000) FROM generate_series(1, 150) i;
    CREATE TABLE app.named (name text PRIMARY KEY, filler text);
    INSERT INTO app.named SELECT 'it''s ' || md5(i::text), repeat('x', 300) FROM generate_series(1, 20000) i;
    ANALYZE app.long; ANALYZE app.wide; ANALYZE app.named;
    SELECT lo_from_bytea(70000 + i, convert_to(repeat(md5(i::text), i * 50), 'UTF8')) FROM generate_series(1, 30) i;
    SELECT lo_from_bytea(80000, convert_to(repeat('0123456789abcdef', 350000), 'UTF8'));
    SELECT lo_create(80001);
    GRANT SELECT ON LARGE OBJECT 80000, 80001 TO PUBLIC;
    DO $$ BEGIN FOR i IN 70001..70030 LOOP EXECUTE 'GRANT SELECT ON LARGE OBJECT ' || i || ' TO PUBLIC'; END LOOP; END $$;
";
/// What all large objects hold.
const OBJECTS: &str = "SELECT count(*), md5(string_agg(oid || ':' || md5(lo_get(oid)), ',' ORDER BY oid)) \
                       FROM pg_largeobject_metadata";

#[tokio::test]
async fn a_table_copied_by_its_pages_comes_back_whole() {
    comes_back_whole(16, "pages").await;
}

#[tokio::test]
async fn a_table_copied_by_its_key_comes_back_whole() {
    comes_back_whole(13, "keys").await;
}

async fn comes_back_whole(major: u32, rows: &str) {
    let server = Server::of(major).await;
    let database = Database::create_on(server.clone(), &format!("ranges-{rows}")).await;
    database.run_as_owner(LARGE).await;
    // Before version 14 the backup's grants are defaults of the superuser's, which come back as its own.
    let roles = (ident(&server.user), ident(&database.restore.user));
    database.run(&format!("GRANT {} TO {}", roles.0, roles.1)).await;
    let cli = Cli::operator();
    cli.protect(&database.protection()).await;
    let original = Contents::on(&server, &database.name).await;
    // Tasks of some hundred KiB.
    let stack = FaultyStack::varied(Variant::RELAY).await;
    let job = stack.backup_of(&cli.instance(&database.name).await);
    let job: Job = stack.run(&job).await;
    assert_eq!(job.status, JobStatus::Completed, "{job:#?}");

    let points: Vec<RecoveryPoint> = cli.points(&database.name).await;
    let folder = PointFolder::of(&points[0]);
    let manifest = folder.assert_sound().await;
    assert_eq!(manifest.totals.large_objects, 32);
    for table in ["long", "wide", "named"] {
        let parts = manifest.tables.iter().find(|found| found.name == table).map(|found| found.parts.len());
        assert!(parts.is_some_and(|parts| parts > 1), "{table} has {parts:?} parts");
    }
    let plan: Value = folder.document("plan.json").await;
    let ways = ways_of(&plan);
    assert!(!ways.is_empty() && ways.iter().all(|way| way == rows), "{ways:?}");

    let copy = database.sibling("copy");
    cli.restore(&database.name, &copy, &database.restore.secret_arn).await;
    assert_equal(&original, &Contents::on(&server, &copy).await);
    let objects = async |name: &str| {
        let found = server.query_in(name, OBJECTS).await;
        (found[0].get(0).map(str::to_owned), found[0].get(1).map(str::to_owned))
    };
    assert_eq!(objects(&copy).await, objects(&database.name).await);
}

/// By what the plan cuts tables, of every part that is not a whole table.
fn ways_of(plan: &Value) -> Vec<String> {
    let tasks = plan["tasks"].as_array().into_iter().flatten();
    let parts = tasks.flat_map(|task| task["parts"].as_array().into_iter().flatten());
    let rows = parts.filter_map(|part| part["table"]["rows"].as_object());
    rows.flat_map(|rows| rows.keys().cloned()).collect()
}
