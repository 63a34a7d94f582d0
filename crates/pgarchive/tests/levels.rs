//! The order of the post-data section: nothing before what it needs, nothing beside what it waits
//! for.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::{BTreeMap, BTreeSet, HashMap};

use permafrost_pgarchive::{
    DumpId, Entry, Level, LevelsError, Section, TableLock, TableOfContents, TocIndex,
};
use proptest::collection::vec;
use proptest::prelude::*;

const ARCHIVES: [&[u8]; 3] = [
    include_bytes!("data/1.14-many-kinds.toc"),
    include_bytes!("data/1.15-many-kinds.toc"),
    include_bytes!("data/1.16-many-kinds.toc"),
];

fn read(mut bytes: &[u8]) -> TableOfContents {
    TableOfContents::read(&mut bytes).unwrap()
}

fn id(number: i32) -> DumpId {
    DumpId::new(number).unwrap()
}

/// The level of each entry; each is there once.
fn level_of(levels: &[Level]) -> HashMap<DumpId, usize> {
    let mut level_of = HashMap::new();
    for (number, level) in levels.iter().enumerate() {
        for id in level.units.iter().flat_map(|unit| &unit.entries) {
            assert_eq!(level_of.insert(*id, number), None, "{id} is there twice");
        }
    }
    level_of
}

/// Every entry of the section once, after what it depends on, and in one unit with whatever it
/// would wait for.
fn assert_sound(toc: &TableOfContents) {
    let index = TocIndex::new(toc).unwrap();
    let levels = index.units().unwrap();
    let level_of = level_of(&levels);
    let entries: BTreeSet<DumpId> = index.post_data().map(|entry| entry.dump_id).collect();
    assert_eq!(level_of.keys().copied().collect::<BTreeSet<_>>(), entries);
    for entry in index.post_data() {
        for needed in index.dependencies(entry).filter(|needed| entries.contains(&needed.dump_id)) {
            assert!(
                level_of[&needed.dump_id] < level_of[&entry.dump_id],
                "{} {} is not before {} {}",
                needed.desc,
                needed.tag,
                entry.desc,
                entry.tag
            );
        }
    }
    for level in &levels {
        let mut holders: BTreeMap<DumpId, (usize, TableLock)> = BTreeMap::new();
        for (number, unit) in level.units.iter().enumerate() {
            assert!(
                unit.entries.iter().is_sorted_by_key(|id| toc.entries.iter().position(|e| e.dump_id == *id))
            );
            for (table, lock) in
                unit.entries.iter().flat_map(|id| index.lock_tables(index.entry(*id).unwrap()))
            {
                let (other, held) = *holders.entry(table).or_insert((number, lock));
                let is_shared = lock == TableLock::Shared && held == TableLock::Shared;
                assert!(other == number || is_shared, "table {table} is locked by two units");
                holders.insert(table, (number, lock.max(held)));
            }
        }
    }
    let flat: Vec<BTreeSet<DumpId>> =
        index.levels().unwrap().into_iter().map(|level| level.into_iter().collect()).collect();
    let of_units =
        levels.iter().map(|level| level.units.iter().flat_map(|unit| unit.entries.clone()).collect());
    assert_eq!(flat, of_units.collect::<Vec<BTreeSet<DumpId>>>());
}

#[test]
fn real_archives_are_ordered() {
    for bytes in ARCHIVES {
        let toc = read(bytes);
        assert_sound(&toc);
        let index = TocIndex::new(&toc).unwrap();
        let level_of = level_of(&index.units().unwrap());
        let level = |desc: &str, tag: &str| {
            let entry = toc.entries.iter().find(|entry| entry.desc == *desc && entry.tag == *tag);
            level_of[&entry.unwrap().dump_id]
        };
        // Objects, then grants, then what reads or watches the finished database.
        let in_pass = |descs: &[&str]| {
            let entries = index.post_data().filter(|entry| descs.iter().any(|desc| entry.desc == **desc));
            entries.map(|entry| level_of[&entry.dump_id]).collect::<BTreeSet<_>>()
        };
        let objects = in_pass(&["INDEX", "CONSTRAINT", "FK CONSTRAINT", "TRIGGER", "POLICY", "SUBSCRIPTION"]);
        let grants = in_pass(&["DEFAULT ACL"]);
        let last = in_pass(&["EVENT TRIGGER", "MATERIALIZED VIEW DATA"]);
        assert!(objects.last() < grants.first() && grants.last() < last.first());
        assert!(level("COMMENT", "EVENT TRIGGER watcher") > level("EVENT TRIGGER", "watcher"));
        assert!(level("MATERIALIZED VIEW DATA", "grand") > level("MATERIALIZED VIEW DATA", "totals"));
        // A table's indexes come beside each other, its constraints after them.
        assert_eq!(level("INDEX", "customers_lower"), level("INDEX", "customers_numbers"));
        assert!(level("INDEX", "customers_lower") < level("CONSTRAINT", "customers customers_pkey"));
        assert!(
            level("CONSTRAINT", "customers customers_pkey")
                < level("COMMENT", "CONSTRAINT customers_pkey ON customers")
        );
    }
}

#[test]
fn foreign_keys_lock_both_tables_and_indexes_share_theirs() {
    use TableLock::{Exclusive, Shared};
    let toc = read(ARCHIVES[2]);
    let index = TocIndex::new(&toc).unwrap();
    let locks = |desc: &str, tag: &str| -> Vec<(String, TableLock)> {
        let entry = toc.entries.iter().find(|entry| entry.desc == *desc && entry.tag == *tag).unwrap();
        let locks = index.lock_tables(entry).into_iter();
        let mut locks: Vec<_> =
            locks.map(|(id, lock)| (index.entry(id).unwrap().tag.to_string(), lock)).collect();
        locks.sort();
        locks
    };
    let lock = |table: &str, lock| (table.to_owned(), lock);
    assert_eq!(
        locks("FK CONSTRAINT", "orders orders_customer_fkey"),
        [lock("customers", Exclusive), lock("orders", Exclusive)]
    );
    assert_eq!(locks("INDEX", "in_space"), [lock("orders", Shared)]);
    assert_eq!(
        locks("INDEX", "events_2_rest_at_idx"),
        [lock("events", Shared), lock("events_2_rest", Shared)]
    );
    assert_eq!(locks("TRIGGER", "events each"), [lock("events", Exclusive)]);
    assert_eq!(locks("DEFAULT ACL", "DEFAULT PRIVILEGES FOR TABLES"), []);
    assert_eq!(locks("TABLE DATA", "orders"), []);
}

/// A section of made-up entries on four tables; each may depend on earlier ones.
fn section() -> impl Strategy<Value = TableOfContents> {
    let kinds = prop::sample::select(vec![
        "INDEX",
        "CONSTRAINT",
        "FK CONSTRAINT",
        "TRIGGER",
        "COMMENT",
        "DEFAULT ACL",
        "EVENT TRIGGER",
        "MATERIALIZED VIEW DATA",
    ]);
    let entry = (kinds, vec(1..=4_i32, 0..3), vec(any::<prop::sample::Index>(), 0..3));
    vec(entry, 1..40).prop_map(|drawn| {
        let mut toc = read(ARCHIVES[2]);
        toc.entries.clear();
        for table in 1..=4 {
            toc.entries.push(Entry::new(
                id(table),
                Section::PreData,
                "TABLE",
                format!("t{table}"),
                "CREATE TABLE",
            ));
        }
        for (number, (desc, tables, needs)) in (5..).zip(drawn) {
            let section = if desc == "COMMENT" { Section::None } else { Section::PostData };
            let mut entry = Entry::new(id(number), section, desc, format!("e{number}"), "x");
            entry.dependencies = tables.into_iter().map(id).collect();
            if number > 5 {
                let earlier = |need: prop::sample::Index| {
                    5 + i32::try_from(need.index(usize::try_from(number - 5).unwrap())).unwrap()
                };
                entry.dependencies.extend(needs.into_iter().map(|need| id(earlier(need))));
            }
            // pg_dump names boundaries that are not in the archive.
            entry.dependencies.push(id(1_000_000));
            toc.entries.push(entry);
        }
        toc
    })
}

proptest! {
    #[test]
    fn any_section_is_ordered(toc in section(), order in any::<u64>()) {
        assert_sound(&toc);
        // The order of the entries does not matter to the dependencies.
        let mut turned = toc.clone();
        let count = turned.entries.len() - 4;
        turned.entries[4..].rotate_left(usize::try_from(order % count as u64).unwrap());
        if turned.entries[4].section != Section::None {
            assert_sound(&turned);
        }
    }
}

#[test]
fn a_circle_is_refused() {
    let mut toc = read(ARCHIVES[2]);
    let find = |desc: &str, tag: &str| {
        toc.entries.iter().position(|entry| entry.desc == *desc && entry.tag == *tag).unwrap()
    };
    let key = find("CONSTRAINT", "customers customers_pkey");
    let foreign = find("FK CONSTRAINT", "orders orders_customer_fkey");
    let foreign_id = toc.entries[foreign].dump_id;
    toc.entries[key].dependencies.push(foreign_id);
    let first = toc.entries[key].dump_id;
    let error = TocIndex::new(&toc).unwrap().units().unwrap_err();
    assert!(
        matches!(&error, LevelsError::Cycle { first: found, count } if *found == first && *count >= 2),
        "{error}"
    );
}
