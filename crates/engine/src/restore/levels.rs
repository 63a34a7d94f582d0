//! What is to be done after the data is loaded, in its order.
//!
//! Levels one after another, in a level groups side by side, in a group steps one after another. First come the
//! archive's own levels; then statistics, when the indexes that they are about exist; last the event triggers, so that
//! nothing fires on what was done before. A group is what one run of one function carries out, so small units are put
//! together, and large ones come first, so that none is left when all others are done.

use std::cmp::Reverse;
use std::collections::{HashMap, HashSet};

use permafrost_pgarchive::{Entry, LevelsError, TocIndex, Unit};
use permafrost_vault::manifest::TableSummary;

use super::Restore;

/// Bytes of tables that the steps of a group work on: seconds, so that an own function for it is worth its while.
const GROUP_BYTES: u64 = 64 * 1024 * 1024;
/// Objects that the steps of a group work on: every group is found by planning the whole restore, so that many small
/// groups of very many objects would take longer to find than to carry out.
const GROUP_OBJECTS: usize = 1_000;
/// About the most groups of a level that are full by their objects: so planning stays a small, fixed number of times
/// as long as it is once.
const MOST_GROUPS_OF_OBJECTS: usize = 32;
/// About the most groups of a level that are full by their bytes: a Map's items travel in a payload. Groups of a larger
/// database are larger.
const MOST_GROUPS_OF_BYTES: usize = 900;
/// Tables that are analysed in one transaction.
const TABLES_PER_STEP: usize = 100;

/// Something that is done once.
#[derive(Debug)]
pub(super) enum Step<'a> {
    /// An entry is restored.
    Entry(&'a Entry),
    /// The planner's statistics of tables are gathered.
    Analyze(Vec<&'a Entry>),
}

/// Steps one after another.
pub(super) type Group<'a> = Vec<Step<'a>>;

impl Step<'_> {
    /// How many objects it works on.
    fn objects(&self) -> usize {
        match self {
            Self::Entry(_) => 1,
            Self::Analyze(tables) => tables.len(),
        }
    }

    /// The name of its marker: no two steps of a restore have the same.
    pub(super) fn marker(&self) -> String {
        match self {
            Self::Entry(entry) => format!("entry {}", entry.dump_id),
            Self::Analyze(tables) => {
                let first = tables.first().map(|table| table.dump_id.to_string());
                format!("analyzed {}", first.unwrap_or_default())
            }
        }
    }
}

impl<'a> Restore<'a> {
    /// How many groups each level has, for a Map over them.
    ///
    /// # Errors
    /// The archive's entries depend on each other in a circle.
    pub fn post_data_groups(&self) -> Result<Vec<usize>, LevelsError> {
        Ok(self.post_data_levels()?.iter().map(Vec::len).collect())
    }

    /// The levels, none of them empty: the same on every call.
    pub(super) fn post_data_levels(&'a self) -> Result<Vec<Vec<Group<'a>>>, LevelsError> {
        let bytes = Sizes::of(self);
        let mut levels = Vec::new();
        let mut last = Vec::new();
        for level in self.index.units()? {
            let (event_triggers, units): (Vec<Unit>, Vec<Unit>) =
                level.units.into_iter().partition(|unit| is_of_event_trigger(&self.index, unit));
            let steps = |units: Vec<Unit>| {
                let steps = |unit: Unit| {
                    let entries = unit.entries.into_iter().filter_map(|id| self.index.entry(id));
                    let entries: Vec<&'a Entry> = entries.collect();
                    let weight = entries.iter().map(|entry| bytes.weight(&self.index, entry)).sum();
                    (weight, entries.into_iter().map(Step::Entry).collect())
                };
                grouped(units.into_iter().map(steps).collect())
            };
            levels.push(steps(units));
            last.push(steps(event_triggers));
        }
        levels.push(grouped(self.analyses(&bytes)));
        levels.extend(last);
        levels.retain(|level| !level.is_empty());
        Ok(levels)
    }

    /// Tables and materialized views, but no partitions: these are analysed with their root.
    fn analyses(&'a self, bytes: &Sizes<'a>) -> Vec<(u64, Group<'a>)> {
        let entries = || self.toc().entries.iter();
        let has_data = entries().any(|entry| entry.desc.is_table_data());
        let partitions: HashSet<_> = entries()
            .filter(|entry| entry.desc == "TABLE ATTACH")
            .map(|entry| (entry.namespace.as_ref(), &entry.tag))
            .collect();
        let is_analysed = |entry: &&Entry| {
            let is_table = entry.desc == "TABLE" || entry.desc == "MATERIALIZED VIEW";
            has_data && is_table && !partitions.contains(&(entry.namespace.as_ref(), &entry.tag))
        };
        let tables: Vec<&Entry> = entries().filter(is_analysed).collect();
        in_batches(tables, |entry| bytes.of_relation(entry), Step::Analyze)
    }
}

/// Bytes of rows by table.
#[derive(Debug)]
struct Sizes<'a>(HashMap<(&'a [u8], &'a [u8]), u64>);

impl<'a> Sizes<'a> {
    fn of(restore: &Restore<'a>) -> Self {
        let size = |table: &'a TableSummary| {
            ((table.schema.as_bytes(), table.name.as_bytes()), table.sums.raw_bytes)
        };
        Self(restore.tables().map(size).collect())
    }

    fn of_relation(&self, entry: &Entry) -> u64 {
        let schema = entry.namespace.as_ref().map_or(&b""[..], |schema| schema.as_bytes());
        self.0.get(&(schema, entry.tag.as_bytes())).copied().unwrap_or_default()
    }

    /// About how much work it is to restore an entry: the tables that it locks, or, of a query's result, unknown.
    fn weight(&self, index: &TocIndex<'_>, entry: &Entry) -> u64 {
        if entry.desc.is_materialized_view_data() {
            return GROUP_BYTES;
        }
        let tables = index.lock_tables(entry).into_keys().filter_map(|id| index.entry(id));
        tables.map(|table| self.of_relation(table)).sum()
    }
}

fn is_of_event_trigger(index: &TocIndex<'_>, unit: &Unit) -> bool {
    let entries = || unit.entries.iter().filter_map(|id| index.entry(*id));
    entries()
        .any(|entry| entry.desc == "EVENT TRIGGER" || entry.tag.as_bytes().starts_with(b"EVENT TRIGGER "))
}

/// Steps for some tables at a time.
fn in_batches<'a, T: Copy>(
    tables: Vec<T>,
    bytes_of: impl Fn(T) -> u64,
    step: impl Fn(Vec<T>) -> Step<'a>,
) -> Vec<(u64, Group<'a>)> {
    let mut batches: Vec<(u64, Vec<T>)> = Vec::new();
    for table in tables {
        let bytes = bytes_of(table);
        match batches.last_mut() {
            Some((sum, batch)) if *sum + bytes <= GROUP_BYTES && batch.len() < TABLES_PER_STEP => {
                *sum += bytes;
                batch.push(table);
            }
            _ => batches.push((bytes, vec![table])),
        }
    }
    batches.into_iter().map(|(bytes, batch)| (bytes, vec![step(batch)])).collect()
}

/// Puts small units together.
fn grouped(mut units: Vec<(u64, Group<'_>)>) -> Vec<Group<'_>> {
    units.sort_by_key(|(bytes, _)| Reverse(*bytes));
    let total_bytes: u64 = units.iter().map(|(bytes, _)| bytes).sum();
    let objects_of = |steps: &Group<'_>| steps.iter().map(Step::objects).sum::<usize>();
    let total_objects: usize = units.iter().map(|(_, steps)| objects_of(steps)).sum();
    let most_bytes = GROUP_BYTES.max(total_bytes / MOST_GROUPS_OF_BYTES as u64);
    let most_objects = GROUP_OBJECTS.max(total_objects.div_ceil(MOST_GROUPS_OF_OBJECTS));
    let mut groups: Vec<(u64, usize, Group<'_>)> = Vec::new();
    for (bytes, steps) in units {
        let objects = objects_of(&steps);
        match groups.last_mut() {
            Some((sum, count, group)) if *sum + bytes <= most_bytes && *count + objects <= most_objects => {
                *sum += bytes;
                *count += objects;
                group.extend(steps);
            }
            _ => groups.push((bytes, objects, steps)),
        }
    }
    groups.into_iter().map(|(_, _, steps)| steps).collect()
}

#[cfg(test)]
mod tests {
    use permafrost_pgarchive::{DumpId, Section};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_unit_is_in_one_group_and_a_map_can_take_the_groups(
            sizes in prop::collection::vec((0_u64..1 << 40, 1_usize..40), 0..4_000),
        ) {
            let entry = Entry::new(DumpId::new(1).unwrap(), Section::PostData, "INDEX", "x", "");
            let steps = |count: usize| (0..count).map(|_| Step::Entry(&entry)).collect();
            let units = sizes.iter().map(|(bytes, count)| (*bytes, steps(*count))).collect();
            let groups = grouped(units);
            let most = 2 * (MOST_GROUPS_OF_BYTES + MOST_GROUPS_OF_OBJECTS) + 2;
            prop_assert!(groups.len() <= most, "{} groups", groups.len());
            let expected: usize = sizes.iter().map(|(_, count)| count).sum();
            prop_assert_eq!(groups.iter().map(Vec::len).sum::<usize>(), expected);
            prop_assert!(groups.iter().all(|group| !group.is_empty()));
        }
    }
}
