//! One snapshot in many hands: holders hand it over, workers join it, and what others do meanwhile waits.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pg_server;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use permafrost_domain::{Code, Fault};
use permafrost_engine::pg::Connection;
use permafrost_engine::snapshot::{self, HeldSnapshot};
use permafrost_engine::{EngineError, Login, session};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout};

use pg_server::Server;

const HOPS: u32 = 12;
const ACCOUNTS: u64 = 1_000;
const OPENING_BALANCE: u64 = 100;
const TABLES: [&str; 2] = ["\"public\".\"giro\"", "\"public\".\"savings\""];
const SCHEMA: &str = "
    CREATE TABLE giro (id int PRIMARY KEY, balance bigint NOT NULL);
    CREATE TABLE savings (id int PRIMARY KEY, balance bigint NOT NULL);
    CREATE TABLE transfers (id bigint GENERATED ALWAYS AS IDENTITY);
    INSERT INTO giro SELECT i, 100 FROM generate_series(1, 1000) i;
    INSERT INTO savings SELECT i, 100 FROM generate_series(1, 1000) i";
const CHANGES: [&str; 5] = [
    "TRUNCATE giro",
    "DROP TABLE giro",
    "ALTER TABLE giro ADD COLUMN added int DEFAULT 1",
    "ALTER TABLE giro RENAME TO renamed",
    "VACUUM FULL giro",
];

fn login(server: &Server) -> Login {
    Login { options: server.options(), ca_pem: None }
}

async fn bank() -> Server {
    let server = Server::start();
    server.connect().await.execute(SCHEMA).await.unwrap();
    server
}

async fn settled(server: &Server) -> Connection {
    let mut connection = server.connect().await;
    session::settle(&mut connection).await.unwrap();
    connection
}

async fn number(connection: &mut Connection, query: &str) -> u64 {
    connection.query(query, &[]).await.unwrap()[0].parse(0).unwrap()
}

/// The sum over all accounts, and the number of transfers, as a worker sees them that joins the snapshot.
async fn seen(server: &Server, id: &str) -> (u64, u64) {
    let mut worker = settled(server).await;
    snapshot::join(&mut worker, id, TABLES.into_iter()).await.unwrap();
    let seen = read(&mut worker).await;
    worker.close().await;
    seen
}

async fn read(worker: &mut Connection) -> (u64, u64) {
    let sum = "SELECT sum(balance)::int8 FROM \
               (SELECT balance FROM public.giro UNION ALL SELECT balance FROM public.savings) AS accounts";
    (number(worker, sum).await, number(worker, "SELECT count(*) FROM public.transfers").await)
}

async fn hop(server: &Server, holder: HeldSnapshot) -> HeldSnapshot {
    let next = HeldSnapshot::take_over(&login(server), &holder.id, holder.consistent_at).await.unwrap();
    assert_ne!(next.id, holder.id, "every holder exports under a name of its own");
    assert_eq!((next.consistent_at, next.tables), (holder.consistent_at, holder.tables));
    holder.let_go().await;
    next
}

async fn rises_above(counter: &AtomicU64, before: u64) {
    let risen = async {
        while counter.load(Ordering::SeqCst) <= before {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(20), risen).await.expect("the others stand still");
}

fn lost(error: &EngineError) -> bool {
    matches!(error, EngineError::SnapshotLost { .. })
}

/// Money moves between two tables until it is told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    connections: JoinSet<()>,
}

impl Load {
    async fn start(server: &Server) -> Self {
        let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut connections = JoinSet::new();
        for n in 0..2_u64 {
            let (mut connection, stop, made) = (server.connect().await, Arc::clone(&stop), Arc::clone(&made));
            connections.spawn(async move {
                let mut id = n;
                while !stop.load(Ordering::SeqCst) {
                    // Each connection has accounts of its own: no two wait for each other.
                    id = (id + 2) % ACCOUNTS;
                    let transfer = format!(
                        "BEGIN; UPDATE giro SET balance = balance - 3 WHERE id = {0}; \
                         UPDATE savings SET balance = balance + 3 WHERE id = {0}; \
                         INSERT INTO transfers DEFAULT VALUES; COMMIT",
                        id + 1
                    );
                    connection.execute(&transfer).await.unwrap();
                    made.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        Self { stop, made, connections }
    }

    async fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.connections.join_next().await {
            ended.unwrap();
        }
        self.made.load(Ordering::SeqCst)
    }
}

/// However often the snapshot changes hands while money moves and others want the tables for themselves, every worker
/// sees the same moment, to the cent, and no change gets through.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chain_of_holders_shows_one_moment() {
    let server = bank().await;
    let load = Load::start(&server).await;
    rises_above(&load.made, 0).await;
    let mut holder = HeldSnapshot::take(&login(&server)).await.unwrap();
    assert_eq!(holder.tables, 3);
    let first = seen(&server, &holder.id).await;
    assert_eq!(first.0, OPENING_BALANCE * ACCOUNTS * TABLES.len() as u64);
    assert!(first.1 > 0, "no transfer was made before the snapshot");

    let (stop, refused) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
    let mut intruder = server.connect().await;
    let intruding = tokio::spawn({
        let (stop, refused) = (Arc::clone(&stop), Arc::clone(&refused));
        async move {
            intruder.execute("SET lock_timeout = '40ms'").await.unwrap();
            while !stop.load(Ordering::SeqCst) {
                for change in CHANGES {
                    let error = intruder.execute(change).await.expect_err(change);
                    assert_eq!(error.sqlstate(), Some("55P03"), "{change}: {error}");
                    refused.fetch_add(1, Ordering::SeqCst);
                }
                sleep(Duration::from_millis(20)).await;
            }
        }
    });
    let mut housekeeper = server.connect().await;
    for _ in 0..HOPS {
        let (transfers, changes) = (load.made.load(Ordering::SeqCst), refused.load(Ordering::SeqCst));
        holder = hop(&server, holder).await;
        holder.check().await.unwrap();
        // What died since the snapshot must stay.
        housekeeper.execute("VACUUM giro").await.unwrap();
        assert_eq!(seen(&server, &holder.id).await, first);
        // However fast the hop was: the others had their turn, whoever stood in whose way.
        rises_above(&load.made, transfers).await;
        rises_above(&refused, changes).await;
    }
    stop.store(true, Ordering::SeqCst);
    intruding.await.unwrap();
    let made = load.stop().await;
    let horizon = holder.horizon().await.unwrap();
    assert!(horizon.transactions >= made - first.1 - 2, "{horizon:?} after {made} transfers");
    assert!(horizon.age > Duration::from_millis(100), "{horizon:?}");
    holder.let_go().await;
    server.connect().await.execute("TRUNCATE giro").await.unwrap();
}

/// A session that waits for a table without end stands before everyone who wants the table after it, our own
/// successors and workers included. They get past it all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_patient_truncate_waits_for_the_end_of_the_chain_and_holds_nobody_up() {
    let server = bank().await;
    let mut holder = HeldSnapshot::take(&login(&server)).await.unwrap();
    let first = seen(&server, &holder.id).await;
    let mut patient = server.connect().await;
    let truncate = tokio::spawn(async move { patient.execute("TRUNCATE giro").await });
    wait_for_a_waiting_session(&server).await;

    for _ in 0..3 {
        let (login, id, at) = (login(&server), holder.id.clone(), holder.consistent_at);
        let next = with_checks(&mut holder, HeldSnapshot::take_over(&login, &id, at)).await.unwrap();
        holder.let_go().await;
        holder = next;
        let id = holder.id.clone();
        let workers = async { tokio::join!(seen(&server, &id), seen(&server, &id)) };
        assert_eq!(with_checks(&mut holder, workers).await, (first, first));
        holder.check().await.unwrap();
    }
    assert!(!truncate.is_finished(), "the table was truncated under the chain");
    holder.let_go().await;
    timeout(Duration::from_secs(10), truncate).await.unwrap().unwrap().unwrap();
    assert_eq!(number(&mut server.connect().await, "SELECT count(*) FROM giro").await, 0);
}

/// What `work` comes to while the holder looks after its snapshot, as it does all the time.
async fn with_checks<T>(holder: &mut HeldSnapshot, work: impl Future<Output = T>) -> T {
    let mut work = std::pin::pin!(work);
    let until = Instant::now() + Duration::from_secs(20);
    let mut done = None;
    while done.is_none() {
        assert!(Instant::now() < until, "nobody gets past the waiting session");
        let look_after = async {
            holder.check().await.unwrap();
            sleep(Duration::from_millis(200)).await;
        };
        let mut look_after = std::pin::pin!(look_after);
        // A check is never left half-way.
        loop {
            tokio::select! {
                finished = &mut work, if done.is_none() => done = Some(finished),
                () = &mut look_after => break,
            }
        }
    }
    done.unwrap()
}

async fn wait_for_a_waiting_session(server: &Server) {
    let mut observer = server.connect().await;
    for _ in 0..100 {
        if number(&mut observer, "SELECT count(*) FROM pg_locks WHERE NOT granted").await > 0 {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("nobody waits");
}

/// Whoever comes after the last holder has let go, or died, is told so; it never reads another moment instead.
#[tokio::test]
async fn a_broken_chain_is_noticed_by_all() {
    let server = bank().await;
    let mut holder = HeldSnapshot::take(&login(&server)).await.unwrap();
    let (id, at) = (holder.id.clone(), holder.consistent_at);
    let mut killer = server.connect().await;
    killer.execute(&format!("SELECT pg_terminate_backend({})", holder.backend_pid())).await.unwrap();
    let noticed = holder.check().await.unwrap_err();
    assert!(lost(&noticed), "{noticed:?}");
    assert_eq!(Fault::from(noticed).code, Code::SnapshotLost);
    let successor = HeldSnapshot::take_over(&login(&server), &id, at).await.unwrap_err();
    assert!(lost(&successor), "{successor:?}");
    let worker = snapshot::join(&mut settled(&server).await, &id, TABLES.into_iter()).await.unwrap_err();
    assert!(lost(&worker), "{worker:?}");

    // A table that was dropped where the holder's lock should have been: the worker cannot even lock it.
    server.connect().await.execute("DROP TABLE savings").await.unwrap();
    let worker = snapshot::join(&mut settled(&server).await, &id, TABLES.into_iter()).await.unwrap_err();
    assert!(lost(&worker), "{worker:?}");
}

/// A worker that has joined needs the holder no longer: its own transaction has the snapshot and the locks.
#[tokio::test]
async fn a_worker_that_has_joined_stands_by_itself() {
    let server = bank().await;
    let holder = HeldSnapshot::take(&login(&server)).await.unwrap();
    let mut worker = settled(&server).await;
    snapshot::join(&mut worker, &holder.id, TABLES.into_iter()).await.unwrap();
    holder.let_go().await;
    let mut other = server.connect().await;
    other.execute("UPDATE giro SET balance = 0; SET lock_timeout = '100ms'").await.unwrap();
    for change in CHANGES {
        assert_eq!(other.execute(change).await.unwrap_err().sqlstate(), Some("55P03"), "{change}");
    }
    assert_eq!(read(&mut worker).await.0, OPENING_BALANCE * ACCOUNTS * 2);
    // What it exports is as good as what it joined: pg_dump's snapshot.
    let id = snapshot::export(&mut worker).await.unwrap();
    let mut pg_dump = settled(&server).await;
    snapshot::join(&mut pg_dump, &id, TABLES.into_iter()).await.unwrap();
    worker.close().await;
    assert_eq!(read(&mut pg_dump).await.0, OPENING_BALANCE * ACCOUNTS * 2);
}

/// Two that take the same snapshot over at once do not disturb each other: the catalog decides who stays.
#[tokio::test]
async fn two_successors_are_one_too_many_and_no_harm() {
    let server = bank().await;
    let holder = HeldSnapshot::take(&login(&server)).await.unwrap();
    let first = seen(&server, &holder.id).await;
    let login = login(&server);
    let (one, two) = tokio::join!(
        HeldSnapshot::take_over(&login, &holder.id, holder.consistent_at),
        HeldSnapshot::take_over(&login, &holder.id, holder.consistent_at)
    );
    let (one, two) = (one.unwrap(), two.unwrap());
    assert_ne!(one.id, two.id);
    holder.let_go().await;
    two.let_go().await;
    let one = hop(&server, one).await;
    assert_eq!(seen(&server, &one.id).await, first);
}

/// Tables that come, and go again, after the snapshot are none of its business; a schema may even change its name.
#[tokio::test]
async fn what_is_made_after_the_snapshot_does_not_break_the_chain() {
    let server = bank().await;
    let mut other = server.connect().await;
    other.execute("CREATE SCHEMA old; CREATE TABLE old.kept (id int)").await.unwrap();
    let mut holder = HeldSnapshot::take(&login(&server)).await.unwrap();
    assert_eq!(holder.tables, 4);
    other.execute("CREATE TABLE later (id int); ALTER SCHEMA old RENAME TO new").await.unwrap();
    let next = HeldSnapshot::take_over(&login(&server), &holder.id, holder.consistent_at).await.unwrap();
    assert_eq!(next.tables, 5, "a table that is not seen is locked to no harm");
    holder.let_go().await;
    holder = next;
    other.execute("SET lock_timeout = '100ms'").await.unwrap();
    assert_eq!(other.execute("DROP TABLE new.kept").await.unwrap_err().sqlstate(), Some("55P03"));
    let last = HeldSnapshot::take_over(&login(&server), &holder.id, holder.consistent_at).await.unwrap();
    holder.let_go().await;
    last.let_go().await;
    other.execute("DROP TABLE later, new.kept").await.unwrap();
}

/// A lock that cannot be had is asked for again; in the end the error names the table, who has it, and what to do.
#[tokio::test]
async fn a_table_that_stays_locked_is_named_with_its_locker() {
    let server = bank().await;
    let holder = HeldSnapshot::take(&login(&server)).await.unwrap();
    // Locked by somebody, as after the chain has ended.
    let id = holder.id.clone();
    holder.let_go().await;
    let mut locker = server.connect().await;
    locker.execute("BEGIN; LOCK TABLE savings").await.unwrap();
    let mut worker = settled(&server).await;
    worker.execute("SET lock_timeout = '100ms'").await.unwrap();
    let started = Instant::now();
    let fault = Fault::from(snapshot::join(&mut worker, &id, TABLES.into_iter()).await.unwrap_err());
    assert!(
        started.elapsed() > Duration::from_secs(10),
        "it was tried again only for {:?}",
        started.elapsed()
    );
    assert_eq!(fault.code, Code::LockNotAvailable);
    assert_eq!(fault.object.as_deref(), Some("table \"public\".\"savings\""));
    let pid = locker.backend_pid();
    let who = format!("process {pid} of postgres (permafrost test) has it");
    assert!(fault.message.contains(&who), "{fault:?}");
    let remedy = format!("SELECT pg_terminate_backend({pid})");
    assert!(fault.hint.contains(&remedy), "{fault:?}");
}

/// A lock that is let go of in time costs a pause and nothing else.
#[tokio::test]
async fn a_table_that_is_let_go_of_is_locked_by_a_later_try() {
    let server = bank().await;
    let mut locker = server.connect().await;
    let holder = HeldSnapshot::take(&login(&server)).await.unwrap();
    let id = holder.id.clone();
    holder.let_go().await;
    locker.execute("BEGIN; LOCK TABLE savings").await.unwrap();
    let mut worker = settled(&server).await;
    worker.execute("SET lock_timeout = '100ms'").await.unwrap();
    let (joined, ()) = tokio::join!(snapshot::join(&mut worker, &id, TABLES.into_iter()), async {
        sleep(Duration::from_millis(600)).await;
        locker.execute("COMMIT").await.unwrap();
    });
    // The lock was had; only then was it seen that the snapshot had gone.
    assert!(lost(&joined.unwrap_err()));
}
