//! Readiness of a source, run when protection is configured and before every backup: privileges drift.

use std::collections::BTreeSet;

use permafrost_domain::check::{Check, Readiness};
use permafrost_domain::{Code, Fault};

use crate::error::EngineError;
use crate::login::Login;
use crate::pg::{Connection, Row};
use crate::programs::PgPrograms;
use crate::sql;

/// The oldest and the newest major version that is supported.
const VERSIONS: std::ops::RangeInclusive<u32> = 10..=18;
/// Connections that a small backup opens: the holder, pg_dump, the planner, a worker.
const CONNECTIONS: i64 = 4;

/// Relations whose rows or values a backup reads, with whether the role may use their schema and read them; its
/// condition goes on with [`sql::BACKED_UP`].
const RELATIONS: &str = r"
    SELECT n.nspname, c.relname, c.relkind,
           pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS usage,
           CASE WHEN c.relkind = 'S' THEN pg_catalog.has_sequence_privilege(c.oid, 'SELECT')
                ELSE pg_catalog.has_table_privilege(c.oid, 'SELECT') END AS readable,
           c.relkind <> 'S' AND pg_catalog.row_security_active(c.oid) AS hidden
      FROM pg_catalog.pg_class c
      JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
     WHERE c.relkind IN ('r', 'p', 'S') AND ";

/// Checks whether `login` can back its database up. Checks that the login itself passes are in the result.
///
/// # Errors
/// Those of the connection where it breaks halfway. A connection that cannot be had is a failed check.
pub async fn check(login: &Login, programs: &PgPrograms) -> Result<Readiness, EngineError> {
    let mut connection = match login.connect().await {
        Ok(connection) => connection,
        Err(error) => return Ok(Readiness { checks: vec![Check::failed("login", error.into())] }),
    };
    let user = login.options.user.as_str();
    let database = login.options.database.as_str();
    let mut checks = vec![Check::success("login", format!("logged in to {database} as {user}"))];
    checks.push(server_version(&connection));
    checks.push(dump_client(&connection, programs));
    privileges(&mut connection, user, &mut checks).await?;
    checks.push(large_objects(&mut connection, user).await?);
    checks.push(connections(&mut connection).await?);
    checks.push(locks(&mut connection).await?);
    checks.push(standby(&mut connection).await?);
    connection.close().await;
    Ok(Readiness { checks })
}

fn server_version(connection: &Connection) -> Check {
    let version = connection.server_version();
    if VERSIONS.contains(&version.major()) {
        Check::success("server-version", format!("PostgreSQL {version}"))
    } else {
        let message = format!("the server is PostgreSQL {version}, supported are 10 to 18");
        Check::failed("server-version", Fault::new(Code::ServerVersionNotSupported, message))
    }
}

fn dump_client(connection: &Connection, programs: &PgPrograms) -> Check {
    match programs.for_major(connection.server_version().major()) {
        Ok(found) => Check::success("dump-client", format!("pg_dump {} is on board", found.major)),
        Err(error) => Check::failed("dump-client", error.into()),
    }
}

async fn privileges(
    connection: &mut Connection,
    user: &str,
    checks: &mut Vec<Check>,
) -> Result<(), EngineError> {
    let failed = || EngineError::query("read the privileges of the role");
    let query = format!("{RELATIONS}{} ORDER BY 1, 2", sql::BACKED_UP);
    let rows = connection.query(&query, &[]).await.map_err(failed())?;
    let mut schemas: Vec<String> = Vec::new();
    let mut unreadable: Vec<Unreadable> = Vec::new();
    let mut hidden: Vec<String> = Vec::new();
    let mut tables = 0_u64;
    for row in &rows {
        let (schema, is_sequence) = (row.get(0).unwrap_or_default(), row.get(2) == Some("S"));
        let name = named(row);
        tables += u64::from(!is_sequence);
        if !row.parse::<bool>(3).map_err(failed())? && !schemas.iter().any(|known| known == schema) {
            schemas.push(schema.to_owned());
        }
        if !row.parse::<bool>(4).map_err(failed())? {
            unreadable.push(Unreadable { is_sequence, schema: schema.to_owned(), name: name.clone() });
        }
        if row.parse::<bool>(5).map_err(failed())? {
            hidden.push(name);
        }
    }
    let role = sql::ident(user);
    checks.push(if schemas.is_empty() {
        Check::success("schema-usage", "every schema can be used")
    } else {
        let list: Vec<String> = schemas.iter().map(|schema| sql::ident(schema)).collect();
        let message = format!("role \"{user}\" may not use schema {}", list.join(", "));
        Check::failed(
            "schema-usage",
            Fault::new(Code::MissingDatabasePermissions, message)
                .hint(format!("Run GRANT USAGE ON SCHEMA {} TO {role};", list.join(", "))),
        )
        .on_objects(schemas.iter().map(|schema| format!("schema {schema}")).collect())
    });
    checks.push(if unreadable.is_empty() {
        Check::success("select", format!("all {tables} tables and their sequences can be read"))
    } else {
        unreadable_check(user, &unreadable)
    });
    checks.push(if hidden.is_empty() {
        Check::success("row-security", "row-level security hides no rows")
    } else {
        let message =
            format!("row-level security would hide rows of {} from role \"{user}\"", hidden.join(", "));
        Check::failed(
            "row-security",
            Fault::new(Code::RowSecurityHidesRows, message).hint(format!("Run ALTER ROLE {role} BYPASSRLS;")),
        )
        .on_objects(hidden.iter().map(|table| format!("table {table}")).collect())
    });
    Ok(())
}

/// A table or sequence that the role cannot read.
struct Unreadable {
    is_sequence: bool,
    schema: String,
    /// With its schema, quoted where needed.
    name: String,
}

fn unreadable_check(user: &str, unreadable: &[Unreadable]) -> Check {
    const SHOWN: usize = 5;
    let shown: Vec<&str> = unreadable.iter().take(SHOWN).map(|relation| relation.name.as_str()).collect();
    let more = match unreadable.len() - shown.len() {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let role = sql::ident(user);
    let grants: Vec<String> = if more.is_empty() {
        unreadable.iter().map(|relation| grant_of_one(relation, &role)).collect()
    } else {
        // Too many to name: all of their schemas.
        let schemas: BTreeSet<String> =
            unreadable.iter().map(|relation| sql::ident(&relation.schema)).collect();
        let schemas = schemas.into_iter().collect::<Vec<_>>().join(", ");
        ["TABLES", "SEQUENCES"]
            .map(|kind| format!("GRANT SELECT ON ALL {kind} IN SCHEMA {schemas} TO {role};"))
            .into()
    };
    let objects = unreadable
        .iter()
        .map(|relation| {
            format!("{} {}", if relation.is_sequence { "sequence" } else { "table" }, relation.name)
        })
        .collect();
    let message = format!("role \"{user}\" cannot read {}{more}", shown.join(", "));
    let hint =
        format!("Run {} or, from PostgreSQL 14 on, GRANT pg_read_all_data TO {role};", grants.join(" "));
    Check::failed("select", Fault::new(Code::DatabaseUserLacksSelect, message).hint(hint)).on_objects(objects)
}

fn grant_of_one(relation: &Unreadable, role: &str) -> String {
    let kind = if relation.is_sequence { "SEQUENCE" } else { "TABLE" };
    format!("GRANT SELECT ON {kind} {} TO {role};", relation.name)
}

/// `schema.name`, quoted only where needed to be read aloud: plain names stay plain.
fn named(row: &Row) -> String {
    let plain = |name: &str| {
        let simple = name.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'_');
        if simple && !name.starts_with(|c: char| c.is_ascii_digit()) {
            name.to_owned()
        } else {
            sql::ident(name)
        }
    };
    format!("{}.{}", plain(row.get(0).unwrap_or_default()), plain(row.get(1).unwrap_or_default()))
}

/// Large objects that the role may not read. `pg_read_all_data` does not cover them, so each one counts.
async fn large_objects(connection: &mut Connection, user: &str) -> Result<Check, EngineError> {
    let failed = || EngineError::query("look for large objects that cannot be read");
    let rows = connection
        .query(
            "SELECT l.oid, pg_catalog.count(*) OVER () FROM pg_catalog.pg_largeobject_metadata l \
              WHERE NOT (SELECT rolsuper FROM pg_catalog.pg_roles WHERE rolname = current_user) \
                AND pg_catalog.current_setting('lo_compat_privileges') <> 'on' \
                AND NOT pg_catalog.pg_has_role(l.lomowner, 'USAGE') \
                AND NOT EXISTS (SELECT FROM pg_catalog.aclexplode(l.lomacl) a WHERE a.privilege_type = 'SELECT' \
                     AND (a.grantee = 0 OR pg_catalog.pg_has_role(a.grantee, 'USAGE'))) \
              ORDER BY l.oid LIMIT 20",
            &[],
        )
        .await
        .map_err(failed())?;
    let Some(first) = rows.first() else {
        return Ok(Check::success("large-objects", "all large objects can be read"));
    };
    let count: u64 = first.parse(1).map_err(failed())?;
    let shown: Vec<&str> = rows.iter().map(|row| row.get(0).unwrap_or_default()).collect();
    let more = match count.saturating_sub(rows.len() as u64) {
        0 => String::new(),
        more => format!(" and {more} more"),
    };
    let message = format!("role \"{user}\" cannot read large objects {}{more}", shown.join(", "));
    let role = sql::ident(user);
    let grant = if more.is_empty() {
        format!("GRANT SELECT ON LARGE OBJECT {} TO {role};", shown.join(", "))
    } else {
        format!(
            "DO $$ DECLARE o oid; BEGIN FOR o IN SELECT oid FROM pg_largeobject_metadata LOOP \
             EXECUTE format('GRANT SELECT ON LARGE OBJECT %s TO %I', o, {}); END LOOP; END $$;",
            sql::literal(user)
        )
    };
    let fault = Fault::new(Code::DatabaseUserLacksSelect, message).hint(format!("Run {grant}"));
    Ok(Check::failed("large-objects", fault)
        .on_objects(shown.iter().map(|oid| format!("large object {oid}")).collect()))
}

async fn connections(connection: &mut Connection) -> Result<Check, EngineError> {
    let free = number(
        connection,
        "SELECT pg_catalog.current_setting('max_connections')::int8 \
         - pg_catalog.current_setting('superuser_reserved_connections')::int8 \
         - (SELECT pg_catalog.count(*) FROM pg_catalog.pg_stat_activity WHERE datname IS NOT NULL)",
        "count the connections",
    )
    .await?;
    Ok(if free >= CONNECTIONS {
        Check::success("connections", format!("{free} connections are free"))
    } else {
        let message = format!("{free} connections are free, a backup needs {CONNECTIONS}");
        Check::warning("connections", Fault::new(Code::TooManyConnections, message))
    })
}

async fn locks(connection: &mut Connection) -> Result<Check, EngineError> {
    let spare = number(
        connection,
        "SELECT pg_catalog.current_setting('max_locks_per_transaction')::int8 \
         * (pg_catalog.current_setting('max_connections')::int8 \
            + pg_catalog.current_setting('max_prepared_transactions')::int8) \
         - 3 * (SELECT pg_catalog.count(*) FROM pg_catalog.pg_class WHERE relkind IN ('r', 'p'))",
        "count the locks",
    )
    .await?;
    Ok(if spare >= 0 {
        Check::success("locks", "the server's lock table has room for every table")
    } else {
        let fault = Fault::new(
            Code::LockNotAvailable,
            "the server's lock table may be too small for the number of tables",
        );
        Check::warning("locks", fault.hint("Raise max_locks_per_transaction and restart the server."))
    })
}

async fn standby(connection: &mut Connection) -> Result<Check, EngineError> {
    let in_recovery =
        number(connection, "SELECT pg_catalog.pg_is_in_recovery()::int", "ask whether this is a standby")
            .await?;
    let role = if in_recovery == 1 { "a standby" } else { "a primary" };
    Ok(Check::success("server-role", format!("the server is {role}; both can export snapshots")))
}

async fn number(connection: &mut Connection, query: &str, doing: &str) -> Result<i64, EngineError> {
    let rows = connection.query(query, &[]).await.map_err(EngineError::query(doing))?;
    match rows.first() {
        Some(row) => row.parse(0).map_err(EngineError::query(doing)),
        None => Ok(0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unreadable(count: usize) -> Vec<Unreadable> {
        let relation = |n| Unreadable {
            is_sequence: n % 2 == 1,
            schema: format!("s{}", n % 3),
            name: format!("s{}.t{n}", n % 3),
        };
        (0..count).map(relation).collect()
    }

    #[test]
    fn few_unreadable_relations_are_granted_one_by_one() {
        let remedy = unreadable_check("b", &unreadable(2)).remedy.unwrap();
        let grants = "GRANT SELECT ON TABLE s0.t0 TO \"b\"; GRANT SELECT ON SEQUENCE s1.t1 TO \"b\";";
        assert!(remedy.contains(grants), "{remedy}");
    }

    #[test]
    fn many_unreadable_relations_are_granted_by_schema() {
        let check = unreadable_check("b", &unreadable(7));
        assert!(check.message.ends_with("s1.t4 and 2 more"), "{}", check.message);
        let remedy = check.remedy.unwrap();
        for kind in ["TABLES", "SEQUENCES"] {
            let grant = format!("GRANT SELECT ON ALL {kind} IN SCHEMA \"s0\", \"s1\", \"s2\" TO \"b\";");
            assert!(remedy.contains(&grant), "{remedy}");
        }
        assert_eq!(check.objects_total, 7);
    }
}
