//! Compressing rows into frames, and frames into segments.

use permafrost_domain::job::Progress;
use permafrost_vault::plan::Compression;
use permafrost_vault::store::ObjectRef;
use permafrost_vault::task_result::Frame;
use permafrost_vault::{Blake3, SegmentWriter, Xxh3};

use super::compressor::Compressor;
use crate::error::EngineError;

/// Bytes of rows at which a frame is full.
pub(super) const FRAME_BYTES: usize = 2 * 1024 * 1024;
/// A buffer that has grown beyond this for one huge row is not kept for the others.
const KEPT_BYTES: usize = 4 * FRAME_BYTES;

/// Compresses what is put into `raw`, frame by frame, with buffers that are used again.
pub(super) struct FrameWriter {
    writer: SegmentWriter,
    compressor: Compressor,
    frame: Vec<u8>,
    /// What the next frame is to hold.
    pub(super) raw: Vec<u8>,
    /// What has been written.
    pub(super) done: Progress,
}

impl FrameWriter {
    pub(super) fn new(
        writer: SegmentWriter,
        compression: Compression,
        level: i32,
    ) -> Result<Self, EngineError> {
        let compressor = Compressor::new(compression, level)?;
        Ok(Self { writer, compressor, frame: Vec::new(), raw: Vec::new(), done: Progress::default() })
    }

    /// What comes now, about `bytes` of it, is of another kind than what came before.
    pub(super) fn begin_part(&mut self, bytes: u64) {
        self.compressor.begin_part(bytes);
    }

    /// Writes what is in `raw`, which holds `rows` whole rows, as one frame, and empties it.
    pub(super) async fn write(&mut self, rows: u64, page: Option<u32>) -> Result<Frame, EngineError> {
        self.compressor.compress(&self.raw, &mut self.frame)?;
        let (checksum, raw_checksum) = (Blake3::of(&self.frame), Xxh3::of(&self.raw));
        let raw_length = self.raw.len() as u64;
        self.raw.clear();
        self.raw.shrink_to(KEPT_BYTES);
        let location = self.writer.append(&mut self.frame).await?;
        self.frame.clear();
        self.frame.shrink_to(KEPT_BYTES);
        self.done.rows_done += rows;
        self.done.bytes_done += raw_length;
        Ok(Frame { location, raw_length, rows, checksum, raw_checksum, page })
    }

    /// Writes the last segment and returns all of them.
    pub(super) async fn finish(self) -> Result<Vec<ObjectRef>, EngineError> {
        Ok(self.writer.finish().await?)
    }
}
