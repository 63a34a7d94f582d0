//! Lock, then snapshot.
//!
//! Race: a table that is truncated or rewritten after the snapshot was taken reads as empty under it, silently.
//! So every table is locked first (`LOCK TABLE` takes no snapshot), then the first query freezes what is seen,
//! and the list of tables is read again under it: nothing can have been truncated, dropped or altered between
//! lock and snapshot, and nothing can be until the locks are let go. Stricter than pg_dump, which lists first.

use jiff::Timestamp;

use crate::error::EngineError;
use crate::login::Login;
use crate::pg::{Connection, QueryError};
use crate::session;
use crate::sql;

/// How often the list of tables is read before giving up on a server that keeps creating and dropping them.
const ATTEMPTS: u32 = 5;
/// Tables in one LOCK statement.
const LOCK_BATCH: usize = 500;

/// A table by its identity: a table that was dropped and created again is another.
#[derive(Debug, Clone, PartialEq, Eq)]
struct TableIdentity {
    oid: u32,
    name: String,
}

/// A snapshot that lives as long as this value's connection.
#[derive(Debug)]
pub struct HeldSnapshot {
    connection: Connection,
    /// The name by which other sessions join it.
    pub id: String,
    /// When it was taken, by the server's clock.
    pub consistent_at: Timestamp,
    /// How many tables are locked.
    pub tables: u64,
}

impl HeldSnapshot {
    /// Locks all tables and takes a snapshot.
    ///
    /// # Errors
    /// A lock cannot be had in time, the tables keep changing, or the server refuses.
    pub async fn take(login: &Login) -> Result<Self, EngineError> {
        let mut connection = login.connect().await?;
        session::settle(&mut connection).await?;
        for _ in 0..ATTEMPTS {
            if let Some((id, consistent_at, tables)) = try_take(&mut connection).await? {
                return Ok(Self { connection, id, consistent_at, tables });
            }
            connection
                .execute("ROLLBACK")
                .await
                .map_err(EngineError::query("start over with locking the tables"))?;
        }
        Err(EngineError::TablesKeepChanging { attempts: ATTEMPTS })
    }

    /// Makes sure that the connection, and with it the snapshot and the locks, is still there.
    ///
    /// # Errors
    /// [`EngineError::SnapshotLost`] where it is not.
    pub async fn check(&mut self) -> Result<(), EngineError> {
        match self.connection.query("SELECT 1", &[]).await {
            Ok(_) => Ok(()),
            Err(error) => {
                Err(EngineError::SnapshotLost { reason: format!("its connection failed: {error}") })
            }
        }
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

/// One try: `None` where the tables changed in between.
async fn try_take(connection: &mut Connection) -> Result<Option<(String, Timestamp, u64)>, EngineError> {
    let before = list(connection).await?;
    begin(connection).await?;
    match lock(connection, before.iter().map(|table| table.name.as_str())).await {
        Ok(()) => {}
        // Dropped or renamed since it was listed.
        Err(error) if matches!(error.sqlstate(), Some("42P01" | "3F000")) => return Ok(None),
        Err(source) => {
            return Err(EngineError::Query { doing: "lock the tables".to_owned(), object: None, source });
        }
    }
    let rows = connection
        .query(
            "SELECT pg_catalog.pg_export_snapshot(), \
             (extract(epoch FROM pg_catalog.clock_timestamp()) * 1000000)::pg_catalog.int8",
            &[],
        )
        .await
        .map_err(EngineError::query("export a snapshot"))?;
    let row = rows.first().ok_or_else(|| EngineError::SnapshotLost { reason: "no row".to_owned() })?;
    let id = row.get(0).unwrap_or_default().to_owned();
    let micros: i64 = row.parse(1).map_err(EngineError::query("read the server's clock"))?;
    let consistent_at = Timestamp::from_microsecond(micros)
        .map_err(|error| EngineError::SnapshotLost { reason: format!("the server's clock says {error}") })?;
    if list(connection).await? != before {
        return Ok(None);
    }
    Ok(Some((id, consistent_at, before.len() as u64)))
}

/// Joins the snapshot `id` on a connection that is under our settings: locks `tables` (quoted, qualified
/// names), then imports the snapshot. The transaction stays open until the connection ends.
///
/// # Errors
/// [`EngineError::SnapshotLost`] where the snapshot's holder is gone.
pub async fn join<'a>(
    connection: &mut Connection,
    id: &str,
    tables: impl Iterator<Item = &'a str>,
) -> Result<(), EngineError> {
    begin(connection).await?;
    match lock(connection, tables).await {
        Ok(()) => {}
        // Under the holder's locks no table can vanish: the locks are gone, and with them the snapshot.
        Err(error) if matches!(error.sqlstate(), Some("42P01" | "3F000")) => {
            return Err(EngineError::SnapshotLost { reason: error.to_string() });
        }
        Err(source) => {
            return Err(EngineError::Query { doing: "lock the tables".to_owned(), object: None, source });
        }
    }
    let import = format!("SET TRANSACTION SNAPSHOT {}", sql::literal(id));
    connection.execute(&import).await.map_err(|error| match error.sqlstate() {
        // 22023: the file of the snapshot is gone. 55000: its transaction is.
        Some("22023" | "55000" | "42704") => EngineError::SnapshotLost { reason: error.to_string() },
        _ => EngineError::query("join the snapshot")(error),
    })
}

async fn begin(connection: &mut Connection) -> Result<(), EngineError> {
    connection
        .execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        .await
        .map_err(EngineError::query("begin a transaction"))
}

async fn lock<'a>(
    connection: &mut Connection,
    tables: impl Iterator<Item = &'a str>,
) -> Result<(), QueryError> {
    let tables: Vec<String> = tables.map(|table| format!("ONLY {table}")).collect();
    for batch in tables.chunks(LOCK_BATCH) {
        connection.execute(&format!("LOCK TABLE {} IN ACCESS SHARE MODE", batch.join(", "))).await?;
    }
    Ok(())
}

async fn list(connection: &mut Connection) -> Result<Vec<TableIdentity>, EngineError> {
    let failed = || EngineError::query("list the tables");
    let query = format!(
        "SELECT c.oid, n.nspname, c.relname \
           FROM pg_catalog.pg_class c JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
          WHERE c.relkind IN ('r', 'p') AND {} ORDER BY c.oid",
        sql::BACKED_UP
    );
    let rows = connection.query(&query, &[]).await.map_err(failed())?;
    rows.iter()
        .map(|row| {
            let (schema, name) = (row.get(1).unwrap_or_default(), row.get(2).unwrap_or_default());
            Ok(TableIdentity { oid: row.parse(0).map_err(failed())?, name: sql::qualified(schema, name) })
        })
        .collect()
}
