//! A target that cannot take the restore. No database is left, and one that is there is not touched.

use std::time::Duration;

use permafrost_domain::Code;
use permafrost_domain::job::{Job, JobStatus};
use permafrost_engine::sql::ident;
use permafrost_tests::faults::{FaultyStack, Rule};
use permafrost_tests::support::database::{exists, query_in};
use permafrost_tests::support::{Cli, Database, Stack};
use serde_json::json;

use super::refusal::{Refusal, remedies};

/// A database with one point.
async fn backed_up(label: &str) -> (Cli, Database) {
    let database = Database::create(label).await;
    database.run_as_owner("CREATE TABLE t (id integer); INSERT INTO t VALUES (1)").await;
    let cli = Cli::operator();
    cli.protect(&database.protection()).await;
    cli.backup(&database.name).await;
    (cli, database)
}

/// The restore is refused, and leaves no database behind.
async fn refused(
    cli: &Cli,
    database: &Database,
    to: &str,
    secret: &str,
    more: &[&str],
    refusal: &Refusal,
) -> Job {
    let mut arguments = vec!["restore", &database.name, "--to-database", to, "--secret-arn", secret];
    arguments.extend(more);
    let outcome = cli.run(&arguments).await;
    let job = refusal.assert_job(cli, &outcome).await;
    assert_nothing_half_made(&job).await;
    job
}

async fn assert_nothing_half_made(job: &Job) {
    let temporary = format!("permafrost_restore_{}", job.id.to_string().trim_start_matches("job-"));
    assert!(!exists(&temporary).await, "{temporary} is left");
}

#[tokio::test]
async fn logins_and_servers_that_are_wrong() {
    let (cli, database) = backed_up("wrong-target").await;
    let to = database.sibling("copy");
    let user = &database.restore.user;
    let wrong = database.secret("wrong", &json!({"username": user, "password": "wrong"}).to_string()).await;
    let right = database.restore.secret_arn.clone();
    let reader = database.backup.secret_arn.clone();
    let auth =
        Refusal::new(Code::DatabaseUserAuthFailed, format!("role {user} on"), "Check user and password");
    refused(&cli, &database, &to, &wrong, &[], &auth).await;
    let host = Refusal::new(Code::HostNotFound, "server no-such-host.invalid", "Check the host name");
    refused(&cli, &database, &to, &right, &["--host", "no-such-host.invalid"], &host).await;
    let createdb =
        Refusal::new(Code::DatabaseUserLacksCreatedb, format!("role {}", database.backup.user), "CREATEDB;");
    let job = refused(&cli, &database, &to, &reader, &[], &createdb).await;
    // Whoever only reads the source may not give objects to their owners either.
    let reader = ident(&database.backup.user);
    let membership = format!("GRANT {} TO {reader}", ident(user));
    assert_eq!(remedies(&job), [format!("ALTER ROLE {reader} CREATEDB"), membership]);
    assert!(!exists(&to).await);
    cli.restore(&database.name, &to, &right).await;
}

#[tokio::test]
async fn a_name_that_is_taken() {
    let (cli, database) = backed_up("wrong-name").await;
    let taken = Refusal::new(
        Code::DatabaseNameAlreadyInUse,
        format!("database {}", database.name),
        "Choose another name",
    );
    refused(&cli, &database, &database.name, &database.restore.secret_arn, &[], &taken).await;
    assert_eq!(
        query_in(&database.name, "SELECT id FROM t").await.len(),
        1,
        "what bears the name is as it was"
    );
}

/// The name is taken while the restore runs: who took it keeps it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_is_taken_while_the_restore_runs() {
    let (cli, database) = backed_up("wrong-race").await;
    let stack = FaultyStack::of_what_is_deployed().await;
    let name = database.sibling("copy");
    let instance = cli.instance(&database.name).await;
    let point = instance.latest_point.expect("there is a point");
    let server = &Stack::get().postgres;
    let target = serde_json::from_value(json!({
        "host": server.host, "port": server.port, "database": name, "tls": {"mode": "disable"},
        "login": {"method": "secret", "secret_arn": database.restore.secret_arn},
    }));
    let job = stack.restore_of(&instance, point, target.unwrap());
    let waiting = stack.inject(job.id, Rule::delay("finish-restore", Duration::from_secs(2)).times(1));
    stack.start(&job).await;
    waiting.wait_until_fired().await;
    database.run(&format!("CREATE DATABASE {}", ident(&name))).await;
    let job = stack.ended(&job).await;
    assert_eq!(job.status, JobStatus::Failed, "{job:#?}");
    let fault = job.fault.as_ref().unwrap();
    assert_eq!(fault.code, Code::DatabaseNameAlreadyInUse, "{fault:#?}");
    assert_eq!(fault.object.as_deref(), Some(format!("database {name}").as_str()));
    assert_nothing_half_made(&job).await;
    let tables = query_in(&name, "SELECT 1 FROM pg_class WHERE relname = 't'").await;
    assert!(tables.is_empty(), "the other's database was touched");
}

/// Who owned something in the source is not there any more.
#[tokio::test]
async fn an_owner_that_the_target_lacks() {
    let database = Database::create("wrong-owner").await;
    let owner = database.role("owner").await;
    let (quoted, restorer) = (ident(&owner), ident(&database.restore.user));
    // Both: who owns a table needs the right to create it there.
    let create = "CREATE SCHEMA app; CREATE TABLE app.t (id integer); INSERT INTO app.t VALUES (1)";
    database
        .run(&format!("{create}; ALTER SCHEMA app OWNER TO {quoted}; ALTER TABLE app.t OWNER TO {quoted}"))
        .await;
    let cli = Cli::operator();
    cli.protect(&database.protection()).await;
    cli.backup(&database.name).await;
    database.run(&format!("REASSIGN OWNED BY {quoted} TO {restorer}; DROP ROLE {quoted}")).await;

    let to = database.sibling("copy");
    let secret = database.restore.secret_arn.clone();
    let lacks = Refusal::new(Code::RoleNotFound, format!("role {owner}"), "CREATE ROLE");
    let job = refused(&cli, &database, &to, &secret, &[], &lacks).await;
    assert!(!exists(&to).await);
    database.run(&remedies(&job).join("; ")).await;
    // The role is there again; giving it what it owned needs membership in it.
    let foreign = Refusal::new(Code::MissingDatabasePermissions, format!("role {owner}"), "GRANT ");
    let job = refused(&cli, &database, &to, &secret, &[], &foreign).await;
    database.run(&remedies(&job).join("; ")).await;
    cli.restore(&database.name, &to, &secret).await;
}
