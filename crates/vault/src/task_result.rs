//! What a task copied. Written once, after its last segment: of several runs of a task, the one whose result
//! was written first counts, and only what a result names exists.

use serde::{Deserialize, Serialize};

use crate::checksum::{Blake3, Xxh3};
use crate::plan::TablePart;
use crate::segment::FrameLocation;
use crate::store::ObjectRef;

/// One frame: whole rows, compressed by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Frame {
    /// Where it is.
    #[serde(flatten)]
    pub location: FrameLocation,
    /// Bytes of rows in it.
    pub raw_length: u64,
    /// Rows in it.
    pub rows: u64,
    /// BLAKE3 of its compressed bytes.
    pub checksum: Blake3,
    /// XXH3 of its rows.
    pub raw_checksum: Xxh3,
    /// The first of the pages whose rows it holds, where its part is a range of pages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub page: Option<u32>,
}

/// Sums over frames.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sums {
    /// Rows.
    pub rows: u64,
    /// Bytes of rows.
    pub raw_bytes: u64,
    /// Bytes of frames.
    pub stored_bytes: u64,
    /// BLAKE3 of the frames' raw checksums.
    pub checksum: Blake3,
}

impl Sums {
    /// The sums over `frames`.
    pub fn of(frames: &[Frame]) -> Self {
        Self {
            rows: frames.iter().map(|frame| frame.rows).sum(),
            raw_bytes: frames.iter().map(|frame| frame.raw_length).sum(),
            stored_bytes: frames.iter().map(|frame| frame.location.length).sum(),
            checksum: Blake3::of_all(frames.iter().map(|frame| &frame.raw_checksum.as_bytes()[..])),
        }
    }
}

/// What was copied of one table by one part.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableData {
    /// The number of its `TABLE DATA` entry in the table of contents.
    pub dump_id: i32,
    /// Which of the table's parts this is, from 0.
    pub part: u32,
    /// How many parts the table was cut into.
    pub parts: u32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Sums over its frames.
    #[serde(flatten)]
    pub sums: Sums,
    /// Its frames, in order.
    pub frames: Vec<Frame>,
}

impl TableData {
    /// What `part` copied: `frames`, with their sums.
    pub fn of_frames(part: &TablePart, frames: Vec<Frame>) -> Self {
        Self {
            dump_id: part.dump_id,
            part: part.part,
            parts: part.parts,
            schema: part.schema.clone(),
            name: part.name.clone(),
            sums: Sums::of(&frames),
            frames,
        }
    }
}

/// One large object. Its frames, decompressed, are its bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LargeObjectData {
    /// Its number.
    pub oid: u32,
    /// Its frames, in order; none where it is empty.
    pub frames: Vec<Frame>,
}

/// What a task copied.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskResult {
    /// The format's version.
    pub format: u32,
    /// The task's number.
    pub task: u32,
    /// The run of the task that copied it.
    pub attempt: String,
    /// Its segments; frames count in this list.
    pub segments: Vec<ObjectRef>,
    /// What it copied of tables, in the order of its plan.
    pub tables: Vec<TableData>,
    /// Its large objects, in the order of their numbers.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub large_objects: Vec<LargeObjectData>,
}

impl TaskResult {
    /// All frames, whatever they belong to.
    pub fn frames(&self) -> impl Iterator<Item = &Frame> {
        let tables = self.tables.iter().flat_map(|table| &table.frames);
        tables.chain(self.large_objects.iter().flat_map(|object| &object.frames))
    }
}
