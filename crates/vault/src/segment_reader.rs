//! Reading frames: a request for each run of them, not for each frame.

use bytes::Bytes;

use crate::checksum::Blake3;
use crate::error::VaultError;
use crate::layout::PointLayout;
use crate::store::{ObjectRef, Store};
use crate::task_result::Frame;

/// Bytes of a request: large enough that its latency costs little, small enough to be held in memory.
const READ_BYTES: u64 = 32 * 1024 * 1024;

/// Reads the frames of a task. Fast where they are asked for in the order in which they lie in their segments:
/// what follows a frame is read with it.
#[derive(Debug)]
pub struct SegmentReader<'a> {
    store: &'a Store,
    layout: PointLayout,
    segments: &'a [ObjectRef],
    run: Run,
}

/// A piece of a segment.
#[derive(Debug, Default)]
struct Run {
    segment: u32,
    offset: u64,
    bytes: Bytes,
}

impl Run {
    /// The frame's bytes, where they are in this run.
    fn get(&self, frame: &Frame) -> Option<Bytes> {
        let place = frame.location;
        let first = place.offset.checked_sub(self.offset).filter(|_| place.segment == self.segment)?;
        let end = first.checked_add(place.length).filter(|end| *end <= self.bytes.len() as u64)?;
        Some(self.bytes.slice(usize::try_from(first).ok()?..usize::try_from(end).ok()?))
    }
}

impl<'a> SegmentReader<'a> {
    /// A reader of the frames in `segments`, those of one task of the point at `layout`.
    pub fn new(store: &'a Store, layout: PointLayout, segments: &'a [ObjectRef]) -> Self {
        Self { store, layout, segments, run: Run::default() }
    }

    /// The compressed bytes of a frame, checked.
    ///
    /// # Errors
    /// [`VaultError::Frame`] where they are not those that were written; those of reading.
    pub async fn frame(&mut self, frame: &Frame) -> Result<Bytes, VaultError> {
        let place = frame.location;
        let damaged = |key: &str| VaultError::Frame { key: key.to_owned(), offset: place.offset };
        let segment = self.segments.get(place.segment as usize).ok_or_else(|| damaged("(none)"))?;
        let bytes = if let Some(bytes) = self.run.get(frame) {
            bytes
        } else {
            let rest = segment.bytes.checked_sub(place.offset).ok_or_else(|| damaged(&segment.key))?;
            let length = rest.min(READ_BYTES.max(place.length));
            // Let the last run go before the next one comes.
            self.run = Run::default();
            let bytes = self.store.get_range(&self.layout, segment, place.offset, length).await?;
            self.run = Run { segment: place.segment, offset: place.offset, bytes };
            self.run.get(frame).ok_or_else(|| damaged(&segment.key))?
        };
        if Blake3::of(&bytes) == frame.checksum { Ok(bytes) } else { Err(damaged(&segment.key)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::segment::FrameLocation;

    #[test]
    fn a_run_has_what_lies_in_it_and_nothing_else() {
        let run = Run { segment: 3, offset: 100, bytes: Bytes::from_static(b"0123456789") };
        let frame = |segment, offset, length| Frame {
            location: FrameLocation { segment, offset, length },
            raw_length: 0,
            rows: 0,
            checksum: Blake3::of(b""),
            raw_checksum: crate::checksum::Xxh3::of(b""),
            page: None,
        };
        assert_eq!(run.get(&frame(3, 100, 10)).as_deref(), Some(&b"0123456789"[..]));
        assert_eq!(run.get(&frame(3, 104, 2)).as_deref(), Some(&b"45"[..]));
        for outside in [frame(2, 104, 2), frame(3, 99, 2), frame(3, 104, 7), frame(3, 110, 1)] {
            assert_eq!(run.get(&outside), None, "{:?}", outside.location);
        }
        assert_eq!(Run::default().get(&frame(0, 0, 1)), None);
    }
}
