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

/// One table, or one part of a table, to copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Part {
    /// The number of its `TABLE DATA` entry in the table of contents.
    pub dump_id: i32,
    /// The table's schema.
    pub schema: String,
    /// The table's name.
    pub name: String,
    /// The column list with its parentheses; empty for a table without columns.
    pub columns: String,
    /// `WHERE …`, for a configuration table of an extension.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub condition: Option<String>,
    /// The table's size on the server's disk.
    pub estimated_bytes: u64,
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
    /// The tasks, numbered from 1 without gaps.
    pub tasks: Vec<Task>,
}

impl DumpPlan {
    /// The task of this number.
    pub fn task(&self, number: u32) -> Option<&Task> {
        self.tasks.iter().find(|task| task.task == number)
    }
}

/// Cuts parts into tasks of about `target_bytes` of data: the largest tables first, small ones together.
///
/// Each part is in exactly one task; a part that is larger than the target makes a task of its own. The
/// result depends on nothing but the arguments.
pub fn cut(mut parts: Vec<Part>, target_bytes: u64) -> Vec<Task> {
    parts.sort_by_key(|part| part.dump_id);
    let groups = group(parts, |part| part.estimated_bytes, target_bytes);
    (1..).zip(groups).map(|(task, parts)| Task { task, parts }).collect()
}

/// Groups items of about `target_bytes` together, the largest first; items of one size keep their order.
pub fn group<T>(mut items: Vec<T>, bytes: impl Fn(&T) -> u64, target_bytes: u64) -> Vec<Vec<T>> {
    items.sort_by_key(|item| std::cmp::Reverse(bytes(item)));
    let mut groups: Vec<Vec<T>> = Vec::new();
    let mut filled_bytes = 0_u64;
    for item in items {
        // A table of no pages still costs a round trip: without this, all empty tables would share a task.
        let cost_bytes = bytes(&item).max(8 * 1024);
        match groups.last_mut() {
            Some(group) if filled_bytes.saturating_add(cost_bytes) <= target_bytes => {
                filled_bytes += cost_bytes;
                group.push(item);
            }
            _ => {
                filled_bytes = cost_bytes;
                groups.push(vec![item]);
            }
        }
    }
    groups
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn part(dump_id: i32, estimated_bytes: u64) -> Part {
        let (schema, name, columns) = ("public".to_owned(), format!("t{dump_id}"), "(a)".to_owned());
        Part { dump_id, schema, name, columns, condition: None, estimated_bytes }
    }

    proptest! {
        #[test]
        fn every_part_is_in_exactly_one_task(sizes in prop::collection::vec(0_u64..10_000_000, 0..200), target in 1_u64..20_000_000) {
            let parts: Vec<Part> = (1..).zip(sizes).map(|(id, size)| part(id, size)).collect();
            let tasks = cut(parts.clone(), target);
            let mut found: Vec<Part> = tasks.iter().flat_map(|task| task.parts.clone()).collect();
            found.sort_by_key(|part| part.dump_id);
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
        let tasks = cut(vec![part(1, 10_000), part(2, 5_000_000), part(3, 20_000)], 1_000_000);
        let ids: Vec<Vec<i32>> =
            tasks.iter().map(|task| task.parts.iter().map(|part| part.dump_id).collect()).collect();
        assert_eq!(ids, [vec![2], vec![3, 1]]);
        assert!(cut(Vec::new(), 1).is_empty());
    }
}
