//! Loading tables: everything arrives, and the server's objections are heard in time.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod pg_server;

use std::fmt::Write;
use std::time::Duration;

use permafrost_engine::pg::{Connection, QueryError};
use pg_server::Server;

async fn count(connection: &mut Connection, table: &str) -> i64 {
    let rows = connection.query(&format!("SELECT count(*) FROM {table}"), &[]).await.unwrap();
    rows[0].parse(0).unwrap()
}

async fn copied(connection: &mut Connection, table: &str) -> Vec<u8> {
    let mut all = Vec::new();
    let mut copy =
        connection.copy_out(&format!("COPY (SELECT * FROM {table} ORDER BY i) TO STDOUT")).await.unwrap();
    while !copy.read_rows(&mut all, 1 << 20).await.unwrap().end {}
    all
}

#[tokio::test]
async fn what_is_read_from_one_table_fills_another() {
    let server = Server::start();
    let mut connection = server.connect().await;
    connection
        .execute(
            "CREATE TABLE source AS SELECT i, repeat(chr(64 + i % 60000), i % 90) AS s, decode(md5(i::text), 'hex') AS b,
                    CASE WHEN i % 3 = 0 THEN E'\\\\N\\t\\n' END AS odd
             FROM generate_series(1, 50000) i WHERE i % 60000 NOT BETWEEN 55200 AND 57400;
             INSERT INTO source SELECT 0, repeat('wide', 1000000), '', NULL;
             CREATE TABLE target (LIKE source)",
        )
        .await
        .unwrap();
    let data = copied(&mut connection, "source").await;

    // Cut anywhere: in large pieces, in odd ones, all at once, and in none where there is nothing.
    for piece_bytes in [data.len(), 300_000, 8191, 7] {
        connection.execute("TRUNCATE target").await.unwrap();
        let mut copy = connection.copy_in("COPY target FROM STDIN").await.unwrap();
        for piece in data.chunks(piece_bytes) {
            copy.send(piece).await.unwrap();
        }
        assert_eq!(copy.finish().await.unwrap(), 50_001);
        assert!(copied(&mut connection, "target").await == data, "pieces of {piece_bytes}");
    }
    let mut copy = connection.copy_in("COPY target FROM STDIN").await.unwrap();
    copy.send(b"").await.unwrap();
    assert_eq!(copy.finish().await.unwrap(), 0);
    assert_eq!(count(&mut connection, "target").await, 50_001);
}

/// The server may answer the end of the data before it was looked for; most likely where there is little data.
#[tokio::test]
async fn a_quick_answer_is_no_surprise() {
    let server = Server::start();
    let mut connection = server.connect().await;
    connection.execute("CREATE UNLOGGED TABLE t (i integer)").await.unwrap();
    for i in 0..5_000 {
        let mut copy = connection.copy_in("COPY t FROM STDIN").await.unwrap();
        copy.send(format!("{i}\n").as_bytes()).await.unwrap();
        assert_eq!(copy.finish().await.unwrap(), 1);
        let copy = connection.copy_in("COPY t FROM STDIN").await.unwrap();
        copy.fail("given up").await.unwrap();
    }
    assert_eq!(count(&mut connection, "t").await, 5_000);
}

#[tokio::test]
async fn bad_data_is_the_servers_error_with_its_place() {
    let server = Server::start();
    let mut connection = server.connect().await;
    connection.execute("CREATE TABLE t (id int PRIMARY KEY, v date NOT NULL)").await.unwrap();
    for (data, sqlstate, place) in [
        ("1\t2024-02-29\n2\tno date\n", "22007", "COPY t, line 2, column v: \"no date\""),
        ("1\t2024-02-29\n1\t2024-02-29\n", "23505", "COPY t, line 2"),
        ("1\n", "22P04", "COPY t, line 1: \"1\""),
    ] {
        let mut copy = connection.copy_in("COPY t FROM STDIN").await.unwrap();
        copy.send(data.as_bytes()).await.unwrap();
        let ended = copy.finish().await;
        let Err(QueryError::Server(error)) = ended else { panic!("{ended:?}") };
        assert_eq!((error.sqlstate.as_str(), error.context.as_deref()), (sqlstate, Some(place)));
        assert_eq!(count(&mut connection, "t").await, 0);
    }
}

#[tokio::test]
async fn an_error_is_noticed_while_there_is_still_data_to_send() {
    const PIECES_LIMIT: usize = 2000;
    let server = Server::start();
    let mut connection = server.connect().await;
    connection.execute("CREATE TABLE t (id int)").await.unwrap();
    let piece = "1\n".repeat(100_000);

    let mut copy = connection.copy_in("COPY t FROM STDIN").await.unwrap();
    copy.send(b"bad\n").await.unwrap();
    let mut sent = 0;
    let error = loop {
        match copy.send(piece.as_bytes()).await {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < PIECES_LIMIT, "the error was not noticed");
    };
    assert_eq!(error.sqlstate(), Some("22P02"));
    assert!(matches!(copy.send(b"1\n").await, Err(QueryError::Abandoned)));
    assert!(matches!(copy.finish().await, Err(QueryError::Abandoned)));
    // All of it was understood, so the connection is in step.
    assert_eq!(count(&mut connection, "t").await, 0);

    let mut admin = server.connect().await;
    let pid = connection.backend_pid().to_string();
    let mut copy = connection.copy_in("COPY t FROM STDIN").await.unwrap();
    copy.send(piece.as_bytes()).await.unwrap();
    admin.query("SELECT pg_terminate_backend($1::int)", &[Some(&pid)]).await.unwrap();
    let mut sent = 0;
    let error = loop {
        match copy.send(piece.as_bytes()).await {
            Ok(()) => sent += 1,
            Err(error) => break error,
        }
        assert!(sent < PIECES_LIMIT, "the end of the session was not noticed");
    };
    let told = error.sqlstate() == Some("57P01");
    assert!(told || matches!(error, QueryError::ConnectionClosed(_)), "{error:?}");
    assert!(matches!(connection.execute("SELECT 1").await, Err(QueryError::ConnectionClosed(_))));
    assert_eq!(count(&mut admin, "t").await, 0);
}

#[tokio::test]
async fn a_server_that_talks_while_it_is_sent_to_does_not_stall() {
    let server = Server::start();
    let mut connection = server.connect().await;
    connection
        .execute(
            "CREATE TABLE t (id int, pad text);
             CREATE FUNCTION talk() RETURNS trigger LANGUAGE plpgsql AS
               $$ BEGIN RAISE NOTICE '%', repeat('blah', 1000); RETURN NEW; END $$;
             CREATE TRIGGER talk BEFORE INSERT ON t FOR EACH ROW EXECUTE PROCEDURE talk()",
        )
        .await
        .unwrap();
    let pad = "pad".repeat(400);
    let mut data = String::new();
    for id in 0..20_000 {
        writeln!(data, "{id}\t{pad}").unwrap();
    }
    // 24 MB of data against 80 MB of notices: neither fits into the sockets' buffers.
    let loading = async {
        let mut copy = connection.copy_in("COPY t FROM STDIN").await.unwrap();
        for piece in data.as_bytes().chunks(100_000) {
            copy.send(piece).await.unwrap();
        }
        copy.finish().await
    };
    let loaded = tokio::time::timeout(Duration::from_mins(1), loading).await.expect("no stall");
    assert_eq!(loaded.unwrap(), 20_000);
}

#[tokio::test]
async fn a_copy_that_is_given_up_or_dropped_leaves_nothing() {
    let server = Server::start();
    let mut connection = server.connect().await;
    connection.execute("CREATE TABLE t (id int)").await.unwrap();
    let mut copy = connection.copy_in("COPY t FROM STDIN").await.unwrap();
    copy.send(&b"1\n".repeat(1_000_000)).await.unwrap();
    copy.fail("the frame's checksum\0is wrong").await.unwrap();
    assert_eq!(count(&mut connection, "t").await, 0);

    let mut copy = connection.copy_in("COPY t FROM STDIN").await.unwrap();
    copy.send(&b"1\n".repeat(1_000_000)).await.unwrap();
    assert!(matches!(connection.execute("SELECT 1").await, Err(QueryError::Abandoned)));
    connection.close().await;
    let mut connection = server.connect().await;
    // LOCK waits for the dropped session's end.
    connection.execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").await.unwrap();
    assert_eq!(count(&mut connection, "t").await, 0);
}
