//! The new database under its temporary name, with everything that goes before the data.
//!
//! Run again after it was done, it finds its marker and does nothing: a late double can never drop what others
//! have loaded. Run again after it was killed, it starts over.

use permafrost_domain::{Code, Fault};

use super::definitions::{Definitions, marker, once};
use super::plan::is_pre_data;
use super::skipped::{self, Skipped, Tolerance};
use super::{Restore, connect_to_server, database_exists, is_done, marker_schema, marker_table};
use crate::error::EngineError;
use crate::pg::{Connection, QueryError};
use crate::readiness::target::name_in_use;
use crate::sql;

/// The marker of this step.
const STEP: &str = "prepared";

/// Creates the database and restores the definitions that come before the data. On a server older than the source
/// the objects that it does not know are skipped, and written down.
///
/// # Errors
/// The name is taken, or an object cannot be created.
pub async fn prepare(restore: &Restore<'_>) -> Result<(), EngineError> {
    let mut server = connect_to_server(restore.login).await?;
    let temporary = restore.temporary_name();
    if database_exists(&mut server, &temporary).await? {
        let mut new = restore.login_to_new().connect().await?;
        let done = is_done(&mut new, restore.job, STEP).await?;
        new.close().await;
        if done {
            return Ok(());
        }
        super::abandon::drop_database(&mut server, &temporary).await?;
    }
    if database_exists(&mut server, restore.name.as_str()).await? {
        return Err(name_in_use(restore.name).into());
    }
    create_database(&mut server, &temporary, restore).await?;
    server.close().await;

    let mut new = restore.login_to_new().connect().await?;
    create_markers(restore, &mut new).await?;
    let definitions = Definitions::settle(restore, &mut new).await?;
    let mut skipped = Skipped::none(Tolerance::of(restore, &new));
    let pre_data = restore.toc().entries.iter().filter(|entry| is_pre_data(entry));
    definitions.restore_all(&mut new, pre_data, &mut skipped).await?;
    let done = once(&skipped.take_statements(restore), &marker(restore, STEP));
    new.execute(&done).await.map_err(EngineError::query("write a marker"))?;
    new.close().await;
    Ok(())
}

async fn create_markers(restore: &Restore<'_>, new: &mut Connection) -> Result<(), EngineError> {
    let (schema, table) = (sql::ident(&marker_schema(restore.job)), marker_table(restore.job));
    let skipped = skipped::table(restore);
    new.execute(&format!(
        "CREATE SCHEMA {schema}; CREATE TABLE {table} (step text PRIMARY KEY, rows bigint NOT NULL); \
         CREATE TABLE {skipped} (dump_id integer PRIMARY KEY, what text NOT NULL, why text NOT NULL)"
    ))
    .await
    .map_err(EngineError::query("create the table of markers"))
}

async fn create_database(
    server: &mut Connection,
    name: &str,
    restore: &Restore<'_>,
) -> Result<(), EngineError> {
    let source = &restore.manifest.source;
    let mut statement = format!(
        "CREATE DATABASE {} TEMPLATE template0 ENCODING {} LC_COLLATE {} LC_CTYPE {}",
        sql::ident(name),
        sql::literal(&source.encoding),
        sql::literal(&source.collate),
        sql::literal(&source.ctype),
    );
    let version = server.server_version().num();
    if let (Some(locale), true) = (&source.locale, version >= 150_000) {
        let (provider, option) = match source.locale_provider {
            'i' => ("icu", "ICU_LOCALE"),
            _ => ("builtin", "BUILTIN_LOCALE"),
        };
        statement = format!("{statement} LOCALE_PROVIDER {provider} {option} {}", sql::literal(locale));
    } else if version >= 150_000 {
        // A target whose template0 has another provider would otherwise hand it on.
        statement.push_str(" LOCALE_PROVIDER libc");
    }
    let tablespace = restore.toc().database_tablespace().map(|name| name.to_string());
    if let Some(tablespace) = &tablespace {
        statement = format!("{statement} TABLESPACE {}", sql::ident(tablespace));
    }
    server.execute(&statement).await.map_err(|error| match error.sqlstate() {
        Some("42704")
            if tablespace.as_ref().is_some_and(|name| error.to_string().contains(name.as_str())) =>
        {
            let object = format!("tablespace {}", tablespace.unwrap_or_default());
            not_created(Code::TablespaceNotFound, &error, object)
        }
        // Unknown encoding, collation or locale.
        Some("22023" | "42704" | "42809") => {
            let object = format!("locale {} {}", source.collate, source.ctype);
            not_created(Code::LocaleNotAvailable, &error, object)
        }
        _ => EngineError::query_on("create the database", format!("database {name}"))(error),
    })
}

fn not_created(code: Code, error: &QueryError, object: String) -> EngineError {
    Fault::new(code, format!("cannot create the database: {error}")).on(object).into()
}
