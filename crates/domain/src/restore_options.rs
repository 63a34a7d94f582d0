//! What of a recovery point is restored as a database, and how. The defaults restore everything as it was.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::data_source::{ObjectName, RoleName};
use crate::fault::{Code, Fault};

/// The most names that the options of one restore hold: they travel in a record of the catalog.
pub const MAX_NAMES: usize = 500;

/// What of a recovery point to restore, and how.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RestoreOptions {
    /// Only what is in these schemas, and what it depends on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub schemas: Vec<ObjectName>,
    /// Only these tables (also views, materialized views, foreign tables, sequences), and what they depend on.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tables: Vec<TableName>,
    /// Definitions, data, or both.
    #[serde(default, skip_serializing_if = "is_default")]
    pub content: Content,
    /// Who owns what is restored.
    #[serde(default, skip_serializing_if = "is_default")]
    pub ownership: Ownership,
    /// Whether grants are restored.
    #[serde(default, skip_serializing_if = "is_default")]
    pub privileges: Privileges,
    /// Where tables and indexes go.
    #[serde(default, skip_serializing_if = "is_default")]
    pub tablespaces: Tablespaces,
}

/// A table by schema and name, neither quoted. As a text `schema.name`, with double quotes around a part that
/// holds a dot or a double quote, which is then doubled.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TableName {
    /// The schema.
    pub schema: ObjectName,
    /// The name in the schema.
    pub name: ObjectName,
}

/// Definitions, data, or both.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Content {
    /// Both.
    #[default]
    Everything,
    /// Definitions: tables stay empty, sequences at their start, materialized views unpopulated.
    SchemaOnly,
    /// Data, and the definitions that it needs to be loaded into a new database: schemas, types, functions, tables,
    /// views. No indexes, no constraints but those that stand in a table's own definition, no triggers, rules,
    /// policies or grants; materialized views stay unpopulated.
    DataOnly,
}

/// Who owns what is restored.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Ownership {
    /// Who owned it before; these roles must exist on the target.
    #[default]
    Preserve,
    /// Whoever restores it. Grants keep the roles that they name.
    Flatten,
    /// Other roles, also in grants, policies and the like; roles that are not named stay as they are.
    Map {
        /// The roles, old and new.
        roles: Vec<RoleMapping>,
    },
}

/// A role of the backup, and the one that takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RoleMapping {
    /// The role in the backup.
    pub from: RoleName,
    /// The role on the target.
    pub to: RoleName,
}

/// Whether grants are restored.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Privileges {
    /// They are.
    #[default]
    Keep,
    /// They are not, nor are default privileges.
    Drop,
}

/// Where tables and indexes go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "mode", rename_all = "snake_case", deny_unknown_fields)]
pub enum Tablespaces {
    /// Into the tablespaces that they were in; these must exist on the target.
    #[default]
    Keep,
    /// All into the new database's default tablespace.
    Default,
    /// Into other tablespaces; those that are not named stay.
    Map {
        /// The tablespaces, old and new.
        tablespaces: Vec<TablespaceMapping>,
    },
}

/// A tablespace of the backup, and the one that takes its place.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TablespaceMapping {
    /// The tablespace in the backup.
    pub from: ObjectName,
    /// The tablespace on the target.
    pub to: ObjectName,
}

impl RestoreOptions {
    /// Whether everything is restored as it was.
    pub fn is_default(&self) -> bool {
        is_default(self)
    }

    /// Whether only some schemas or tables are restored.
    pub fn is_selective(&self) -> bool {
        !self.schemas.is_empty() || !self.tables.is_empty()
    }

    /// Makes sure that the options do not contradict themselves.
    ///
    /// # Errors
    /// `InvalidRequest`: a role or tablespace is mapped twice, a mapping is empty, or there are too many names.
    pub fn check(&self) -> Result<(), Fault> {
        let roles: &[RoleMapping] = match &self.ownership {
            Ownership::Map { roles } => roles,
            Ownership::Preserve | Ownership::Flatten => &[],
        };
        let tablespaces: &[TablespaceMapping] = match &self.tablespaces {
            Tablespaces::Map { tablespaces } => tablespaces,
            Tablespaces::Keep | Tablespaces::Default => &[],
        };
        let names = self.schemas.len() + self.tables.len() + roles.len() + tablespaces.len();
        if names > MAX_NAMES {
            let message = format!("the options hold {names} names, at most {MAX_NAMES} are possible");
            return Err(invalid(message, "Name whole schemas instead of their tables."));
        }
        if (matches!(self.ownership, Ownership::Map { .. }) && roles.is_empty())
            || (matches!(self.tablespaces, Tablespaces::Map { .. }) && tablespaces.is_empty())
        {
            return Err(invalid("a mapping is empty".to_owned(), "Leave it out, or name what it maps."));
        }
        let roles = roles.iter().map(|role| ("role", role.from.as_str(), role.to.as_str()));
        let spaces = tablespaces.iter().map(|space| ("tablespace", space.from.as_str(), space.to.as_str()));
        let mut seen: BTreeMap<(&str, &str), &str> = BTreeMap::new();
        for (kind, from, to) in roles.chain(spaces) {
            if let Some(other) = seen.insert((kind, from), to).filter(|other| *other != to) {
                let message = format!("the {kind} \"{from}\" is mapped to \"{other}\" and to \"{to}\"");
                return Err(invalid(message, "Map it to one."));
            }
        }
        Ok(())
    }
}

fn invalid(message: String, hint: &str) -> Fault {
    Fault::new(Code::InvalidRequest, message).on("options").hint(hint)
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// A text that names no table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no table's name: expected SCHEMA.NAME, with double quotes around a part that holds a dot")]
pub struct InvalidTableName(String);

impl FromStr for TableName {
    type Err = InvalidTableName;
    fn from_str(text: &str) -> Result<Self, InvalidTableName> {
        let invalid = || InvalidTableName(text.chars().take(80).collect());
        let (schema, rest) = take_part(text).ok_or_else(invalid)?;
        let (name, rest) = rest.strip_prefix('.').and_then(take_part).ok_or_else(invalid)?;
        if !rest.is_empty() {
            return Err(invalid());
        }
        let part = |text: String| text.parse::<ObjectName>().map_err(|_| invalid());
        Ok(Self { schema: part(schema)?, name: part(name)? })
    }
}

/// The first part of a dotted name, without its quotes, and what follows it.
fn take_part(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find('.').unwrap_or(text.len());
        let (part, rest) = text.split_at(end);
        return (!part.contains('"')).then(|| (part.to_owned(), rest));
    };
    let mut part = String::new();
    let mut rest = quoted;
    loop {
        let (before, behind) = rest.split_once('"')?;
        part.push_str(before);
        let Some(more) = behind.strip_prefix('"') else { return Some((part, behind)) };
        part.push('"');
        rest = more;
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |name: &ObjectName| {
            let name = name.as_str();
            if name.contains(['.', '"']) {
                format!("\"{}\"", name.replace('"', "\"\""))
            } else {
                name.to_owned()
            }
        };
        write!(f, "{}.{}", part(&self.schema), part(&self.name))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_not_said_is_as_it_was() {
        let options: RestoreOptions = serde_json::from_value(json!({})).unwrap();
        assert!(options.is_default() && !options.is_selective());
        assert_eq!(serde_json::to_value(&options).unwrap(), json!({}));
        assert_eq!(options.check(), Ok(()));
    }

    #[test]
    fn options_are_read_and_written_alike() {
        let text = json!({
            "schemas": ["app"], "tables": [{"schema": "a.b", "name": "T"}], "content": "schema_only",
            "ownership": {"mode": "map", "roles": [{"from": "old token", "to": "new"}]},
            "privileges": "drop", "tablespaces": {"mode": "default"},
        });
        let options: RestoreOptions = serde_json::from_value(text.clone()).unwrap();
        assert_eq!(serde_json::to_value(&options).unwrap(), text);
        assert!(options.is_selective());
        for wrong in [json!({"schema": ["app"]}), json!({"content": "both"}), json!({"schemas": [""]})] {
            assert!(serde_json::from_value::<RestoreOptions>(wrong).is_err());
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let of = |value| serde_json::from_value::<RestoreOptions>(value).unwrap().check();
        let twice = json!({"ownership": {"mode": "map", "roles": [{"from": "a", "to": "b"}, {"from": "a", "to": "c"}]}});
        assert_eq!(of(twice).unwrap_err().message, "the role \"a\" is mapped to \"b\" and to \"c\"");
        let same = json!({"tablespaces": {"mode": "map", "tablespaces": [
            {"from": "a", "to": "b"}, {"from": "a", "to": "b"}, {"from": "b", "to": "a"}]}});
        assert_eq!(of(same), Ok(()));
        assert_eq!(
            of(json!({"ownership": {"mode": "map", "roles": []}})).unwrap_err().code,
            Code::InvalidRequest
        );
        let many: Vec<String> = (0..=MAX_NAMES).map(|number| format!("s{number}")).collect();
        assert!(of(json!({ "schemas": many })).is_err());
    }

    proptest! {
        #[test]
        fn a_tables_name_comes_back_from_its_text(schema in "[a-z.\" Ü]{1,9}", name in "[a-z.\" Ü]{1,9}") {
            let table = TableName { schema: schema.parse().unwrap(), name: name.parse().unwrap() };
            prop_assert_eq!(table.to_string().parse(), Ok(table));
        }
    }

    #[test]
    fn half_a_name_is_none() {
        for text in ["orders", "", ".", "app.", ".orders", "a.b.c", "\"a.b", "a\"b.c", "\"a\"b.c"] {
            assert!(text.parse::<TableName>().is_err(), "{text}");
        }
        assert_eq!("app.Orders".parse::<TableName>().unwrap().name.as_str(), "Orders");
    }
}
