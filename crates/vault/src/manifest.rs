//! The manifest: names every object of a point, and of every table where its frames are listed.
//!
//! Two levels: the manifest has a line for each table and each object, the results of the tasks have the frames.
//! So the manifest of a huge database is still small, and whoever reads one task reads no more than that.

use std::collections::BTreeMap;

use jiff::Timestamp;
use permafrost_domain::instance::InstanceName;
use permafrost_domain::{Code, Fault, InstanceId, JobId, PointId};
use serde::{Deserialize, Serialize};

use crate::FORMAT;
use crate::checksum::Blake3;
use crate::plan::{Compression, DumpPlan, OidRange, Part, PartData, Source, TablePart};
use crate::store::ObjectRef;
use crate::task_result::{LargeObjectData, Sums, TableData, TaskResult};

/// Sums over everything.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Totals {
    /// Tables.
    pub tables: u64,
    /// Rows.
    pub rows: u64,
    /// Large objects.
    #[serde(default)]
    pub large_objects: u64,
    /// Bytes of rows and of large objects.
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

/// The objects of one task.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskObjects {
    /// The task.
    pub task: u32,
    /// Its result, which lists the frames.
    pub result: ObjectRef,
    /// Its segments, in the order in which the result counts them.
    pub segments: Vec<ObjectRef>,
    /// Bytes of rows and of large objects in them.
    pub raw_bytes: u64,
}

/// Where one part of a table is listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PartPlace {
    /// The task.
    pub task: u32,
    /// The place in the `tables` of the task's result, from 0.
    pub index: u32,
}

/// A table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableSummary {
    /// The number of its `TABLE DATA` entry in the table of contents.
    pub dump_id: i32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Sums over its parts; the checksum is the BLAKE3 of their checksums.
    #[serde(flatten)]
    pub sums: Sums,
    /// Its parts, in order.
    pub parts: Vec<PartPlace>,
}

/// Names every object of a point, and of every table where its frames are listed.
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
    /// The results of all tasks and their segments, by the tasks' numbers, from 1 without gaps.
    pub tasks: Vec<TaskObjects>,
    /// All tables, by the numbers of their entries.
    pub tables: Vec<TableSummary>,
    /// Sums over everything.
    pub totals: Totals,
}

impl Manifest {
    /// The objects of a task.
    pub fn task(&self, number: u32) -> Option<&TaskObjects> {
        (number as usize).checked_sub(1).and_then(|index| self.tasks.get(index))
    }

    /// The segments of all tasks.
    pub fn segments(&self) -> impl Iterator<Item = &ObjectRef> {
        self.tasks.iter().flat_map(|task| &task.segments)
    }

    /// Every object of the point but segments, the manifest itself and the plan: what stays in a hot class.
    pub fn descriptions(&self) -> impl Iterator<Item = &ObjectRef> {
        [&self.toc, &self.globals].into_iter().chain(self.tasks.iter().map(|task| &task.result))
    }

    /// Every object of the point but the manifest itself and the plan.
    pub fn objects(&self) -> impl Iterator<Item = &ObjectRef> {
        [&self.toc, &self.globals]
            .into_iter()
            .chain(self.tasks.iter().flat_map(|task| std::iter::once(&task.result).chain(&task.segments)))
    }
}

/// Why the results of the tasks do not make a whole backup.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Incomplete {
    /// The results do not come one for each task, in order.
    #[error("the result of task {expected} was expected, found {found}")]
    Task {
        /// The task whose turn it is.
        expected: u32,
        /// The task whose result came, or none.
        found: String,
    },
    /// A task's result does not hold what its plan says, once and in order.
    #[error("the result of task {task} has {found} where its plan has {planned}")]
    Part {
        /// The task.
        task: u32,
        /// What was planned.
        planned: String,
        /// What is there.
        found: String,
    },
    /// A table's sums or checksum do not follow from its frames.
    #[error("the sums of {object} do not follow from its frames")]
    Sums {
        /// The table.
        object: String,
    },
    /// A frame lies outside of its segment, or frames do not fill their segments without gaps.
    #[error("the frames of task {task} do not fill segment {segment}")]
    Frames {
        /// The task.
        task: u32,
        /// The segment's key.
        segment: String,
    },
    /// Not every part of a table is there once.
    #[error("table {table} has {found} of its {parts} parts")]
    Parts {
        /// The table.
        table: String,
        /// Parts that were planned.
        parts: u32,
        /// Parts that are there.
        found: usize,
    },
}

impl From<Incomplete> for Fault {
    fn from(incomplete: Incomplete) -> Self {
        Fault::new(Code::BackupIncomplete, incomplete.to_string())
    }
}

/// Makes a manifest of a plan and the results of its tasks, taken one after the other: no more than one of them
/// needs to be in memory.
#[derive(Debug)]
pub struct Assembly<'p> {
    plan: &'p DumpPlan,
    tasks: Vec<TaskObjects>,
    tables: BTreeMap<i32, Vec<FoundPart>>,
    totals: Totals,
}

/// A part of a table, found in a result.
#[derive(Debug)]
struct FoundPart {
    part: u32,
    sums: Sums,
    place: PartPlace,
}

impl<'p> Assembly<'p> {
    /// Begins with nothing.
    pub fn of(plan: &'p DumpPlan) -> Self {
        Self { plan, tasks: Vec::new(), tables: BTreeMap::new(), totals: Totals::default() }
    }

    /// Takes the result of the next task, which lies in the store as `object`.
    ///
    /// # Errors
    /// [`Incomplete`] where it is another task's, or not what was planned, or its sums are wrong.
    pub fn take(&mut self, object: ObjectRef, result: &TaskResult) -> Result<(), Incomplete> {
        let number = u32::try_from(self.tasks.len() + 1).unwrap_or(u32::MAX);
        let Some(task) = self.plan.task(number).filter(|_| result.task == number) else {
            return Err(Incomplete::Task {
                expected: number,
                found: format!("that of task {}", result.task),
            });
        };
        check_parts(number, &task.parts, result)?;
        check_frames(result)?;
        for (index, table) in (0..).zip(&result.tables) {
            let place = PartPlace { task: number, index };
            let found = FoundPart { part: table.part, sums: table.sums, place };
            self.tables.entry(table.dump_id).or_default().push(found);
        }
        let large = result.large_objects.iter().flat_map(|object| &object.frames);
        self.totals.raw_bytes += large.map(|frame| frame.raw_length).sum::<u64>();
        self.totals.large_objects += result.large_objects.len() as u64;
        self.totals.stored_bytes += result.segments.iter().map(|segment| segment.bytes).sum::<u64>();
        self.totals.segments += result.segments.len() as u64;
        self.tasks.push(TaskObjects {
            task: number,
            result: object,
            segments: result.segments.clone(),
            raw_bytes: result.frames().map(|frame| frame.raw_length).sum(),
        });
        Ok(())
    }

    /// The manifest, once every result was taken.
    ///
    /// # Errors
    /// [`Incomplete`] where a task or a part of a table is missing.
    pub fn finish(mut self, belonging: Belonging) -> Result<Manifest, Incomplete> {
        if self.tasks.len() != self.plan.tasks.len() {
            let expected = u32::try_from(self.tasks.len() + 1).unwrap_or(u32::MAX);
            return Err(Incomplete::Task { expected, found: "no more".to_owned() });
        }
        let planned = self.plan.tasks.iter().flat_map(|task| &task.parts).filter_map(Part::table);
        let mut tables = Vec::with_capacity(self.tables.len());
        for table in planned.filter(|table| table.part == 0) {
            tables.push(summary(table, self.tables.remove(&table.dump_id).unwrap_or_default())?);
        }
        tables.sort_by_key(|table| table.dump_id);
        self.totals.tables = tables.len() as u64;
        self.totals.rows = tables.iter().map(|table| table.sums.rows).sum();
        self.totals.raw_bytes += tables.iter().map(|table| table.sums.raw_bytes).sum::<u64>();
        Ok(Manifest {
            format: FORMAT,
            belonging,
            consistent_at: self.plan.consistent_at,
            source: self.plan.source.clone(),
            compression: self.plan.compression,
            toc: self.plan.toc.clone(),
            globals: self.plan.globals.clone(),
            tasks: self.tasks,
            tables,
            totals: self.totals,
        })
    }
}

/// A table of all its parts.
fn summary(table: &TablePart, mut found: Vec<FoundPart>) -> Result<TableSummary, Incomplete> {
    found.sort_by_key(|part| part.part);
    if !found.iter().map(|part| part.part).eq(0..table.parts) {
        let name = format!("{}.{}", table.schema, table.name);
        return Err(Incomplete::Parts { table: name, parts: table.parts, found: found.len() });
    }
    let sum = |of: fn(&Sums) -> u64| found.iter().map(|part| of(&part.sums)).sum();
    Ok(TableSummary {
        dump_id: table.dump_id,
        schema: table.schema.clone(),
        name: table.name.clone(),
        sums: Sums {
            rows: sum(|sums| sums.rows),
            raw_bytes: sum(|sums| sums.raw_bytes),
            stored_bytes: sum(|sums| sums.stored_bytes),
            checksum: Blake3::of_all(found.iter().map(|part| &part.sums.checksum.as_bytes()[..])),
        },
        parts: found.iter().map(|part| part.place).collect(),
    })
}

/// Every part of the plan, in order and once, with sums that follow from the frames.
fn check_parts(task: u32, parts: &[Part], result: &TaskResult) -> Result<(), Incomplete> {
    let mut tables = result.tables.iter();
    let mut ranges = Vec::new();
    let differs = |planned: Option<&TablePart>, found: Option<&TableData>| Incomplete::Part {
        task,
        planned: planned.map_or("nothing".into(), |part| part_name(&part.schema, &part.name, part.part)),
        found: found.map_or("nothing".into(), |data| part_name(&data.schema, &data.name, data.part)),
    };
    for part in parts {
        let table = match &part.data {
            PartData::Table(table) => table,
            PartData::LargeObjects(range) => {
                ranges.push(*range);
                continue;
            }
        };
        let found = tables.next();
        match found {
            Some(data) if is_of(data, table) => check_sums(data)?,
            _ => return Err(differs(Some(table), found)),
        }
    }
    match tables.next() {
        Some(more) => Err(differs(None, Some(more))),
        None => check_large_objects(task, &ranges, &result.large_objects),
    }
}

fn part_name(schema: &str, name: &str, part: u32) -> String {
    format!("part {part} of table {schema}.{name}")
}

fn is_of(data: &TableData, part: &TablePart) -> bool {
    (data.dump_id, data.part, data.parts) == (part.dump_id, part.part, part.parts)
        && data.schema == part.schema
        && data.name == part.name
}

fn check_sums(data: &TableData) -> Result<(), Incomplete> {
    if Sums::of(&data.frames) == data.sums {
        Ok(())
    } else {
        Err(Incomplete::Sums { object: part_name(&data.schema, &data.name, data.part) })
    }
}

/// Large objects are in ascending order, hence there once, and within the ranges that were planned.
fn check_large_objects(task: u32, ranges: &[OidRange], found: &[LargeObjectData]) -> Result<(), Incomplete> {
    let differs = |oid: u32, planned: &str| Incomplete::Part {
        task,
        planned: planned.to_owned(),
        found: format!("large object {oid}"),
    };
    for (before, after) in found.iter().zip(found.iter().skip(1)) {
        if before.oid >= after.oid {
            return Err(differs(after.oid, &format!("one behind {}", before.oid)));
        }
    }
    match found
        .iter()
        .find(|object| !ranges.iter().any(|range| (range.from..=range.to).contains(&object.oid)))
    {
        Some(stray) => Err(differs(stray.oid, "others")),
        None => Ok(()),
    }
}

/// The frames of a result, in order of place, fill each of its segments from the first byte to the last.
fn check_frames(result: &TaskResult) -> Result<(), Incomplete> {
    let mut places: Vec<_> = result.frames().map(|frame| frame.location).collect();
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
