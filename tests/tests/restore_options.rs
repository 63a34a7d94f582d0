//! The options of a restore, each by the command line.

use permafrost_domain::Code;
use permafrost_domain::job::{Job, JobStatus};
use permafrost_tests::support::database::{exists, query_in};
use permafrost_tests::support::{Cli, Contents, Database};

/// Two schemas; a table of one needs a type of the other, and refers to a table of it.
const SCHEMA: &str = "
    CREATE SCHEMA app; CREATE SCHEMA base;
    CREATE TYPE base.state AS ENUM ('new', 'paid');
    CREATE TABLE base.customer (id integer PRIMARY KEY, name text);
    CREATE TABLE app.orders (
        id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, state base.state, customer integer REFERENCES base.customer);
    CREATE INDEX orders_customer ON app.orders (customer);
    CREATE TABLE app.other (id integer);
    INSERT INTO base.customer SELECT i, 'customer ' || i FROM generate_series(1, 50) i;
    INSERT INTO app.orders (state, customer) SELECT 'paid', 1 + i % 50 FROM generate_series(1, 1000) i;
    INSERT INTO app.other VALUES (1);
    GRANT SELECT ON app.orders TO PUBLIC;
    COMMENT ON TABLE app.orders IS 'what was sold';";

/// A database with a recovery point.
struct Arranged {
    cli: Cli,
    database: Database,
}

impl Arranged {
    async fn new(label: &str) -> Self {
        let database = Database::create(label).await;
        database.run_as_owner(SCHEMA).await;
        let cli = Cli::operator();
        cli.protect(&database.protection()).await;
        cli.backup(&database.name).await;
        Self { cli, database }
    }

    /// Restores with these options; the job as it ended, and the copy's name.
    async fn restore(&self, label: &str, options: &[&str]) -> (Job, String) {
        let copy = self.database.sibling(label);
        let secret = &self.database.restore.secret_arn;
        let command = ["restore", &self.database.name, "--to-database", &copy, "--secret-arn", secret];
        let outcome = self.cli.run(&[&command, options].concat()).await;
        (outcome.result(), copy)
    }

    async fn completed(&self, label: &str, options: &[&str]) -> String {
        let (job, copy) = self.restore(label, options).await;
        assert_eq!(job.status, JobStatus::Completed, "{job:#?}");
        copy
    }
}

async fn column(database: &str, query: &str) -> Vec<String> {
    query_in(database, query).await.iter().map(|row| row.get(0).unwrap_or_default().to_owned()).collect()
}

const TABLES: &str = "SELECT schemaname || '.' || tablename FROM pg_tables \
    WHERE schemaname IN ('app', 'base') ORDER BY 1";

/// A table comes with what it depends on and nothing else; a foreign key to rows that are not restored is left out, and
/// the job says so.
#[tokio::test]
async fn a_table_is_restored_with_what_it_depends_on() {
    let arranged = Arranged::new("options-table").await;
    let (job, copy) = arranged.restore("copy", &["--table", "app.orders"]).await;
    assert_eq!(job.status, JobStatus::CompletedWithWarnings, "{job:#?}");
    assert!(
        job.warnings.len() == 1 && job.warnings[0].contains("orders_customer_fkey"),
        "{:#?}",
        job.warnings
    );
    assert_eq!(column(&copy, TABLES).await, ["app.orders"]);
    assert_eq!(column(&copy, "SELECT count(*)::text FROM app.orders WHERE state = 'paid'").await, ["1000"]);
    assert_eq!(column(&copy, "SELECT obj_description('app.orders'::regclass)").await, ["what was sold"]);
    assert_eq!(column(&copy, "SELECT last_value::text FROM app.orders_id_seq").await, ["1000"]);
}

/// A schema comes whole.
#[tokio::test]
async fn a_schema_is_restored_whole() {
    let arranged = Arranged::new("options-schema").await;
    let copy = arranged.completed("copy", &["--schema", "base"]).await;
    assert_eq!(column(&copy, TABLES).await, ["base.customer"]);
    assert_eq!(column(&copy, "SELECT count(*)::text FROM base.customer").await, ["50"]);
}

/// A name that the point does not hold is refused before anything is made, with names like it.
#[tokio::test]
async fn an_unknown_name_is_refused_with_those_like_it() {
    let arranged = Arranged::new("options-unknown").await;
    let (job, copy) = arranged.restore("copy", &["--table", "app.order"]).await;
    let fault = job.fault.expect("the job has failed");
    assert_eq!((fault.code, fault.object.as_deref()), (Code::ObjectNotInBackup, Some("table app.order")));
    assert!(fault.hint.contains("app.orders"), "{fault}");
    assert!(!exists(&copy).await);
}

/// Definitions alone are those of the source, and tables are empty; data alone has neither keys nor indexes.
#[tokio::test]
async fn definitions_and_data_are_restored_each_alone() {
    let arranged = Arranged::new("options-content").await;
    let definitions = arranged.completed("definitions", &["--schema-only"]).await;
    arranged
        .database
        .run("TRUNCATE app.orders RESTART IDENTITY; TRUNCATE base.customer CASCADE; TRUNCATE app.other")
        .await;
    let (source, copy) = (Contents::of(&arranged.database.name).await, Contents::of(&definitions).await);
    assert!(source == copy, "{}", source.differences(&copy));
    let data = arranged.completed("data", &["--data-only"]).await;
    assert_eq!(column(&data, "SELECT count(*)::text FROM app.orders").await, ["1000"]);
    let of_tables = "SELECT relname FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace \
        WHERE relkind = 'i' AND nspname IN ('app', 'base')";
    assert_eq!(column(&data, of_tables).await, Vec::<String>::new());
}

/// Owners are those of the source, others, or whoever restores; grants come or stay away.
#[tokio::test]
async fn owners_are_kept_exchanged_or_flattened() {
    let arranged = Arranged::new("options-owner").await;
    let (old, new) = (arranged.database.role("old").await, arranged.database.role("new").await);
    let restorer = &arranged.database.restore.user;
    let quoted = permafrost_engine::sql::ident;
    let grant = format!("GRANT {}, {} TO {}", quoted(&old), quoted(&new), quoted(restorer));
    let give = format!("GRANT CREATE ON SCHEMA app TO {0}; ALTER TABLE app.other OWNER TO {0}", quoted(&old));
    arranged.database.run(&format!("{grant}; {give}")).await;
    arranged.cli.backup(&arranged.database.name).await;
    let owner = "SELECT relowner::regrole::text FROM pg_class WHERE oid = 'app.other'::regclass";
    let map = format!("{old}={new}");
    for (label, options, expected) in [
        ("kept", vec![], &old),
        ("mapped", vec!["--map-role", &map], &new),
        ("flat", vec!["--owner", "flatten", "--no-privileges"], restorer),
    ] {
        let copy = arranged.completed(label, &options).await;
        assert_eq!(column(&copy, owner).await, [quoted(expected)], "{label}");
        let grants =
            "SELECT count(*)::text FROM pg_class WHERE oid = 'app.orders'::regclass AND relacl IS NOT NULL";
        let expected = if label == "flat" { "0" } else { "1" };
        assert_eq!(column(&copy, grants).await, [expected], "{label}");
    }
}

/// Settings, comment and grants of the database go with it to its new name.
#[tokio::test]
async fn settings_of_the_database_go_with_it() {
    let arranged = Arranged::new("options-settings").await;
    let name = permafrost_engine::sql::ident(&arranged.database.name);
    let settings = format!(
        "ALTER DATABASE {name} SET work_mem TO '7MB'; COMMENT ON DATABASE {name} IS 'it''s ours'; \
         REVOKE CONNECT ON DATABASE {name} FROM PUBLIC; \
         GRANT CONNECT ON DATABASE {name} TO {}",
        permafrost_engine::sql::ident(&arranged.database.backup.user)
    );
    arranged.database.run(&settings).await;
    arranged.cli.backup(&arranged.database.name).await;
    let copy = arranged.completed("copy", &[]).await;
    assert_eq!(column(&copy, "SHOW work_mem").await, ["7MB"]);
    let of = |what: &str| format!("SELECT {what} FROM pg_database WHERE datname = current_database()");
    assert_eq!(column(&copy, &of("shobj_description(oid, 'pg_database')")).await, ["it's ours"]);
    let acl = "SELECT grants::text FROM pg_database, unnest(datacl) AS grants \
               WHERE datname = current_database() ORDER BY 1";
    assert_eq!(column(&copy, acl).await, column(&arranged.database.name, acl).await);
}
