//! The settings under which data is read and written: those of pg_dump.

use crate::error::EngineError;
use crate::pg::Connection;

/// How long a statement waits for a lock. Longer than a function can afford would only hide the cause.
const LOCK_TIMEOUT_MS: u32 = 30_000;

/// Puts a new connection under our settings: text forms that lose nothing, no timeouts of the server's, names
/// that mean the same whatever the search path was.
///
/// # Errors
/// The server's refusal.
pub async fn settle(connection: &mut Connection) -> Result<(), EngineError> {
    let version = connection.server_version().num();
    let mut settings = vec![
        ("client_encoding", "UTF8".to_owned()),
        ("search_path", String::new()),
        ("DateStyle", "ISO".to_owned()),
        ("IntervalStyle", "postgres".to_owned()),
        ("extra_float_digits", "3".to_owned()),
        ("synchronize_seqscans", "off".to_owned()),
        ("row_security", "off".to_owned()),
        ("statement_timeout", "0".to_owned()),
        ("idle_in_transaction_session_timeout", "0".to_owned()),
        ("lock_timeout", LOCK_TIMEOUT_MS.to_string()),
        ("standard_conforming_strings", "on".to_owned()),
    ];
    // Each since the version that has it.
    for (since, name, value) in [
        (110_000, "jit", "off"),
        (140_000, "idle_session_timeout", "0"),
        (170_000, "transaction_timeout", "0"),
    ] {
        if version >= since {
            settings.push((name, value.to_owned()));
        }
    }
    let calls: Vec<String> = settings
        .iter()
        .map(|(name, value)| format!("pg_catalog.set_config('{name}', '{value}', false)"))
        .collect();
    connection
        .query(&format!("SELECT {}", calls.join(", ")), &[])
        .await
        .map_err(EngineError::query("set up the session"))?;
    Ok(())
}

/// The encoding in which the database stores its text, and COPY sends it.
pub(crate) fn encoding_option(connection: &Connection) -> String {
    let encoding = connection.parameter("server_encoding").unwrap_or("UTF8");
    format!("ENCODING '{}'", encoding.replace('\'', ""))
}
