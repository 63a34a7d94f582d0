//! Sequences, comparisons, settings of the database, and its name.
//!
//! Order of effects: sequences (the same when repeated), then the markers go, which says that all checks passed, then
//! the settings of the database (again the same when repeated), then the rename. A repeated call finds what is left to
//! do by the markers and the names.

use std::collections::HashMap;

use permafrost_domain::{Code, Fault};
use permafrost_vault::manifest::TableSummary;

use super::database::set_properties;
use super::definitions::{Definitions, describe};
use super::skipped::Skipped;
use super::units::table_of_marker;
use super::{Restore, connect_to_server, database_exists, marker_schema, marker_table, markers};
use crate::error::EngineError;
use crate::pg::Connection;
use crate::readiness::target::name_in_use;
use crate::sql;

/// How often the rename is tried: sessions that were just closed take a moment to be gone.
const RENAME_ATTEMPTS: u32 = 20;
/// Sequences that are set in one message.
const SEQUENCES: usize = 500;

/// What somebody should look at: objects that were left out because others were not asked for, and those that the
/// target could not take. To be recorded before [`finish`], which takes the notes away.
///
/// # Errors
/// The server refuses.
pub async fn warnings(restore: &Restore<'_>) -> Result<Vec<String>, EngineError> {
    let left_out = restore.plan.left_out.iter();
    let mut warnings: Vec<String> =
        left_out.map(|left_out| format!("{} is not restored: {}", left_out.what, left_out.why)).collect();
    let mut server = connect_to_server(restore.login).await?;
    if !Definitions::know_partitioned_methods(&server) {
        warnings.extend(lost_access_methods(restore));
    }
    if database_exists(&mut server, &restore.temporary_name()).await? {
        let mut new = restore.login_to_new().connect().await?;
        if markers(&mut new, restore.job).await?.is_some() {
            warnings.extend(Skipped::read(restore, &mut new).await?.warnings(&restore.index));
        }
        new.close().await;
    }
    server.close().await;
    Ok(warnings)
}

/// Access methods that partitions made later would have taken from their root; `heap` they have anyway.
fn lost_access_methods(restore: &Restore<'_>) -> impl Iterator<Item = String> {
    let entries = restore.toc().entries.iter();
    let other = entries.filter(|entry| entry.table_am.as_ref().is_some_and(|method| *method != "heap"));
    other.filter_map(|entry| {
        let statement = entry.access_method_statement()?;
        Some(format!("{}: servers before 17 do not take {statement}", describe(entry)))
    })
}

/// Sets sequences, compares row counts, and gives the database its settings and its name. Returns the settings that
/// the role may not make, or the target does not know.
///
/// # Errors
/// A table has another number of rows than its backup, or the name was taken meanwhile.
pub async fn finish(restore: &Restore<'_>) -> Result<Vec<String>, EngineError> {
    let mut server = connect_to_server(restore.login).await?;
    let (temporary, name) = (restore.temporary_name(), restore.name.as_str());
    if !database_exists(&mut server, &temporary).await? {
        // Only this step makes the temporary name go away in a restore that has not failed.
        return if database_exists(&mut server, name).await? {
            Ok(Vec::new())
        } else {
            let message = format!("the database {temporary} is gone");
            Err(Fault::new(Code::RestoreFailed, message).on(format!("database {temporary}")).into())
        };
    }
    if database_exists(&mut server, name).await? {
        return Err(name_in_use(restore.name).into());
    }
    let mut new = restore.login_to_new().connect().await?;
    if let Some(done) = markers(&mut new, restore.job).await? {
        let definitions = Definitions::settle(restore, &mut new).await?;
        let skipped = Skipped::read(restore, &mut new).await?;
        set_sequences(restore, &definitions, &skipped, &mut new).await?;
        compare_rows(restore, &skipped, &done)?;
        drop_markers(restore, &mut new).await?;
    }
    new.close().await;
    let warnings = set_properties(restore, &mut server, &temporary).await?;
    rename(&mut server, &temporary, restore).await?;
    Ok(warnings)
}

async fn set_sequences(
    restore: &Restore<'_>,
    definitions: &Definitions<'_>,
    skipped: &Skipped,
    connection: &mut Connection,
) -> Result<(), EngineError> {
    let mut statements = Vec::new();
    for entry in restore.toc().entries.iter().filter(|entry| entry.desc.is_sequence_set()) {
        if skipped.missing_for(&restore.index, entry).is_some() {
            continue;
        }
        if let Some(statement) = &entry.defn {
            statements.push((describe(entry), definitions.decode(connection, statement).await?));
        }
    }
    for batch in statements.chunks(SEQUENCES) {
        let text: Vec<&str> = batch.iter().map(|(_, statement)| statement.as_str()).collect();
        if connection.execute(&text.join("\n;")).await.is_ok() {
            continue;
        }
        // Which of them it was.
        for (object, statement) in batch {
            let failed = EngineError::query_on(format!("set {object}"), object.clone());
            connection.execute(statement).await.map_err(failed)?;
        }
    }
    Ok(())
}

/// The rows that the server has taken, by its own count in the transactions that loaded them, are the manifest's.
fn compare_rows(
    restore: &Restore<'_>,
    skipped: &Skipped,
    done: &HashMap<String, u64>,
) -> Result<(), EngineError> {
    let mut loaded: HashMap<i32, u64> = HashMap::new();
    for (marker, rows) in done {
        if let Some(dump_id) = table_of_marker(marker) {
            *loaded.entry(dump_id).or_default() += rows;
        }
    }
    for table in restore.tables() {
        let entry = super::load::entry_of(restore, table.dump_id, &object(table))?;
        if skipped.missing_for(&restore.index, entry).is_some() {
            continue;
        }
        match loaded.get(&table.dump_id) {
            Some(loaded) if *loaded == table.sums.rows => {}
            Some(loaded) => return Err(differs(table, &loaded.to_string())),
            None => return Err(differs(table, "no")),
        }
    }
    Ok(())
}

fn object(table: &TableSummary) -> String {
    format!("table {}.{}", table.schema, table.name)
}

fn differs(table: &TableSummary, found: &str) -> EngineError {
    let (object, expected) = (object(table), table.sums.rows);
    let message = format!("{object} has {found} rows, its backup has {expected}");
    Fault::new(Code::RowCountMismatch, message).on(object).into()
}

/// Drops the markers, unseen by the database's own event triggers, which are there by now and may refuse it, or
/// write it down where the backup has nothing. Who may not switch them off could not have restored any either.
async fn drop_markers(restore: &Restore<'_>, connection: &mut Connection) -> Result<(), EngineError> {
    let failed = || EngineError::query("drop the markers");
    let off = if connection.server_version().num() >= 170_000 {
        "SET event_triggers = off"
    } else {
        "SET session_replication_role = replica"
    };
    match connection.execute(off).await {
        Err(error) if error.sqlstate() != Some("42501") => return Err(failed()(error)),
        _ => {}
    }
    let (schema, table) = (sql::ident(&marker_schema(restore.job)), marker_table(restore.job));
    let skipped = super::skipped::table(restore);
    let mut drop = format!("DROP TABLE {table}, {skipped}; DROP SCHEMA {schema}");
    // Before 17 nothing switches those off that fire in a replica, too, but to disable them one by one, of which no
    // other session sees anything. They do not fire for that.
    if connection.server_version().num() < 170_000 {
        let firing = "SELECT evtname, CASE evtenabled WHEN 'A' THEN 'ALWAYS' ELSE 'REPLICA' END \
                      FROM pg_catalog.pg_event_trigger WHERE evtenabled IN ('A', 'R')";
        for row in connection.query(firing, &[]).await.map_err(failed())? {
            let trigger = format!("ALTER EVENT TRIGGER {}", sql::ident(row.get(0).unwrap_or_default()));
            let enabled = row.get(1).unwrap_or_default();
            drop = format!("{trigger} DISABLE; {drop}; {trigger} ENABLE {enabled}");
        }
    }
    // One message is one transaction.
    connection.execute(&drop).await.map_err(failed())
}

async fn rename(server: &mut Connection, temporary: &str, restore: &Restore<'_>) -> Result<(), EngineError> {
    let name = restore.name.as_str();
    let statement = format!("ALTER DATABASE {} RENAME TO {}", sql::ident(temporary), sql::ident(name));
    for attempt in 1..=RENAME_ATTEMPTS {
        match server.execute(&statement).await {
            Ok(()) => return Ok(()),
            Err(error) if error.sqlstate() == Some("42P04") => return Err(name_in_use(restore.name).into()),
            Err(error) if error.sqlstate() == Some("55006") && attempt < RENAME_ATTEMPTS => {
                tokio::time::sleep(std::time::Duration::from_millis(250)).await;
            }
            Err(error) => {
                return Err(EngineError::query_on("rename the new database", format!("database {name}"))(
                    error,
                ));
            }
        }
    }
    Ok(())
}
