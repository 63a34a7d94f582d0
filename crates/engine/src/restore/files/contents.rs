//! Everything that a backup has copied, in the order in which one file wants it.

use std::collections::{BTreeMap, HashMap};

use permafrost_domain::job::Progress;
use permafrost_pgarchive::{DumpId, Entry};
use permafrost_vault::TaskResult;
use permafrost_vault::task_result::{LargeObjectData, TableData};

use super::FileRestore;
use super::archive::{contradiction, groups};
use super::frames::{FrameOf, FrameStream};
use crate::error::EngineError;

/// The results of all tasks.
pub(super) struct Contents(Vec<TaskResult>);

/// The data of one entry.
pub(super) struct EntryData<'a> {
    pub(super) entry: &'a Entry,
    pub(super) data: Data<'a>,
}

/// What an entry holds.
pub(super) enum Data<'a> {
    /// The rows of a table.
    Rows(Vec<FrameOf<'a>>),
    /// Large objects, by their numbers.
    LargeObjects(Vec<(u32, Vec<FrameOf<'a>>)>),
}

impl Contents {
    /// Reads what the tasks have copied: lists of frames, not the frames.
    pub(super) async fn of(restore: &FileRestore<'_>) -> Result<Self, EngineError> {
        let mut results = Vec::with_capacity(restore.manifest.tasks.len());
        for task in &restore.manifest.tasks {
            results.push(restore.result(task.task).await?);
        }
        Ok(Self(results))
    }

    /// The data of every entry that has any, in the order of the table of contents.
    pub(super) fn entries<'a>(
        &'a self,
        restore: &'a FileRestore<'_>,
    ) -> Result<Vec<EntryData<'a>>, EngineError> {
        let mut tables: HashMap<i32, BTreeMap<u32, (u32, &TableData)>> = HashMap::new();
        let mut objects: HashMap<u32, (u32, &LargeObjectData)> = HashMap::new();
        for result in &self.0 {
            for table in &result.tables {
                tables.entry(table.dump_id).or_default().insert(table.part, (result.task, table));
            }
            objects.extend(result.large_objects.iter().map(|object| (object.oid, (result.task, object))));
        }
        let groups: HashMap<DumpId, Vec<u32>> =
            groups(restore.toc)?.into_iter().map(|group| (group.data, group.oids)).collect();
        let data_of = |entry: &Entry| {
            if let Some(oids) = groups.get(&entry.dump_id) {
                let object = |oid: &u32| {
                    let (task, object) = objects
                        .get(oid)
                        .ok_or_else(|| contradiction(format!("large object {oid}, which was not copied")))?;
                    Ok((*oid, frames_of(*task, &object.frames).collect()))
                };
                return oids.iter().map(object).collect::<Result<_, EngineError>>().map(Data::LargeObjects);
            }
            let parts = tables
                .get(&entry.dump_id.get())
                .ok_or_else(|| contradiction(format!("data of entry {}", entry.dump_id)))?;
            Ok(Data::Rows(parts.values().flat_map(|(task, part)| frames_of(*task, &part.frames)).collect()))
        };
        let with_data = restore.toc.entries.iter().filter(|entry| entry.had_dumper);
        with_data.map(|entry| Ok(EntryData { entry, data: data_of(entry)? })).collect()
    }
}

fn frames_of(
    task: u32,
    frames: &[permafrost_vault::task_result::Frame],
) -> impl Iterator<Item = FrameOf<'_>> {
    frames.iter().map(move |frame| FrameOf { task, frame })
}

impl<'a> EntryData<'a> {
    /// Its frames, in order.
    pub(super) fn frames(&self) -> Vec<FrameOf<'a>> {
        match &self.data {
            Data::Rows(frames) => frames.clone(),
            Data::LargeObjects(objects) => objects.iter().flat_map(|(_, frames)| frames.clone()).collect(),
        }
    }

    /// The object, for people.
    pub(super) fn object(&self) -> String {
        match self.data {
            Data::Rows(_) => format!("table {}", self.entry.relation()),
            Data::LargeObjects(_) => "large objects".to_owned(),
        }
    }
}

/// All frames of these entries, read in their order.
pub(super) fn stream<'a>(restore: &'a FileRestore<'_>, entries: &[EntryData<'a>]) -> FrameStream<'a> {
    let frames = entries.iter().flat_map(EntryData::frames).collect::<Vec<_>>();
    FrameStream::new(restore.store, restore.layout, restore.manifest, frames)
}

/// Counts a frame.
pub(super) fn count(done: &mut Progress, frame: FrameOf<'_>) {
    done.rows_done += frame.frame.rows;
    done.bytes_done += frame.frame.raw_length;
}
