//! Scripts and queries: values, errors, transactions, cancelling, abandoned commands.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod pg_server;

use std::time::Duration;

use permafrost_engine::pg::{Connection, QueryError, TransactionStatus};
use pg_server::Server;

async fn still_works(connection: &mut Connection) {
    let rows = connection.query("SELECT $1::int + 1", &[Some("41")]).await.unwrap();
    assert_eq!(rows[0].parse::<i32>(0).unwrap(), 42);
}

#[tokio::test]
async fn values_come_as_text_and_as_types() {
    let server = Server::start();
    let mut connection = server.connect().await;
    let rows = connection
        .query(
            "SELECT $1::text AS t, NULL AS n, 9223372036854775807 AS big, true AS yes, 1.5::float8 AS f,
                    '{1,2}'::int[] AS a, '' AS empty, '\\x00ff'::bytea AS b, $2::int AS p
             FROM generate_series(1, 2)",
            &[Some("Größe 数 🐘 \\ ' \""), None],
        )
        .await
        .unwrap();
    assert_eq!(rows.len(), 2);
    let row = &rows[1];
    let texts: Vec<_> = (0..row.len()).map(|index| row.get(index)).collect();
    assert_eq!(
        texts,
        [
            Some("Größe 数 🐘 \\ ' \""),
            None,
            Some("9223372036854775807"),
            Some("t"),
            Some("1.5"),
            Some("{1,2}"),
            Some(""),
            Some("\\x00ff"),
            None
        ]
    );
    let names: Vec<_> = row.columns().iter().map(|column| column.name.as_str()).collect();
    assert_eq!(names, ["t", "n", "big", "yes", "f", "a", "empty", "b", "p"]);
    assert_eq!(row.parse::<i64>(2).unwrap(), i64::MAX);
    assert!(row.parse::<bool>(3).unwrap());
    assert!((row.parse::<f64>(4).unwrap() - 1.5).abs() < f64::EPSILON);
    assert_eq!(row.parse::<Option<i32>>(1).unwrap(), None);
    assert_eq!(row.parse::<Option<String>>(6).unwrap().as_deref(), Some(""));

    let messages = [
        row.parse::<i32>(2).unwrap_err().to_string(),
        row.parse::<i64>(1).unwrap_err().to_string(),
        row.parse::<Option<bool>>(4).unwrap_err().to_string(),
        row.parse::<String>(9).unwrap_err().to_string(),
    ];
    assert_eq!(
        messages,
        [
            "column \"big\" is \"9223372036854775807\", not a 32-bit integer",
            "column \"n\" is NULL, not a 64-bit integer",
            "column \"f\" is \"1.5\", not a boolean",
            "the row has 9 columns, and column number 9 was asked for",
        ]
    );

    // No rows, no columns, no statement.
    assert!(connection.query("SELECT 1 WHERE false", &[]).await.unwrap().is_empty());
    assert!(connection.query("", &[]).await.unwrap().is_empty());
    assert!(connection.query("CREATE TABLE made ()", &[]).await.unwrap().is_empty());
    let bare = connection.query("SELECT FROM generate_series(1, 3)", &[]).await.unwrap();
    assert!(bare.len() == 3 && bare[0].is_empty());
    // More than a read buffer, in one value and in many.
    let large = connection.query("SELECT repeat('x', 3000000)", &[]).await.unwrap();
    assert_eq!(large[0].get(0).map(str::len), Some(3_000_000));
    let many =
        connection.query("SELECT i, repeat('y', 90) FROM generate_series(1, 20000) i", &[]).await.unwrap();
    assert!(many.iter().zip(1..=20_000).all(|(row, i)| row.parse::<i32>(0).unwrap() == i));
    still_works(&mut connection).await;
}

#[tokio::test]
async fn an_error_says_everything_and_leaves_the_connection_usable() {
    let server = Server::start();
    let mut connection = server.connect().await;
    connection.execute("CREATE TABLE t (id int CONSTRAINT t_key PRIMARY KEY, v int NOT NULL)").await.unwrap();

    let Err(QueryError::Server(error)) = connection.query("SELECT * FROM tt", &[]).await else { panic!() };
    assert_eq!(
        (error.severity.as_str(), error.sqlstate.as_str(), error.position),
        ("ERROR", "42P01", Some(15))
    );
    assert_eq!(error.message, "relation \"tt\" does not exist");
    still_works(&mut connection).await;

    let insert = "INSERT INTO t VALUES ($1, $2)";
    connection.query(insert, &[Some("1"), Some("1")]).await.unwrap();
    let Err(QueryError::Server(error)) = connection.query(insert, &[Some("1"), Some("1")]).await else {
        panic!()
    };
    assert_eq!(
        (
            error.schema.as_deref(),
            error.table.as_deref(),
            error.constraint.as_deref(),
            error.detail.as_deref()
        ),
        (Some("public"), Some("t"), Some("t_key"), Some("Key (id)=(1) already exists."))
    );
    let Err(QueryError::Server(error)) = connection.query(insert, &[Some("2"), None]).await else { panic!() };
    assert_eq!((error.sqlstate.as_str(), error.column.as_deref()), ("23502", Some("v")));
    let Err(QueryError::Server(error)) = connection.query("SELECT idd FROM t", &[]).await else { panic!() };
    assert!(error.hint.is_some(), "{error:?}");

    for unsendable in ["SELECT 'a\0b'", "\0"] {
        assert!(matches!(connection.query(unsendable, &[]).await, Err(QueryError::Unsendable(_))));
        assert!(matches!(connection.execute(unsendable).await, Err(QueryError::Unsendable(_))));
    }
    still_works(&mut connection).await;
}

#[tokio::test]
async fn a_script_fails_as_a_whole_where_a_statement_fails() {
    let server = Server::start();
    let mut connection = server.connect().await;
    let script = "CREATE TABLE a (); SELECT 1; DO $$ BEGIN RAISE NOTICE 'said'; END $$;
                  SELECT 1/0; CREATE TABLE b ()";
    assert_eq!(connection.execute(script).await.unwrap_err().sqlstate(), Some("22012"));
    let made = connection.query("SELECT to_regclass('a'), to_regclass('b')", &[]).await.unwrap();
    assert_eq!((made[0].get(0), made[0].get(1)), (None, None));

    assert_eq!(connection.transaction_status(), TransactionStatus::Idle);
    connection.execute("BEGIN; CREATE TABLE a ()").await.unwrap();
    assert_eq!(connection.transaction_status(), TransactionStatus::InTransaction);
    connection.execute("SELECT 1/0").await.unwrap_err();
    assert_eq!(connection.transaction_status(), TransactionStatus::Failed);
    assert_eq!(connection.execute("SELECT 1").await.unwrap_err().sqlstate(), Some("25P02"));
    connection.execute("ROLLBACK").await.unwrap();
    connection.execute("").await.unwrap();

    connection.execute("SET client_encoding = 'LATIN1'").await.unwrap();
    assert_eq!(connection.parameter("client_encoding"), Some("LATIN1"));
    let refused = connection.query("SELECT 'fine' AS ok, 'gr' || chr(252) || 'n' AS colour", &[]).await;
    assert!(matches!(refused, Err(QueryError::NotUtf8 { column }) if column == "colour"));
    still_works(&mut connection).await;
}

#[tokio::test]
async fn a_copy_in_the_wrong_place_is_refused_without_harm() {
    let server = Server::start();
    let mut connection = server.connect().await;
    connection
        .execute(
            "CREATE TABLE t (v text); INSERT INTO t SELECT repeat('z', 90) FROM generate_series(1, 9000)",
        )
        .await
        .unwrap();
    for sql in ["COPY t TO STDOUT", "COPY t FROM STDIN", "SELECT 1; COPY t FROM STDIN"] {
        let error = connection.execute(sql).await.unwrap_err();
        assert!(matches!(error, QueryError::WrongStatement { .. }), "{sql}: {error:?}");
        still_works(&mut connection).await;
    }
    for sql in ["COPY t TO STDOUT", "COPY t FROM STDIN"] {
        let error = connection.query(sql, &[]).await.unwrap_err();
        assert!(matches!(error, QueryError::WrongStatement { .. }), "{sql}: {error:?}");
        still_works(&mut connection).await;
    }
    for sql in [
        "SELECT 1",
        "COPY t FROM STDIN",
        "COPY t TO STDOUT (FORMAT binary)",
        "SELECT 1; COPY t TO STDOUT",
        "",
    ] {
        let error = connection.copy_out(sql).await.err().unwrap();
        assert!(matches!(error, QueryError::WrongStatement { .. }), "{sql}: {error:?}");
        still_works(&mut connection).await;
    }
    for sql in ["SELECT 1", "COPY t TO STDOUT", "CREATE TABLE u ()"] {
        let error = connection.copy_in(sql).await.err().unwrap();
        assert!(matches!(error, QueryError::WrongStatement { .. }), "{sql}: {error:?}");
        still_works(&mut connection).await;
    }
    assert_eq!(connection.copy_out("COPY nowhere TO STDOUT").await.err().unwrap().sqlstate(), Some("42P01"));
    assert_eq!(connection.copy_in("COPY nowhere FROM STDIN").await.err().unwrap().sqlstate(), Some("42P01"));
    still_works(&mut connection).await;
}

#[tokio::test]
async fn a_statement_can_be_cancelled_from_elsewhere() {
    let server = Server::start();
    let mut connection = server.connect().await;
    let handle = connection.cancel_handle();
    assert!(!format!("{handle:?}").contains(pg_server::PASSWORD));
    let canceller = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        handle.cancel().await.unwrap();
    };
    let (slept, ()) = tokio::join!(connection.execute("SELECT pg_sleep(60)"), canceller);
    assert_eq!(slept.unwrap_err().sqlstate(), Some("57014"));
    still_works(&mut connection).await;
}

#[tokio::test]
async fn a_command_dropped_halfway_makes_the_connection_unusable() {
    let server = Server::start();
    let mut connection = server.connect().await;
    let dropped =
        tokio::time::timeout(Duration::from_millis(100), connection.query("SELECT pg_sleep(1), 'late'", &[]))
            .await;
    assert!(dropped.is_err());
    tokio::time::sleep(Duration::from_millis(1200)).await;
    assert!(matches!(connection.query("SELECT 1", &[]).await, Err(QueryError::Abandoned)));
    assert!(matches!(connection.execute("SELECT 1").await, Err(QueryError::Abandoned)));
}

#[tokio::test]
async fn a_session_that_was_ended_says_by_whom() {
    let server = Server::start();
    let mut admin = server.connect().await;
    let mut victim = server.connect().await;
    let pid = victim.backend_pid().to_string();
    admin.query("SELECT pg_terminate_backend($1::int)", &[Some(&pid)]).await.unwrap();
    tokio::time::sleep(Duration::from_millis(300)).await;
    let error = victim.execute("SELECT 1").await.unwrap_err();
    assert!(
        matches!(&error, QueryError::Server(e) if e.sqlstate == "57P01" && e.severity == "FATAL"),
        "{error:?}"
    );
    assert!(matches!(victim.execute("SELECT 1").await, Err(QueryError::ConnectionClosed(_))));
}
