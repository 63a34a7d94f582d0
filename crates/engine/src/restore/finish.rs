//! Sequences, counts, statistics, and the database's name.
//!
//! Order of effects: sequences and statistics (the same when repeated), then the markers go, which says that all
//! checks passed, then the rename. A repeated call finds what is left to do by the markers and the names.

use std::collections::{HashMap, HashSet};

use permafrost_domain::{Code, Fault};
use permafrost_pgarchive::Text;
use permafrost_vault::manifest::TableSummary;

use super::load::entry_of;
use super::units::table_of_marker;
use super::{Restore, connect_to_server, database_exists, marker_schema, markers};
use crate::error::EngineError;
use crate::pg::Connection;
use crate::readiness::target::name_in_use;
use crate::session;
use crate::sql;

/// How often the rename is tried: sessions that were just closed take a moment to be gone.
const RENAME_ATTEMPTS: u32 = 20;

/// Sets sequences, compares row counts, analyses, and gives the database its name.
///
/// # Errors
/// A table has another number of rows than its backup, or the name was taken meanwhile.
pub async fn finish(restore: &Restore<'_>) -> Result<(), EngineError> {
    let mut server = connect_to_server(restore.login).await?;
    let (temporary, name) = (restore.temporary_name(), restore.name.as_str());
    if !database_exists(&mut server, &temporary).await? {
        // Only this step makes the temporary name go away in a restore that has not failed.
        return if database_exists(&mut server, name).await? {
            Ok(())
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
        session::settle(&mut new).await?;
        set_sequences(restore, &mut new).await?;
        let loaded = rows_by_entry(&done);
        let of_archive = tables_of_archive(restore);
        for table in &restore.manifest.tables {
            compare_rows(restore, &mut new, table, &loaded, &of_archive).await?;
        }
        new.execute("ANALYZE").await.map_err(EngineError::query("analyse the new database"))?;
        drop_markers(restore, &mut new).await?;
    }
    new.close().await;
    rename(&mut server, &temporary, restore).await
}

async fn set_sequences(restore: &Restore<'_>, connection: &mut Connection) -> Result<(), EngineError> {
    for entry in restore.toc.entries.iter().filter(|entry| entry.desc.is_sequence_set()) {
        let object = format!("sequence {}", entry.tag.to_string_lossy());
        let Some(statement) = &entry.defn else { continue };
        let statement = statement
            .to_str()
            .map_err(|_| EngineError::TocContents { what: format!("{object}, whose name is not UTF-8") })?;
        connection
            .execute(statement)
            .await
            .map_err(EngineError::query_on(format!("set {object}"), object))?;
    }
    Ok(())
}

/// The rows that were loaded for each entry.
fn rows_by_entry(done: &HashMap<String, u64>) -> HashMap<i32, u64> {
    let mut loaded = HashMap::new();
    for (marker, rows) in done {
        if let Some(dump_id) = table_of_marker(marker) {
            *loaded.entry(dump_id).or_default() += rows;
        }
    }
    loaded
}

/// The tables that the archive creates, by schema and name. Others belong to extensions.
fn tables_of_archive<'t>(restore: &'t Restore<'_>) -> HashSet<(&'t [u8], &'t [u8])> {
    let tables = restore.toc.entries.iter().filter(|entry| entry.desc == *"TABLE");
    tables
        .map(|entry| (entry.namespace.as_ref().map_or(&b""[..], Text::as_bytes), entry.tag.as_bytes()))
        .collect()
}

/// Rows that were loaded, and rows that are there, are both the manifest's.
async fn compare_rows(
    restore: &Restore<'_>,
    connection: &mut Connection,
    table: &TableSummary,
    loaded: &HashMap<i32, u64>,
    of_archive: &HashSet<(&[u8], &[u8])>,
) -> Result<(), EngineError> {
    let object = format!("table {}.{}", table.schema, table.name);
    let expected = table.sums.rows;
    let differs = |found: &str| {
        let message = format!("{object} has {found} rows, its backup has {expected}");
        EngineError::from(Fault::new(Code::RowCountMismatch, message).on(object.clone()))
    };
    match loaded.get(&table.dump_id) {
        Some(loaded) if *loaded == expected => {}
        Some(loaded) => return Err(differs(&loaded.to_string())),
        None => return Err(differs("no")),
    }
    // Rows that went in through the root of a partition tree may lie in another partition than before.
    if entry_of(restore, table.dump_id, &object)?.is_loaded_via_partition_root() {
        return Ok(());
    }
    let failed = || EngineError::query_on(format!("count the rows of {object}"), object.clone());
    let count =
        format!("SELECT pg_catalog.count(*) FROM ONLY {}", sql::qualified(&table.schema, &table.name));
    let rows = connection.query(&count, &[]).await.map_err(failed())?;
    let found: u64 = match rows.first() {
        Some(row) => row.parse(0).map_err(failed())?,
        None => 0,
    };
    // An extension's configuration table also holds the rows that the extension itself brings.
    let of_extension = !of_archive.contains(&(table.schema.as_bytes(), table.name.as_bytes()));
    if found == expected || of_extension { Ok(()) } else { Err(differs(&found.to_string())) }
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
    let schema = sql::ident(&marker_schema(restore.job));
    connection.execute(&format!("DROP SCHEMA {schema} CASCADE")).await.map_err(failed())
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
