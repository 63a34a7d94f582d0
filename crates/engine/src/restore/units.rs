//! Units: what is loaded in one transaction, with one marker.

use permafrost_vault::TaskResult;
use permafrost_vault::task_result::{Frame, LargeObjectData, TableData};

/// Bytes of rows in a unit of a table that is loaded in several: a unit that has to be repeated costs seconds.
const UNIT_BYTES: u64 = 256 * 1024 * 1024;
/// Large objects in a unit, and their bytes.
const LARGE_OBJECTS: usize = 1_000;

/// Frames that are loaded in one transaction.
#[derive(Debug, Clone, Copy)]
pub(super) struct Unit<'r> {
    /// The slice of its task that it belongs to.
    pub(super) slice: u64,
    /// What it loads.
    pub(super) what: What<'r>,
}

/// What a unit loads.
#[derive(Debug, Clone, Copy)]
pub(super) enum What<'r> {
    /// Rows of a table.
    Rows {
        /// The table's part.
        table: &'r TableData,
        /// Where in its part the frames begin.
        first: usize,
        /// The frames.
        frames: &'r [Frame],
    },
    /// Large objects.
    LargeObjects {
        /// Them.
        objects: &'r [LargeObjectData],
    },
}

impl Unit<'_> {
    /// The name of its marker: no two units of a restore have the same.
    pub(super) fn marker(&self) -> String {
        match self.what {
            What::Rows { table, first, .. } => {
                format!("{} {} {first}", table_prefix(table.dump_id), table.part)
            }
            What::LargeObjects { objects } => {
                format!("large-objects {}", objects.first().map_or(0, |object| object.oid))
            }
        }
    }

    /// The object, for people.
    pub(super) fn object(&self) -> String {
        match self.what {
            What::Rows { table, .. } => format!("table {}.{}", table.schema, table.name),
            What::LargeObjects { .. } => "large objects".to_owned(),
        }
    }

    /// Rows, or large objects.
    pub(super) fn rows(&self) -> u64 {
        match self.what {
            What::Rows { frames, .. } => frames.iter().map(|frame| frame.rows).sum(),
            What::LargeObjects { objects } => objects.len() as u64,
        }
    }

    /// Bytes.
    pub(super) fn raw_bytes(&self) -> u64 {
        let sum = |frames: &[Frame]| frames.iter().map(|frame| frame.raw_length).sum::<u64>();
        match self.what {
            What::Rows { frames, .. } => sum(frames),
            What::LargeObjects { objects } => objects.iter().map(|object| sum(&object.frames)).sum(),
        }
    }

    /// Whether it loads all rows of its table.
    pub(super) fn is_whole_table(&self) -> bool {
        matches!(self.what, What::Rows { table, frames, .. } if table.parts == 1 && frames.len() == table.frames.len())
    }

    /// Whether its table is counted with it.
    pub(super) fn is_first_of_table(&self) -> bool {
        matches!(self.what, What::Rows { table, first: 0, .. } if table.part == 0)
    }
}

/// What the markers of a table's units begin with.
fn table_prefix(dump_id: i32) -> String {
    format!("table {dump_id}")
}

/// The entry whose rows the unit of this marker has loaded.
pub(super) fn table_of_marker(marker: &str) -> Option<i32> {
    marker.strip_prefix("table ")?.split(' ').next()?.parse().ok()
}

/// The units of a task, in the order in which they lie in the store; the same on every call.
///
/// A table that fits into a slice is one unit, so that its rows can be frozen as they are loaded. What is larger is
/// cut at frames.
pub(super) fn units(result: &TaskResult, slice_bytes: u64) -> Vec<Unit<'_>> {
    let total_bytes: u64 = result.frames().map(|frame| frame.raw_length).sum();
    let slices = total_bytes.div_ceil(slice_bytes.max(1)).max(1);
    // What is empty and comes last would otherwise be behind the last slice.
    let slice_at = |bytes: u64| (bytes / slice_bytes.max(1)).min(slices - 1);
    let mut units = Vec::new();
    let mut before_bytes = 0_u64;
    for table in &result.tables {
        let whole = table.parts == 1 && table.sums.raw_bytes <= slice_bytes;
        let limit = if whole { u64::MAX } else { UNIT_BYTES.min(slice_bytes) };
        let mut first = 0;
        loop {
            let frames = &table.frames[first..];
            let frames = &frames[..fitting(frames.iter().map(|frame| frame.raw_length), limit)];
            let unit = Unit { slice: slice_at(before_bytes), what: What::Rows { table, first, frames } };
            before_bytes += unit.raw_bytes();
            units.push(unit);
            first += frames.len();
            if first >= table.frames.len() {
                break;
            }
        }
    }
    let mut rest = result.large_objects.as_slice();
    while !rest.is_empty() {
        let bytes_of = |object: &LargeObjectData| object.frames.iter().map(|frame| frame.raw_length).sum();
        let count = fitting(rest.iter().map(bytes_of), UNIT_BYTES.min(slice_bytes)).min(LARGE_OBJECTS);
        let (objects, behind) = rest.split_at(count);
        let unit = Unit { slice: slice_at(before_bytes), what: What::LargeObjects { objects } };
        before_bytes += unit.raw_bytes();
        units.push(unit);
        rest = behind;
    }
    units
}

/// How many of some things fit into `limit` bytes; at least one, if there is one.
fn fitting(sizes: impl Iterator<Item = u64>, limit: u64) -> usize {
    let mut sum = 0_u64;
    let mut count = 0;
    for size in sizes {
        sum = sum.saturating_add(size);
        if count > 0 && sum > limit {
            break;
        }
        count += 1;
    }
    count
}

#[cfg(test)]
mod tests {
    use permafrost_vault::plan::{Rows, TablePart};
    use permafrost_vault::{Blake3, FORMAT, FrameLocation, Xxh3};
    use proptest::prelude::*;

    use super::*;

    fn frames(sizes: &[u64]) -> Vec<Frame> {
        let frame = |raw_length: &u64| Frame {
            location: FrameLocation { segment: 0, offset: 0, length: 1 },
            raw_length: *raw_length,
            rows: 1,
            checksum: Blake3::of(b""),
            raw_checksum: Xxh3::of(b""),
            page: None,
        };
        sizes.iter().map(frame).collect()
    }

    fn result(tables: &[(u32, Vec<u64>)], objects: &[u64]) -> TaskResult {
        let table = |(dump_id, (parts, sizes)): (i32, &(u32, Vec<u64>))| {
            let (schema, name) = ("s".to_owned(), format!("t{dump_id}"));
            let part = TablePart {
                dump_id,
                part: 0,
                parts: *parts,
                schema,
                name,
                columns: String::new(),
                rows: Rows::All,
            };
            TableData::of_frames(&part, frames(sizes))
        };
        TaskResult {
            format: FORMAT,
            task: 1,
            attempt: "a".into(),
            segments: Vec::new(),
            tables: (1..).zip(tables).map(table).collect(),
            large_objects: (1..)
                .zip(objects)
                .map(|(oid, size)| LargeObjectData { oid, frames: frames(&[*size]) })
                .collect(),
        }
    }

    proptest! {
        #[test]
        fn every_frame_is_in_one_unit_and_every_unit_in_one_slice_of_the_task(
            tables in prop::collection::vec((1_u32..3, prop::collection::vec(0_u64..1 << 28, 0..12)), 0..8),
            objects in prop::collection::vec(0_u64..1 << 28, 0..8),
            slice_bytes in 1_u64..1 << 31,
        ) {
            let result = result(&tables, &objects);
            let units = units(&result, slice_bytes);
            let rows: u64 = units.iter().map(Unit::rows).sum();
            let expected: usize = tables.iter().map(|(_, sizes)| sizes.len()).sum::<usize>() + objects.len();
            prop_assert_eq!(rows, expected as u64);
            let raw: u64 = result.frames().map(|frame| frame.raw_length).sum();
            // As `Restore::data_tasks` counts slices.
            let slices = raw.div_ceil(slice_bytes).max(1);
            for unit in &units {
                prop_assert!(unit.slice < slices, "{} of {slices}", unit.slice);
            }
            let markers: std::collections::HashSet<String> = units.iter().map(Unit::marker).collect();
            prop_assert_eq!(markers.len(), units.len());
            let counted = units.iter().filter(|unit| unit.is_first_of_table()).count();
            prop_assert_eq!(counted, tables.len(), "an empty table is a unit too");
        }
    }

    #[test]
    fn only_a_table_that_is_whole_may_be_emptied_first() {
        let result = result(&[(1, vec![10, 10]), (2, vec![10]), (1, vec![1 << 30, 1 << 30])], &[]);
        let units = units(&result, 1 << 30);
        let whole: Vec<bool> = units.iter().map(Unit::is_whole_table).collect();
        assert_eq!(whole, [true, false, false, false]);
        assert_eq!(table_of_marker(&units[1].marker()), Some(2));
        assert_eq!(table_of_marker("large-objects 17"), None);
    }
}
