//! Whose the restored objects are: owners, grants and tablespaces, kept, dropped or renamed.

mod role_names;

use std::collections::BTreeMap;

use crate::dump_id::DumpId;
use crate::entry::Entry;
use crate::identifier::quote_ident;
use crate::ownership::role_names::{RoleName, drop_statement_role, role_names};
use crate::text::Text;
use crate::toc::TableOfContents;
use crate::tokens::Tokens;

/// Who owns what is restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ownership {
    /// Who owned it before; those roles must exist.
    Preserve,
    /// Whoever restores it, as `pg_restore --no-owner`. Grants keep the roles that they name.
    Flatten,
    /// Other roles, old name to new; also in grants, default privileges, policies, user mappings
    /// and a role's settings for the database. Roles that are not named stay as they are.
    Map(BTreeMap<Text, Text>),
}

/// Whether grants are restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Privileges {
    /// They are.
    Keep,
    /// They are not, nor are default privileges, as `pg_restore --no-privileges`.
    Drop,
}

/// Where restored tables and indexes go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TablespaceMap {
    /// All into the database's default tablespace, as `pg_restore --no-tablespaces`.
    ToDefault,
    /// From the tablespace of the old name to that of the new; those not named stay.
    Map(BTreeMap<Text, Text>),
}

/// A role that an entry names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleMention {
    /// The entry.
    pub dump_id: DumpId,
    /// As what the entry names it.
    pub role_use: RoleUse,
}

/// As what an entry names a role.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum RoleUse {
    /// The object's owner.
    Owner,
    /// Who grants, or is granted, a privilege.
    Grant,
    /// Whose future objects have default privileges, or who is granted them.
    DefaultPrivileges,
    /// Whom a row security policy is for.
    Policy,
    /// Whose logins to a foreign server are mapped.
    UserMapping,
    /// Whose settings for the database are kept.
    DatabaseSetting,
}

/// A statement names roles in a way that is not known, so they can neither be told nor changed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected {expected} at byte {offset} of the statements of entry {dump_id}, {what}")]
pub struct OwnershipError {
    /// The entry.
    pub dump_id: DumpId,
    /// The entry's kind and name, for people.
    pub what: String,
    /// What should stand there.
    pub expected: &'static str,
    /// Bytes from the beginning of the entry's definition.
    pub offset: usize,
}

impl TableOfContents {
    /// Makes owners and grants as they shall be restored.
    ///
    /// # Errors
    /// A statement names roles in a way that is not known. Nothing has been changed then.
    pub fn set_ownership(
        &mut self,
        ownership: &Ownership,
        privileges: Privileges,
    ) -> Result<(), OwnershipError> {
        let is_kept = |entry: &Entry| {
            privileges == Privileges::Keep || !entry.desc.is_any(&["ACL", "ACL LANGUAGE", "DEFAULT ACL"])
        };
        match ownership {
            Ownership::Preserve => {}
            // Empty, not null: older pg_restore measures the owner's length without a look.
            Ownership::Flatten => {
                self.entries.iter_mut().for_each(|entry| entry.owner = Some(Text::default()));
            }
            Ownership::Map(names) => {
                let roles = |entry: &Entry| if is_kept(entry) { role_names(entry) } else { Ok(Vec::new()) };
                let found: Vec<_> = self.entries.iter().map(roles).collect::<Result<_, _>>()?;
                for (entry, roles) in self.entries.iter_mut().zip(found) {
                    rename_roles(entry, roles, names);
                }
            }
        }
        self.entries.retain(is_kept);
        Ok(())
    }

    /// Every role that the archive names, and where. `PUBLIC` is none.
    ///
    /// # Errors
    /// A statement names roles in a way that is not known.
    pub fn roles(&self) -> Result<BTreeMap<Text, Vec<RoleMention>>, OwnershipError> {
        let mut roles: BTreeMap<Text, Vec<RoleMention>> = BTreeMap::new();
        for entry in &self.entries {
            let owner = entry.owner.iter().filter(|owner| !owner.is_empty());
            let owner = owner.map(|owner| (owner.clone(), RoleUse::Owner));
            let named = role_names(entry)?.into_iter().map(|found| (found.name, found.role_use));
            for (name, role_use) in owner.chain(named) {
                let mentions = roles.entry(name).or_default();
                let mention = RoleMention { dump_id: entry.dump_id, role_use };
                if mentions.last() != Some(&mention) {
                    mentions.push(mention);
                }
            }
        }
        Ok(roles)
    }

    /// Makes tables, indexes and the database's own statement name other tablespaces.
    pub fn map_tablespaces(&mut self, tablespaces: &TablespaceMap) {
        for entry in &mut self.entries {
            if let Some(name) = entry.tablespace.as_mut().filter(|name| !name.is_empty()) {
                *name = mapped_tablespace(name, tablespaces);
            }
            if entry.desc == "DATABASE"
                && let Some(defn) = &entry.defn
            {
                entry.defn = Some(map_database_tablespace(defn, tablespaces));
            }
        }
    }

    /// The tablespace in which the database keeps what names none; `None` for the server's own default, `pg_default`.
    pub fn database_tablespace(&self) -> Option<Text> {
        let database = self.entries.iter().find(|entry| entry.desc == "DATABASE")?;
        let (_, name) = tablespace_clause(database.defn.as_ref()?)?;
        Some(name).filter(|name| *name != "pg_default")
    }
}

/// The new name; empty for the database's default.
fn mapped_tablespace(name: &Text, tablespaces: &TablespaceMap) -> Text {
    match tablespaces {
        TablespaceMap::ToDefault => Text::default(),
        TablespaceMap::Map(names) => names.get(name).unwrap_or(name).clone(),
    }
}

/// Where `CREATE DATABASE name WITH ... TABLESPACE = name ...;` says so, and the name.
fn tablespace_clause(defn: &Text) -> Option<(std::ops::Range<usize>, Text)> {
    let mut tokens = Tokens::of(defn);
    let mut clause = None;
    while let Some(token) = tokens.next() {
        if token.is_word("TABLESPACE") && tokens.next_if(|next| next.is_symbol(b'=')).is_some() {
            clause =
                tokens.next().and_then(|value| Some((token.range.start..value.range.end, value.name()?)));
        }
    }
    clause
}

fn map_database_tablespace(defn: &Text, tablespaces: &TablespaceMap) -> Text {
    let Some((range, name)) = tablespace_clause(defn) else { return defn.clone() };
    let new = mapped_tablespace(&name, tablespaces);
    let new = if new.is_empty() { Text::from("pg_default") } else { new };
    replaced(defn, range, &[b"TABLESPACE = ", quote_ident(&new).as_bytes()].concat())
}

fn rename_roles(entry: &mut Entry, found: Vec<RoleName>, names: &BTreeMap<Text, Text>) {
    if let Some(new) = entry.owner.as_ref().and_then(|owner| names.get(owner)) {
        entry.owner = Some(new.clone());
    }
    rename_mapping_tag(entry, &found, names);
    // From the last to the first, so that the places of the others stay true.
    for RoleName { name, range, .. } in found.into_iter().rev() {
        if let (Some(new), Some(defn)) = (names.get(&name), &entry.defn) {
            entry.defn = Some(replaced(defn, range, quote_ident(new).as_bytes()));
        }
    }
    if let Some(drop) = &entry.drop_stmt
        && let Some((name, range)) = drop_statement_role(entry, drop)
        && let Some(new) = names.get(&name)
    {
        entry.drop_stmt = Some(replaced(drop, range, quote_ident(new).as_bytes()));
    }
}

/// The tag of a user mapping is `USER MAPPING role SERVER server`.
fn rename_mapping_tag(entry: &mut Entry, found: &[RoleName], names: &BTreeMap<Text, Text>) {
    const BEFORE: &[u8] = b"USER MAPPING ";
    let Some(role) = found.first().filter(|role| role.role_use == RoleUse::UserMapping) else { return };
    let Some(new) = names.get(&role.name) else { return };
    let rest = entry.tag.as_bytes().strip_prefix(BEFORE);
    if let Some(rest) = rest.and_then(|rest| rest.strip_prefix(role.name.as_bytes())) {
        entry.tag = [BEFORE, new.as_bytes(), rest].concat().into();
    }
}

fn replaced(text: &Text, range: std::ops::Range<usize>, new: &[u8]) -> Text {
    let bytes = text.as_bytes();
    [&bytes[..range.start], new, &bytes[range.end..]].concat().into()
}
