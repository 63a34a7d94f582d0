//! What the tests of the stack stand on can tell: a comparison that finds nothing, or a gate that lets everything in,
//! would prove nothing.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::ProvideCredentials;
use permafrost_engine::pg::{ConnectError, ConnectOptions, Connection, Password, TlsMode, iam_token};
use permafrost_engine::sql::ident;
use permafrost_tests::support::database::connect;
use permafrost_tests::support::iam_gate::{Decision, IamGate};
use permafrost_tests::support::proxy::{Cuts, Proxy};
use permafrost_tests::support::tls_front::{self, Authority, TlsFront};
use permafrost_tests::support::{Aws, Contents, Database, Stack};

const TABLES: &str = "CREATE TABLE t AS SELECT i AS id, i::text AS value FROM generate_series(1, 100) AS i; \
                      CREATE TABLE p (id int) PARTITION BY RANGE (id); \
                      CREATE TABLE p_1 PARTITION OF p FOR VALUES FROM (0) TO (9); INSERT INTO p VALUES (1); \
                      CREATE SEQUENCE s; CREATE MATERIALIZED VIEW m AS SELECT 1 AS one";

/// A value, a row's place, a comment, a grant, a sequence's position, an unfilled view: each is a difference.
#[tokio::test]
async fn comparing_finds_every_kind_of_difference() {
    for (change, found) in [
        ("UPDATE t SET value = 'x' WHERE id = 7", "relation \"public\".\"t\""),
        ("INSERT INTO t SELECT * FROM t LIMIT 1", "relation \"public\".\"t\""),
        ("UPDATE t SET value = NULL WHERE value = '9'", "relation \"public\".\"t\""),
        ("DELETE FROM p_1", "relation \"public\".\"p_1\""),
        ("COMMENT ON TABLE t IS 'x'", "+ COMMENT ON TABLE"),
        ("GRANT SELECT ON t TO PUBLIC", "+ GRANT SELECT"),
        ("ALTER TABLE t ALTER id SET DEFAULT 7", "+ ALTER TABLE"),
        ("SELECT nextval('s')", "sequence \"public\".\"s\""),
        ("REFRESH MATERIALIZED VIEW m WITH NO DATA", "relation \"public\".\"m\""),
    ] {
        let database = Database::create("compare").await;
        database.run_as_owner(TABLES).await;
        let before = Contents::of(&database.name).await;
        assert_eq!(before, Contents::of(&database.name).await, "nothing has changed");
        database.run(change).await;
        let after = Contents::of(&database.name).await;
        assert_ne!(before, after, "{change}");
        let differences = before.differences(&after);
        assert!(differences.contains(found), "{change}:\n{differences}");
    }
}

/// The proxy cuts in the middle of an answer, as often as it was told, and is whole again when it is healed.
#[tokio::test]
async fn a_cut_wire_ends_a_query_in_the_middle() {
    let proxy = Proxy::start().await;
    let database = Database::create("proxy").await;
    let options = ConnectOptions {
        port: proxy.port(),
        password: Some(Password::new(database.backup.password.clone())),
        ..options(&database.backup.user, TlsMode::Disable, &database.name)
    };
    let large = "SELECT repeat('x', 1000000)";
    let ask = async || Connection::connect(&options).await.expect("logins pass").query(large, &[]).await;
    assert!(ask().await.is_ok());
    proxy.cut(500_000, Cuts::Once);
    assert!(ask().await.is_err());
    assert!(ask().await.is_ok(), "one cut was asked for");
    proxy.cut(500_000, Cuts::Always);
    assert!(ask().await.is_err() && ask().await.is_err());
    proxy.heal();
    assert!(ask().await.is_ok());
    assert_eq!(proxy.cuts_made(), 3);
}

/// The gate lets in a token for its host, port and user, that is young and signed by somebody whom AWS knows; it
/// refuses every other one.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "tokens are made at a moment, and the gate has a clock")]
async fn the_iam_gate_refuses_what_is_not_quite_a_token() {
    let database = Database::create("gate").await;
    let authority = Authority::new();
    let gate = Arc::new(IamGate::new(&database.backup));
    let front = TlsFront::with_iam_tokens(&authority, Arc::clone(&gate)).await;
    let pem = std::fs::read(authority.file()).expect("the authority's file can be read");
    let tls = TlsMode::verify_full(&pem).expect("the authority's certificate is one");
    let user = &database.backup.user;
    let options = ConnectOptions { port: front.port(), ..options(user, tls, &database.name) };
    let region = &Stack::get().region;
    let role = Aws::function_role("RunDumpTask").await;
    let role = role.credentials().provide_credentials().await.expect("a session has credentials");
    let forged = aws_credential_types::Credentials::new(
        role.access_key_id(),
        "not the secret",
        role.session_token().map(str::to_owned),
        None,
        "test",
    );
    let nobody =
        aws_credential_types::Credentials::new("ASIANOBODYATALL00000", "x", Some("y".into()), None, "test");
    let (host, port, now) = (tls_front::HOST, front.port(), SystemTime::now());
    let long_ago = now - Duration::from_secs(1_000);
    let token = |credentials, region: &str, host: &str, port, user: &str, at| {
        iam_token::auth_token(credentials, region, host, port, user, at).expect("a token can be made")
    };

    let good = token(&role, region, host, port, user, now);
    let options_with = |password| ConnectOptions { password: Some(password), ..options.clone() };
    let mut connection = Connection::connect(&options_with(good)).await.expect("a good token is let in");
    let rows = connection.query("SELECT current_user", &[]).await.expect("the session works");
    assert_eq!(rows[0].get(0), Some(user.as_str()));
    connection.close().await;

    for (reason, bad) in [
        ("no token", Password::new(database.backup.password.clone())),
        ("the token's server", token(&role, region, "127.0.0.1", port, user, now)),
        ("the token's server", token(&role, region, host, 5432, user, now)),
        ("the token's user", token(&role, region, host, port, "postgres", now)),
        ("the token is 1", token(&role, region, host, port, user, long_ago)),
        ("the scope", token(&role, "us-east-1", host, port, user, now)),
        ("the signature is not taken", token(&forged, region, host, port, user, now)),
        ("the signature is not taken", token(&nobody, region, host, port, user, now)),
    ] {
        match Connection::connect(&options_with(bad)).await {
            Err(ConnectError::AuthenticationFailed(error)) => {
                assert!(error.message.contains(reason), "{error}");
            }
            other => panic!("{reason}: {other:?}"),
        }
    }
    let refused = gate.decisions().iter().filter(|decision| matches!(decision, Decision::Refused(_))).count();
    assert_eq!((gate.decisions().len(), refused), (9, 8));
}

/// A database goes when its test ends, with its roles and its restored copies.
#[tokio::test]
async fn a_test_leaves_nothing_behind() {
    let database = Database::create("leftover").await;
    let (name, copy) = (database.name.clone(), database.sibling("copy"));
    let mut server = connect("postgres").await;
    server.execute(&format!("CREATE DATABASE {}", ident(&copy))).await.expect("a database can be created");
    let count = format!(
        "SELECT (SELECT count(*) FROM pg_database WHERE datname LIKE '{name}%'), \
                (SELECT count(*) FROM pg_roles WHERE rolname LIKE '{name}%')"
    );
    let secret = database.backup.secret_arn.clone();
    let before = server.query(&count, &[]).await.expect("what is there can be counted");
    assert_eq!((before[0].get(0), before[0].get(1)), (Some("2"), Some("2")));
    drop(database);
    let after = server.query(&count, &[]).await.expect("what is there can be counted");
    assert_eq!((after[0].get(0), after[0].get(1)), (Some("0"), Some("0")));
    assert!(Aws::root().secrets().get_secret_value().secret_id(secret).send().await.is_err());
}

fn options(user: &str, tls: TlsMode, database: &str) -> ConnectOptions {
    ConnectOptions {
        host: if matches!(tls, TlsMode::Disable) { "127.0.0.1".into() } else { tls_front::HOST.into() },
        port: 0,
        database: database.to_owned(),
        user: user.to_owned(),
        password: None,
        tls,
        application_name: "permafrost tests".to_owned(),
        connect_timeout: Duration::from_secs(10),
    }
}
