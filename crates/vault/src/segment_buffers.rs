//! Memory of segments that have been written, for those that come.
//!
//! A buffer of a segment's size is taken from the kernel page by page, and given back to it when it is freed: a
//! twentieth of the time of a dump's workers went there.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::segment::SEGMENT_BYTES;

/// One that fills, and one that is on its way.
const KEPT: usize = 2;

/// Buffers that nobody uses at the moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct SegmentBuffers(Arc<Mutex<Vec<Vec<u8>>>>);

impl SegmentBuffers {
    /// An empty buffer, with room if one was kept.
    pub(crate) fn take(&self) -> Vec<u8> {
        self.spare().pop().unwrap_or_default()
    }

    /// Keeps the memory of `body`, unless somebody else holds it still, or it is larger than a segment should be.
    pub(crate) fn give_back(&self, body: Bytes) {
        if !body.is_unique() {
            return;
        }
        let mut buffer = Vec::from(body);
        buffer.clear();
        let mut spare = self.spare();
        if buffer.capacity() <= SEGMENT_BYTES && spare.len() < KEPT {
            spare.push(buffer);
        }
    }

    fn spare(&self) -> std::sync::MutexGuard<'_, Vec<Vec<u8>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn body(capacity: usize) -> (Bytes, *const u8) {
        let mut buffer = Vec::with_capacity(capacity);
        buffer.extend_from_slice(b"frames");
        let place = buffer.as_ptr();
        (buffer.into(), place)
    }

    #[test]
    fn memory_that_nobody_holds_is_used_again() {
        let buffers = SegmentBuffers::default();
        let (first, place) = body(1 << 20);
        buffers.give_back(first);
        let again = buffers.take();
        assert_eq!((again.as_ptr(), again.len(), again.capacity()), (place, 0, 1 << 20));

        let (held, _) = body(1 << 20);
        let holder = held.clone();
        buffers.give_back(held);
        assert_eq!(buffers.take().capacity(), 0);
        assert_eq!(holder, b"frames".as_slice());
    }

    #[test]
    fn no_more_is_kept_than_a_task_needs() {
        let buffers = SegmentBuffers::default();
        buffers.give_back(body(SEGMENT_BYTES + 1).0);
        assert_eq!(buffers.take().capacity(), 0);
        for _ in 0..2 * KEPT {
            buffers.give_back(body(100).0);
        }
        let kept = (0..2 * KEPT).filter(|_| buffers.take().capacity() > 0).count();
        assert_eq!(kept, KEPT);
    }
}
