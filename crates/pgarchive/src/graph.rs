//! Entries by their ids and names, and who depends on whom, each found in one step.

use std::collections::HashMap;

use crate::anchor::partition;
use crate::dump_id::DumpId;
use crate::entry::Entry;
use crate::identifier::Relation;
use crate::toc::TableOfContents;

/// A table of contents with its dependencies in both directions.
///
/// Made in one pass over entries and dependencies; each question is then answered without looking
/// through the entries. Dependencies on ids that are not in the archive are left aside: pg_dump
/// writes some on purpose (the boundaries between sections), and an archive of some tables only has
/// many.
#[derive(Debug, Clone)]
pub struct TocIndex<'t> {
    toc: &'t TableOfContents,
    places: HashMap<DumpId, usize>,
    dependents: Vec<Vec<usize>>,
    relations: HashMap<Relation, usize>,
    has_search_path: bool,
    /// The root of its tree, for every partition.
    roots: HashMap<DumpId, DumpId>,
}

/// Two entries have the same id, so a dependency on it means nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("two entries of the archive have the dump id {dump_id}")]
pub struct DuplicateDumpId {
    /// The id.
    pub dump_id: DumpId,
}

impl<'t> TocIndex<'t> {
    /// Looks through the entries and their dependencies once.
    ///
    /// # Errors
    /// Two entries have the same id.
    pub fn new(toc: &'t TableOfContents) -> Result<Self, DuplicateDumpId> {
        let mut places = HashMap::with_capacity(toc.entries.len());
        let mut relations = HashMap::new();
        for (place, entry) in toc.entries.iter().enumerate() {
            if places.insert(entry.dump_id, place).is_some() {
                return Err(DuplicateDumpId { dump_id: entry.dump_id });
            }
            if entry.desc.is_relation() {
                relations.entry(entry.relation()).or_insert(place);
            }
        }
        let mut dependents = vec![Vec::new(); toc.entries.len()];
        for (place, entry) in toc.entries.iter().enumerate() {
            for dependency in entry.dependencies.iter().filter_map(|id| places.get(id)) {
                let known: &mut Vec<usize> = &mut dependents[*dependency];
                // pg_dump names some dependencies twice; all of one entry's come together.
                if known.last() != Some(&place) {
                    known.push(place);
                }
            }
        }
        let has_search_path = toc.entries.iter().any(|entry| entry.desc == "SEARCHPATH");
        let mut index = Self { toc, places, dependents, relations, has_search_path, roots: HashMap::new() };
        index.roots = index.find_roots();
        Ok(index)
    }

    /// What the index was made of.
    pub fn toc(&self) -> &'t TableOfContents {
        self.toc
    }

    /// The entry with this id.
    pub fn entry(&self, dump_id: DumpId) -> Option<&'t Entry> {
        self.place(dump_id).map(|place| self.at(place))
    }

    /// The table, view, sequence or the like of this name.
    pub fn relation(&self, relation: &Relation) -> Option<&'t Entry> {
        self.relation_place(relation).map(|place| self.at(place))
    }

    /// The entries of the archive that this one depends on, in its own order.
    pub fn dependencies<'e>(&'e self, entry: &'e Entry) -> impl Iterator<Item = &'t Entry> + use<'t, 'e> {
        entry.dependencies.iter().filter_map(|id| self.entry(*id))
    }

    /// The entries that depend on this one, each once, in the archive's order.
    pub fn dependents(&self, dump_id: DumpId) -> impl Iterator<Item = &'t Entry> + use<'t, '_> {
        let places = self.place(dump_id).map_or(&[][..], |place| self.dependent_places(place));
        places.iter().map(|place| self.at(*place))
    }

    /// The root of the partition tree that this table is a partition in.
    pub(crate) fn partition_root(&self, table: DumpId) -> Option<DumpId> {
        self.roots.get(&table).copied()
    }

    fn find_roots(&self) -> HashMap<DumpId, DumpId> {
        let id = |relation: &Relation| self.relation(relation).map(|table| table.dump_id);
        let pairs = self.toc.entries.iter().filter_map(partition);
        let parents: HashMap<DumpId, DumpId> =
            pairs.filter_map(|(child, parent)| Some((id(&child)?, id(&parent)?))).collect();
        let mut roots: HashMap<DumpId, DumpId> = HashMap::with_capacity(parents.len());
        for child in parents.keys() {
            let mut path = vec![*child];
            let mut root = *child;
            // An archive may contradict itself; no tree is deeper than it has tables.
            while let Some(parent) = parents.get(&root).filter(|_| path.len() <= parents.len()) {
                root = roots.get(parent).copied().unwrap_or(*parent);
                path.push(root);
            }
            roots.extend(path.into_iter().filter(|table| *table != root).map(|table| (table, root)));
        }
        roots
    }

    /// Whether the archive sets the search path for all of its statements.
    pub(crate) fn has_search_path(&self) -> bool {
        self.has_search_path
    }

    pub(crate) fn at(&self, place: usize) -> &'t Entry {
        &self.toc.entries[place]
    }

    pub(crate) fn len(&self) -> usize {
        self.toc.entries.len()
    }

    pub(crate) fn place(&self, dump_id: DumpId) -> Option<usize> {
        self.places.get(&dump_id).copied()
    }

    pub(crate) fn relation_place(&self, relation: &Relation) -> Option<usize> {
        self.relations.get(relation).copied()
    }

    /// The places of what the entry there depends on; one may come twice.
    pub(crate) fn dependency_places(&self, place: usize) -> impl Iterator<Item = usize> + use<'t, '_> {
        self.at(place).dependencies.iter().filter_map(|id| self.place(*id))
    }

    pub(crate) fn dependent_places(&self, place: usize) -> &[usize] {
        &self.dependents[place]
    }
}
