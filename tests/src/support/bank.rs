//! A bank whose money moves all the time: what must be exact in every copy of it.
//!
//! Accounts are in tables of two schemas, transfers in a ledger beside them. A copy of one moment has all the money,
//! and every account has what its transfers left there.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::task::JoinSet;

use super::Database;
use super::database::{connect, query_in};

const ACCOUNTS: &str = include_str!("../../sql/accounts.sql");
const TABLES: [&str; 4] = ["north.giro", "north.savings", "south.giro", "south.savings"];
/// Accounts in each table: about 8 MB.
const ACCOUNTS_PER_TABLE: u64 = 20_000;
const OPENING_BALANCE: u64 = 1_000;

/// Opens the bank in an empty database.
///
/// # Panics
/// The server refuses.
pub async fn open(database: &Database) {
    let accounts = ACCOUNTS.replace("{accounts}", &ACCOUNTS_PER_TABLE.to_string());
    database.run_as_owner(&accounts.replace("{opening}", &OPENING_BALANCE.to_string())).await;
}

/// Fails the test unless the copy shows one moment while money moved: some of the `transfers_in_all`, to the cent, and
/// the coveted table as it was.
///
/// # Panics
/// It does not.
pub async fn assert_one_moment(copy: &str, transfers_in_all: u64) {
    let transfers = number(copy, "SELECT count(*) FROM north.transfers").await;
    assert!(transfers > 0 && transfers < transfers_in_all, "{transfers} of {transfers_in_all}");
    let total = format!("SELECT sum(balance) FROM ({}) AS accounts", all_accounts("balance"));
    let expected = OPENING_BALANCE * ACCOUNTS_PER_TABLE * TABLES.len() as u64;
    assert_eq!(number(copy, &total).await, expected);
    let wrong = WRONG_BALANCES.replace("{opening}", &OPENING_BALANCE.to_string());
    assert_eq!(number(copy, &wrong).await, 0, "balances that do not follow from their transfers");
    let torn =
        format!("SELECT count(*) FROM ({}) AS rows WHERE balance <> mirror", all_accounts("balance, mirror"));
    assert_eq!(number(copy, &torn).await, 0);
    assert_eq!(number(copy, "SELECT count(*) FROM north.coveted WHERE note = 'untouched'").await, 1_000);
}

/// Transfers, made by several connections until they are told to stop.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    made: Arc<AtomicU64>,
    connections: JoinSet<()>,
}

impl Load {
    /// Starts them in `database`.
    pub fn start(database: &str) -> Self {
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
    ///
    /// # Panics
    /// One failed.
    pub async fn stop(mut self) -> u64 {
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

/// Tries to empty, alter, rewrite and drop a table while a backup holds it, until `ended`. Returns how many attempts
/// were refused while the table was held.
///
/// # Panics
/// One succeeded under a lock, or failed otherwise.
pub async fn refused_changes(database: &str, mut ended: impl AsyncFnMut() -> bool) -> u64 {
    let mut connection = connect(database).await;
    connection.execute("SET lock_timeout = '200ms'").await.expect("a setting can be set");
    let mut refused = 0;
    while !ended().await {
        if holders(database).await > 0 {
            for change in [
                "TRUNCATE north.coveted",
                "ALTER TABLE north.coveted ADD COLUMN added int DEFAULT 1",
                "DROP TABLE north.coveted",
                "CLUSTER north.coveted USING coveted_by_id",
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

/// The number that a query answers.
///
/// # Panics
/// It answers something else.
pub async fn number(database: &str, query: &str) -> u64 {
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
