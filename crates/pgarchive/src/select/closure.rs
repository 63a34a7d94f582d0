//! What a selection brings, followed from entry to entry.
//!
//! Three steps. What was asked for is marked, and brings its parts and what it needs, until nothing
//! is new. Then joints are kept where all that they join is kept, and comments, grants and the like
//! with what they are about. Last, contents that would be computed from missing rows are dropped.
//! Every step is linear in entries and dependencies.

use std::collections::{BTreeSet, HashMap, HashSet};

use crate::anchor::{anchor_place, partition, referenced_relation};
use crate::entry::Entry;
use crate::graph::TocIndex;
use crate::identifier::Relation;
use crate::select::role::{Role, describe, is_data, is_view_rule, joint_anchor, role, schema_of, server_of};
use crate::select::{Content, LeftOut, LeftOutReason, Selected, SelectionError};
use crate::text::Text;

/// How much of an object is kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Depth {
    Nothing,
    Definition,
    Whole,
}

pub(crate) struct Closure<'i, 't> {
    index: &'i TocIndex<'t>,
    content: Content,
    roles: Vec<Role>,
    anchors: Vec<Option<usize>>,
    /// The entries that have this one as their anchor.
    parts: Vec<Vec<usize>>,
    /// The partitions of a partitioned table.
    partitions: HashMap<usize, Vec<usize>>,
    /// Foreign servers by name.
    servers: HashMap<&'t Text, usize>,
    /// Roots of partition trees whose partitions are there, because rows are loaded through them.
    complete: HashSet<usize>,
    depths: Vec<Depth>,
    pending: Vec<usize>,
    left_out: Vec<(usize, LeftOutReason)>,
}

impl<'i, 't> Closure<'i, 't> {
    pub(crate) fn new(index: &'i TocIndex<'t>, content: Content) -> Self {
        let count = index.len();
        let mut closure = Self {
            index,
            content,
            roles: Vec::with_capacity(count),
            anchors: vec![None; count],
            parts: vec![Vec::new(); count],
            partitions: HashMap::new(),
            servers: HashMap::new(),
            complete: HashSet::new(),
            depths: vec![Depth::Nothing; count],
            pending: Vec::new(),
            left_out: Vec::new(),
        };
        for place in 0..count {
            closure.classify(place);
        }
        closure
    }

    fn classify(&mut self, place: usize) {
        let entry = self.index.at(place);
        let mut role = role(entry);
        let may_be_owned = entry.desc == "SEQUENCE";
        if may_be_owned || matches!(role, Role::OfDefinition | Role::OfWhole) {
            self.anchors[place] = anchor_place(self.index, place).filter(|anchor| *anchor != place);
        } else if matches!(role, Role::Joint) {
            self.anchors[place] = joint_anchor(self.index, place);
        }
        if let (Some(anchor), true) = (self.anchors[place], role != Role::Joint) {
            self.parts[anchor].push(place);
            role = if may_be_owned { Role::OfDefinition } else { role };
        }
        if entry.desc == "SERVER" {
            self.servers.insert(&entry.tag, place);
        }
        if let Some((child, parent)) = partition(entry) {
            let places = (self.index.relation_place(&child), self.index.relation_place(&parent));
            if let (Some(child), Some(parent)) = places {
                self.partitions.entry(parent).or_default().push(child);
            }
        }
        self.roles.push(role);
    }

    /// Marks what was asked for.
    pub(crate) fn seed(
        &mut self,
        schemas: &BTreeSet<Text>,
        relations: &BTreeSet<Relation>,
    ) -> Result<(), SelectionError> {
        let mut found_schemas = HashSet::new();
        let mut found_relations = HashSet::new();
        for place in 0..self.index.len() {
            let entry = self.index.at(place);
            if self.roles[place] == Role::Setting {
                self.raise(place, Depth::Whole);
            }
            if let Some(schema) = schema_of(entry).and_then(|schema| schemas.get(&schema)) {
                found_schemas.insert(schema);
                // Parts come with what they are parts of, unless that is not in the archive.
                if self.roles[place] == Role::Object || self.is_adrift(place) || entry.desc == "SEQUENCE" {
                    self.raise(place, Depth::Whole);
                }
            }
            let may_be_named = entry.desc.is_relation()
                || (self.is_adrift(place) && (entry.desc.is_table_data() || entry.desc.is_sequence_set()));
            if may_be_named && let Some(relation) = relations.get(&entry.relation()) {
                found_relations.insert(relation);
                self.raise(place, Depth::Whole);
            }
        }
        let schemas: Vec<_> = schemas.iter().filter(|name| !found_schemas.contains(name)).cloned().collect();
        let relations: Vec<_> =
            relations.iter().filter(|name| !found_relations.contains(name)).cloned().collect();
        if schemas.is_empty() && relations.is_empty() {
            return Ok(());
        }
        Err(SelectionError::NoSuchObjects { schemas, relations })
    }

    /// Whether this is a part of something that the archive does not have.
    fn is_adrift(&self, place: usize) -> bool {
        match self.roles[place] {
            Role::OfDefinition | Role::OfWhole => {
                self.anchors[place].is_none_or(|anchor| !self.index.at(anchor).desc.is_relation())
            }
            Role::Companion => self.index.dependency_places(place).next().is_none(),
            Role::Setting | Role::Object | Role::Joint => false,
        }
    }

    fn raise(&mut self, place: usize, depth: Depth) {
        if self.depths[place] < depth {
            self.depths[place] = depth;
            self.pending.push(place);
        }
    }

    /// Each entry is gone through at most twice, once for each depth.
    pub(crate) fn follow(&mut self) {
        while let Some(place) = self.pending.pop() {
            self.bring_parts(place);
            self.bring_needs(place);
        }
    }

    fn bring_parts(&mut self, place: usize) {
        let depth = self.depths[place];
        for part in self.parts[place].clone() {
            if self.roles[part] == Role::OfDefinition || depth == Depth::Whole {
                self.raise(part, depth);
            }
        }
        if depth == Depth::Whole {
            for partition in self.partitions.get(&place).cloned().unwrap_or_default() {
                self.raise(partition, Depth::Whole);
            }
        }
    }

    fn bring_needs(&mut self, place: usize) {
        let entry = self.index.at(place);
        let brings_values = self.depths[place] == Depth::Whole && entry.desc.is_any(&["TABLE", "DEFAULT"]);
        for need in self.index.dependency_places(place) {
            let needed = self.index.at(need);
            if is_data(needed) || self.roles[need] == Role::Joint {
                continue;
            }
            // A default that counts from the start again would make keys that are taken.
            let is_counter = brings_values && needed.desc == "SEQUENCE";
            self.raise(need, if is_counter { Depth::Whole } else { Depth::Definition });
        }
        if entry.desc.is_table_data() {
            self.bring_siblings(entry);
        }
    }

    /// Rows that are loaded through the root may go into any partition, so all must be there.
    fn bring_siblings(&mut self, entry: &Entry) {
        let Ok(Some(copy)) = entry.copy_statement() else { return };
        if copy.relation == entry.relation() {
            return;
        }
        let mut tables: Vec<usize> = self.index.relation_place(&copy.relation).into_iter().collect();
        while let Some(table) = tables.pop() {
            if self.complete.insert(table) {
                for partition in self.partitions.get(&table).cloned().unwrap_or_default() {
                    self.raise(partition, Depth::Definition);
                    tables.push(partition);
                }
            }
        }
    }
}

/// After the closure: what is kept because of what is kept already.
impl Closure<'_, '_> {
    fn is_kept(&self, place: usize) -> bool {
        self.depths[place] > Depth::Nothing
    }

    /// In the archive's order, so that a comment on a cast finds the cast decided.
    pub(crate) fn keep_companions(&mut self) {
        for place in 0..self.index.len() {
            let entry = self.index.at(place);
            let mut needs = self.index.dependency_places(place).peekable();
            let is_kept = match self.roles[place] {
                Role::Companion if entry.desc.is_any(&["CAST", "TRANSFORM"]) => {
                    needs.peek().is_some() && needs.all(|need| self.is_kept(need))
                }
                Role::Companion if entry.desc == "USER MAPPING" => server_of(entry)
                    .and_then(|server| self.servers.get(&server))
                    .is_some_and(|at| self.is_kept(*at)),
                Role::Companion => needs.any(|need| self.index.at(need).desc != "ACL" && self.is_kept(need)),
                _ => false,
            };
            if is_kept && !self.is_kept(place) {
                self.depths[place] = Depth::Definition;
            }
        }
    }

    pub(crate) fn keep_joints(&mut self) {
        // A foreign key to a partitioned table depends on the attachments of its key's indexes.
        let (keys, others): (Vec<_>, Vec<_>) = (0..self.index.len())
            .filter(|place| self.roles[*place] == Role::Joint)
            .partition(|place| self.index.at(*place).desc == "FK CONSTRAINT");
        for place in others.into_iter().chain(keys) {
            let Some(anchor) = self.anchors[place] else { continue };
            if self.depths[anchor] < self.needed_of_anchor(place) {
                continue;
            }
            match self.obstacle(place) {
                None => self.depths[place] = Depth::Definition,
                Some(why) => self.left_out.push((place, why)),
            }
        }
    }

    fn needed_of_anchor(&self, place: usize) -> Depth {
        if self.index.at(place).desc.is_any(&["TABLE ATTACH", "INDEX ATTACH"]) {
            Depth::Definition
        } else {
            Depth::Whole
        }
    }

    fn obstacle(&self, place: usize) -> Option<LeftOutReason> {
        let entry = self.index.at(place);
        if entry.desc == "FK CONSTRAINT"
            && let Some(table) = referenced_relation(entry)
        {
            let needed = if self.content == Content::Everything { Depth::Whole } else { Depth::Definition };
            let depth = self.index.relation_place(&table).map_or(Depth::Nothing, |at| self.depths[at]);
            if depth < needed {
                return Some(LeftOutReason::ReferencedRows { table });
            }
        }
        let missing = self.index.dependency_places(place).find(|need| !self.is_kept(*need))?;
        Some(LeftOutReason::Object { what: describe(self.index.at(missing)) })
    }

    /// A materialized view that was computed from empty tables would look like a true one.
    pub(crate) fn leave_out_hollow_contents(&mut self) {
        if self.content == Content::SchemaOnly {
            return;
        }
        let mut source: Vec<Option<usize>> = vec![None; self.index.len()];
        let mut pending = Vec::new();
        for (place, reached_from) in source.iter_mut().enumerate() {
            let entry = self.index.at(place);
            if self.depths[place] == Depth::Definition && entry.desc.is_any(&["TABLE", "MATERIALIZED VIEW"]) {
                *reached_from = Some(place);
                pending.push(place);
            }
        }
        while let Some(place) = pending.pop() {
            let dependents = self.index.dependent_places(place).iter().copied();
            for next in dependents.chain(self.anchors[place].filter(|_| self.index.at(place).desc == "RULE"))
            {
                let carries = self.index.at(next).desc.is_any(&["VIEW", "MATERIALIZED VIEW", "RULE"]);
                let is_view_rule = self.index.at(next).desc != "RULE" || is_view_rule(self.index.at(next));
                if carries && is_view_rule && self.is_kept(next) && source[next].is_none() {
                    source[next] = source[place];
                    pending.push(next);
                }
            }
        }
        for place in 0..self.index.len() {
            let is_contents = self.index.at(place).desc.is_materialized_view_data();
            let hollow =
                self.anchors[place].filter(|_| is_contents && self.is_kept(place)).and_then(|at| source[at]);
            if let Some(table) = hollow {
                self.depths[place] = Depth::Nothing;
                let table = self.index.at(table).relation();
                self.left_out.push((place, LeftOutReason::SourceRows { table }));
            }
        }
    }

    pub(crate) fn finish(mut self) -> Selected {
        self.left_out.sort_by_key(|(place, _)| *place);
        let left_out = self.left_out.iter().filter(|(place, _)| self.content.has(self.index.at(*place)));
        let left_out = left_out
            .map(|(place, why)| {
                let entry = self.index.at(*place);
                LeftOut { dump_id: entry.dump_id, what: describe(entry), why: why.clone() }
            })
            .collect();
        let is_kept = |place: &usize| self.is_kept(*place) && self.content.has(self.index.at(*place));
        let kept = (0..self.index.len()).filter(is_kept).map(|place| self.index.at(place).dump_id).collect();
        Selected { kept, left_out }
    }
}
