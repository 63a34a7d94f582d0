//! Locks on tables: asked for in batches, again where others have them, and in the end who has them.
//!
//! A lock is waited for as long as the session's `lock_timeout` says. A statement that could not have one lock gets
//! none, and its transaction is over; each try is a new one.

use std::collections::HashSet;
use std::time::Duration;

use permafrost_domain::{Code, Fault};
use tokio::time::sleep;

use crate::error::EngineError;
use crate::pg::{Connection, QueryError};
use crate::sql;

/// Tables in one LOCK statement.
const BATCH: usize = 500;
/// How long to leave the others alone before each further try.
const PAUSES: [Duration; 3] = [Duration::from_secs(1), Duration::from_secs(3), Duration::from_secs(9)];
/// The most sessions that an error names.
const MAX_NAMED: usize = 3;

/// What became of locking.
pub(super) enum Locked {
    /// Every table is locked, in an open transaction.
    All,
    /// A table is not there any more; the transaction has failed.
    Vanished(QueryError),
}

/// Begins a read-only transaction that takes no snapshot yet, and locks `tables` (quoted, qualified names) against
/// whoever would change or empty them.
///
/// # Errors
/// `LockNotAvailable` where others have a lock through all tries; it names the table and them.
pub(super) async fn begin_and_lock(
    connection: &mut Connection,
    tables: &[String],
) -> Result<Locked, EngineError> {
    let mut pauses = PAUSES.iter();
    loop {
        connection
            .execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
            .await
            .map_err(EngineError::query("begin a transaction"))?;
        let error = match lock(connection, tables).await {
            Ok(()) => return Ok(Locked::All),
            Err(error) => error,
        };
        match error.sqlstate() {
            // Dropped or renamed since it was listed.
            Some("42P01" | "3F000") => return Ok(Locked::Vanished(error)),
            // Not in time; or a circle of sessions that wait for one another, and it was ours that was ended.
            Some("55P03" | "40P01") => {}
            _ => return Err(EngineError::query("lock the tables")(error)),
        }
        connection.execute("ROLLBACK").await.map_err(EngineError::query("try again to lock the tables"))?;
        let obstacle = obstacle(connection, tables).await?;
        let Some(pause) = pauses.next() else {
            return Err(
                obstacle.map_or_else(|| EngineError::query("lock the tables")(error), EngineError::from)
            );
        };
        tracing::warn!(obstacle = obstacle.map(|fault| fault.message), "a table is locked by others");
        sleep(*pause).await;
    }
}

async fn lock(connection: &mut Connection, tables: &[String]) -> Result<(), QueryError> {
    for batch in tables.chunks(BATCH) {
        let batch: Vec<String> = batch.iter().map(|table| format!("ONLY {table}")).collect();
        connection.execute(&format!("LOCK TABLE {} IN ACCESS SHARE MODE", batch.join(", "))).await?;
    }
    Ok(())
}

/// Who stands in the way. Our lock conflicts with one mode alone, which somebody has or waits for: PostgreSQL lets
/// nobody pass who comes after a waiting session. `None` where all have gone meanwhile.
async fn obstacle(connection: &mut Connection, tables: &[String]) -> Result<Option<Fault>, EngineError> {
    let rows = connection
        .query(
            "SELECT n.nspname, c.relname, l.pid, l.granted, a.usename, a.application_name \
               FROM pg_catalog.pg_locks l \
               JOIN pg_catalog.pg_class c ON c.oid = l.relation \
               JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace \
               LEFT JOIN pg_catalog.pg_stat_activity a ON a.pid = l.pid \
              WHERE l.locktype = 'relation' AND l.mode = 'AccessExclusiveLock' \
                AND l.database = (SELECT oid FROM pg_catalog.pg_database \
                                   WHERE datname = pg_catalog.current_database()) \
              ORDER BY l.granted DESC, l.pid",
            &[],
        )
        .await
        .map_err(EngineError::query("see who has locked the tables"))?;
    let table =
        |row: &crate::pg::Row| sql::qualified(row.get(0).unwrap_or_default(), row.get(1).unwrap_or_default());
    let ours: HashSet<&str> = tables.iter().map(String::as_str).collect();
    let Some(name) = rows.iter().map(table).find(|name| ours.contains(name.as_str())) else {
        return Ok(None);
    };
    let sessions: Vec<String> = rows
        .iter()
        .filter(|row| table(row) == name)
        .take(MAX_NAMED)
        .map(|row| {
            let (pid, user) = (row.get(2).unwrap_or_default(), row.get(4).unwrap_or("an unknown role"));
            let application = row.get(5).filter(|name| !name.is_empty());
            let application = application.map(|name| format!(" ({name})")).unwrap_or_default();
            let what = if row.get(3) == Some("t") { "has it" } else { "waits for it" };
            format!("process {pid} of {user}{application} {what}")
        })
        .collect();
    let pid = rows.iter().find(|row| table(row) == name).and_then(|row| row.get(2)).unwrap_or_default();
    let message = format!("cannot lock table {name}: {}", sessions.join("; "));
    let hint = format!(
        "Wait for the session to end, or end it with SELECT pg_terminate_backend({pid}), or back up at another time."
    );
    Ok(Some(Fault::new(Code::LockNotAvailable, message).on(format!("table {name}")).hint(hint)))
}
