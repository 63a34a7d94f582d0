//! What an older server cannot take, object by object.
//!
//! A target of the source's version or a newer one takes everything: any failure fails the restore. On an older one
//! an object that it does not know is skipped, and so is what depends on it; both are written down in the new
//! database, where the later steps find them, and end in the job's warnings.

use std::collections::HashMap;

use permafrost_pgarchive::{DumpId, Entry, TocIndex};

use super::definitions::{describe, entry_error, may_be_unknown_to_version};
use super::{Restore, marker_schema};
use crate::error::EngineError;
use crate::pg::{Connection, QueryError};
use crate::sql;

/// Objects that are written down in one statement.
const BATCH: usize = 500;

/// Whether an object that cannot be restored is skipped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tolerance {
    /// It is: the target is older than the source.
    OlderTarget,
    /// It is not.
    None,
}

/// The objects that are not restored.
#[derive(Debug)]
pub(super) struct Skipped {
    tolerance: Tolerance,
    objects: HashMap<DumpId, Object>,
    new: Vec<DumpId>,
}

#[derive(Debug)]
struct Object {
    what: String,
    why: String,
}

impl Tolerance {
    /// As the version of the target wants it.
    pub(super) fn of(restore: &Restore<'_>, connection: &Connection) -> Self {
        let source = restore.manifest.source.server_version.split('.').next();
        let source: u32 = source.and_then(|major| major.parse().ok()).unwrap_or_default();
        if connection.server_version().major() < source { Self::OlderTarget } else { Self::None }
    }
}

impl Skipped {
    pub(super) fn none(tolerance: Tolerance) -> Self {
        Self { tolerance, objects: HashMap::new(), new: Vec::new() }
    }

    /// Those that are written down.
    pub(super) async fn read(
        restore: &Restore<'_>,
        connection: &mut Connection,
    ) -> Result<Self, EngineError> {
        let failed = || EngineError::query("read what was skipped");
        let query = format!("SELECT dump_id, what, why FROM {}", table(restore));
        let mut skipped = Self::none(Tolerance::of(restore, connection));
        if skipped.tolerance == Tolerance::None {
            return Ok(skipped);
        }
        for row in connection.query(&query, &[]).await.map_err(failed())? {
            let id: i32 = row.parse(0).map_err(failed())?;
            let text = |index: usize| row.get(index).unwrap_or_default().to_owned();
            if let Ok(id) = DumpId::new(id) {
                skipped.objects.insert(id, Object { what: text(1), why: text(2) });
            }
        }
        Ok(skipped)
    }

    pub(super) fn contains(&self, id: DumpId) -> bool {
        self.objects.contains_key(&id)
    }

    /// What `entry` needs and is not there, in words.
    pub(super) fn missing_for(&self, index: &TocIndex<'_>, entry: &Entry) -> Option<String> {
        if self.objects.is_empty() {
            return None;
        }
        let mut needed = index.dependencies(entry).filter(|needed| !is_remark(needed));
        let missing = needed.find_map(|needed| self.objects.get(&needed.dump_id))?;
        Some(format!("it needs {}, which is not restored", missing.what))
    }

    /// Adds `entry`, with why it is not restored.
    pub(super) fn add(&mut self, entry: &Entry, why: String) {
        self.objects.insert(entry.dump_id, Object { what: describe(entry), why });
        self.new.push(entry.dump_id);
    }

    /// Adds `entry`, which failed with `error`.
    ///
    /// # Errors
    /// The failure, where it cannot be tolerated.
    pub(super) fn tolerate(&mut self, entry: &Entry, error: QueryError) -> Result<(), EngineError> {
        match &error {
            QueryError::Server(server)
                if self.tolerance == Tolerance::OlderTarget
                    && may_be_unknown_to_version(&server.sqlstate) =>
            {
                self.add(entry, server.to_string());
                Ok(())
            }
            _ => Err(entry_error(entry, error)),
        }
    }

    /// The statements that write down what was added since the last call; they may be repeated.
    pub(super) fn take_statements(&mut self, restore: &Restore<'_>) -> String {
        let table = table(restore);
        let row = |id: &DumpId| {
            let object = self.objects.get(id)?;
            Some(format!("({id}, {}, {})", sql::literal(&object.what), sql::literal(&object.why)))
        };
        let rows: Vec<String> = self.new.iter().filter_map(row).collect();
        self.new.clear();
        let insert = |rows: &[String]| {
            format!("INSERT INTO {table} VALUES {} ON CONFLICT DO NOTHING;", rows.join(", "))
        };
        rows.chunks(BATCH).map(insert).collect()
    }

    /// What is missing, for people: an object a line, without the comments and grants of what is missing.
    pub(super) fn warnings(&self, index: &TocIndex<'_>) -> Vec<String> {
        let entries = index.toc().entries.iter().filter(|entry| !is_remark(entry));
        let missing = entries.filter_map(|entry| self.objects.get(&entry.dump_id));
        missing.map(|object| format!("{} is not restored: {}", object.what, object.why)).collect()
    }
}

/// Whether an entry only says something of others: nothing is missing where it is. What names it as needed, such as
/// the grants on a column those on its table, does so for their order alone.
fn is_remark(entry: &Entry) -> bool {
    ["COMMENT", "ACL", "SECURITY LABEL", "DEFAULT ACL"].iter().any(|desc| entry.desc == *desc)
}

/// The table in which they are written down, quoted.
pub(super) fn table(restore: &Restore<'_>) -> String {
    sql::qualified(&marker_schema(restore.job), "skipped")
}
