//! Reading frames in a given order, ahead of whoever takes them.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, LocalBoxStream};
use permafrost_vault::assembly::SegmentRange;
use permafrost_vault::task_result::Frame;
use permafrost_vault::{Blake3, Manifest, ObjectRef, PointLayout, Store, VaultError};

use crate::error::EngineError;

/// Bytes of a request for frames that lie behind each other.
const READ_BYTES: u64 = 8 * 1024 * 1024;
/// Requests on their way.
const READS_AT_ONCE: usize = 4;

/// A frame and the task that wrote it.
#[derive(Debug, Clone, Copy)]
pub(super) struct FrameOf<'a> {
    pub(super) task: u32,
    pub(super) frame: &'a Frame,
}

impl FrameOf<'_> {
    /// Where it is.
    pub(super) fn range(&self) -> SegmentRange {
        let place = self.frame.location;
        SegmentRange { task: self.task, segment: place.segment, offset: place.offset, length: place.length }
    }
}

/// The compressed bytes of frames, in the order in which they were named.
pub(super) struct FrameStream<'a> {
    runs: LocalBoxStream<'a, Result<(SegmentRange, Bytes), EngineError>>,
    run: Option<(SegmentRange, Bytes)>,
}

/// The segment of this place.
pub(super) fn segment(manifest: &Manifest, range: SegmentRange) -> Result<&ObjectRef, EngineError> {
    let objects = manifest.task(range.task).map(|task| task.segments.as_slice()).unwrap_or_default();
    objects
        .get(range.segment as usize)
        .ok_or_else(|| EngineError::Damaged { what: format!("the list of segments of task {}", range.task) })
}

impl<'a> FrameStream<'a> {
    /// A stream of these frames.
    pub(super) fn new(
        store: &'a Store,
        layout: PointLayout,
        manifest: &'a Manifest,
        frames: impl IntoIterator<Item = FrameOf<'a>>,
    ) -> Self {
        let runs = runs(frames.into_iter().map(|frame| frame.range()));
        let read = move |run: SegmentRange| async move {
            let object = segment(manifest, run)?;
            Ok((run, store.get_range(&layout, object, run.offset, run.length).await?))
        };
        Self { runs: stream::iter(runs).map(read).buffered(READS_AT_ONCE).boxed_local(), run: None }
    }

    /// The bytes of the next frame, which must be `frame`, checked.
    ///
    /// # Errors
    /// [`VaultError::Frame`] where they are not those that were written; those of reading.
    pub(super) async fn take(&mut self, frame: FrameOf<'_>) -> Result<Bytes, EngineError> {
        let wanted = frame.range();
        loop {
            if let Some((run, bytes)) = &mut self.run
                && (run.task, run.segment, run.offset) == (wanted.task, wanted.segment, wanted.offset)
                && run.length >= wanted.length
            {
                let found = bytes.split_to(usize::try_from(wanted.length).unwrap_or(usize::MAX));
                run.offset += wanted.length;
                run.length -= wanted.length;
                if Blake3::of(&found) == frame.frame.checksum {
                    return Ok(found);
                }
                let key = format!("segment {} of task {}", wanted.segment, wanted.task);
                return Err(VaultError::Frame { key, offset: wanted.offset }.into());
            }
            // Let the last run go before the next one comes.
            self.run = None;
            self.run = match self.runs.next().await {
                Some(run) => Some(run?),
                None => return Err(EngineError::Damaged { what: "the order of frames".to_owned() }),
            };
        }
    }
}

/// Frames that lie behind each other as one, up to a limit.
fn runs(frames: impl Iterator<Item = SegmentRange>) -> Vec<SegmentRange> {
    let mut runs: Vec<SegmentRange> = Vec::new();
    for frame in frames {
        match runs.last_mut() {
            Some(run)
                if (run.task, run.segment, run.offset + run.length)
                    == (frame.task, frame.segment, frame.offset)
                    && run.length + frame.length <= READ_BYTES =>
            {
                run.length += frame.length;
            }
            _ => runs.push(frame),
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_side_by_side_are_read_at_once_up_to_a_limit() {
        let range = |segment, offset, length| SegmentRange { task: 1, segment, offset, length };
        let frames = [range(0, 0, 10), range(0, 10, 5), range(0, 16, 5), range(1, 21, 5)];
        assert_eq!(runs(frames.into_iter()), [range(0, 0, 15), range(0, 16, 5), range(1, 21, 5)]);
        let large = [range(0, 0, READ_BYTES - 1), range(0, READ_BYTES - 1, 2), range(0, READ_BYTES + 1, 1)];
        let read = [range(0, 0, READ_BYTES - 1), range(0, READ_BYTES - 1, 3)];
        assert_eq!(runs(large.into_iter()), read);
    }
}
