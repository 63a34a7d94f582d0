//! Reading tables: nothing is lost, nothing is added, and no broken copy ever looks complete.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

mod pg_server;

use std::time::Duration;

use permafrost_engine::pg::{ConnectOptions, Connection, CopyBlock, CopyOut, QueryError, TlsMode};
use pg_server::Server;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

const BLOCK_BYTES: usize = 1 << 20;
const HUGE: usize = 64 << 20;

#[tokio::test]
async fn a_million_small_rows_are_what_psql_copies() {
    let server = Server::start();
    let mut connection = server.connect().await;
    connection
        .execute(
            "CREATE TABLE t AS SELECT i, CASE WHEN i % 7 = 0 THEN NULL ELSE md5(i::text) END AS h,
                    E'tab\\tnewline\\nbackslash\\\\ 数' AS s, i / 3.0 AS n
             FROM generate_series(1, 1000000) i",
        )
        .await
        .unwrap();

    let psql = server.client("psql", &["-X", "-c", "COPY t TO STDOUT"]);
    assert!(psql.status.success());

    let (mut rows, mut rest) = (0, psql.stdout.as_slice());
    let mut block = Vec::new();
    let mut copy = connection.copy_out("COPY t TO STDOUT").await.unwrap();
    loop {
        block.clear();
        let read = copy.read_rows(&mut block, BLOCK_BYTES).await.unwrap();
        rows += read.rows;
        rest = rest.strip_prefix(block.as_slice()).expect("the bytes are those that psql writes");
        assert!(block.ends_with(b"\n") || block.is_empty(), "rows are whole");
        assert!(block.len() < BLOCK_BYTES + 200, "a block ends with the row that fills it");
        if read.end {
            break;
        }
        assert!(block.len() >= BLOCK_BYTES, "only the last block is short");
    }
    assert_eq!((rows, copy.rows(), rest.len()), (1_000_000, 1_000_000, 0));
    // Asking again changes nothing.
    let again = copy.read_rows(&mut block, BLOCK_BYTES).await.unwrap();
    assert_eq!(again, CopyBlock { rows: 0, end: true });
    connection.execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn empty_tables_and_rows_of_any_size_come_whole() {
    let server = Server::start();
    let mut connection = server.connect().await;
    let mut block = b"kept".to_vec();

    connection.execute("CREATE TABLE empty (a int, b text)").await.unwrap();
    let mut copy = connection.copy_out("COPY empty TO STDOUT").await.unwrap();
    let read = copy.read_rows(&mut block, BLOCK_BYTES).await.unwrap();
    assert_eq!((read, block.as_slice()), (CopyBlock { rows: 0, end: true }, b"kept".as_slice()));

    // A row without columns is a line without text.
    let mut copy = connection.copy_out("COPY (SELECT FROM generate_series(1, 3)) TO STDOUT").await.unwrap();
    let read = copy.read_rows(&mut block, BLOCK_BYTES).await.unwrap();
    assert_eq!((read, block.as_slice()), (CopyBlock { rows: 3, end: true }, b"kept\n\n\n".as_slice()));

    // Rows around the size of the read buffer, and far beyond the target.
    let sizes = [1, 262_139, HUGE, 262_144, 2, HUGE, 0, 524_287, 3];
    let sizes_list = sizes.map(|size| size.to_string()).join(",");
    let sql = format!(
        "COPY (SELECT repeat(chr(65 + n::int), s) FROM unnest('{{{sizes_list}}}'::int[]) WITH ORDINALITY u(s, n)) TO STDOUT"
    );
    let mut expected = sizes.iter().zip(b'B'..);
    let mut copy = connection.copy_out(&sql).await.unwrap();
    loop {
        block.clear();
        let read = copy.read_rows(&mut block, 1).await.unwrap();
        if read.end {
            assert_eq!(read.rows, 0);
            break;
        }
        assert_eq!(read.rows, 1);
        let (&size, letter) = expected.next().unwrap();
        assert_eq!(block.len(), size + 1);
        assert!(block[..size].iter().all(|byte| *byte == letter) && block[size] == b'\n');
    }
    assert_eq!(copy.rows(), 9);
    connection.execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn notices_and_errors_within_the_data_are_seen() {
    let server = Server::start();
    let mut connection = server.connect().await;
    connection
        .execute(
            "CREATE FUNCTION chatty(i int) RETURNS int LANGUAGE plpgsql AS $$
             BEGIN
               IF i % 100 = 0 THEN
                 RAISE NOTICE 'at %', i;
                 PERFORM set_config('application_name', 'row ' || i, false);
               END IF;
               IF i = 150000 THEN RAISE EXCEPTION 'row % is damaged', i; END IF;
               RETURN i;
             END $$",
        )
        .await
        .unwrap();
    let copying = |last: u32| format!("COPY (SELECT chatty(i) FROM generate_series(1, {last}) i) TO STDOUT");

    let mut block = Vec::new();
    let mut copy = connection.copy_out(&copying(100_000)).await.unwrap();
    let read = copy.read_rows(&mut block, usize::MAX).await.unwrap();
    assert_eq!(read, CopyBlock { rows: 100_000, end: true });
    let expected: String = (1..=100_000).flat_map(|i| [i.to_string(), "\n".to_owned()]).collect();
    assert!(block == expected.as_bytes());
    assert_eq!(connection.parameter("application_name"), Some("row 100000"));

    block.clear();
    let mut copy = connection.copy_out(&copying(200_000)).await.unwrap();
    let error = copy.read_rows(&mut block, usize::MAX).await.unwrap_err();
    assert!(matches!(&error, QueryError::Server(e) if e.message == "row 150000 is damaged"), "{error:?}");
    assert!(block.ends_with(b"\n149999\n"), "what arrived is whole rows");
    assert!(matches!(copy.read_rows(&mut block, 1).await, Err(QueryError::Abandoned)), "and never an end");
    connection.execute("SELECT 1").await.unwrap();
}

/// Reads until an error; a copy that reaches its end is the failure.
async fn read_to_the_error(
    connection: &mut Connection,
    sql: &str,
    mut meanwhile: impl AsyncFnMut(),
) -> QueryError {
    let mut block = Vec::new();
    let mut copy = connection.copy_out(sql).await.unwrap();
    assert!(!copy.read_rows(&mut block, BLOCK_BYTES).await.unwrap().end);
    meanwhile().await;
    loop {
        block.clear();
        match copy.read_rows(&mut block, BLOCK_BYTES).await {
            Ok(read) => assert!(!read.end, "a broken copy looks complete"),
            Err(error) => {
                assert!(block.is_empty() || block.ends_with(b"\n"), "{error:?}");
                assert!(matches!(copy.read_rows(&mut block, 1).await, Err(QueryError::Abandoned)));
                return error;
            }
        }
    }
}

#[tokio::test]
async fn a_session_ended_in_the_middle_is_an_error() {
    const SQL: &str = "COPY (SELECT i, repeat('x', 300) FROM generate_series(1, 3000000) i) TO STDOUT";
    let mut server = Server::start();
    let mut admin = server.connect().await;

    let mut connection = server.connect().await;
    let pid = connection.backend_pid().to_string();
    let error = read_to_the_error(&mut connection, SQL, async || {
        let ended = admin.query("SELECT pg_terminate_backend($1::int)", &[Some(&pid)]).await.unwrap();
        assert_eq!(ended[0].get(0), Some("t"));
    })
    .await;
    let told = error.sqlstate() == Some("57P01");
    assert!(told || matches!(error, QueryError::ConnectionClosed(_)), "{error:?}");
    connection.execute("SELECT 1").await.unwrap_err();

    let mut connection = server.connect().await;
    let handle = connection.cancel_handle();
    let error = read_to_the_error(&mut connection, SQL, async || handle.cancel().await.unwrap()).await;
    assert_eq!(error.sqlstate(), Some("57014"));
    connection.execute("SELECT 1").await.unwrap();

    let error = read_to_the_error(&mut connection, SQL, async || server.crash()).await;
    let told = error.sqlstate() == Some("57P02");
    assert!(told || matches!(error, QueryError::ConnectionClosed(_)), "{error:?}");
}

#[tokio::test]
async fn a_copy_dropped_halfway_makes_the_connection_unusable() {
    let server = Server::start();
    let mut connection = server.connect().await;
    let mut block = Vec::new();
    let mut copy = connection.copy_out("COPY (SELECT generate_series(1, 1000000)) TO STDOUT").await.unwrap();
    copy.read_rows(&mut block, 1).await.unwrap();
    assert!(matches!(connection.query("SELECT 1", &[]).await, Err(QueryError::Abandoned)));
    assert!(matches!(
        connection.copy_out("COPY (SELECT 1) TO STDOUT").await.err(),
        Some(QueryError::Abandoned)
    ));

    // The same for a call that is dropped while it waits.
    let mut connection = server.connect().await;
    let sql = "COPY (SELECT generate_series(1, 100000) UNION ALL SELECT 0 FROM pg_sleep(1)) TO STDOUT";
    let mut copy = connection.copy_out(sql).await.unwrap();
    let waiting = copy.read_rows(&mut block, usize::MAX);
    assert!(tokio::time::timeout(Duration::from_millis(100), waiting).await.is_err());
    assert!(matches!(copy.read_rows(&mut block, 1).await, Err(QueryError::Abandoned)));
    assert!(matches!(connection.execute("SELECT 1").await, Err(QueryError::Abandoned)));
}

/// The rows of the statement that is being read.
async fn rest_of(copy: &mut CopyOut<'_>) -> Result<String, QueryError> {
    let mut rows = Vec::new();
    while !copy.read_rows(&mut rows, BLOCK_BYTES).await?.end {}
    Ok(String::from_utf8(rows).unwrap())
}

#[tokio::test]
async fn statements_that_follow_each_other_bring_their_own_rows() {
    let server = Server::start();
    let mut connection = server.connect().await;
    let counting = |count: u32| format!("COPY (SELECT generate_series(1, {count})) TO STDOUT");
    let counted = |count: u32| (1..=count).flat_map(|i| [i.to_string(), "\n".to_owned()]).collect::<String>();
    let counts = [3, 0, 200_000, 1, 0, 100_000];

    let mut copy = connection.copy_out(&counting(counts[0])).await.unwrap();
    for (place, count) in counts.into_iter().enumerate() {
        if let Some(next) = counts.get(place + 1) {
            copy.follow_with(&counting(*next)).await.unwrap();
            assert!(
                matches!(copy.follow_with("COPY t TO STDOUT").await, Err(QueryError::Abandoned)),
                "one at a time"
            );
        }
        assert!(rest_of(&mut copy).await.unwrap() == counted(count));
        assert_eq!(copy.rows(), u64::from(count));
        if place + 1 < counts.len() {
            copy.next().await.unwrap();
        }
    }
    assert!(matches!(copy.next().await, Err(QueryError::Abandoned)), "nothing follows");
    assert!(matches!(copy.follow_with("COPY t TO STDOUT").await, Err(QueryError::Abandoned)), "too late");
    connection.execute("SELECT 1").await.unwrap();
}

#[tokio::test]
async fn an_error_ends_what_follows_too_and_leaves_the_connection() {
    const FAILS: &str = "COPY (SELECT 1 / (i - 70000) FROM generate_series(1, 100000) i) TO STDOUT";
    const WORKS: &str = "COPY (SELECT generate_series(1, 100000)) TO STDOUT";
    let server = Server::start();
    let mut connection = server.connect().await;
    for transaction in [false, true] {
        for (first, second) in
            [(FAILS, WORKS), (WORKS, FAILS), (WORKS, "COPY nowhere TO STDOUT"), (FAILS, "")]
        {
            if transaction {
                connection.execute("BEGIN").await.unwrap();
            }
            let mut copy = connection.copy_out(first).await.unwrap();
            copy.follow_with(second).await.unwrap();
            let read = match rest_of(&mut copy).await {
                Ok(_) => match copy.next().await {
                    Ok(()) => rest_of(&mut copy).await,
                    Err(error) => Err(error),
                },
                Err(error) => Err(error),
            };
            let sqlstate = if second.contains("nowhere") { "42P01" } else { "22012" };
            assert_eq!(read.unwrap_err().sqlstate(), Some(sqlstate), "{first} {second}");
            assert!(matches!(copy.next().await, Err(QueryError::Abandoned)));
            if transaction {
                connection.execute("ROLLBACK").await.unwrap();
            }
            assert_eq!(connection.query("SELECT 7", &[]).await.unwrap()[0].get(0), Some("7"));
        }
    }

    // One that is no COPY is refused when it is its turn.
    let mut copy = connection.copy_out(WORKS).await.unwrap();
    copy.follow_with("SELECT 1").await.unwrap();
    rest_of(&mut copy).await.unwrap();
    assert!(matches!(copy.next().await, Err(QueryError::WrongStatement { .. })));
    connection.execute("SELECT 1").await.unwrap();

    // And one that nobody goes over to leaves the connection between two commands.
    let mut copy = connection.copy_out(WORKS).await.unwrap();
    copy.follow_with(WORKS).await.unwrap();
    rest_of(&mut copy).await.unwrap();
    assert!(matches!(connection.execute("SELECT 1").await, Err(QueryError::Abandoned)));
}

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap().to_be_bytes();
    [&[tag][..], &length, body].concat()
}

/// A server that lets everybody in and answers the first command with `answer`, then hangs up.
async fn read_from_a_server_that_says(answer: &[u8]) -> (Vec<u8>, Result<CopyBlock, QueryError>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let options = ConnectOptions {
        host: "127.0.0.1".into(),
        port: listener.local_addr().unwrap().port(),
        database: "app".into(),
        user: "backup".into(),
        password: None,
        tls: TlsMode::Disable,
        application_name: String::new(),
        connect_timeout: Duration::from_secs(5),
    };
    let serving = async {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut heard = [0; 1024];
        assert!(stream.read(&mut heard).await.unwrap() > 0);
        let welcome =
            [message(b'R', &[0; 4]), message(b'S', b"server_version\x0015.18\0"), message(b'Z', b"I")]
                .concat();
        stream.write_all(&welcome).await.unwrap();
        assert!(stream.read(&mut heard).await.unwrap() > 0);
        stream.write_all(answer).await.unwrap();
    };
    let reading = async {
        let mut connection = Connection::connect(&options).await.unwrap();
        let mut block = Vec::new();
        let read = match connection.copy_out("COPY t TO STDOUT").await {
            Ok(mut copy) => copy.read_rows(&mut block, usize::MAX).await,
            Err(error) => Err(error),
        };
        (block, read)
    };
    tokio::join!(serving, reading).1
}

#[tokio::test]
async fn a_connection_that_dies_at_any_byte_never_looks_like_the_end() {
    let whole = [
        message(b'H', &[0, 0, 1, 0, 0]),
        message(b'd', b"1\tone\n"),
        message(b'd', b"2\ttwo\n"),
        message(b'N', b"SNOTICE\0C00000\0Mstill here\0\0"),
        message(b'd', b"3\tthree\n"),
        message(b'c', b""),
        message(b'C', b"COPY 3\0"),
        message(b'Z', b"I"),
    ]
    .concat();
    for end in 0..whole.len() {
        let (block, read) = read_from_a_server_that_says(&whole[..end]).await;
        assert!(matches!(read, Err(QueryError::ConnectionClosed(_))), "cut at {end}: {read:?}");
        assert!(
            b"1\tone\n2\ttwo\n3\tthree\n".starts_with(&block) && (block.is_empty() || block.ends_with(b"\n"))
        );
    }
    let (block, read) = read_from_a_server_that_says(&whole).await;
    assert_eq!(block, b"1\tone\n2\ttwo\n3\tthree\n");
    assert_eq!(read.unwrap(), CopyBlock { rows: 3, end: true });
}

#[tokio::test]
async fn an_end_that_is_not_confirmed_is_an_error() {
    let start = [message(b'H', &[0, 0, 0]), message(b'd', b"1\n"), message(b'd', b"2\n")].concat();
    let ready = message(b'Z', b"I");
    let done = message(b'c', b"");
    let tag = |tag: &[u8]| message(b'C', tag);

    let fewer = [start.clone(), done.clone(), tag(b"COPY 3\0"), ready.clone()].concat();
    let (_, read) = read_from_a_server_that_says(&fewer).await;
    assert!(matches!(read, Err(QueryError::CopyRowsDiffer { counted: 2, reported: 3 })), "{read:?}");

    let error = message(b'E', b"SERROR\0CXX001\0Minvalid page\0\0");
    for after in [
        [error.clone(), ready.clone()].concat(),
        [done.clone(), error.clone(), ready.clone()].concat(),
        [done.clone(), tag(b"COPY 2\0"), error, ready.clone()].concat(),
    ] {
        let (_, read) = read_from_a_server_that_says(&[start.clone(), after].concat()).await;
        assert!(matches!(&read, Err(QueryError::Server(e)) if e.sqlstate == "XX001"), "{read:?}");
    }

    for after in [
        [tag(b"COPY 2\0"), ready.clone()].concat(),
        [done.clone(), ready.clone()].concat(),
        [done.clone(), tag(b"COPY\0"), ready.clone()].concat(),
        [done.clone(), tag(b"COPY 2\0"), tag(b"SELECT 1\0"), ready.clone()].concat(),
        message(b'd', b"no line end"),
        message(b'd', b""),
        [b"d".to_vec(), u32::MAX.to_be_bytes().to_vec()].concat(),
        message(b'?', b"unknown"),
    ] {
        let (_, read) = read_from_a_server_that_says(&[start.clone(), after.clone()].concat()).await;
        assert!(matches!(read, Err(QueryError::Protocol(_))), "{after:?}: {read:?}");
    }
}
