//! The manifest: names every object of a point, and every frame of every table.

use std::collections::HashMap;

use jiff::Timestamp;
use permafrost_domain::instance::InstanceName;
use permafrost_domain::{Code, Fault, InstanceId, JobId, PointId};
use serde::{Deserialize, Serialize};

use crate::FORMAT;
use crate::plan::{DumpPlan, Part, Source};
use crate::store::ObjectRef;
use crate::task_result::{TableData, TaskResult};

/// How frames are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Compression {
    /// Zstandard, with content checksums.
    Zstd,
}

/// Sums over all tables.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Tables.
    pub tables: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes of rows.
    pub raw_bytes: u64,
    /// Bytes of segments.
    pub stored_bytes: u64,
    /// Segments.
    pub segments: u64,
}

/// Where a point belongs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Belonging {
    /// The vault's name.
    pub vault: String,
    /// The instance.
    pub instance: InstanceId,
    /// The instance's name when the backup was made.
    pub instance_name: InstanceName,
    /// The point.
    pub point: PointId,
    /// The backup job.
    pub job: JobId,
}

/// Names every object of a point, and every frame of every table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Manifest {
    /// The format's version.
    pub format: u32,
    /// Where the point belongs.
    #[serde(flatten)]
    pub belonging: Belonging,
    /// The moment whose data the point holds.
    pub consistent_at: Timestamp,
    /// What was backed up.
    pub source: Source,
    /// How frames are compressed.
    pub compression: Compression,
    /// pg_dump's table of contents.
    pub toc: ObjectRef,
    /// Roles, tablespaces, settings.
    pub globals: ObjectRef,
    /// All segments.
    pub segments: Vec<ObjectRef>,
    /// All tables; `segment` of their frames counts in `segments`.
    pub tables: Vec<TableData>,
    /// Sums over all tables.
    pub totals: Totals,
}

/// Why the results of the tasks do not make a whole backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// No task, or more than one, has this result.
    #[error("task {task} has {found} results, expected one")]
    TaskResults {
        /// The task.
        task: u32,
        /// Results found.
        found: usize,
    },
    /// A planned table is not in its task's result, or more than once.
    #[error("table {table} is {found} times in the result of task {task}, expected once")]
    Table {
        /// The task.
        task: u32,
        /// The table.
        table: String,
        /// How often it is there.
        found: usize,
    },
    /// A result holds a table that its task was not to copy.
    #[error("the result of task {task} holds table {table}, which is not in its plan")]
    NotPlanned {
        /// The task.
        task: u32,
        /// The table.
        table: String,
    },
    /// A table's sums or checksum do not follow from its frames.
    #[error("the sums of table {table} do not follow from its frames")]
    Sums {
        /// The table.
        table: String,
    },
    /// A frame lies outside of its segment, or frames do not fill their segments without gaps.
    #[error("the frames of task {task} do not fill segment {segment}")]
    Frames {
        /// The task.
        task: u32,
        /// The segment's key.
        segment: String,
    },
}

impl From<Incomplete> for Fault {
    fn from(incomplete: Incomplete) -> Self {
        Fault::new(Code::BackupIncomplete, incomplete.to_string())
    }
}

impl Manifest {
    /// The manifest of the backup that `plan` and the results of its tasks describe.
    ///
    /// # Errors
    /// [`Incomplete`] where not every planned part is there exactly once, with frames that fill their
    /// segments and sums that follow from them.
    pub fn assemble(
        belonging: Belonging,
        plan: &DumpPlan,
        results: &[TaskResult],
    ) -> Result<Self, Incomplete> {
        let mut segments: Vec<ObjectRef> = Vec::new();
        let mut tables = Vec::new();
        for task in &plan.tasks {
            let found: Vec<&TaskResult> = results.iter().filter(|result| result.task == task.task).collect();
            let [result] = found[..] else {
                return Err(Incomplete::TaskResults { task: task.task, found: found.len() });
            };
            check_tables(task.task, &task.parts, &result.tables)?;
            check_frames(result)?;
            let first = u32::try_from(segments.len()).expect("fewer than 2^32 segments");
            segments.extend(result.segments.iter().cloned());
            tables.extend(result.tables.iter().cloned().map(|mut table| {
                for frame in &mut table.frames {
                    frame.location.segment += first;
                }
                table
            }));
        }
        tables.sort_by_key(|table| table.dump_id);
        let totals = Totals {
            tables: tables.len() as u64,
            rows: tables.iter().map(|table| table.rows).sum(),
            raw_bytes: tables.iter().map(|table| table.raw_bytes).sum(),
            stored_bytes: segments.iter().map(|segment| segment.bytes).sum(),
            segments: segments.len() as u64,
        };
        Ok(Self {
            format: FORMAT,
            belonging,
            consistent_at: plan.consistent_at,
            source: plan.source.clone(),
            compression: Compression::Zstd,
            toc: plan.toc.clone(),
            globals: plan.globals.clone(),
            segments,
            tables,
            totals,
        })
    }
}

/// Every part of the plan once, and nothing else, with sums that follow from the frames.
fn check_tables(task: u32, parts: &[Part], tables: &[TableData]) -> Result<(), Incomplete> {
    let mut times: HashMap<i32, usize> = HashMap::new();
    for table in tables {
        *times.entry(table.dump_id).or_default() += 1;
        let name = format!("{}.{}", table.schema, table.name);
        let planned = parts.iter().any(|part| {
            part.dump_id == table.dump_id && part.schema == table.schema && part.name == table.name
        });
        if !planned {
            return Err(Incomplete::NotPlanned { task, table: name });
        }
        let again = TableData::of_frames(
            table.dump_id,
            table.schema.clone(),
            table.name.clone(),
            table.frames.clone(),
        );
        if again != *table {
            return Err(Incomplete::Sums { table: name });
        }
    }
    for part in parts {
        let found = times.get(&part.dump_id).copied().unwrap_or_default();
        if found != 1 {
            return Err(Incomplete::Table { task, table: format!("{}.{}", part.schema, part.name), found });
        }
    }
    Ok(())
}

/// The frames of a result, in order of place, fill each of its segments from the first byte to the last.
fn check_frames(result: &TaskResult) -> Result<(), Incomplete> {
    let mut places: Vec<_> =
        result.tables.iter().flat_map(|table| &table.frames).map(|frame| frame.location).collect();
    places.sort_by_key(|place| (place.segment, place.offset));
    let mut ends = vec![0_u64; result.segments.len()];
    let broken = |segment: Option<&ObjectRef>| Incomplete::Frames {
        task: result.task,
        segment: segment.map_or_else(|| "(none)".to_owned(), |segment| segment.key.clone()),
    };
    for place in places {
        let segment = place.segment as usize;
        match ends.get_mut(segment) {
            Some(end) if *end == place.offset => *end += place.length,
            _ => return Err(broken(result.segments.get(segment))),
        }
    }
    match ends.iter().zip(&result.segments).find(|(end, segment)| **end != segment.bytes) {
        Some((_, segment)) => Err(broken(Some(segment))),
        None => Ok(()),
    }
}

#[cfg(test)]
#[path = "manifest_tests.rs"]
mod tests;
