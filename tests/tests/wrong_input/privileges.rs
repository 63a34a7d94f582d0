//! A role that may not read everything. Each test pastes the remedies and tries again.

use permafrost_domain::Code;
use permafrost_domain::check::Outcome;
use permafrost_engine::sql::ident;
use permafrost_tests::support::{Cli, Database};

use super::refusal::{Refusal, assert_not_protected, paste_and_protect, remedies};

/// A database whose backup role has no privileges but those that `grants` gives; `ROLE` stands for it.
async fn with_grants(label: &str, schema: &str, grants: &str) -> Database {
    let database = Database::create(label).await;
    let role = ident(&database.backup.user);
    database.run_as_owner(schema).await;
    database.run(&format!("REVOKE pg_read_all_data FROM {role}; {}", grants.replace("ROLE", &role))).await;
    database
}

/// Protecting `database` is refused; pasted, the remedies make it work, and so does a backup.
async fn refused_until_pasted(database: &Database, refusal: &Refusal) {
    let cli = Cli::operator();
    let job = assert_not_protected(&cli, &database.protection(), refusal).await;
    paste_and_protect(&cli, database, &job).await;
    cli.backup(&database.name).await;
}

const TWO_TABLES: &str = "
    CREATE SCHEMA app;
    CREATE TABLE app.open (id integer);
    CREATE TABLE app.secret (id integer);
    CREATE SEQUENCE app.ticket;";

#[tokio::test]
async fn a_table_without_select() {
    let grants = "GRANT USAGE ON SCHEMA app TO ROLE; GRANT SELECT ON app.open TO ROLE;
        GRANT SELECT ON SEQUENCE app.ticket TO ROLE";
    let database = with_grants("wrong-table", TWO_TABLES, grants).await;
    let refusal = Refusal::new(
        Code::DatabaseUserLacksSelect,
        "table app.secret",
        "GRANT SELECT ON TABLE app.secret TO",
    );
    refused_until_pasted(&database, &refusal).await;
}

#[tokio::test]
async fn a_sequence_without_select() {
    let grants = "GRANT USAGE ON SCHEMA app TO ROLE; GRANT SELECT ON app.open, app.secret TO ROLE";
    let database = with_grants("wrong-sequence", TWO_TABLES, grants).await;
    let refusal = Refusal::new(
        Code::DatabaseUserLacksSelect,
        "sequence app.ticket",
        "GRANT SELECT ON SEQUENCE app.ticket TO",
    );
    refused_until_pasted(&database, &refusal).await;
}

#[tokio::test]
async fn a_schema_without_usage() {
    let schema = "CREATE SCHEMA \"My App\"; CREATE TABLE \"My App\".\"Some \"\"Table\"\"\" (id integer)";
    let grants = "GRANT SELECT ON ALL TABLES IN SCHEMA \"My App\" TO ROLE";
    let database = with_grants("wrong-schema", schema, grants).await;
    let refusal = Refusal::new(
        Code::MissingDatabasePermissions,
        "schema My App",
        "GRANT USAGE ON SCHEMA \"My App\" TO",
    );
    refused_until_pasted(&database, &refusal).await;
}

/// All that is missing is said at once, with names that need quoting: one round of pasting is enough.
#[tokio::test]
async fn a_role_without_any_privilege() {
    let schema = "
        CREATE SCHEMA app; CREATE SCHEMA \"My App\";
        CREATE TABLE app.plain (id integer GENERATED ALWAYS AS IDENTITY);
        CREATE TABLE \"My App\".\"Übung; DROP\" (id serial);";
    let database = with_grants("wrong-all", schema, "SELECT").await;
    let cli = Cli::operator();
    let refusal =
        Refusal::new(Code::MissingDatabasePermissions, "schema My App, schema app", "GRANT USAGE ON SCHEMA");
    let job = assert_not_protected(&cli, &database.protection(), &refusal).await;
    let fault = job.fault.as_ref().unwrap();
    assert!(fault.message.contains("also failed: select"), "{fault:#?}");
    let failed =
        job.readiness.as_ref().unwrap().checks.iter().filter(|check| check.outcome == Outcome::Failed);
    assert_eq!(failed.map(|check| check.id.as_str()).collect::<Vec<_>>(), ["schema-usage", "select"]);
    paste_and_protect(&cli, &database, &job).await;
    cli.backup(&database.name).await;
}

#[tokio::test]
async fn rows_that_row_level_security_hides() {
    let schema = "
        CREATE SCHEMA app; CREATE TABLE app.mine (owner name, note text);
        ALTER TABLE app.mine ENABLE ROW LEVEL SECURITY;
        CREATE POLICY own ON app.mine USING (owner = current_user);";
    let grants = "GRANT USAGE ON SCHEMA app TO ROLE; GRANT SELECT ON app.mine TO ROLE";
    let database = with_grants("wrong-rls", schema, grants).await;
    let refusal = Refusal::new(Code::RowSecurityHidesRows, "table app.mine", "BYPASSRLS");
    refused_until_pasted(&database, &refusal).await;
}

#[tokio::test]
async fn a_database_without_connect() {
    let database = Database::create("wrong-connect").await;
    database.run(&format!("REVOKE CONNECT ON DATABASE {} FROM PUBLIC", ident(&database.name))).await;
    let object = format!("database {}", database.name);
    let refusal = Refusal::new(Code::MissingDatabasePermissions, object, "GRANT CONNECT ON DATABASE");
    refused_until_pasted(&database, &refusal).await;
}

/// A table that came later without a grant: the next backup says so, and not its restore.
#[tokio::test]
async fn a_table_that_came_after_protection() {
    let grants = "GRANT USAGE ON SCHEMA app TO ROLE; GRANT SELECT ON ALL TABLES IN SCHEMA app TO ROLE;
        GRANT SELECT ON ALL SEQUENCES IN SCHEMA app TO ROLE";
    let database = with_grants("wrong-later", TWO_TABLES, grants).await;
    let cli = Cli::operator();
    cli.protect(&database.protection()).await;
    cli.backup(&database.name).await;
    database.run_as_owner("CREATE TABLE app.later (id integer)").await;
    let outcome = cli.run(&["backup", &database.name]).await;
    let refusal =
        Refusal::new(Code::DatabaseUserLacksSelect, "table app.later", "GRANT SELECT ON TABLE app.later TO");
    let job = refusal.assert_job(&cli, &outcome).await;
    assert_eq!(cli.points(&database.name).await.len(), 1, "the earlier point stays, and there is no other");
    assert_eq!(cli.instance(&database.name).await.running_backup, None);
    database.run(&remedies(&job).join("; ")).await;
    cli.backup(&database.name).await;
}

/// A large object that the role cannot read would be missing from every backup: it is named, with the grant.
#[tokio::test]
async fn a_large_object_that_cannot_be_read() {
    let database = Database::create("wrong-large").await;
    database.run("SELECT lo_from_bytea(424242, 'some bytes')").await;
    let cli = Cli::operator();
    let refusal = Refusal::new(
        Code::DatabaseUserLacksSelect,
        "large object 424242",
        "GRANT SELECT ON LARGE OBJECT 424242 TO",
    );
    assert_not_protected(&cli, &database.protection(), &refusal).await;
    database.run("GRANT SELECT ON LARGE OBJECT 424242 TO PUBLIC").await;
    cli.protect(&database.protection()).await;
}
