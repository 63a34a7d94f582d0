//! A source that cannot be reached or logged in to.

use std::net::TcpListener;

use permafrost_domain::Code;
use permafrost_tests::support::jobs::Login;
use permafrost_tests::support::{Aws, Cli, Database, Protection, Stack, unique};
use serde_json::json;

use super::refusal::{Refusal, assert_not_protected};

#[tokio::test]
async fn a_server_that_cannot_be_reached() {
    let database = Database::create("wrong-network").await;
    let port = free_port();
    let cases = [
        (
            database.protection().through("127.0.0.1", port),
            Refusal::new(
                Code::MissingNetworkAccess,
                format!("server 127.0.0.1:{port}"),
                "Check host and port",
            ),
        ),
        (
            database.protection().through("no-such-host.invalid", 5432),
            Refusal::new(Code::HostNotFound, "server no-such-host.invalid:5432", "Check the host name"),
        ),
    ];
    refused(cases).await;
}

#[tokio::test]
async fn a_login_that_the_server_refuses() {
    let database = Database::create("wrong-login").await;
    let user = database.backup.user.clone();
    let wrong = database.secret("wrong", &json!({"username": user, "password": "wrong"}).to_string()).await;
    let nobody =
        database.secret("nobody", &json!({"username": "nobody-here", "password": "x"}).to_string()).await;
    let mut elsewhere = database.protection();
    elsewhere.database = "no-such-database".to_owned();
    let cases = [
        (
            with_secret(&database, wrong),
            Refusal::new(Code::DatabaseUserAuthFailed, format!("role {user} on"), "Check user and password"),
        ),
        (
            with_secret(&database, nobody),
            Refusal::new(Code::DatabaseUserAuthFailed, "role nobody-here on", "Check user and password"),
        ),
        (
            elsewhere,
            Refusal::new(Code::DatabaseNotFound, "database no-such-database", "Check the database's name"),
        ),
    ];
    refused(cases).await;
}

#[tokio::test]
async fn a_secret_that_holds_no_login() {
    let database = Database::create("wrong-secret").await;
    let stack = Stack::get();
    let missing = format!(
        "arn:aws:secretsmanager:{}:{}:secret:permafrost/no-such-secret-AbCdEf",
        stack.region, stack.account_id
    );
    let no_password = database.secret("no-password", r#"{"username": "someone", "pass": "hunter2"}"#).await;
    let no_json = database.secret("no-json", r#"{"username": "someone", "#).await;
    let no_user = database.secret("no-user", "a plain password without a user").await;
    let invalid =
        |arn: &str| Refusal::new(Code::InvalidSecret, format!("secret {arn}"), "Store {\"username\"");
    let cases = [missing, no_password, no_json, no_user]
        .map(|arn| (with_secret(&database, arn.clone()), invalid(&arn)));
    refused(cases).await;
}

/// Functions may read secrets of the stack's prefix and no other.
#[tokio::test]
async fn a_secret_of_somebody_else() {
    let database = Database::create("wrong-prefix").await;
    let secrets = Aws::root().secrets();
    let name = format!("somebody-else/{}", unique());
    let value = json!({"username": database.backup.user, "password": database.backup.password}).to_string();
    let made = secrets.create_secret().name(name).secret_string(value).send().await.unwrap();
    let arn = made.arn.unwrap();
    let refusal = Refusal::new(Code::SecretAccessDenied, format!("secret {arn}"), "SecretNamePrefix");
    assert_not_protected(&Cli::operator(), &with_secret(&database, arn.clone()), &refusal).await;
    secrets.delete_secret().secret_id(arn).force_delete_without_recovery(true).send().await.unwrap();
}

/// What was right when the instance was protected is wrong at the backup: the backup fails with its own code, and
/// leaves neither point nor lock.
#[tokio::test]
async fn a_password_that_changed_since() {
    let database = Database::create("wrong-since").await;
    database.run_as_owner("CREATE TABLE t (id integer); INSERT INTO t VALUES (1)").await;
    let cli = Cli::operator();
    cli.protect(&database.protection()).await;
    let role = permafrost_engine::sql::ident(&database.backup.user);
    database.run(&format!("ALTER ROLE {role} PASSWORD 'another'")).await;
    let outcome = cli.run(&["backup", &database.name]).await;
    let refusal = Refusal::new(
        Code::DatabaseUserAuthFailed,
        format!("role {} on", database.backup.user),
        "Check user and password",
    );
    refusal.assert_job(&cli, &outcome).await;
    assert!(cli.points(&database.name).await.is_empty());
    assert_eq!(cli.instance(&database.name).await.running_backup, None);
    let password = permafrost_engine::sql::literal(&database.backup.password);
    database.run(&format!("ALTER ROLE {role} PASSWORD {password}")).await;
    cli.backup(&database.name).await;
}

/// People read the refusal of the command itself, too.
#[tokio::test]
async fn a_refusal_in_words() {
    let database = Database::create("wrong-words").await;
    let mut protection = database.protection();
    protection.database = "no-such-database".to_owned();
    let outcome = Cli::operator().run_for_people(&protection.arguments()).await;
    assert_eq!(outcome.exit_code, Some(6), "{outcome}");
    for text in
        ["[DatabaseNotFound]", "OBJECT: database no-such-database", "HINT: Check the database's name."]
    {
        assert!(outcome.stderr.contains(text), "{text:?} is missing: {outcome}");
    }
    assert!(outcome.stdout.contains("login") && outcome.stdout.contains("Failed"), "{outcome}");
}

async fn refused<const N: usize>(cases: [(Protection, Refusal); N]) {
    let cli = Cli::operator();
    for (protection, refusal) in cases {
        let job = assert_not_protected(&cli, &protection, &refusal).await;
        assert!(!format!("{job:?}").contains("hunter2"), "{job:#?}");
    }
}

fn with_secret(database: &Database, arn: String) -> Protection {
    Protection { login: Login::Secret(arn), ..database.protection() }
}

/// A port at which nobody listens.
fn free_port() -> u16 {
    let listener = TcpListener::bind(("127.0.0.1", 0)).expect("a port is free");
    listener.local_addr().expect("a listener has an address").port()
}
