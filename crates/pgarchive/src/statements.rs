//! The SQL that restores an entry, as pg_restore would send it.
//!
//! That is the definition, and around it what pg_dump keeps in fields of their own: tablespace and
//! access method before it, the owner after it. Settings are made with `SET LOCAL`, so an entry
//! leaves nothing behind for the next one once its transaction has ended.

use crate::dump_id::DumpId;
use crate::entry::{Entry, RelKind};
use crate::graph::TocIndex;
use crate::identifier::quote_ident;
use crate::text::Text;
use crate::tokens::{Kind, Tokens};

/// What to send for one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statements {
    /// In this order. Each ends with a semicolon, but for comments; a definition may itself be
    /// several statements.
    pub parts: Vec<Text>,
    /// Whether a transaction can be around them.
    pub transaction: TransactionUse,
}

/// Whether an entry's statements run in a transaction block.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TransactionUse {
    /// They do, and all at once: [`Statements::text`] can be sent as one simple query.
    Inside,
    /// PostgreSQL refuses: each part has to be sent alone, outside of a transaction. So it is for
    /// `DATABASE`, and for a `SUBSCRIPTION` that connects (pg_dump writes `connect = false`).
    Outside,
}

/// Why there are no statements for an entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StatementsError {
    /// The entry is data, which does not come from statements.
    #[error("entry {dump_id} is {desc} {tag}, which is restored from data and not by statements")]
    IsData {
        /// The entry.
        dump_id: DumpId,
        /// Its kind.
        desc: Text,
        /// Its name.
        tag: Text,
    },
    /// The entry has an owner, but it is not known how objects of its kind are given one.
    #[error("entry {dump_id} is {desc} {tag}, a kind of object whose owner cannot be set")]
    UnknownOwnership {
        /// The entry.
        dump_id: DumpId,
        /// Its kind.
        desc: Text,
        /// Its name.
        tag: Text,
    },
    /// The entry grants on large objects whose list is not in the archive.
    #[error("entry {dump_id} is {desc} {tag}, whose list of large objects is not in the archive")]
    NoLargeObjects {
        /// The entry.
        dump_id: DumpId,
        /// Its kind.
        desc: Text,
        /// Its name.
        tag: Text,
    },
}

impl Statements {
    /// All parts as one text.
    pub fn text(&self) -> Text {
        let lines: Vec<&[u8]> = self.parts.iter().map(Text::as_bytes).collect();
        lines.join(&b'\n').into()
    }
}

impl Entry {
    /// The statement that sets the access method of a partitioned table, which [`TocIndex::statements`] sends last:
    /// the table has no storage, so the default does not reach it. Servers know it since version 17.
    pub fn access_method_statement(&self) -> Option<Text> {
        let method = quote_ident(table_am(self).filter(|_| is_partitioned(self))?);
        let table = self.relation().to_sql();
        Some(joined(&[b"ALTER TABLE ", table.as_bytes(), b" SET ACCESS METHOD ", method.as_bytes(), b";"]))
    }
}

impl TocIndex<'_> {
    /// What to send to restore the entry: any kind but the data of tables and large objects.
    ///
    /// The session must be set up as pg_restore does it: the archive's `ENCODING`, `STDSTRINGS` and
    /// `SEARCHPATH`, `check_function_bodies` and `row_security` off.
    ///
    /// # Errors
    /// The entry is data, or its owner or its large objects cannot be told.
    pub fn statements(&self, entry: &Entry) -> Result<Statements, StatementsError> {
        if entry.desc.is_table_data() || entry.desc.is_blobs() {
            return Err(error(entry, |dump_id, desc, tag| StatementsError::IsData { dump_id, desc, tag }));
        }
        let mut parts = self.settings(entry);
        parts.extend(self.definition(entry)?);
        parts.extend(ownership(entry)?);
        parts.extend(entry.access_method_statement());
        Ok(Statements { parts, transaction: transaction_use(entry) })
    }

    fn settings(&self, entry: &Entry) -> Vec<Text> {
        let mut settings = Vec::new();
        // Archives from before March 2018 rely on it, the others set it once to nothing.
        if let (false, Some(schema)) = (self.has_search_path(), entry.relation().schema) {
            settings.push(joined(&[
                b"SET LOCAL search_path = ",
                quote_ident(&schema).as_bytes(),
                b", pg_catalog;",
            ]));
        }
        if let Some(tablespace) = &entry.tablespace {
            let value = if tablespace.is_empty() { Text::from("''") } else { quote_ident(tablespace) };
            settings.push(joined(&[b"SET LOCAL default_tablespace = ", value.as_bytes(), b";"]));
        }
        if let Some(method) = table_am(entry).filter(|_| !is_partitioned(entry)) {
            let method = quote_ident(method);
            settings.push(joined(&[b"SET LOCAL default_table_access_method = ", method.as_bytes(), b";"]));
        }
        settings
    }

    fn definition(&self, entry: &Entry) -> Result<Vec<Text>, StatementsError> {
        let Some(defn) = entry.defn.as_ref().filter(|defn| !defn.is_empty()) else { return Ok(Vec::new()) };
        if entry.desc.is_blob_metadata() {
            return Ok(per_large_object(defn, b"SELECT pg_catalog.lo_create('", b"');"));
        }
        if entry.desc == "ACL" && entry.tag.as_bytes().starts_with(b"LARGE OBJECTS") {
            let list = self.dependencies(entry).find(|needed| needed.desc.is_blob_metadata());
            let Some(list) = list.and_then(|list| list.defn.as_ref()) else {
                return Err(error(entry, |dump_id, desc, tag| StatementsError::NoLargeObjects {
                    dump_id,
                    desc,
                    tag,
                }));
            };
            return Ok(oids(list).map(|oid| for_large_object(defn, oid)).collect());
        }
        Ok(vec![defn.clone()])
    }
}

fn error(entry: &Entry, make: fn(DumpId, Text, Text) -> StatementsError) -> StatementsError {
    make(entry.dump_id, entry.desc.as_text().clone(), entry.tag.clone())
}

/// Without a statement that drops it an object has no owner of its own.
fn ownership(entry: &Entry) -> Result<Vec<Text>, StatementsError> {
    let is_set = |text: &Option<Text>| text.as_ref().is_some_and(|text| !text.is_empty());
    let Some(owner) = entry.owner.as_ref().filter(|_| is_set(&entry.owner) && is_set(&entry.drop_stmt))
    else {
        return Ok(Vec::new());
    };
    let owner = quote_ident(owner);
    if let (true, Some(list)) = (entry.desc.is_blob_metadata(), &entry.defn) {
        return Ok(per_large_object(
            list,
            b"ALTER LARGE OBJECT ",
            &[b" OWNER TO ", owner.as_bytes(), b";"].concat(),
        ));
    }
    let object = owned_object(entry)?;
    Ok(object
        .map(|object| joined(&[b"ALTER ", object.as_bytes(), b" OWNER TO ", owner.as_bytes(), b";"]))
        .into_iter()
        .collect())
}

/// The object as `ALTER ... OWNER TO` names it; `None` for kinds that have the owner of another.
fn owned_object(entry: &Entry) -> Result<Option<Text>, StatementsError> {
    const NAMED: [&str; 21] = [
        "COLLATION",
        "CONVERSION",
        "DATABASE",
        "DOMAIN",
        "EVENT TRIGGER",
        "FOREIGN DATA WRAPPER",
        "FOREIGN TABLE",
        "MATERIALIZED VIEW",
        "PROCEDURAL LANGUAGE",
        "PUBLICATION",
        "SCHEMA",
        "SEQUENCE",
        "SERVER",
        "STATISTICS",
        "SUBSCRIPTION",
        "TABLE",
        "TEXT SEARCH CONFIGURATION",
        "TEXT SEARCH DICTIONARY",
        "TYPE",
        "VIEW",
        "LANGUAGE",
    ];
    const WITH_ARGUMENTS: [&str; 6] =
        ["AGGREGATE", "FUNCTION", "OPERATOR", "OPERATOR CLASS", "OPERATOR FAMILY", "PROCEDURE"];
    const WITHOUT_OWNER: [&str; 12] = [
        "CAST",
        "CHECK CONSTRAINT",
        "CONSTRAINT",
        "DATABASE PROPERTIES",
        "DEFAULT",
        "FK CONSTRAINT",
        "INDEX",
        "POLICY",
        "ROW SECURITY",
        "RULE",
        "TRIGGER",
        "USER MAPPING",
    ];
    let desc = &entry.desc;
    if desc.is_any(&NAMED) {
        let name = entry.relation().to_sql();
        Ok(Some(joined(&[desc.as_text().as_bytes(), b" ", name.as_bytes()])))
    } else if desc.is_blob() {
        Ok(Some(joined(&[b"LARGE OBJECT ", entry.tag.as_bytes()])))
    } else if desc.is_any(&WITH_ARGUMENTS) {
        // Its arguments are written out in the statement that drops it.
        let dropped = entry.drop_stmt.as_ref().and_then(|drop| drop.as_bytes().strip_prefix(b"DROP "));
        let dropped = dropped.map(|dropped| dropped.trim_ascii_end().strip_suffix(b";").unwrap_or(dropped));
        Ok(dropped.map(Text::from))
    } else if desc.is_any(&WITHOUT_OWNER) {
        Ok(None)
    } else {
        Err(error(entry, |dump_id, desc, tag| StatementsError::UnknownOwnership { dump_id, desc, tag }))
    }
}

fn table_am(entry: &Entry) -> Option<&Text> {
    entry.table_am.as_ref().filter(|method| !method.is_empty())
}

fn is_partitioned(entry: &Entry) -> bool {
    entry.rel_kind.map(RelKind::letter) == Some('p')
}

fn transaction_use(entry: &Entry) -> TransactionUse {
    let connects = || !entry.defn.as_ref().is_some_and(has_connect_false);
    if entry.desc == "DATABASE" || (entry.desc == "SUBSCRIPTION" && connects()) {
        TransactionUse::Outside
    } else {
        TransactionUse::Inside
    }
}

fn has_connect_false(defn: &Text) -> bool {
    let tokens: Vec<_> = Tokens::of(defn).collect();
    tokens.windows(3).any(|w| w[0].is_word("connect") && w[1].is_symbol(b'=') && w[2].is_word("false"))
}

fn oids(list: &Text) -> impl Iterator<Item = &[u8]> {
    list.as_bytes().split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii).filter(|oid| !oid.is_empty())
}

fn per_large_object(list: &Text, before: &[u8], behind: &[u8]) -> Vec<Text> {
    oids(list).map(|oid| joined(&[before, oid, behind])).collect()
}

/// The grants of a group of large objects are written for the first of them only.
fn for_large_object(grants: &Text, oid: &[u8]) -> Text {
    let mut sql = Vec::new();
    let mut taken = 0;
    let mut tokens = Tokens::of(grants);
    while let Some(token) = tokens.next() {
        if token.is_word("LARGE")
            && tokens.next_if(|next| next.is_word("OBJECT")).is_some()
            && let Some(number) = tokens.next_if(|next| next.kind == Kind::Word)
        {
            sql.extend(&grants.as_bytes()[taken..number.range.start]);
            sql.extend(oid);
            taken = number.range.end;
        }
    }
    sql.extend(&grants.as_bytes()[taken..]);
    sql.into()
}

fn joined(parts: &[&[u8]]) -> Text {
    parts.concat().into()
}
