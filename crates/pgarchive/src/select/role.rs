//! What an entry is to the other entries of its archive.

use crate::anchor::anchor_place;
use crate::entry::Entry;
use crate::graph::TocIndex;
use crate::text::Text;
use crate::tokens::{Tokens, skip_past};

/// How an entry comes into a selection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Always.
    Setting,
    /// By itself, or because something needs it.
    Object,
    /// With any of its dependencies.
    Companion,
    /// With its anchor, however that comes.
    OfDefinition,
    /// With its anchor, if that comes whole.
    OfWhole,
    /// If everything that it joins is kept; it brings nothing.
    Joint,
}

/// The entry's role, by its kind alone.
pub(crate) fn role(entry: &Entry) -> Role {
    const COMPANIONS: [&str; 7] =
        ["COMMENT", "ACL", "ACL LANGUAGE", "SECURITY LABEL", "CAST", "TRANSFORM", "USER MAPPING"];
    const OF_DEFINITION: [&str; 3] = ["DEFAULT", "SEQUENCE OWNED BY", "CHECK CONSTRAINT"];
    const OF_WHOLE: [&str; 11] = [
        "TABLE DATA",
        "SEQUENCE SET",
        "INDEX",
        "CONSTRAINT",
        "TRIGGER",
        "RULE",
        "POLICY",
        "ROW SECURITY",
        "STATISTICS",
        "STATISTICS DATA",
        "MATERIALIZED VIEW DATA",
    ];
    const JOINTS: [&str; 5] = [
        "FK CONSTRAINT",
        "TABLE ATTACH",
        "INDEX ATTACH",
        "PUBLICATION TABLE",
        "PUBLICATION TABLES IN SCHEMA",
    ];
    let desc = &entry.desc;
    if is_setting(entry) {
        Role::Setting
    } else if desc.is_any(&COMPANIONS) {
        Role::Companion
    } else if desc.is_any(&OF_DEFINITION) || is_view_rule(entry) {
        Role::OfDefinition
    } else if desc.is_any(&OF_WHOLE) {
        Role::OfWhole
    } else if desc.is_any(&JOINTS) {
        Role::Joint
    } else {
        Role::Object
    }
}

/// Whether the entry sets up the session, or is about the database as such: pg_restore lets no
/// selection touch these (and restores the latter with `--create` only).
pub(crate) fn is_setting(entry: &Entry) -> bool {
    entry.desc.is_session_setting()
        || entry.desc.is_any(&["DATABASE", "DATABASE PROPERTIES"])
        || is_about(entry, b"DATABASE ")
}

/// Whether the entry is data, as `pg_dump --data-only` understands it: also the contents of
/// materialized views, everything about large objects, and the planner's statistics.
pub(crate) fn is_data(entry: &Entry) -> bool {
    const DATA: [&str; 7] = [
        "TABLE DATA",
        "SEQUENCE SET",
        "BLOBS",
        "BLOB",
        "BLOB METADATA",
        "MATERIALIZED VIEW DATA",
        "STATISTICS DATA",
    ];
    entry.desc.is_any(&DATA) || is_about(entry, b"LARGE OBJECT")
}

/// Whether this is a comment, grant or security label whose tag begins like this.
fn is_about(entry: &Entry, beginning: &[u8]) -> bool {
    entry.desc.is_any(&["COMMENT", "ACL", "SECURITY LABEL"]) && entry.tag.as_bytes().starts_with(beginning)
}

/// Whether this is the rule that makes a view out of a stand-in with its columns only. pg_dump
/// writes one where a view has to wait, as for the primary key that its `GROUP BY` relies on.
pub(crate) fn is_view_rule(entry: &Entry) -> bool {
    entry.desc == "RULE" && entry.tag.as_bytes().ends_with(b" _RETURN")
}

/// The schema that the entry is in; a schema is in itself, an extension where its objects are.
pub(crate) fn schema_of(entry: &Entry) -> Option<Text> {
    if entry.desc == "SCHEMA" {
        Some(entry.tag.clone())
    } else if entry.desc == "EXTENSION" {
        name_after(entry, "SCHEMA")
    } else {
        entry.relation().schema
    }
}

/// The foreign server of a user mapping, which has no dependency on it.
pub(crate) fn server_of(mapping: &Entry) -> Option<Text> {
    name_after(mapping, "SERVER")
}

fn name_after(entry: &Entry, keyword: &str) -> Option<Text> {
    let mut tokens = Tokens::of(entry.defn.as_ref()?);
    skip_past(&mut tokens, keyword).then(|| tokens.next())??.name()
}

/// The end of a joint that asks for it: the referencing table, the partition, the published table.
pub(crate) fn joint_anchor(index: &TocIndex<'_>, place: usize) -> Option<usize> {
    let entry = index.at(place);
    if entry.desc == "FK CONSTRAINT" || entry.desc == "PUBLICATION TABLE" {
        return anchor_place(index, place).filter(|anchor| index.at(*anchor).desc.is_relation());
    }
    if entry.desc == "TABLE ATTACH" {
        return index.relation_place(&entry.relation());
    }
    let is_end = |candidate: &usize| {
        let candidate = index.at(*candidate);
        if entry.desc == "INDEX ATTACH" {
            candidate.namespace == entry.namespace && is_index_named(candidate, &entry.tag)
        } else {
            candidate.desc == "SCHEMA"
        }
    };
    index.dependency_places(place).find(is_end)
}

/// Whether this makes the index of this name, by itself or as a constraint (tag `table index`).
fn is_index_named(entry: &Entry, name: &Text) -> bool {
    let constraint =
        || entry.tag.as_bytes().strip_suffix(name.as_bytes()).is_some_and(|rest| rest.ends_with(b" "));
    (entry.desc == "INDEX" && entry.tag == *name) || (entry.desc == "CONSTRAINT" && constraint())
}

/// The entry's kind and name, for people: `FK CONSTRAINT shop.orders orders_customer_fkey`.
pub(crate) fn describe(entry: &Entry) -> String {
    format!("{} {}", entry.desc, entry.relation())
}
