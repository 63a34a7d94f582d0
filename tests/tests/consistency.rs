//! A backup holds one moment of its database, whatever happens meanwhile, or it is none.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use permafrost_domain::Code;
use permafrost_domain::job::{Job, JobStatus};
use permafrost_tests::support::contents::assert_equal;
use permafrost_tests::support::database::{Database, connect, query_in};
use permafrost_tests::support::jobs::completed;
use permafrost_tests::support::proxy::{Cuts, Proxy};
use permafrost_tests::support::{Cli, Contents};
use tokio::task::JoinSet;

const ACCOUNTS: &str = include_str!("../sql/accounts.sql");
/// Accounts are in tables of two schemas.
const TABLES: [&str; 4] = ["north.giro", "north.savings", "south.giro", "south.savings"];
/// Accounts in each table.
const ACCOUNTS_PER_TABLE: u64 = 20_000;
const OPENING_BALANCE: u64 = 1_000;

/// A table of about 8 MB, so that a cut after 2 MB is in the middle of it.
const MIDDLING: &str = "CREATE TABLE middling AS SELECT i AS id, repeat(md5(i::text), 4) AS noise \
                        FROM generate_series(1, 60000) AS i; CREATE TABLE small AS SELECT 1 AS id";
const MIDDLE_OF_TABLE: u64 = 2_000_000;

/// A backup under writes is consistent: while it runs, connections move money between accounts of several tables; in
/// what is restored no cent is missing, and every account has exactly what its transfers left there.
#[tokio::test]
async fn money_that_moves_during_a_backup_is_neither_lost_nor_doubled() {
    let database = Arc::new(Database::create("money").await);
    let accounts = ACCOUNTS.replace("{accounts}", &ACCOUNTS_PER_TABLE.to_string());
    database.run_as_owner(&accounts.replace("{opening}", &OPENING_BALANCE.to_string())).await;
    // Each table takes a second or more, so that there are many transactions between the first and the last.
    let proxy = Proxy::start().await;
    proxy.slow_down(8_000_000);
    let cli = Cli::operator();
    cli.protect(&database.protection().through("127.0.0.1", proxy.port())).await;

    let load = Load::start(&database.name);
    let job = cli.start_backup(&database.name).await.job.to_string();
    // Nobody can pull a table away while it is being copied. Attempts give up soon: a session that waits for the
    // table lets nobody else have it, the backup's own workers included.
    let attempts = refused_changes(&database.name, &cli, &job).await;
    let job = completed(cli.watch(&job).await);
    let transfers_in_all = load.stop().await;
    assert!(attempts > 0, "no change was tried while the tables were held");

    let copy = database.sibling("copy");
    cli.restore(&database.name, &copy, &database.restore.secret_arn).await;
    let transfers = number(&copy, "SELECT count(*) FROM north.transfers").await;
    assert!(transfers > 0 && transfers < transfers_in_all, "{transfers} of {transfers_in_all}: {job:#?}");
    let total = format!("SELECT sum(balance) FROM ({}) AS accounts", all_accounts("balance"));
    let expected = OPENING_BALANCE * ACCOUNTS_PER_TABLE * TABLES.len() as u64;
    assert_eq!(number(&copy, &total).await, expected);
    let wrong = WRONG_BALANCES.replace("{opening}", &OPENING_BALANCE.to_string());
    assert_eq!(number(&copy, &wrong).await, 0, "balances that do not follow from their transfers");
    let torn =
        format!("SELECT count(*) FROM ({}) AS rows WHERE balance <> mirror", all_accounts("balance, mirror"));
    assert_eq!(number(&copy, &torn).await, 0);
    assert_eq!(number(&copy, "SELECT count(*) FROM north.coveted WHERE note = 'untouched'").await, 1_000);
}

/// A dump whose connection dies in the middle of a table can never commit: no recovery point, no lock, a closed job
/// with the right code, and the next backup works.
#[tokio::test]
async fn a_dump_that_always_loses_its_connection_never_becomes_a_point() {
    let database = Database::create("cut-always").await;
    database.run_as_owner(MIDDLING).await;
    let proxy = Proxy::start().await;
    let cli = Cli::operator();
    cli.protect(&database.protection().through("127.0.0.1", proxy.port())).await;

    proxy.cut(MIDDLE_OF_TABLE, Cuts::Always);
    let job = cli.try_backup(&database.name).await;
    assert!(proxy.cuts_made() > 1, "the step was tried again: {} cuts", proxy.cuts_made());
    assert_failed(&job, Code::ServerConnectionClosed);
    assert!(cli.points(&database.name).await.is_empty());
    assert_eq!(cli.instance(&database.name).await.running_backup, None);
    assert_nobody_holds(&database.name).await;

    proxy.heal();
    cli.backup(&database.name).await;
    assert_restores_equal(&cli, &database).await;
    assert_eq!(cli.points(&database.name).await.len(), 1);
}

/// A connection that dies once is a passing condition: the step is tried again, and what it had copied before counts
/// for nothing.
#[tokio::test]
async fn a_dump_that_loses_its_connection_once_is_tried_again() {
    let database = Database::create("cut-once").await;
    database.run_as_owner(MIDDLING).await;
    let proxy = Proxy::start().await;
    let cli = Cli::operator();
    cli.protect(&database.protection().through("127.0.0.1", proxy.port())).await;

    proxy.cut(MIDDLE_OF_TABLE, Cuts::Once);
    cli.backup(&database.name).await;
    assert_eq!(proxy.cuts_made(), 1);
    assert_restores_equal(&cli, &database).await;
}

/// Transfers, made by several connections until they are told to stop.
struct Load {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    connections: JoinSet<()>,
}

impl Load {
    fn start(database: &str) -> Self {
        let (stop, made) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let mut connections = JoinSet::new();
        for number in 0..3 {
            let (database, stop, made) = (database.to_owned(), Arc::clone(&stop), Arc::clone(&made));
            connections.spawn(async move {
                let mut connection = connect(&database).await;
                let mut random = Random(number + 1);
                while !stop.load(Ordering::SeqCst) {
                    match connection.execute(&transfer(&mut random)).await {
                        Ok(()) => made.fetch_add(1, Ordering::SeqCst),
                        // Two that wait for each other: the server has undone one of them.
                        Err(error) if error.sqlstate() == Some("40P01") => continue,
                        Err(error) => panic!("{error}"),
                    };
                }
                connection.close().await;
            });
        }
        Self { stop, made, connections }
    }

    /// How many transfers were made in all.
    async fn stop(mut self) -> u64 {
        self.stop.store(true, Ordering::SeqCst);
        while let Some(ended) = self.connections.join_next().await {
            ended.expect("the load runs without an error");
        }
        self.made.load(Ordering::SeqCst)
    }
}

/// A transaction: from one account to another, mostly of another table, with a line in the ledger.
fn transfer(random: &mut Random) -> String {
    let mut account = || (random.index(TABLES.len()), random.below(ACCOUNTS_PER_TABLE) + 1);
    let ((from, from_id), (to, to_id)) = (account(), account());
    let (from_table, to_table) = (TABLES[from], TABLES[to]);
    let amount = random.below(50) + 1;
    format!(
        "BEGIN; \
         UPDATE {from_table} SET balance = balance - {amount}, mirror = mirror - {amount} WHERE id = {from_id}; \
         INSERT INTO north.transfers (from_table, from_id, to_table, to_id, amount) \
         VALUES ('{from_table}', {from_id}, '{to_table}', {to_id}, {amount}); \
         UPDATE {to_table} SET balance = balance + {amount}, mirror = mirror + {amount} WHERE id = {to_id}; \
         COMMIT"
    )
}

/// Tries to empty, alter and drop a table while the backup holds it, until the job has ended. Returns how many
/// attempts were refused while the table was held.
async fn refused_changes(database: &str, cli: &Cli, job: &str) -> u64 {
    let mut connection = connect(database).await;
    connection.execute("SET lock_timeout = '200ms'").await.expect("a setting can be set");
    let mut refused = 0;
    while !cli.job(job).await.status.has_ended() {
        if holders(database).await > 0 {
            for change in [
                "TRUNCATE north.coveted",
                "ALTER TABLE north.coveted ADD COLUMN added int DEFAULT 1",
                "DROP TABLE north.coveted",
            ] {
                // The backup may have let go since; then it has read what it needs, and the change is not made.
                let tried = connection.execute(&format!("BEGIN; {change}; ROLLBACK")).await;
                match tried {
                    Ok(()) => {}
                    Err(error) if error.sqlstate() == Some("55P03") => {
                        refused += 1;
                        connection.execute("ROLLBACK").await.expect("a transaction can be undone");
                    }
                    Err(error) => panic!("{change}: {error}"),
                }
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    connection.close().await;
    refused
}

/// How many of Permafrost's sessions hold a lock on a table of the database.
async fn holders(database: &str) -> u64 {
    let query = "SELECT count(DISTINCT pid) FROM pg_locks JOIN pg_stat_activity a USING (pid) \
                 JOIN pg_class c ON c.oid = relation WHERE a.datname = current_database() \
                 AND c.relkind = 'r' AND c.relnamespace >= 16384 AND granted AND usename LIKE '%-backup'";
    number(database, query).await
}

/// Nothing of Permafrost's is left at the server: no session, hence no lock.
async fn assert_nobody_holds(database: &str) {
    let query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename LIKE '%-backup'";
    for _ in 0..20 {
        if number(database, query).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("a session of the failed backup is still there after 10 s");
}

async fn assert_restores_equal(cli: &Cli, database: &Database) {
    let copy = database.sibling("copy");
    cli.restore(&database.name, &copy, &database.restore.secret_arn).await;
    assert_equal(&Contents::of(&database.name).await, &Contents::of(&copy).await);
}

fn assert_failed(job: &Job, code: Code) {
    let found = job.fault.as_ref().map(|fault| fault.code);
    assert_eq!((job.status, found), (JobStatus::Failed, Some(code)), "{:#?}", job.fault);
    assert!(job.ended_at.is_some(), "{job:#?}");
}

async fn number(database: &str, query: &str) -> u64 {
    query_in(database, query).await[0].parse(0).expect("the query's answer is a number")
}

fn all_accounts(columns: &str) -> String {
    TABLES.map(|table| format!("SELECT {columns} FROM {table}")).join(" UNION ALL ")
}

/// Accounts whose balance is not what they opened with and their transfers left there.
const WRONG_BALANCES: &str = "
    WITH moved AS (
        SELECT place, id, sum(amount) AS amount FROM (
            SELECT from_table AS place, from_id AS id, -amount AS amount FROM north.transfers
            UNION ALL SELECT to_table, to_id, amount FROM north.transfers
        ) AS each GROUP BY place, id
    ), accounts AS (
        SELECT 'north.giro' AS place, id, balance FROM north.giro
        UNION ALL SELECT 'north.savings', id, balance FROM north.savings
        UNION ALL SELECT 'south.giro', id, balance FROM south.giro
        UNION ALL SELECT 'south.savings', id, balance FROM south.savings
    )
    SELECT count(*) FROM accounts LEFT JOIN moved USING (place, id)
    WHERE balance <> {opening} + coalesce(moved.amount, 0)";

/// Numbers that look random and are the same in every run (an LCG with Knuth's multiplier).
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }

    fn index(&mut self, length: usize) -> usize {
        usize::try_from(self.below(length as u64)).expect("what is below a length is an index")
    }
}
