//! Restoring some objects only: which entries to keep, and what has to stay behind.
//!
//! A selected table comes *whole*: rows, defaults, owned sequences with their values, indexes,
//! constraints, triggers, rules, policies, statistics, comments, grants, security labels; a
//! partitioned one with its partitions. What it needs (schema, types, functions, the partitioned
//! table or parent that it belongs to, the tables of a selected view) comes as a *definition*: the
//! object with its defaults, comments, grants and security labels, and what it needs in turn, but
//! without rows, indexes and triggers.
//!
//! What cannot hold in such a part of a database is left out, and said: a foreign key to a table
//! whose rows are not there, the contents of a materialized view of such a table, a table's place in
//! a publication. Settings of the session and of the database itself are always kept.

mod closure;
mod role;

use std::collections::{BTreeSet, HashSet};

use crate::dump_id::DumpId;
use crate::entry::Entry;
use crate::graph::{DuplicateDumpId, TocIndex};
use crate::identifier::Relation;
use crate::select::closure::Closure;
use crate::select::role::{is_data, is_setting};
use crate::text::Text;
use crate::toc::TableOfContents;

/// Which objects of an archive to restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selection {
    /// All of them.
    Everything,
    /// Everything in these schemas, these relations, and what they need.
    Only {
        /// Schemas, by name.
        schemas: BTreeSet<Text>,
        /// Tables, views, materialized views, foreign tables and sequences.
        relations: BTreeSet<Relation>,
    },
}

/// Which side of the selected objects to restore.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Content {
    /// Definitions and data.
    Everything,
    /// Definitions; tables stay empty, sequences at their start, materialized views unpopulated.
    SchemaOnly,
    /// Rows, sequence values, large objects and the contents of materialized views.
    DataOnly,
}

/// The entries to restore.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// Their ids.
    pub kept: HashSet<DumpId>,
    /// What belongs to a selected object and cannot be restored, in the archive's order.
    pub left_out: Vec<LeftOut>,
}

/// A part of a selected object that is not restored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeftOut {
    /// The entry.
    pub dump_id: DumpId,
    /// The entry's kind and name, for people: `FK CONSTRAINT shop.orders orders_customer_fkey`.
    pub what: String,
    /// What is missing.
    pub why: LeftOutReason,
}

/// Why a part of a selected object is not restored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LeftOutReason {
    /// A foreign key refers to a table that is not restored, or without its rows.
    #[error("it refers to {table}, whose rows are not restored")]
    ReferencedRows {
        /// The table.
        table: Relation,
    },
    /// A materialized view would be computed from a table without its rows.
    #[error("it is computed from {table}, whose rows are not restored")]
    SourceRows {
        /// The table, or materialized view.
        table: Relation,
    },
    /// It needs an object that is not restored.
    #[error("it needs {what}, which is not restored")]
    Object {
        /// The object's kind and name, for people.
        what: String,
    },
}

/// Why a selection cannot be made.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SelectionError {
    /// Names that nothing in the archive has.
    #[error("the archive does not have {}", list(schemas, relations))]
    NoSuchObjects {
        /// Schemas that do not exist.
        schemas: Vec<Text>,
        /// Relations that do not exist.
        relations: Vec<Relation>,
    },
    /// The archive contradicts itself.
    #[error(transparent)]
    Duplicate(#[from] DuplicateDumpId),
}

impl Selection {
    /// The entries to keep of this archive.
    ///
    /// # Errors
    /// Some names match nothing, or the archive contradicts itself.
    pub fn select(&self, toc: &TableOfContents, content: Content) -> Result<Selected, SelectionError> {
        let Self::Only { schemas, relations } = self else {
            let mut kept = HashSet::with_capacity(toc.entries.len());
            for entry in toc.entries.iter().filter(|entry| content.has(entry)) {
                if !kept.insert(entry.dump_id) {
                    return Err(DuplicateDumpId { dump_id: entry.dump_id }.into());
                }
            }
            return Ok(Selected { kept, left_out: Vec::new() });
        };
        let index = TocIndex::new(toc)?;
        let mut closure = Closure::new(&index, content);
        closure.seed(schemas, relations)?;
        closure.follow();
        closure.keep_joints();
        closure.keep_companions();
        closure.leave_out_hollow_contents();
        Ok(closure.finish())
    }
}

impl Selected {
    /// Drops all other entries. What is kept stays in its order.
    pub fn apply(&self, toc: &mut TableOfContents) {
        toc.entries.retain(|entry| self.kept.contains(&entry.dump_id));
    }
}

impl Content {
    fn has(self, entry: &Entry) -> bool {
        is_setting(entry)
            || match self {
                Self::Everything => true,
                Self::SchemaOnly => !is_data(entry),
                Self::DataOnly => is_data(entry),
            }
    }
}

fn list(schemas: &[Text], relations: &[Relation]) -> String {
    let schemas = schemas.iter().map(|name| format!("schema {name}"));
    let relations = relations.iter().map(|name| format!("relation {name}"));
    schemas.chain(relations).collect::<Vec<_>>().join(", ")
}
