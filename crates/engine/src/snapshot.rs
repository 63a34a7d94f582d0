//! Lock, then snapshot; and one snapshot in many hands.
//!
//! Race: a table that is truncated or rewritten after the snapshot was taken reads as empty under it, silently.
//! So every table is locked first (`LOCK TABLE` takes no snapshot), then the first query freezes what is seen. Every
//! table that is seen must be among the locked ones, by its oid: nothing can have been truncated, dropped or altered
//! between lock and snapshot, and nothing can be until the locks are let go. Stricter than pg_dump, which lists first.
//!
//! **Handing over.** A transaction that imported a snapshot can export it again. A successor locks every table, imports,
//! exports under a name of its own, and only when the catalog bears that name does its predecessor let go. So at any
//! moment there is a session that has held its locks since before its predecessor let go of its own: to every other
//! session the chain is one lock that lasts as long as the backup.
//!
//! **Joining.** Who copies data locks its tables, then imports. From then on it stands by itself: its own transaction
//! has the snapshot and the locks, whatever becomes of the session that it imported from.

mod locks;
mod way;

use std::time::Duration;

use jiff::Timestamp;
use permafrost_domain::{Code, Fault};

use crate::error::EngineError;
use crate::login::Login;
use crate::pg::{Connection, QueryError};
use crate::session;
use crate::sql;

use locks::Locked;
use way::Way;

/// How often the list of tables is read before giving up on a server that keeps creating and dropping them.
const ATTEMPTS: u32 = 5;
/// The state of a statement or session that a standby ended to apply what its primary did.
const SERIALIZATION_FAILURE: &str = "40001";

/// A snapshot that lives as long as this value's connection.
#[derive(Debug)]
pub struct HeldSnapshot {
    connection: Connection,
    way: Way,
    /// The name by which other sessions join it.
    pub id: String,
    /// The moment whose data it shows, by the server's clock.
    pub consistent_at: Timestamp,
    /// How many tables are locked.
    pub tables: u64,
}

/// How long a snapshot has kept the server from cleaning up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Horizon {
    /// Since it was taken, by the server's clock.
    pub age: Duration,
    /// Transactions that have begun since the oldest that it may have to see as running.
    pub transactions: u64,
}

impl HeldSnapshot {
    /// Locks all tables and takes a snapshot.
    ///
    /// # Errors
    /// `LockNotAvailable` names the table that cannot be had and who has it; the tables keep changing; the server
    /// refuses.
    pub async fn take(login: &Login) -> Result<Self, EngineError> {
        let mut connection = login.connect().await?;
        session::settle(&mut connection).await?;
        for _ in 0..ATTEMPTS {
            if let Some(tables) = lock_all(&mut connection).await? {
                // The transaction's first query: what is seen from here on does not change.
                let id = export(&mut connection).await?;
                let consistent_at = server_clock(&mut connection).await?;
                if unlocked(&mut connection).await?.is_none() {
                    return Ok(Self { way: Way::to(&id), connection, id, consistent_at, tables });
                }
            }
            roll_back(&mut connection).await?;
        }
        Err(EngineError::TablesKeepChanging { attempts: ATTEMPTS })
    }

    /// Takes the snapshot `id`, of the moment `consistent_at`, over from its holder, who must live until this returns:
    /// locks all tables, imports it and exports it again. It has two holders then.
    ///
    /// # Errors
    /// [`EngineError::SnapshotLost`] where its holder is gone; as [`HeldSnapshot::take`].
    pub async fn take_over(login: &Login, id: &str, consistent_at: Timestamp) -> Result<Self, EngineError> {
        let mut connection = login.connect().await?;
        session::settle(&mut connection).await?;
        let way = Way::to(id);
        way.enter(&mut connection).await?;
        for _ in 0..ATTEMPTS {
            // A table that was created since may be dropped at any time.
            let Some(tables) = lock_all(&mut connection).await? else {
                roll_back(&mut connection).await?;
                continue;
            };
            import(&mut connection, id).await?;
            if let Some(table) = unlocked(&mut connection).await? {
                // Under the holder's locks no table can vanish.
                let reason = format!("its table {table} was there and is not any more");
                return Err(EngineError::SnapshotLost { reason });
            }
            way.leave(&mut connection).await?;
            let id = export(&mut connection).await?;
            return Ok(Self { way: Way::to(&id), connection, id, consistent_at, tables });
        }
        Err(EngineError::TablesKeepChanging { attempts: ATTEMPTS })
    }

    /// Makes sure that the connection, and with it the snapshot and the locks, is still there, and lets sessions that
    /// want to join past others that wait for our locks. Takes some seconds where there are such. Returns the
    /// snapshot's age.
    ///
    /// # Errors
    /// [`EngineError::SnapshotLost`] where it is not there.
    pub async fn check(&mut self) -> Result<Duration, EngineError> {
        self.way.make(&mut self.connection).await.map_err(|error| lost(&error))?;
        let now = server_clock(&mut self.connection).await.map_err(|error| match error {
            EngineError::Query { source, .. } => lost(&source),
            other => other,
        })?;
        Ok(Duration::try_from(now.duration_since(self.consistent_at)).unwrap_or_default())
    }

    /// How long the snapshot has kept the server from cleaning up.
    ///
    /// # Errors
    /// [`EngineError::SnapshotLost`] where the connection is gone.
    pub async fn horizon(&mut self) -> Result<Horizon, EngineError> {
        let age = self.check().await?;
        let rows = self
            .connection
            .query(
                "SELECT pg_catalog.age(backend_xmin) FROM pg_catalog.pg_stat_get_activity(pg_backend_pid()) \
                 WHERE backend_xmin IS NOT NULL",
                &[],
            )
            .await
            .map_err(|error| lost(&error))?;
        let transactions: Option<i64> =
            rows.first().map(|row| row.parse(0)).transpose().map_err(|error| lost(&error))?;
        Ok(Horizon {
            age,
            transactions: transactions.and_then(|age| age.try_into().ok()).unwrap_or_default(),
        })
    }

    /// The server's process that holds it.
    pub fn backend_pid(&self) -> i32 {
        self.connection.backend_pid()
    }

    /// Lets snapshot and locks go.
    pub async fn let_go(self) {
        self.connection.close().await;
    }
}

/// Joins the snapshot `id` on a connection that is under our settings: locks `tables` (quoted, qualified
/// names), then imports the snapshot. The transaction stays open until the connection ends, and needs the snapshot's
/// holder no longer.
///
/// # Errors
/// [`EngineError::SnapshotLost`] where the snapshot's holder is gone: it may have handed over. `LockNotAvailable`
/// names the table that cannot be had and who has it.
pub async fn join<'a>(
    connection: &mut Connection,
    id: &str,
    tables: impl Iterator<Item = &'a str>,
) -> Result<(), EngineError> {
    let tables: Vec<String> = tables.map(str::to_owned).collect();
    let way = Way::to(id);
    way.enter(connection).await?;
    match locks::begin_and_lock(connection, &tables).await? {
        Locked::All => {}
        // Under the holder's locks no table can vanish: the locks are gone, and with them the snapshot.
        Locked::Vanished(error) => {
            return Err(EngineError::SnapshotLost { reason: error.to_string() });
        }
    }
    import(connection, id).await?;
    way.leave(connection).await
}

/// Exports the snapshot of the connection's open transaction. Its name is good until the transaction ends.
///
/// # Errors
/// The server's refusal.
pub async fn export(connection: &mut Connection) -> Result<String, EngineError> {
    let rows = connection
        .query("SELECT pg_catalog.pg_export_snapshot()", &[])
        .await
        .map_err(EngineError::query("export a snapshot"))?;
    let id = rows.first().and_then(|row| row.get(0));
    id.map(str::to_owned).ok_or_else(|| EngineError::SnapshotLost { reason: "it has no name".to_owned() })
}

/// The same error; of one that came about because a standby had to apply what its primary did, what to do about it.
#[must_use]
pub fn explained(error: EngineError) -> EngineError {
    match error {
        EngineError::Query { source, .. } if is_recovery_conflict(&source) => recovery_conflict(&source),
        other => other,
    }
}

/// The snapshot is gone with its connection.
fn lost(error: &QueryError) -> EngineError {
    if is_recovery_conflict(error) {
        return recovery_conflict(error);
    }
    EngineError::SnapshotLost { reason: format!("its connection failed: {error}") }
}

/// Read-only transactions at this level of isolation fail so on a standby alone.
fn is_recovery_conflict(error: &QueryError) -> bool {
    error.sqlstate() == Some(SERIALIZATION_FAILURE)
}

fn recovery_conflict(error: &QueryError) -> EngineError {
    let message =
        format!("the standby ended the backup's transaction to apply what its primary did: {error}");
    let hint = "Set hot_standby_feedback = on on the standby, or raise its max_standby_streaming_delay above the \
                time that a backup takes; or back the primary up.";
    Fault::new(Code::SnapshotLost, message).hint(hint).into()
}

/// Begins a transaction with all tables locked; how many. `None` where one of them vanished meanwhile.
async fn lock_all(connection: &mut Connection) -> Result<Option<u64>, EngineError> {
    let tables = list(connection).await?;
    Ok(match locks::begin_and_lock(connection, &tables).await? {
        Locked::All => Some(tables.len() as u64),
        Locked::Vanished(_) => None,
    })
}

async fn import(connection: &mut Connection, id: &str) -> Result<(), EngineError> {
    let import = format!("SET TRANSACTION SNAPSHOT {}", sql::literal(id));
    connection.execute(&import).await.map_err(|error| match error.sqlstate() {
        // 22023: the file of the snapshot is gone. 55000: its transaction is.
        Some("22023" | "55000" | "42704") => EngineError::SnapshotLost { reason: error.to_string() },
        _ => EngineError::query("join the snapshot")(error),
    })
}

async fn roll_back(connection: &mut Connection) -> Result<(), EngineError> {
    connection.execute("ROLLBACK").await.map_err(EngineError::query("start over with locking the tables"))
}

async fn server_clock(connection: &mut Connection) -> Result<Timestamp, EngineError> {
    let failed = || EngineError::query("read the server's clock");
    let clock = "SELECT (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::pg_catalog.int8";
    let rows = connection.query(clock, &[]).await.map_err(failed())?;
    let row = rows.first().ok_or_else(|| EngineError::SnapshotLost { reason: "no row".to_owned() })?;
    Timestamp::from_microsecond(row.parse(0).map_err(failed())?)
        .map_err(|error| EngineError::SnapshotLost { reason: format!("the server's clock says {error}") })
}

/// The tables that there are now.
async fn list(connection: &mut Connection) -> Result<Vec<String>, EngineError> {
    let query = format!("SELECT n.nspname, c.relname {TABLES} ORDER BY c.oid", TABLES = tables());
    let rows = connection.query(&query, &[]).await.map_err(EngineError::query("list the tables"))?;
    let name =
        |row: &crate::pg::Row| sql::qualified(row.get(0).unwrap_or_default(), row.get(1).unwrap_or_default());
    Ok(rows.iter().map(name).collect())
}

/// A table that the transaction's snapshot shows and the transaction has no lock on, by its oid: names can have
/// changed hands since the list was read.
async fn unlocked(connection: &mut Connection) -> Result<Option<String>, EngineError> {
    let query = format!(
        "SELECT n.nspname, c.relname {} AND c.oid NOT IN ( \
             SELECT l.relation FROM pg_catalog.pg_locks l \
              WHERE l.locktype = 'relation' AND l.granted AND l.pid = pg_catalog.pg_backend_pid() \
                AND l.relation IS NOT NULL) \
          ORDER BY c.oid LIMIT 1",
        tables()
    );
    let rows = connection.query(&query, &[]).await.map_err(EngineError::query("list the locked tables"))?;
    Ok(rows.first().map(|row| sql::qualified(row.get(0).unwrap_or_default(), row.get(1).unwrap_or_default())))
}

/// The tables whose rows a backup holds.
fn tables() -> String {
    format!(
        "FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
         WHERE c.relkind IN ('r', 'p') AND {}",
        sql::BACKED_UP
    )
}
