//! Segments: objects that hold the frames of one task back to back.
//!
//! A segment is filled while the one before it is on its way into the store: two are in memory at most, and a
//! store that is slower than the server holds the reader back.

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use tokio::task::JoinHandle;

use crate::checksum::Sha256Sum;
use crate::error::VaultError;
use crate::layout::PointLayout;
use crate::store::{ObjectRef, Store};

/// Bytes of a full segment: large enough that requests cost nothing, small enough to hold two in memory.
pub const SEGMENT_BYTES: usize = 64 * 1024 * 1024;

/// Where a frame is: in the segment of this place in its document's list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct FrameLocation {
    /// The segment's place, from 0.
    pub segment: u32,
    /// The frame's first byte in it.
    pub offset: u64,
    /// The frame's bytes.
    pub length: u64,
}

/// Writes the segments of one run of one task.
#[derive(Debug)]
pub struct SegmentWriter {
    store: Store,
    layout: PointLayout,
    task: u32,
    attempt: String,
    segment_bytes: usize,
    filling: Vec<u8>,
    /// Of what is in `filling`. Summed frame by frame: a whole segment at once would keep the server waiting.
    sum: Sha256Sum,
    /// The segment that `filling` will become.
    number: u32,
    written: Vec<ObjectRef>,
    in_flight: Option<JoinHandle<Result<ObjectRef, VaultError>>>,
}

impl SegmentWriter {
    /// A writer for the run `attempt` of `task`, with segments of at most `segment_bytes` (a frame that is
    /// larger makes a segment of its own).
    pub fn new(store: Store, layout: PointLayout, task: u32, attempt: String, segment_bytes: usize) -> Self {
        Self {
            store,
            layout,
            task,
            attempt,
            segment_bytes,
            filling: Vec::new(),
            sum: Sha256Sum::default(),
            number: 0,
            written: Vec::new(),
            in_flight: None,
        }
    }

    /// Appends a frame and tells where it is. Waits while two segments are full. A frame that fills a segment by
    /// itself is taken out of `frame` and not copied: it may be as large as a row can be.
    ///
    /// # Errors
    /// Those of writing an earlier segment.
    pub async fn append(&mut self, frame: &mut Vec<u8>) -> Result<FrameLocation, VaultError> {
        if !self.filling.is_empty() && self.filling.len() + frame.len() > self.segment_bytes {
            self.send().await?;
        }
        let length = frame.len() as u64;
        self.sum.add(frame);
        if self.filling.is_empty() && frame.len() >= self.segment_bytes {
            self.filling = std::mem::take(frame);
            return Ok(FrameLocation { segment: self.number, offset: 0, length });
        }
        if self.filling.capacity() == 0 {
            self.filling = self.store.buffers.take();
        }
        if self.filling.capacity() == 0 {
            // Small databases have small segments: room for a full one is taken only when a frame has filled
            // a good part of it, and then at once, since growing by doubling would hold 1.5 segments more.
            self.filling
                .reserve_exact(frame.len().max(4 * 1024 * 1024).min(self.segment_bytes.max(frame.len())));
        } else if self.filling.len() + frame.len() > self.filling.capacity() {
            let room = self.segment_bytes.max(self.filling.len() + frame.len());
            self.filling.reserve_exact(room - self.filling.len());
        }
        let offset = self.filling.len() as u64;
        self.filling.extend_from_slice(frame);
        Ok(FrameLocation { segment: self.number, offset, length })
    }

    /// Writes what is left and returns the segments, in order.
    ///
    /// # Errors
    /// Those of writing.
    pub async fn finish(mut self) -> Result<Vec<ObjectRef>, VaultError> {
        if !self.filling.is_empty() {
            self.send().await?;
        }
        self.settle().await?;
        Ok(std::mem::take(&mut self.written))
    }

    /// Starts writing the filled segment once the one before it has arrived.
    async fn send(&mut self) -> Result<(), VaultError> {
        self.settle().await?;
        let body = Bytes::from(std::mem::take(&mut self.filling));
        let sha256 = std::mem::take(&mut self.sum).finish();
        let name = PointLayout::segment(self.task, &self.attempt, self.number);
        let (store, layout, memory) = (self.store.clone(), self.layout, body.clone());
        self.number += 1;
        self.in_flight = Some(tokio::spawn(async move {
            let written = store.put_summed(&layout, &name, body, sha256).await;
            store.buffers.give_back(memory);
            written
        }));
        Ok(())
    }

    async fn settle(&mut self) -> Result<(), VaultError> {
        if let Some(write) = self.in_flight.take() {
            match write.await {
                Ok(written) => self.written.push(written?),
                Err(panic) => std::panic::resume_unwind(panic.into_panic()),
            }
        }
        Ok(())
    }
}

impl Drop for SegmentWriter {
    fn drop(&mut self) {
        if let Some(write) = self.in_flight.take() {
            write.abort();
        }
    }
}
