//! Making way for those who join, past those who wait for our locks.
//!
//! A session that wants to truncate a table waits for the holder's lock, and PostgreSQL lets nobody pass who asks for
//! a lock on the table after it: not our own worker or successor either, although their lock agrees with the holder's.
//! The truncating session waits for the backup's end and the backup for the session's.
//!
//! PostgreSQL can undo that knot, once it is a circle: where every session of a circle waits for the next, and one of
//! them only because of its place in the queue, the server changes the queue instead of ending a session ("soft
//! deadlock"). The holder waits for nobody, so it has to be made to: whoever joins has an advisory lock, shared, from
//! before it asks for its tables until it has imported, and a holder that finds somebody joining waits for that lock.
//!
//! ```text
//! worker ──(behind it in the queue)──> TRUNCATE ──(lock on the table)──> holder ──(advisory lock)──> worker
//! ```
//!
//! The holder waits inside a savepoint and not for long, so nothing that happens to its waiting ends its transaction.

use std::time::Duration;

use crate::error::EngineError;
use crate::pg::{Connection, QueryError};

/// The longest that a holder waits: well within the lease that it must renew.
const MAX_WAIT: Duration = Duration::from_secs(6);
/// What a holder waits beyond the time after which the server looks for circles.
const MARGIN: Duration = Duration::from_secs(1);

/// The way to one exported snapshot: an advisory lock whose key is made of the snapshot's name.
#[derive(Debug)]
pub(super) struct Way {
    key: i64,
    /// Somebody was joining when the holder last looked.
    taken: bool,
}

impl Way {
    /// The way to the snapshot `id`.
    pub(super) fn to(id: &str) -> Self {
        // FNV-1a: two snapshots of one database that share a key would wait for each other's joiners, no more.
        let hash = id.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        Self { key: hash.cast_signed(), taken: false }
    }

    /// Says that this session is about to lock tables and to join. Must come before its transaction.
    pub(super) async fn enter(&self, connection: &mut Connection) -> Result<(), EngineError> {
        let enter = format!("SELECT pg_catalog.pg_advisory_lock_shared({})", self.key);
        connection.execute(&enter).await.map_err(EngineError::query("announce that the snapshot is joined"))
    }

    /// Says that this session has joined.
    pub(super) async fn leave(&self, connection: &mut Connection) -> Result<(), EngineError> {
        let leave = format!("SELECT pg_catalog.pg_advisory_unlock_shared({})", self.key);
        connection.execute(&leave).await.map_err(EngineError::query("announce that the snapshot was joined"))
    }

    /// As the holder: where somebody has been joining since the last look, waits for them for a while.
    pub(super) async fn make(&mut self, connection: &mut Connection) -> Result<(), QueryError> {
        let free = format!(
            "SELECT CASE WHEN pg_catalog.pg_try_advisory_lock({key}) \
             THEN pg_catalog.pg_advisory_unlock({key}) END, \
             (extract(epoch FROM pg_catalog.current_setting('deadlock_timeout')::pg_catalog.interval) * 1000)::int8",
            key = self.key
        );
        let rows = connection.query(&free, &[]).await?;
        let taken = rows.first().is_some_and(|row| row.get(0).is_none());
        let was_taken = std::mem::replace(&mut self.taken, taken);
        if !(taken && was_taken) {
            return Ok(());
        }
        let deadlock_ms: u64 = rows.first().map(|row| row.parse(1)).transpose()?.unwrap_or_default();
        let wait = MAX_WAIT.min(Duration::from_millis(deadlock_ms) + MARGIN);
        let begin = format!("SAVEPOINT way; SET LOCAL lock_timeout = {}", wait.as_millis());
        connection.execute(&begin).await?;
        let wait = format!("SELECT pg_catalog.pg_advisory_xact_lock({})", self.key);
        let waited = connection.execute(&wait).await;
        match waited {
            Ok(()) => {}
            // Not in time, or a circle that the queue is not to blame for: theirs to bear, not the holder's.
            Err(error) if matches!(error.sqlstate(), Some("55P03" | "40P01")) => {}
            Err(error) => return Err(error),
        }
        // With the savepoint go the advisory lock and the setting.
        connection.execute("ROLLBACK TO SAVEPOINT way; RELEASE SAVEPOINT way").await
    }
}
