//! What the archive says of the database itself: owner, comment, grants, settings, security labels.
//!
//! The statements name the database that was backed up, so its name is exchanged. They are sent one by one, to another
//! database of the server, before the rename: all of them stick to the database and not to its name. What the role may
//! not do, or the target does not know, is said and does not keep the database from being finished: settings can be
//! made later, and many need a superuser.

use permafrost_pgarchive::Entry;

use super::Restore;
use super::definitions::{Definitions, may_be_unknown_to_version};
use super::plan::is_of_database;
use crate::error::EngineError;
use crate::pg::{Connection, QueryError};
use crate::sql;

/// Gives the database `name` what the archive says of it, and returns what could not be.
pub(super) async fn set_properties(
    restore: &Restore<'_>,
    server: &mut Connection,
    name: &str,
) -> Result<Vec<String>, EngineError> {
    let definitions = Definitions::settle(restore, server).await?;
    let mut warnings = Vec::new();
    for entry in restore.toc().entries.iter().filter(|entry| is_of_database(entry)) {
        for statement in statements(&definitions, server, entry, restore, name).await? {
            match server.execute(&statement).await {
                Ok(()) => {}
                Err(QueryError::Server(error))
                    if error.sqlstate == "42501" || may_be_unknown_to_version(&error.sqlstate) =>
                {
                    let shown = statement.replace(&sql::ident(name), &sql::ident(restore.name.as_str()));
                    warnings.push(format!("{} is not restored: {error}", shown.trim_end_matches(';')));
                }
                Err(error) => {
                    let object = format!("database {}", restore.name);
                    return Err(EngineError::query_on("restore the settings of the database", object)(error));
                }
            }
        }
    }
    Ok(warnings)
}

async fn statements(
    definitions: &Definitions<'_>,
    server: &mut Connection,
    entry: &Entry,
    restore: &Restore<'_>,
    name: &str,
) -> Result<Vec<String>, EngineError> {
    if entry.desc == "DATABASE" {
        // The database is there; what is left of its entry is the owner.
        let Some(owner) = entry.owner.as_ref().filter(|owner| !owner.is_empty()) else {
            return Ok(Vec::new());
        };
        let owner = definitions.decode(server, owner).await?;
        return Ok(vec![format!("ALTER DATABASE {} OWNER TO {};", sql::ident(name), sql::ident(&owner))]);
    }
    let Some(defn) = &entry.defn else { return Ok(Vec::new()) };
    let text = definitions.decode(server, defn).await?;
    Ok(split(&text).into_iter().map(|one| renamed(one, &restore.manifest.source.database, name)).collect())
}

/// A script of pg_dump's, cut into its statements.
fn split(script: &str) -> Vec<&str> {
    let (mut statements, mut start) = (Vec::new(), 0);
    for (place, letter) in outside_of_quotes(script) {
        if letter == ';' {
            statements.push(script[start..=place].trim());
            start = place + 1;
        }
    }
    statements.push(script[start..].trim());
    statements.retain(|statement| !statement.is_empty());
    statements
}

/// The statement with another database's name behind each keyword `DATABASE`.
fn renamed(statement: &str, from: &str, to: &str) -> String {
    const KEYWORD: &str = "DATABASE ";
    let quoted = sql::ident(from);
    let mut result = String::with_capacity(statement.len() + to.len());
    let mut taken = 0;
    for (place, _) in outside_of_quotes(statement) {
        if place < taken || !statement[place..].starts_with(KEYWORD) {
            continue;
        }
        let start = place + KEYWORD.len();
        let is_end =
            |rest: &str| !rest.starts_with(|next: char| next.is_alphanumeric() || next == '_' || next == '$');
        let name = [quoted.as_str(), from]
            .into_iter()
            .find(|name| statement[start..].strip_prefix(*name).is_some_and(is_end));
        if let Some(name) = name {
            result.push_str(&statement[taken..start]);
            result.push_str(&sql::ident(to));
            taken = start + name.len();
        }
    }
    result.push_str(&statement[taken..]);
    result
}

/// The letters of a statement that stand in no literal and no quoted name. A quote within is doubled, which looks
/// like an end and a beginning, and comes to the same.
fn outside_of_quotes(text: &str) -> impl Iterator<Item = (usize, char)> {
    let mut quote = None;
    text.char_indices().filter(move |(_, letter)| match quote {
        None if *letter == '\'' || *letter == '"' => {
            quote = Some(*letter);
            false
        }
        None => true,
        Some(open) => {
            if *letter == open {
                quote = None;
            }
            false
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_are_told_apart_and_name_the_new_database() {
        let script = "ALTER DATABASE shop SET search_path TO 'a;b', 'DATABASE shop';\n\
            ALTER ROLE \"x;y\" IN DATABASE shop SET work_mem TO '1MB';\n";
        let statements: Vec<String> =
            split(script).into_iter().map(|one| renamed(one, "shop", "n\"ew")).collect();
        assert_eq!(
            statements,
            [
                "ALTER DATABASE \"n\"\"ew\" SET search_path TO 'a;b', 'DATABASE shop';",
                "ALTER ROLE \"x;y\" IN DATABASE \"n\"\"ew\" SET work_mem TO '1MB';",
            ]
        );
    }

    #[test]
    fn a_name_is_exchanged_quoted_or_not_and_only_whole() {
        for (statement, from, expected) in [
            (
                "COMMENT ON DATABASE \"my shop\" IS 'it''s DATABASE \"my shop\"';",
                "my shop",
                "COMMENT ON DATABASE \"new\" IS 'it''s DATABASE \"my shop\"';",
            ),
            ("GRANT CONNECT ON DATABASE shop TO shop;", "shop", "GRANT CONNECT ON DATABASE \"new\" TO shop;"),
            (
                "GRANT CONNECT ON DATABASE shop_2 TO shop;",
                "shop",
                "GRANT CONNECT ON DATABASE shop_2 TO shop;",
            ),
            (
                "ALTER DATABASE \"a\"\"b\" SET x TO E'\\\\';",
                "a\"b",
                "ALTER DATABASE \"new\" SET x TO E'\\\\';",
            ),
        ] {
            assert_eq!(renamed(statement, from, "new"), expected);
        }
    }
}
