//! Splits a table's data into several entries, so that stock `pg_restore -j` loads it in parallel.
//!
//! Each part is a `TABLE DATA` entry with the same `COPY` statement and data of its own. pg_restore
//! takes two things for granted that no longer hold, so the entries say otherwise:
//!
//! - *A table has one data entry: the one whose first dependency is the table.* With `-j` it empties
//!   a table that it made itself before it loads that entry, which would take away the rows of the
//!   parts loaded before. So the first dependency of every part is an id that no entry has, and the
//!   table is the second. pg_restore ignores dependencies that are not in the archive, but refuses a
//!   first one above the largest id in use: the unused id lies below those of the parts.
//! - *What needs the table in the post-data section needs that one entry.* So it is made to depend on
//!   all parts here, as is everything that depends on the data by its id.
//!
//! (The comment by which pg_dump marks data that is loaded through a partition root prevents the
//! first as well, but pg_restore knows it only since May 2023.)
//!
//! Two options of pg_restore do less than they say for a table in parts. `--no-data-for-failed-tables`
//! does not hold back its data. `--disable-triggers` with `-j` lets the part that is done first switch
//! the triggers on again while others load: set `session_replication_role` to `replica` by `PGOPTIONS`
//! instead.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use crate::desc::Desc;
use crate::dump_id::DumpId;
use crate::entry::{DataLocation, Entry, Section};
use crate::toc::{DumpIdsExhausted, TableOfContents};

/// Why a table's data could not be split.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SplitError {
    /// The archive has no entry with this id.
    #[error("the archive has no entry {0}")]
    NoSuchEntry(DumpId),

    /// The entry is something else than the rows of a table.
    #[error("entry {dump_id} is {desc}, expected TABLE DATA with rows")]
    NotRows {
        /// The entry.
        dump_id: DumpId,
        /// What it is.
        desc: Desc,
    },

    /// More parts than there are ids left.
    #[error(transparent)]
    DumpIdsExhausted(#[from] DumpIdsExhausted),
}

/// Makes entries of their own for the parts of each table's data, and gives their ids.
///
/// `parts` tells into how many parts the data of which `TABLE DATA` entry goes. The first part keeps
/// the id and the place of its data; the others follow it in the archive's order with fresh ids and
/// [`DataLocation::Derived`]. Each part's data is complete in itself: rows, then `\.` and two empty
/// lines. An entry of one part is left as it is. Takes time linear in the entries, their dependencies
/// and the parts, but every post-data entry of a table names each of its parts: hundreds of parts are
/// plenty.
///
/// # Errors
/// An id is not that of a table's rows, or there are not enough ids left. The table of contents is
/// then as before.
pub fn split_table_data(
    toc: &mut TableOfContents,
    parts: &BTreeMap<DumpId, NonZeroU32>,
) -> Result<BTreeMap<DumpId, Vec<DumpId>>, SplitError> {
    expect_rows(toc, parts)?;
    let is_split = |count: &NonZeroU32| count.get() > 1;
    if !parts.values().any(is_split) {
        return Ok(parts.keys().map(|id| (*id, vec![*id])).collect());
    }
    let no_entry = toc.unused_dump_id()?;
    let ids = part_ids(no_entry, parts)?;
    let split: BTreeMap<DumpId, &[DumpId]> =
        ids.iter().filter(|(_, ids)| ids.len() > 1).map(|(id, ids)| (*id, ids.as_slice())).collect();
    let of_table = parts_of_tables(toc, &split);

    let mut entries = Vec::with_capacity(toc.entries.len() + ids.values().map(Vec::len).sum::<usize>());
    for mut entry in std::mem::take(&mut toc.entries) {
        depend_on_all_parts(&mut entry, &split, &of_table);
        match split.get(&entry.dump_id) {
            Some(ids) => {
                entry.dependencies.insert(0, no_entry);
                let rest = ids[1..].iter().map(|id| part(&entry, *id)).collect::<Vec<_>>();
                entries.push(entry);
                entries.extend(rest);
            }
            None => entries.push(entry),
        }
    }
    toc.entries = entries;
    Ok(ids)
}

fn expect_rows(toc: &TableOfContents, parts: &BTreeMap<DumpId, NonZeroU32>) -> Result<(), SplitError> {
    let mut missing: BTreeSet<DumpId> = parts.keys().copied().collect();
    for entry in toc.entries.iter().filter(|entry| parts.contains_key(&entry.dump_id)) {
        missing.remove(&entry.dump_id);
        if !entry.desc.is_table_data() || !entry.had_dumper {
            return Err(SplitError::NotRows { dump_id: entry.dump_id, desc: entry.desc.clone() });
        }
    }
    missing.first().map_or(Ok(()), |id| Err(SplitError::NoSuchEntry(*id)))
}

/// The ids of each entry's parts: its own, then fresh ones above `below`.
fn part_ids(
    below: DumpId,
    parts: &BTreeMap<DumpId, NonZeroU32>,
) -> Result<BTreeMap<DumpId, Vec<DumpId>>, DumpIdsExhausted> {
    let mut last = below;
    let mut fresh = || -> Result<DumpId, DumpIdsExhausted> {
        last = last.next().ok_or(DumpIdsExhausted)?;
        Ok(last)
    };
    let ids_of = |(id, count): (&DumpId, &NonZeroU32)| {
        let mut ids = vec![*id];
        for _ in 1..count.get() {
            ids.push(fresh()?);
        }
        Ok((*id, ids))
    };
    parts.iter().map(ids_of).collect()
}

/// For each table (by the first dependency of its data, as pg_restore goes by it) the parts.
fn parts_of_tables<'p>(
    toc: &TableOfContents,
    split: &BTreeMap<DumpId, &'p [DumpId]>,
) -> BTreeMap<DumpId, &'p [DumpId]> {
    let table_and_parts = |entry: &Entry| {
        let parts = split.get(&entry.dump_id)?;
        Some((*entry.dependencies.first()?, *parts))
    };
    toc.entries.iter().filter_map(table_and_parts).collect()
}

fn depend_on_all_parts(
    entry: &mut Entry,
    split: &BTreeMap<DumpId, &[DumpId]>,
    of_table: &BTreeMap<DumpId, &[DumpId]>,
) {
    let mut more = Vec::new();
    for needed in &entry.dependencies {
        more.extend(split.get(needed).copied().unwrap_or_default());
        if entry.section == Section::PostData {
            more.extend(of_table.get(needed).copied().unwrap_or_default());
        }
    }
    if more.is_empty() {
        return;
    }
    let mut there: BTreeSet<DumpId> = entry.dependencies.iter().copied().collect();
    entry.dependencies.extend(more.into_iter().filter(|id| there.insert(*id)));
}

fn part(first: &Entry, dump_id: DumpId) -> Entry {
    Entry { dump_id, data: DataLocation::Derived, ..first.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: i32) -> DumpId {
        DumpId::new(number).unwrap()
    }

    fn ids(numbers: &[i32]) -> Vec<DumpId> {
        numbers.iter().copied().map(id).collect()
    }

    fn entry(number: i32, section: Section, desc: &str, needs: &[i32]) -> Entry {
        let mut entry = Entry::new(id(number), section, desc, "t", "");
        entry.had_dumper = desc == Desc::TABLE_DATA;
        entry.copy_stmt = entry.had_dumper.then(|| "COPY public.t (a) FROM stdin;\n".into());
        entry.dependencies = ids(needs);
        entry
    }

    fn archive() -> TableOfContents {
        let bytes = include_bytes!("../tests/data/1.14-directory.toc");
        let header = TableOfContents::read(&mut &bytes[..]).unwrap().header;
        let entries = vec![
            entry(1, Section::PreData, "TABLE", &[]),
            entry(2, Section::PreData, "TABLE", &[]),
            entry(3, Section::None, "ACL", &[1]),
            entry(11, Section::Data, Desc::TABLE_DATA, &[1]),
            entry(12, Section::Data, Desc::TABLE_DATA, &[2]),
            entry(13, Section::Data, Desc::SEQUENCE_SET, &[11]),
            entry(21, Section::PostData, "INDEX", &[1]),
            entry(22, Section::PostData, "FK CONSTRAINT", &[2, 1, 21]),
            entry(23, Section::PostData, "TRIGGER", &[2]),
        ];
        TableOfContents { header, entries }
    }

    fn counts(counts: &[(i32, u32)]) -> BTreeMap<DumpId, NonZeroU32> {
        counts.iter().map(|(number, parts)| (id(*number), NonZeroU32::new(*parts).unwrap())).collect()
    }

    fn needs(toc: &TableOfContents, number: i32) -> Vec<i32> {
        toc.entry(id(number)).unwrap().dependencies.iter().map(|id| id.get()).collect()
    }

    #[test]
    fn parts_are_the_same_entry_under_ids_of_their_own() {
        let mut toc = archive();
        let original = toc.entries[3].clone();
        let made = split_table_data(&mut toc, &counts(&[(11, 3), (12, 1)])).unwrap();
        assert_eq!(made, BTreeMap::from([(id(11), ids(&[11, 25, 26])), (id(12), ids(&[12]))]));

        let order: Vec<_> = toc.entries.iter().map(|entry| entry.dump_id.get()).collect();
        assert_eq!(order, [1, 2, 3, 11, 25, 26, 12, 13, 21, 22, 23]);
        for number in [11, 25, 26] {
            let part = toc.entry(id(number)).unwrap();
            let expected = Entry { dump_id: id(number), dependencies: ids(&[24, 1]), ..original.clone() };
            assert_eq!(part, &expected);
            assert_eq!(part.file_name(toc.header.version).unwrap(), format!("{number}.dat").as_str());
        }
        assert!(toc.entry(id(24)).is_none(), "the first dependency of a part is nothing");
        assert_eq!(needs(&toc, 12), [2], "an entry of one part stays as it is");
    }

    #[test]
    fn what_needs_the_data_needs_every_part() {
        let mut toc = archive();
        split_table_data(&mut toc, &counts(&[(11, 2)])).unwrap();
        assert_eq!(needs(&toc, 13), [11, 25], "by the data's id, in any section");
        assert_eq!(needs(&toc, 21), [1, 11, 25], "by the table, in the post-data section");
        assert_eq!(needs(&toc, 22), [2, 1, 21, 11, 25]);
        assert_eq!(needs(&toc, 3), [1], "outside of it the table alone is needed");
        assert_eq!(needs(&toc, 23), [2], "other tables have nothing to do with it");
    }

    #[test]
    fn parts_can_be_split_again() {
        let mut toc = archive();
        split_table_data(&mut toc, &counts(&[(11, 2)])).unwrap();
        split_table_data(&mut toc, &counts(&[(25, 2)])).unwrap();
        assert_eq!(needs(&toc, 21), [1, 11, 25, 27]);
        assert_eq!(needs(&toc, 27), [26, 24, 1]);
    }

    #[test]
    fn what_cannot_be_split_changes_nothing() {
        let mut last = entry(i32::MAX - 3, Section::None, "ACL", &[]);
        last.dependencies = ids(&[1]);
        for (wanted, message) in [
            (counts(&[(11, 2), (99, 2)]), "the archive has no entry 99"),
            (counts(&[(11, 2), (21, 1)]), "entry 21 is INDEX, expected TABLE DATA with rows"),
            (counts(&[(11, 2), (12, 3)]), "the archive already uses the largest dump id there is"),
        ] {
            let mut toc = archive();
            toc.entries.push(last.clone());
            let before = toc.clone();
            assert_eq!(split_table_data(&mut toc, &wanted).unwrap_err().to_string(), message);
            assert_eq!(toc, before);
        }
    }
}
