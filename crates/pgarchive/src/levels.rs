//! What may run at the same time after the data is loaded.
//!
//! pg_restore goes by three passes: the objects, then grants, then what fires on or reads the
//! finished database (event triggers, the contents of materialized views). Within a pass it goes by
//! dependencies, and never runs two statements at once that would wait for each other's lock on a
//! table. The same here, but settled beforehand: levels one after another, in a level units side by
//! side, in a unit entries one after another.
//!
//! Building an index lets others be built on the table at the same time, but no constraint be
//! added. So where both are due, indexes get a level before the constraints.

use std::collections::{BTreeMap, HashMap, HashSet};

use crate::dump_id::DumpId;
use crate::entry::{Entry, Section};
use crate::graph::{DuplicateDumpId, TocIndex};

/// Units that may all run at the same time, once the levels before are done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Level {
    /// In the order of their first entries in the archive.
    pub units: Vec<Unit>,
}

/// Entries that lock the same tables: to be run one after another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit {
    /// In the archive's order.
    pub entries: Vec<DumpId>,
}

/// How a statement locks a table, as far as others of the post-data section are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum TableLock {
    /// Others may do the same: building an index, or, on the root of a partition tree, changing one
    /// of its partitions.
    Shared,
    /// None but this one.
    Exclusive,
}

/// Why the post-data section has no order.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LevelsError {
    /// Some entries depend on each other in a circle.
    #[error("{} of the archive's entries depend on each other in a circle, entry {first} among them", .count)]
    Cycle {
        /// How many are in circles, or depend on one that is.
        count: usize,
        /// The first of them in the archive.
        first: DumpId,
    },
    /// The archive contradicts itself.
    #[error(transparent)]
    Duplicate(#[from] DuplicateDumpId),
}

impl TocIndex<'_> {
    /// The entries of the post-data section, as `pg_restore --section=post-data` understands it: an
    /// entry without a section belongs to the one before it.
    pub fn post_data(&self) -> impl Iterator<Item = &Entry> {
        self.post_data_places().into_iter().map(|place| self.at(place))
    }

    /// The entries of the post-data section by level: each depends on entries of earlier levels only.
    ///
    /// # Errors
    /// Dependencies go in a circle.
    pub fn levels(&self) -> Result<Vec<Vec<DumpId>>, LevelsError> {
        let id = |place: &usize| self.at(*place).dump_id;
        let waves = self.waves(&self.locks())?;
        Ok(waves.iter().map(|wave| wave.iter().map(id).collect()).collect())
    }

    /// The entries of the post-data section by level, those that would wait for each other together.
    ///
    /// # Errors
    /// Dependencies go in a circle.
    pub fn units(&self) -> Result<Vec<Level>, LevelsError> {
        let locks = self.locks();
        let waves = self.waves(&locks)?;
        Ok(waves.iter().map(|wave| Level { units: self.units_of(wave, &locks) }).collect())
    }

    /// The tables that the entry locks, each once, with the stronger lock if it takes two.
    ///
    /// As in pg_restore: the tables that it depends on. A partition stands for its whole tree too,
    /// since adding a foreign key or a trigger to the root changes all of its partitions.
    pub fn lock_tables(&self, entry: &Entry) -> BTreeMap<DumpId, TableLock> {
        let mut locks = BTreeMap::new();
        if entry.section != Section::PostData || pass(entry) == Pass::Grants {
            return locks;
        }
        let own = if entry.desc == "INDEX" { TableLock::Shared } else { TableLock::Exclusive };
        for needed in self.dependencies(entry) {
            // Before version 14 an index's attachment names the two indexes only.
            let is_through = needed.desc.is_any(&["TABLE DATA", "INDEX", "CONSTRAINT"])
                && (needed.desc.is_table_data() || entry.desc == "INDEX ATTACH");
            let table = if is_through { self.table_of(needed) } else { Some(needed) };
            let Some(table) = table.filter(|table| table.desc.is_relation()) else { continue };
            strengthen(&mut locks, table.dump_id, own);
            if let Some(root) = self.partition_root(table.dump_id) {
                strengthen(&mut locks, root, TableLock::Shared);
            }
        }
        locks
    }

    fn table_of(&self, part: &Entry) -> Option<&Entry> {
        self.dependencies(part).find(|needed| needed.desc.is_relation())
    }

    fn post_data_places(&self) -> Vec<usize> {
        let mut section = Section::None;
        let mut places = Vec::new();
        for (place, entry) in self.toc().entries.iter().enumerate() {
            if entry.section != Section::None {
                section = entry.section;
            }
            if section == Section::PostData && !entry.desc.is_session_setting() {
                places.push(place);
            }
        }
        places
    }

    fn locks(&self) -> Locks {
        let locks_of = |place: usize| self.lock_tables(self.at(place)).into_iter().collect();
        self.post_data_places().into_iter().map(|place| (place, locks_of(place))).collect()
    }

    /// The places of each level's entries, in the archive's order.
    fn waves(&self, locks: &Locks) -> Result<Vec<Vec<usize>>, LevelsError> {
        let mut by_rank: BTreeMap<Rank, Vec<usize>> = BTreeMap::new();
        for (place, rank) in self.ranks()? {
            by_rank.entry(rank).or_default().push(place);
        }
        let mut waves = Vec::new();
        for mut places in by_rank.into_values() {
            places.sort_unstable();
            let (first, second) = indexes_first(&places, locks);
            waves.extend([first, second].into_iter().filter(|wave| !wave.is_empty()));
        }
        Ok(waves)
    }

    /// Each entry's pass, and how many of that pass have to come before it.
    fn ranks(&self) -> Result<Vec<(usize, Rank)>, LevelsError> {
        let places = self.post_data_places();
        let mut ranks: HashMap<usize, Rank> =
            places.iter().map(|place| (*place, Rank { pass: pass(self.at(*place)), depth: 0 })).collect();
        let mut waits_for: HashMap<usize, usize> = places.iter().map(|place| (*place, 0)).collect();
        for place in &places {
            for dependent in self.dependent_places(*place) {
                if let Some(count) = waits_for.get_mut(dependent) {
                    *count += 1;
                }
            }
        }
        let mut ready: Vec<usize> = places.iter().copied().filter(|place| waits_for[place] == 0).collect();
        let mut ordered = Vec::with_capacity(places.len());
        while let Some(place) = ready.pop() {
            let rank = ranks[&place];
            ordered.push((place, rank));
            for dependent in self.dependent_places(place) {
                let Some(count) = waits_for.get_mut(dependent) else { continue };
                *count -= 1;
                if *count == 0 {
                    ready.push(*dependent);
                }
                if let Some(theirs) = ranks.get_mut(dependent) {
                    *theirs = (*theirs).max(Rank { depth: rank.depth + 1, ..rank });
                }
            }
        }
        if ordered.len() == places.len() {
            return Ok(ordered);
        }
        let mut stuck = places.iter().filter(|place| waits_for[place] > 0);
        let count = places.len() - ordered.len();
        match stuck.next() {
            Some(first) => Err(LevelsError::Cycle { count, first: self.at(*first).dump_id }),
            None => Ok(ordered),
        }
    }

    /// Puts together the entries that share a table which one of them wants for itself.
    fn units_of(&self, places: &[usize], locks: &Locks) -> Vec<Unit> {
        let mut users: HashMap<DumpId, (Vec<usize>, TableLock)> = HashMap::new();
        for (number, place) in places.iter().enumerate() {
            for (table, lock) in &locks[place] {
                let user = users.entry(*table).or_insert_with(|| (Vec::new(), *lock));
                user.0.push(number);
                user.1 = user.1.max(*lock);
            }
        }
        let mut groups = Groups::new(places.len());
        for (numbers, lock) in users.into_values() {
            if lock == TableLock::Exclusive {
                numbers.windows(2).for_each(|pair| groups.join(pair[0], pair[1]));
            }
        }
        let mut units: BTreeMap<usize, Vec<DumpId>> = BTreeMap::new();
        for (number, place) in places.iter().enumerate() {
            units.entry(groups.first_of(number)).or_default().push(self.at(*place).dump_id);
        }
        units.into_values().map(|entries| Unit { entries }).collect()
    }
}

/// The tables that each entry of the post-data section locks, by the entry's place.
type Locks = HashMap<usize, Vec<(DumpId, TableLock)>>;

/// Parts a level where a table gets indexes and something that excludes them: the latter come in a
/// second one.
fn indexes_first(places: &[usize], locks: &Locks) -> (Vec<usize>, Vec<usize>) {
    let is_shared = |place: &usize| {
        let locks = &locks[place];
        !locks.is_empty() && locks.iter().all(|(_, lock)| *lock == TableLock::Shared)
    };
    let (shared, others): (Vec<usize>, Vec<usize>) = places.iter().partition(|place| is_shared(place));
    let busy: HashSet<DumpId> =
        shared.iter().flat_map(|place| &locks[place]).map(|(table, _)| *table).collect();
    let waits = |place: &usize| {
        locks[place].iter().any(|(table, lock)| *lock == TableLock::Exclusive && busy.contains(table))
    };
    let (second, beside): (Vec<usize>, Vec<usize>) = others.iter().partition(|place| waits(place));
    let mut first = [shared, beside].concat();
    first.sort_unstable();
    (first, second)
}

/// Where an entry stands in the order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    pass: Pass,
    depth: usize,
}

/// pg_restore's passes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Pass {
    Objects,
    Grants,
    Last,
}

fn pass(entry: &Entry) -> Pass {
    let is_about_event_trigger = || {
        entry.desc.is_any(&["COMMENT", "SECURITY LABEL"])
            && entry.tag.as_bytes().starts_with(b"EVENT TRIGGER ")
    };
    if entry.desc.is_any(&["ACL", "ACL LANGUAGE", "DEFAULT ACL"]) {
        Pass::Grants
    } else if entry.desc.is_any(&["EVENT TRIGGER", "MATERIALIZED VIEW DATA"])
        || is_about_event_trigger()
        || (entry.desc == "STATISTICS DATA" && entry.section == Section::PostData)
    {
        Pass::Last
    } else {
        Pass::Objects
    }
}

fn strengthen(locks: &mut BTreeMap<DumpId, TableLock>, table: DumpId, lock: TableLock) {
    let held = locks.entry(table).or_insert(lock);
    *held = (*held).max(lock);
}

/// Numbers that are joined into groups; a group goes by its lowest number.
struct Groups {
    parents: Vec<usize>,
}

impl Groups {
    fn new(count: usize) -> Self {
        Self { parents: (0..count).collect() }
    }

    fn first_of(&mut self, mut number: usize) -> usize {
        while self.parents[number] != number {
            self.parents[number] = self.parents[self.parents[number]];
            number = self.parents[number];
        }
        number
    }

    fn join(&mut self, one: usize, other: usize) {
        let (one, other) = (self.first_of(one), self.first_of(other));
        self.parents[one.max(other)] = one.min(other);
    }
}
