//! Readiness of a restore's target, run before every restore.

use std::collections::{BTreeMap, BTreeSet};

use permafrost_domain::check::{Check, Readiness};
use permafrost_domain::data_source::DatabaseName;
use permafrost_domain::{Code, Fault};
use permafrost_pgarchive::{RoleUse, TableOfContents};
use permafrost_vault::plan::Source;

use crate::error::EngineError;
use crate::login::Login;
use crate::pg::Connection;
use crate::restore::{connect_to_server, database_exists};
use crate::sql;

/// What is to be restored where.
#[derive(Debug)]
pub struct Wanted<'a> {
    /// The database that was backed up.
    pub source: &'a Source,
    /// What is to be restored of it, as it is to be restored.
    pub toc: &'a TableOfContents,
    /// The new database's name.
    pub name: &'a DatabaseName,
}

/// Checks whether `login` can restore `wanted`.
///
/// # Errors
/// Those of the connection where it breaks halfway. A connection that cannot be had is a failed check.
pub async fn check(login: &Login, wanted: &Wanted<'_>) -> Result<Readiness, EngineError> {
    let mut connection = match connect_to_server(login).await {
        Ok(connection) => connection,
        Err(error) => return Ok(Readiness { checks: vec![Check::failed("login", error.into())] }),
    };
    let user = login.options.user.as_str();
    let mut checks = vec![
        Check::success("login", format!("logged in as {user}")),
        server_version(&connection, wanted.source),
        createdb(&mut connection, user).await?,
        name_is_free(&mut connection, wanted.name).await?,
    ];
    checks.push(extensions(&mut connection, wanted.toc).await?);
    checks.push(owners(&mut connection, user, wanted.toc).await?);
    checks.push(tablespaces(&mut connection, wanted.toc).await?);
    connection.close().await;
    Ok(Readiness { checks })
}

fn server_version(connection: &Connection, source: &Source) -> Check {
    let version = connection.server_version();
    let major =
        |text: &str| text.split('.').next().and_then(|major| major.parse::<u32>().ok()).unwrap_or_default();
    if version.major() >= major(&source.server_version) {
        Check::success("server-version", format!("PostgreSQL {version}"))
    } else {
        let message =
            format!("the target is PostgreSQL {version}, older than the source's {}", source.server_version);
        let fault = Fault::new(Code::ServerVersionNotSupported, message);
        Check::warning(
            "server-version",
            fault.hint(
                "Objects that the older version does not know are skipped, and named in the job's warnings.",
            ),
        )
    }
}

async fn createdb(connection: &mut Connection, user: &str) -> Result<Check, EngineError> {
    let may = one_column(
        connection,
        "SELECT 1 FROM pg_catalog.pg_roles WHERE rolname = current_user AND (rolcreatedb OR rolsuper)",
        "read the attributes of the role",
    )
    .await?;
    Ok(if may.is_empty() {
        let fault =
            Fault::new(Code::DatabaseUserLacksCreatedb, format!("role \"{user}\" may not create databases"));
        let grant = format!("Run ALTER ROLE {} CREATEDB;", sql::ident(user));
        Check::failed("createdb", fault.on(format!("role {user}")).hint(grant))
    } else {
        Check::success("createdb", "the role may create databases")
    })
}

async fn name_is_free(connection: &mut Connection, name: &DatabaseName) -> Result<Check, EngineError> {
    Ok(if database_exists(connection, name.as_str()).await? {
        Check::failed("database-name", name_in_use(name))
    } else {
        Check::success("database-name", format!("the name {name} is free"))
    })
}

/// The fault of a name that is taken.
pub(crate) fn name_in_use(name: &DatabaseName) -> Fault {
    let message = format!("the target server has a database named \"{name}\" already");
    Fault::new(Code::DatabaseNameAlreadyInUse, message).on(format!("database {name}"))
}

async fn extensions(connection: &mut Connection, toc: &TableOfContents) -> Result<Check, EngineError> {
    let wanted = tags_of(toc, "EXTENSION");
    let available: BTreeSet<String> =
        one_column(connection, "SELECT name FROM pg_catalog.pg_available_extensions", "list the extensions")
            .await?
            .into_iter()
            .collect();
    let missing: Vec<String> = wanted.difference(&available).cloned().collect();
    Ok(if missing.is_empty() {
        Check::success("extensions", format!("all {} extensions are available", wanted.len()))
    } else {
        let message = format!("the target server lacks the extensions {}", missing.join(", "));
        Check::failed("extensions", Fault::new(Code::ExtensionNotAvailable, message))
            .on_objects(missing.iter().map(|name| format!("extension {name}")).collect())
    })
}

async fn owners(
    connection: &mut Connection,
    user: &str,
    toc: &TableOfContents,
) -> Result<Check, EngineError> {
    let named = match toc.roles() {
        Ok(named) => named,
        Err(error) => {
            return Ok(Check::failed("roles", Fault::new(Code::RestoreFailed, error.to_string())));
        }
    };
    let failed = || EngineError::query("list the roles");
    // From 16 on, being a member and being allowed to act as the role are two things.
    let may = if connection.server_version().major() >= 16 { "SET" } else { "MEMBER" };
    let query = format!("SELECT rolname, pg_catalog.pg_has_role(oid, '{may}') FROM pg_catalog.pg_roles");
    let mut present: BTreeMap<String, bool> = BTreeMap::new();
    for row in connection.query(&query, &[]).await.map_err(failed())? {
        present.insert(row.get(0).unwrap_or_default().to_owned(), row.parse(1).map_err(failed())?);
    }
    let (mut missing, mut foreign) = (Vec::new(), Vec::new());
    for (role, mentions) in &named {
        let role = role.to_string_lossy().into_owned();
        // Who owns something, or grants it, has to be acted for; whom something is granted to has to be there.
        let is_owner = mentions.iter().any(|mention| mention.role_use == RoleUse::Owner);
        // A role's settings for the database can be left out, with a warning.
        if mentions.iter().all(|mention| mention.role_use == RoleUse::DatabaseSetting) {
            continue;
        }
        match present.get(&role) {
            None => missing.push(role),
            Some(false) if is_owner => foreign.push(role),
            Some(_) => {}
        }
    }
    let objects = |roles: &[String]| roles.iter().map(|role| format!("role {role}")).collect();
    Ok(if !missing.is_empty() {
        let create: Vec<String> =
            missing.iter().map(|role| format!("CREATE ROLE {} NOLOGIN;", sql::ident(role))).collect();
        let message = format!("the target server lacks the roles {}", missing.join(", "));
        let hint = format!(
            "Run {} Or restore with other roles: `--owner flatten`, `--map-role OLD=NEW`, `--no-privileges`.",
            create.join(" ")
        );
        Check::failed("roles", Fault::new(Code::RoleNotFound, message).hint(hint))
            .on_objects(objects(&missing))
    } else if !foreign.is_empty() {
        let grant: Vec<String> = foreign
            .iter()
            .map(|role| format!("GRANT {} TO {};", sql::ident(role), sql::ident(user)))
            .collect();
        let message = format!(
            "role \"{user}\" cannot give objects to their owners {}, of which it is no member",
            foreign.join(", ")
        );
        let hint = format!("Run {} Or restore with `--owner flatten`.", grant.join(" "));
        let fault = Fault::new(Code::MissingDatabasePermissions, message).hint(hint);
        Check::failed("roles", fault).on_objects(objects(&foreign))
    } else {
        let message = format!("all {} roles exist, and the role may act as the owners", named.len());
        Check::success("roles", message)
    })
}

async fn tablespaces(connection: &mut Connection, toc: &TableOfContents) -> Result<Check, EngineError> {
    let wanted: BTreeSet<String> = toc
        .entries
        .iter()
        .filter_map(|entry| entry.tablespace.clone())
        .chain(toc.database_tablespace())
        .map(|name| name.to_string_lossy().into_owned())
        .filter(|name| !name.is_empty())
        .collect();
    let present: BTreeSet<String> =
        one_column(connection, "SELECT spcname FROM pg_catalog.pg_tablespace", "list the tablespaces")
            .await?
            .into_iter()
            .collect();
    let missing: Vec<String> = wanted.difference(&present).cloned().collect();
    Ok(if missing.is_empty() {
        Check::success("tablespaces", "all tablespaces exist")
    } else {
        let message = format!("the target server lacks the tablespaces {}", missing.join(", "));
        let fault = Fault::new(Code::TablespaceNotFound, message)
            .hint("Create them, or restore with `--map-tablespace OLD=NEW` or `--no-tablespaces`.");
        Check::failed("tablespaces", fault)
            .on_objects(missing.iter().map(|name| format!("tablespace {name}")).collect())
    })
}

fn tags_of(toc: &TableOfContents, desc: &str) -> BTreeSet<String> {
    let of_kind = toc.entries.iter().filter(|entry| entry.desc == *desc);
    of_kind.map(|entry| entry.tag.to_string_lossy().into_owned()).collect()
}

async fn one_column(
    connection: &mut Connection,
    query: &str,
    doing: &str,
) -> Result<Vec<String>, EngineError> {
    let rows = connection.query(query, &[]).await.map_err(EngineError::query(doing))?;
    Ok(rows.iter().map(|row| row.get(0).unwrap_or_default().to_owned()).collect())
}
