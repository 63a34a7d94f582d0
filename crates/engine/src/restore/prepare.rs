//! The new database under its temporary name, with everything that goes before the data.
//!
//! Run again after it was done, it finds its marker and does nothing: a late double can never drop what others
//! have loaded. Run again after it was killed, it starts over.

use permafrost_pgarchive::{Section, TableOfContents};
use permafrost_vault::plan::Source;

use super::{
    Restore, archive_of, connect_to_server, database_exists, marker_schema, marker_table, markers,
    restore_fault,
};
use crate::error::EngineError;
use crate::pg::Connection;
use crate::readiness::target::name_in_use;
use crate::sql;

/// The marker of this step.
const STEP: &str = "prepared";

/// Creates the database and runs the pre-data section.
///
/// # Errors
/// The name is taken, or an object cannot be created.
pub async fn prepare(restore: &Restore<'_>) -> Result<(), EngineError> {
    let mut server = connect_to_server(restore.login).await?;
    let temporary = restore.temporary_name();
    if database_exists(&mut server, &temporary).await? {
        let mut new = restore.login_to_new().connect().await?;
        let done = markers(&mut new, restore.job).await?;
        new.close().await;
        if done.is_some_and(|done| done.contains_key(STEP)) {
            return Ok(());
        }
        super::abandon::drop_database(&mut server, &temporary).await?;
    }
    if database_exists(&mut server, restore.name.as_str()).await? {
        return Err(name_in_use(restore.name).into());
    }
    create_database(&mut server, &temporary, &restore.manifest.source).await?;
    server.close().await;

    let login = restore.login_to_new();
    let mut new = login.connect().await?;
    let (schema, table) = (sql::ident(&marker_schema(restore.job)), marker_table(restore.job));
    new.execute(&format!(
        "CREATE SCHEMA {schema}; CREATE TABLE {table} (step text PRIMARY KEY, rows bigint NOT NULL)"
    ))
    .await
    .map_err(EngineError::query("create the table of markers"))?;
    let mut toc = restore.toc.clone();
    large_objects_first(&mut toc);
    let archive = archive_of(&toc)?;
    restore
        .restore_programs(&new)?
        .program("pg_restore", &login)?
        .args(["--section=pre-data", "--exit-on-error", "--no-password"])
        .path(archive.path())
        .run()
        .await
        .map_err(restore_fault)?;
    new.execute(&format!("INSERT INTO {table} VALUES ('{STEP}', 0)"))
        .await
        .map_err(EngineError::query("write a marker"))?;
    new.close().await;
    Ok(())
}

/// Large objects are made, with their owners and grants, before their bytes are loaded: as of archive version 1.16
/// pg_dump counts them as data.
fn large_objects_first(toc: &mut TableOfContents) {
    for entry in &mut toc.entries {
        let of_large_object = entry.tag.as_bytes().starts_with(b"LARGE OBJECT");
        if entry.desc == *"BLOB METADATA" || (of_large_object && entry.section != Section::PreData) {
            entry.section = Section::PreData;
        }
    }
}

async fn create_database(server: &mut Connection, name: &str, source: &Source) -> Result<(), EngineError> {
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
    server.execute(&statement).await.map_err(|error| match error.sqlstate() {
        // Unknown encoding, collation or locale.
        Some("22023" | "42704" | "42809") => {
            let message = format!("cannot create the database: {error}");
            permafrost_domain::Fault::new(permafrost_domain::Code::LocaleNotAvailable, message)
                .on(format!("locale {} {}", source.collate, source.ctype))
                .into()
        }
        _ => EngineError::query_on("create the database", format!("database {name}"))(error),
    })
}
