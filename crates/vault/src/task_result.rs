//! What a task copied. Written once, after its last segment: of several runs of a task, the one whose result
//! was written first counts, and only what a result names exists.

use serde::{Deserialize, Serialize};

use crate::checksum::Blake3;
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
    /// BLAKE3 of its rows.
    pub raw_checksum: Blake3,
}

/// What was copied of one table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableData {
    /// The number of its `TABLE DATA` entry in the table of contents.
    pub dump_id: i32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Bytes of its rows.
    pub raw_bytes: u64,
    /// Bytes of its frames.
    pub stored_bytes: u64,
    /// BLAKE3 of its frames' raw checksums.
    pub checksum: Blake3,
    /// Its frames, in order.
    pub frames: Vec<Frame>,
}

impl TableData {
    /// The table's data in `frames`, with their sums.
    pub fn of_frames(dump_id: i32, schema: String, name: String, frames: Vec<Frame>) -> Self {
        Self {
            dump_id,
            schema,
            name,
            rows: frames.iter().map(|frame| frame.rows).sum(),
            raw_bytes: frames.iter().map(|frame| frame.raw_length).sum(),
            stored_bytes: frames.iter().map(|frame| frame.location.length).sum(),
            checksum: Blake3::of_frames(frames.iter().map(|frame| &frame.raw_checksum)),
            frames,
        }
    }
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
    /// Its tables.
    pub tables: Vec<TableData>,
}
