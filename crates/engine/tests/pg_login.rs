//! Getting a connection, and every way of not getting one.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod pg_server;

use std::time::Duration;

use permafrost_engine::pg::{ConnectError, ConnectOptions, ConnectStage, Connection, Password};
use pg_server::Server;
use tokio::net::TcpListener;

async fn refused(options: &ConnectOptions) -> ConnectError {
    let error = Connection::connect(options).await.expect_err("the connection is refused");
    let shown = format!("{error} {error:?}");
    if let Some(password) = &options.password {
        assert!(!shown.contains(password.expose()), "the password is in {shown}");
    }
    error
}

#[tokio::test]
async fn logs_in_by_every_method_and_tells_who_it_is() {
    let server = Server::start();
    let mut admin = server.connect().await;
    assert!(admin.server_version().major() >= 9);
    assert_eq!(admin.parameter("client_encoding"), Some("UTF8"));
    assert_eq!(admin.parameter("server_encoding"), Some("UTF8"));
    assert_eq!(admin.parameter("standard_conforming_strings"), Some("on"));
    let row = admin
        .query(
            "SELECT pg_backend_pid(), current_setting('application_name'),
        current_setting('server_version_num')",
            &[],
        )
        .await
        .unwrap()
        .remove(0);
    assert_eq!(row.parse::<i32>(0).unwrap(), admin.backend_pid());
    assert_eq!(row.get(1), Some("permafrost test"));
    assert_eq!(row.parse::<u32>(2).unwrap(), admin.server_version().num());

    server.create_role(&mut admin, "scram_user").await;
    admin.execute("SET password_encryption = 'md5'").await.unwrap();
    server.create_role(&mut admin, "md5_user").await;
    admin.execute("CREATE ROLE trusted_user LOGIN").await.unwrap();
    let stored =
        admin.query("SELECT rolname FROM pg_authid WHERE rolpassword LIKE 'md5%'", &[]).await.unwrap();
    assert_eq!(stored[0].get(0), Some("md5_user"));

    for (user, password) in [
        ("scram_user", Some(pg_server::PASSWORD)),
        ("md5_user", Some(pg_server::PASSWORD)),
        ("trusted_user", None),
    ] {
        let options =
            ConnectOptions { user: user.into(), password: password.map(Password::new), ..server.options() };
        let mut connection = Connection::connect(&options).await.unwrap();
        let rows = connection.query("SELECT current_user", &[]).await.unwrap();
        assert_eq!(rows[0].get(0), Some(user));
        connection.close().await;
    }

    let wrong = Some(Password::new("Tr0ub4dor&3"));
    for user in ["scram_user", "md5_user", "nobody_at_all"] {
        let options = ConnectOptions { user: user.into(), password: wrong.clone(), ..server.options() };
        let error = refused(&options).await;
        assert!(
            matches!(&error, ConnectError::AuthenticationFailed(e) if e.sqlstate == "28P01"),
            "{error:?}"
        );
    }
    let none = ConnectOptions { password: None, ..server.options() };
    assert!(matches!(refused(&none).await, ConnectError::PasswordMissing));
}

#[tokio::test]
async fn tells_apart_why_there_is_no_connection() {
    let server = Server::start();
    let mut admin = server.connect().await;

    let unknown = ConnectOptions { database: "no such \"database\"".into(), ..server.options() };
    let error = refused(&unknown).await;
    assert!(matches!(&error, ConnectError::DatabaseDoesNotExist(e) if e.sqlstate == "3D000"), "{error:?}");

    server.create_role(&mut admin, "crowd CONNECTION LIMIT 0").await;
    let crowd = ConnectOptions { user: "crowd".into(), ..server.options() };
    let error = refused(&crowd).await;
    assert!(matches!(&error, ConnectError::TooManyConnections(_)), "{error:?}");

    server.create_role(&mut admin, "outsider").await;
    admin.execute("CREATE DATABASE closed").await.unwrap();
    admin.execute("REVOKE CONNECT ON DATABASE closed FROM PUBLIC").await.unwrap();
    let outsider = ConnectOptions { user: "outsider".into(), database: "closed".into(), ..server.options() };
    let error = refused(&outsider).await;
    assert!(matches!(&error, ConnectError::Server(e) if e.sqlstate == "42501"), "{error:?}");

    server.create_role(&mut admin, "tls_user").await;
    let unencrypted = ConnectOptions { user: "tls_user".into(), ..server.options() };
    let error = refused(&unencrypted).await;
    assert!(matches!(&error, ConnectError::AuthenticationFailed(e) if e.sqlstate == "28000"), "{error:?}");

    server.create_role(&mut admin, "cleartext_user").await;
    let cleartext = ConnectOptions { user: "cleartext_user".into(), ..server.options() };
    assert!(matches!(refused(&cleartext).await, ConnectError::CleartextPasswordRefused));

    let nul = ConnectOptions { database: "a\0b".into(), ..server.options() };
    assert!(matches!(refused(&nul).await, ConnectError::Protocol(_)));

    let unresolved = ConnectOptions { host: "no-such-host.invalid".into(), ..server.options() };
    assert!(matches!(refused(&unresolved).await, ConnectError::NameNotResolved { .. }));

    let port = server.port();
    let options = server.options();
    drop(server);
    let error = refused(&options).await;
    assert!(matches!(&error, ConnectError::Unreachable { port: p, .. } if *p == port), "{error:?}");
    assert_eq!(error.to_string(), format!("cannot connect to 127.0.0.1 port {port}"));
}

fn towards(listener: &TcpListener) -> ConnectOptions {
    ConnectOptions {
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
        database: "app".into(),
        user: "backup".into(),
        password: Some(Password::new("hunter2")),
        tls: permafrost_engine::pg::TlsMode::Disable,
        application_name: "permafrost test".into(),
        connect_timeout: Duration::from_millis(300),
    }
}

#[tokio::test]
async fn a_port_that_answers_nothing_is_a_timeout_with_its_stage() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let plain = towards(&silent);
    let encrypted = ConnectOptions { tls: permafrost_engine::pg::TlsMode::Require, ..plain.clone() };
    for (options, expected) in [(plain, ConnectStage::LoggingIn), (encrypted, ConnectStage::Encrypting)] {
        let error = refused(&options).await;
        assert!(matches!(error, ConnectError::TimedOut { stage, .. } if stage == expected), "{error:?}");
    }
}

#[tokio::test]
async fn a_peer_that_is_no_postgresql_server_is_told_so() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    for (answer, closes) in [(&b"HTTP/1.1 400 Bad Request\r\n\r\n"[..], false), (b"", true)] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let options = towards(&listener);
        let peer = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut buffer = [0; 1024];
            assert!(stream.read(&mut buffer).await.unwrap() > 0);
            stream.write_all(answer).await.unwrap();
            stream.flush().await.unwrap();
        };
        let (error, ()) = tokio::join!(refused(&options), peer);
        if closes {
            assert!(
                matches!(error, ConnectError::Broken { stage: ConnectStage::LoggingIn, .. }),
                "{error:?}"
            );
        } else {
            assert!(matches!(error, ConnectError::Protocol(_)), "{error:?}");
        }
    }
}
