//! The plan of a dump: what is to be copied, cut into tasks. Written once, before the first task runs.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::store::ObjectRef;

/// The server and database that a backup was made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// The server's name or address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// The server's version, for instance `15.18`.
    pub server_version: String,
    /// The database's encoding, for instance `UTF8`.
    pub encoding: String,
    /// The database's collation.
    pub collate: String,
    /// The database's character classification.
    pub ctype: String,
    /// `c` libc, `i` ICU, `b` builtin.
    pub locale_provider: char,
    /// The locale of ICU and of the builtin provider.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locale: Option<String>,
    /// The version of the pg_dump that wrote the table of contents.
    pub pg_dump_version: String,
    /// The archive format's version, for instance `1.14`.
    pub archive_version: String,
}

/// How frames are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Zstandard, with content checksums.
    Zstd,
    /// gzip members.
    Gzip,
}

/// A piece of work: rows of one table, or large objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// What is to be copied.
    #[serde(flatten)]
    pub data: PartData,
    /// About how much that is, by its size on the server's disk.
    pub estimated_bytes: u64,
}

/// What a part copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PartData {
    /// A table, or a range of its rows.
    Table(TablePart),
    /// Large objects.
    LargeObjects(OidRange),
}

/// A table, or a range of its rows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TablePart {
    /// The number of its `TABLE DATA` entry in the table of contents.
    pub dump_id: i32,
    /// Which of the table's parts this is, from 0.
    pub part: u32,
    /// How many parts the table was cut into.
    pub parts: u32,
    /// The table's schema.
    pub schema: String,
    /// The table's name.
    pub name: String,
    /// The column list with its parentheses; empty for a table without columns.
    pub columns: String,
    /// Which of its rows.
    #[serde(default, skip_serializing_if = "Rows::is_all")]
    pub rows: Rows,
}

/// Some of a table's rows.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rows {
    /// All of them.
    #[default]
    All,
    /// Those of a configuration table of an extension that are the user's: `WHERE …`.
    Condition(String),
    /// The rows on some of the table's pages.
    Pages(PageRange),
    /// The rows whose key lies in a range.
    Keys(KeyRange),
}

impl Rows {
    fn is_all(&self) -> bool {
        *self == Self::All
    }
}

/// Pages of a table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PageRange {
    /// The first page.
    pub from: u32,
    /// The page behind the last one; to the table's end where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<u32>,
    /// Pages that are read by one statement. Frames do not cross a multiple of it, so that they stay what they
    /// were where a table has not changed.
    pub step: u32,
}

/// A range of the first column of a table's primary key: half-open, open-ended where a bound is absent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyRange {
    /// The column, quoted.
    pub column: String,
    /// The column's type, quoted: bounds are cast to it.
    pub of_type: String,
    /// The smallest value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<String>,
    /// The value behind the largest one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// The large objects with these numbers; both ends included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OidRange {
    /// The smallest.
    pub from: u32,
    /// The largest.
    pub to: u32,
}

impl Part {
    /// The table, of a part that copies rows.
    pub fn table(&self) -> Option<&TablePart> {
        match &self.data {
            PartData::Table(table) => Some(table),
            PartData::LargeObjects(_) => None,
        }
    }

    /// In the order of the plan: by entry and part, large objects last.
    fn place(&self) -> (bool, i64, u32) {
        match &self.data {
            PartData::Table(table) => (false, table.dump_id.into(), table.part),
            PartData::LargeObjects(range) => (true, range.from.into(), 0),
        }
    }
}

/// The parts that one run of one function copies.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Task {
    /// Its number, from 1.
    pub task: u32,
    /// What it copies.
    pub parts: Vec<Part>,
}

/// What is to be copied, cut into tasks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DumpPlan {
    /// The format's version.
    pub format: u32,
    /// What is backed up.
    pub source: Source,
    /// When the snapshot was taken.
    pub consistent_at: Timestamp,
    /// pg_dump's table of contents.
    pub toc: ObjectRef,
    /// Roles, tablespaces, settings.
    pub globals: ObjectRef,
    /// How frames are compressed.
    pub compression: Compression,
    /// The level of the compression.
    pub level: i32,
    /// The tasks, numbered from 1 without gaps.
    pub tasks: Vec<Task>,
}

impl DumpPlan {
    /// The task of this number.
    pub fn task(&self, number: u32) -> Option<&Task> {
        (number as usize).checked_sub(1).and_then(|index| self.tasks.get(index))
    }
}

/// Cuts parts into tasks: the largest tables first, small ones together. `target_bytes` says how much a task copies
/// about where so many bytes are left; less and less of them keep workers from waiting for another's last task.
///
/// Each part is in exactly one task; a part that is larger than the target makes a task of its own. The result depends
/// on nothing but the arguments.
pub fn cut(mut parts: Vec<Part>, target_bytes: impl Fn(u64) -> u64) -> Vec<Task> {
    parts.sort_by_key(Part::place);
    parts.sort_by_key(|part| std::cmp::Reverse(part.estimated_bytes));
    // A table of no pages still costs a round trip: without this, all empty tables would share a task.
    let cost_bytes = |part: &Part| part.estimated_bytes.max(8 * 1024);
    let mut left_bytes: u64 = parts.iter().map(cost_bytes).sum();
    let mut tasks: Vec<Task> = Vec::new();
    let mut room_bytes = 0_u64;
    for part in parts {
        let cost = cost_bytes(&part);
        match tasks.last_mut() {
            Some(task) if cost <= room_bytes => {
                room_bytes -= cost;
                task.parts.push(part);
            }
            _ => {
                room_bytes = target_bytes(left_bytes).saturating_sub(cost);
                let number = u32::try_from(tasks.len() + 1).expect("tasks are numbered by u32");
                tasks.push(Task { task: number, parts: vec![part] });
            }
        }
        left_bytes -= cost;
    }
    tasks
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(dump_id: i32, estimated_bytes: u64) -> Part {
        Part { data: PartData::Table(table(dump_id)), estimated_bytes }
    }

    fn table(dump_id: i32) -> TablePart {
        TablePart {
            dump_id,
            part: 0,
            parts: 1,
            schema: "public".into(),
            name: format!("t{dump_id}"),
            columns: "(a)".into(),
            rows: Rows::All,
        }
    }

    proptest! {
        #[test]
        fn every_part_is_in_exactly_one_task(sizes in prop::collection::vec(0_u64..10_000_000, 0..200), target in 1_u64..20_000_000, workers in 1_u64..8) {
            let parts: Vec<Part> = (1..).zip(sizes).map(|(id, size)| part(id, size)).collect();
            let tasks = cut(parts.clone(), |left| (left / workers).min(target));
            let mut found: Vec<Part> = tasks.iter().flat_map(|task| task.parts.clone()).collect();
            found.sort_by_key(Part::place);
            prop_assert_eq!(found, parts);
            for (index, task) in tasks.iter().enumerate() {
                prop_assert_eq!(task.task as usize, index + 1);
                let sum: u64 = task.parts.iter().map(|part| part.estimated_bytes).sum();
                prop_assert!(task.parts.len() == 1 || sum <= target);
            }
        }
    }

    #[test]
    fn the_largest_goes_first_and_small_ones_share() {
        let tasks = cut(vec![part(1, 10_000), part(2, 5_000_000), part(3, 20_000)], |_| 1_000_000);
        let ids: Vec<Vec<i32>> = tasks
            .iter()
            .map(|task| task.parts.iter().map(|part| part.table().unwrap().dump_id).collect())
            .collect();
        assert_eq!(ids, [vec![2], vec![3, 1]]);
        assert!(cut(Vec::new(), |_| 1).is_empty());
    }

    #[test]
    fn tasks_become_smaller_towards_the_end() {
        let parts = (1..=64).map(|id| part(id, 10_000)).collect();
        let tasks = cut(parts, |left| (left / 4).max(30_000));
        let sizes: Vec<usize> = tasks.iter().map(|task| task.parts.len()).collect();
        assert_eq!(sizes, [16, 12, 9, 6, 5, 4, 3, 3, 3, 3]);
    }

    #[test]
    fn parts_are_written_as_documented() {
        let mut part = part(7, 9);
        let PartData::Table(table) = &mut part.data else { unreachable!() };
        table.rows = Rows::Pages(PageRange { from: 1024, to: None, step: 1024 });
        let json = serde_json::json!({
            "table": {
                "dump_id": 7, "part": 0, "parts": 1, "schema": "public", "name": "t7", "columns": "(a)",
                "rows": {"pages": {"from": 1024, "step": 1024}},
            },
            "estimated_bytes": 9,
        });
        assert_eq!(serde_json::to_value(&part).unwrap(), json);
        assert_eq!(serde_json::from_value::<Part>(json).unwrap(), part);
    }
}
