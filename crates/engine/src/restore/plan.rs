//! What of a recovery point a restore takes, decided before anything is made.
//!
//! A pure function of the table of contents and the options, so that every step of a restore finds the same without
//! being told: entries that are not restored are gone, owners, grants and tablespaces are those of the new database,
//! and every entry bears the section in which it is restored. Two kinds change theirs: large objects are made before
//! their bytes are loaded, though newer archives count them as data. Grants come after the data, as pg_restore does
//! it, since a role that has taken a privilege from itself could not load its own table; but those of schemas come at
//! once, since nobody can be made the owner of a table where they may not create one.

use std::collections::{BTreeSet, HashSet};

use permafrost_domain::restore_options::{self as options, RestoreOptions};
use permafrost_domain::{Code, Fault};
use permafrost_pgarchive::{
    Content, DumpId, DuplicateDumpId, Entry, LeftOut, Ownership, OwnershipError, Privileges, Relation,
    Section, Selection, SelectionError, TableOfContents, TablespaceMap, Text, TocIndex,
};

use super::nearest::nearest;

/// What a restore takes.
#[derive(Debug, Clone)]
pub struct RestorePlan {
    /// The entries that are restored, as they are restored.
    pub toc: TableOfContents,
    /// What belongs to a selected object and cannot be restored without others.
    pub left_out: Vec<LeftOut>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// Names that the archive does not have.
    #[error("the recovery point does not hold {}", .missing.join(", "))]
    NotInBackup {
        /// What was asked for, for people.
        missing: Vec<String>,
        /// Names like those that were asked for.
        nearest: Vec<String>,
    },
    /// A statement names roles in a way that is not known.
    #[error(transparent)]
    Ownership(#[from] OwnershipError),
    /// The archive contradicts itself.
    #[error(transparent)]
    Duplicate(#[from] DuplicateDumpId),
    /// A selection failed in another way.
    #[error(transparent)]
    Selection(SelectionError),
}

/// Decides what of `toc` is restored with `options`, and as what.
///
/// # Errors
/// Names match nothing, or the archive cannot be understood.
pub fn restore_plan(mut toc: TableOfContents, options: &RestoreOptions) -> Result<RestorePlan, PlanError> {
    let content = match options.content {
        options::Content::SchemaOnly => Content::SchemaOnly,
        options::Content::Everything | options::Content::DataOnly => Content::Everything,
    };
    let selected = selection(options).select(&toc, content).map_err(|error| not_in_backup(&toc, error))?;
    let data_only = options.content == options::Content::DataOnly;
    let without = if data_only { post_data(&toc)? } else { HashSet::new() };
    selected.apply(&mut toc);
    let mut left_out = selected.left_out;
    if data_only {
        left_out.retain(|left_out| !without.contains(&left_out.dump_id));
        let without = post_data(&toc)?;
        toc.entries.retain(|entry| !without.contains(&entry.dump_id));
    }
    let privileges = match options.privileges {
        options::Privileges::Keep if !data_only => Privileges::Keep,
        options::Privileges::Keep | options::Privileges::Drop => Privileges::Drop,
    };
    toc.set_ownership(&ownership(options), privileges)?;
    toc.map_tablespaces(&tablespaces(options));
    set_sections(&mut toc);
    Ok(RestorePlan { toc, left_out })
}

impl RestorePlan {
    /// The entries by their ids and names.
    ///
    /// # Errors
    /// None for a plan of [`restore_plan`], which has looked already.
    pub fn index(&self) -> Result<TocIndex<'_>, DuplicateDumpId> {
        TocIndex::new(&self.toc)
    }
}

/// Whether the entry is about the database as such: it is restored by its new name, at the very end.
pub(super) fn is_of_database(entry: &Entry) -> bool {
    entry.desc == "DATABASE"
        || entry.desc == "DATABASE PROPERTIES"
        || (["COMMENT", "ACL", "SECURITY LABEL"].iter().any(|desc| entry.desc == *desc)
            && entry.tag.as_bytes().starts_with(b"DATABASE "))
}

/// Whether the entry is a definition that comes before the data.
pub(super) fn is_pre_data(entry: &Entry) -> bool {
    entry.section == Section::PreData && !entry.desc.is_session_setting() && !is_of_database(entry)
}

fn selection(options: &RestoreOptions) -> Selection {
    if !options.is_selective() {
        return Selection::Everything;
    }
    let text = |name: &permafrost_domain::data_source::ObjectName| Text::from(name.as_str());
    let relation =
        |table: &options::TableName| Relation { schema: Some(text(&table.schema)), name: text(&table.name) };
    Selection::Only {
        schemas: options.schemas.iter().map(text).collect(),
        relations: options.tables.iter().map(relation).collect(),
    }
}

fn ownership(options: &RestoreOptions) -> Ownership {
    match &options.ownership {
        options::Ownership::Preserve => Ownership::Preserve,
        options::Ownership::Flatten => Ownership::Flatten,
        options::Ownership::Map { roles } => Ownership::Map(
            roles.iter().map(|role| (role.from.as_str().into(), role.to.as_str().into())).collect(),
        ),
    }
}

fn tablespaces(options: &RestoreOptions) -> TablespaceMap {
    match &options.tablespaces {
        options::Tablespaces::Keep => TablespaceMap::Map(std::collections::BTreeMap::new()),
        options::Tablespaces::Default => TablespaceMap::ToDefault,
        options::Tablespaces::Map { tablespaces } => TablespaceMap::Map(
            tablespaces.iter().map(|space| (space.from.as_str().into(), space.to.as_str().into())).collect(),
        ),
    }
}

fn post_data(toc: &TableOfContents) -> Result<HashSet<DumpId>, DuplicateDumpId> {
    Ok(TocIndex::new(toc)?.post_data().map(|entry| entry.dump_id).collect())
}

/// Gives every entry the section in which it is restored; one without belongs to the entry before it.
fn set_sections(toc: &mut TableOfContents) {
    let mut section = Section::PreData;
    for entry in &mut toc.entries {
        if entry.section != Section::None {
            section = entry.section;
        }
        if entry.desc.is_session_setting() || is_of_database(entry) {
            // Of neither part; without a section of its own it would be of the part that it stands in.
            entry.section = Section::PreData;
            continue;
        }
        let is_grant = ["ACL", "ACL LANGUAGE", "DEFAULT ACL"].iter().any(|desc| entry.desc == *desc);
        let of_large_object = entry.desc.is_blob_metadata()
            || entry.desc.is_blob()
            || entry.tag.as_bytes().starts_with(b"LARGE OBJECT");
        // Who owns a table must be allowed to create it where it is, or cannot be given it.
        let of_schema = entry.tag.as_bytes().starts_with(b"SCHEMA ");
        entry.section = if is_grant && of_schema {
            Section::PreData
        } else if is_grant {
            Section::PostData
        } else if of_large_object {
            Section::PreData
        } else {
            section
        };
    }
}

fn not_in_backup(toc: &TableOfContents, error: SelectionError) -> PlanError {
    let SelectionError::NoSuchObjects { schemas, relations } = error else {
        return match error {
            SelectionError::Duplicate(duplicate) => PlanError::Duplicate(duplicate),
            other => PlanError::Selection(other),
        };
    };
    let all = |desc: fn(&Entry) -> bool| {
        toc.entries.iter().filter(move |entry| desc(entry)).map(|entry| entry.relation().to_string())
    };
    let all_schemas: BTreeSet<String> =
        toc.entries.iter().filter_map(|entry| entry.relation().schema).map(|name| name.to_string()).collect();
    let all_relations: BTreeSet<String> = all(|entry| entry.desc.is_relation()).collect();
    let mut like = Vec::new();
    for name in &schemas {
        like.extend(nearest(&name.to_string(), all_schemas.iter().map(String::as_str)));
    }
    for relation in &relations {
        like.extend(nearest(&relation.to_string(), all_relations.iter().map(String::as_str)));
    }
    like.sort_unstable();
    like.dedup();
    let missing = schemas.iter().map(|name| format!("schema {name}"));
    let missing = missing.chain(relations.iter().map(|relation| format!("table {relation}"))).collect();
    PlanError::NotInBackup { missing, nearest: like }
}

impl From<PlanError> for Fault {
    fn from(error: PlanError) -> Self {
        let message = error.to_string();
        match error {
            PlanError::NotInBackup { missing, nearest } => {
                let fault = Fault::new(Code::ObjectNotInBackup, message);
                let fault = match missing.first() {
                    Some(first) => fault.on(first.clone()),
                    None => fault,
                };
                if nearest.is_empty() {
                    fault
                } else {
                    fault.hint(format!("Did you mean {}?", nearest.join(", ")))
                }
            }
            PlanError::Ownership(_) | PlanError::Duplicate(_) | PlanError::Selection(_) => {
                Fault::new(Code::RestoreFailed, message)
            }
        }
    }
}

impl From<PlanError> for crate::EngineError {
    fn from(error: PlanError) -> Self {
        Self::Fault(error.into())
    }
}
