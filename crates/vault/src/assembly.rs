//! Cutting a file that is to be into the parts of a multipart upload.
//!
//! S3 copies a range of an object into a part by itself, without the bytes passing through here, but every part
//! but the last must have 5 MiB. So long runs of bytes are copied, and what is shorter is fetched and joined with
//! its neighbours, taking from a long run behind it what is missing.

use bytes::Bytes;

/// The least bytes of a part that is not the last.
pub const LEAST_PART_BYTES: u64 = 5 * 1024 * 1024;
/// The most parts of a file.
pub const MOST_PARTS: usize = 10_000;
/// The most bytes that are copied as one part, so that a copy that has to be repeated costs little.
const MOST_COPIED_BYTES: u64 = 1024 * 1024 * 1024;
/// Bytes at which joined pieces make a part: two or three of them are held in memory.
const JOINED_BYTES: u64 = 8 * 1024 * 1024;

/// Bytes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentRange {
    /// The task whose segment it is.
    pub task: u32,
    /// The segment's place in its task's list.
    pub segment: u32,
    /// The first byte.
    pub offset: u64,
    /// How many bytes; never none.
    pub length: u64,
}

/// What a file is made of, one piece behind the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bytes of a segment.
    Range(SegmentRange),
    /// These bytes.
    Given(Bytes),
}

/// A part of a multipart upload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FilePart {
    /// S3 copies it.
    Copied(SegmentRange),
    /// It is put together here.
    Joined(Vec<Piece>),
}

impl Piece {
    /// Its length, in bytes.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Range(range) => range.length,
            Self::Given(bytes) => bytes.len() as u64,
        }
    }
}

impl FilePart {
    /// Its length, in bytes.
    pub fn bytes(&self) -> u64 {
        match self {
            Self::Copied(range) => range.length,
            Self::Joined(pieces) => pieces.iter().map(Piece::bytes).sum(),
        }
    }
}

impl SegmentRange {
    /// Its first `length` bytes and the others.
    fn split(self, length: u64) -> (Self, Self) {
        let rest = Self { offset: self.offset + length, length: self.length - length, ..self };
        (Self { length, ..self }, rest)
    }

    /// Both as one, where `next` lies right behind this one.
    fn followed_by(self, next: Self) -> Option<Self> {
        let adjacent =
            (self.task, self.segment, self.offset + self.length) == (next.task, next.segment, next.offset);
        adjacent.then_some(Self { length: self.length + next.length, ..self })
    }
}

/// The parts of the file that these pieces make. Every part but the last has [`LEAST_PART_BYTES`].
pub fn file_parts(pieces: impl IntoIterator<Item = Piece>) -> Vec<FilePart> {
    let mut cutter = Cutter::default();
    let mut run: Option<SegmentRange> = None;
    for piece in pieces {
        match (run, piece) {
            (_, piece) if piece.bytes() == 0 => {}
            (None, Piece::Range(range)) => run = Some(range),
            (Some(before), Piece::Range(range)) => {
                run = before.followed_by(range).or_else(|| {
                    cutter.range(before);
                    Some(range)
                });
            }
            (before, given) => {
                if let Some(before) = before {
                    cutter.range(before);
                }
                run = None;
                cutter.join(given);
            }
        }
    }
    if let Some(run) = run {
        cutter.range(run);
    }
    cutter.flush();
    cutter.parts
}

#[derive(Default)]
struct Cutter {
    parts: Vec<FilePart>,
    joined: Vec<Piece>,
    joined_bytes: u64,
}

impl Cutter {
    fn range(&mut self, range: SegmentRange) {
        let missing = LEAST_PART_BYTES.saturating_sub(self.joined_bytes);
        if self.joined.is_empty() && range.length >= LEAST_PART_BYTES {
            self.copy(range);
        } else if !self.joined.is_empty() && range.length >= missing + LEAST_PART_BYTES {
            let (head, rest) = range.split(missing);
            if missing > 0 {
                self.join(Piece::Range(head));
            }
            self.flush();
            self.copy(rest);
        } else {
            self.join(Piece::Range(range));
        }
    }

    fn copy(&mut self, mut range: SegmentRange) {
        // What is left behind full pieces would be too short by itself.
        while range.length >= MOST_COPIED_BYTES + LEAST_PART_BYTES {
            let (head, rest) = range.split(MOST_COPIED_BYTES);
            self.parts.push(FilePart::Copied(head));
            range = rest;
        }
        self.parts.push(FilePart::Copied(range));
    }

    fn join(&mut self, piece: Piece) {
        self.joined_bytes += piece.bytes();
        self.joined.push(piece);
        if self.joined_bytes >= JOINED_BYTES {
            self.flush();
        }
    }

    fn flush(&mut self) {
        if !self.joined.is_empty() {
            self.parts.push(FilePart::Joined(std::mem::take(&mut self.joined)));
            self.joined_bytes = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MIB: u64 = 1024 * 1024;

    fn range(segment: u32, offset: u64, length: u64) -> Piece {
        Piece::Range(SegmentRange { task: 1, segment, offset, length })
    }

    fn given(length: u64) -> Piece {
        Piece::Given(Bytes::from(vec![b'x'; usize::try_from(length).unwrap()]))
    }

    /// What the file consists of, with neighbours put together: the same however it was cut.
    fn contents(pieces: impl IntoIterator<Item = Piece>) -> Vec<(Option<SegmentRange>, u64)> {
        let mut runs: Vec<(Option<SegmentRange>, u64)> = Vec::new();
        for piece in pieces.into_iter().filter(|piece| piece.bytes() > 0) {
            let bytes = piece.bytes();
            let next = if let Piece::Range(range) = piece { Some(range) } else { None };
            match (runs.last_mut(), next) {
                (Some((Some(before), length)), Some(range)) if before.followed_by(range).is_some() => {
                    before.length += range.length;
                    *length += bytes;
                }
                (Some((None, length)), None) => *length += bytes,
                _ => runs.push((next, bytes)),
            }
        }
        runs
    }

    fn pieces_of(parts: Vec<FilePart>) -> Vec<Piece> {
        parts
            .into_iter()
            .flat_map(|part| match part {
                FilePart::Copied(range) => vec![Piece::Range(range)],
                FilePart::Joined(pieces) => pieces,
            })
            .collect()
    }

    fn any_pieces() -> impl Strategy<Value = Vec<Piece>> {
        let length = prop_oneof![1..100_000_u64, MIB..12 * MIB, 30 * MIB..64 * MIB, Just(3 * 1024 * MIB)];
        let piece = (0..3_u32, any::<bool>(), length, 0..4_u8);
        prop::collection::vec(piece, 0..40).prop_map(|drawn| {
            let mut ends = [0_u64; 3];
            let lay = |(segment, adjacent, length, kind): (u32, bool, u64, u8)| {
                if kind == 0 {
                    return given(length % 70_000);
                }
                let end = &mut ends[segment as usize];
                let offset = *end + if adjacent { 0 } else { 17 };
                *end = offset + length;
                range(segment, offset, length)
            };
            drawn.into_iter().map(lay).collect()
        })
    }

    proptest! {
        #[test]
        fn parts_are_the_pieces_in_order_and_as_s3_takes_them(pieces in any_pieces()) {
            let parts = file_parts(pieces.clone());
            for part in parts.iter().rev().skip(1) {
                prop_assert!(part.bytes() >= LEAST_PART_BYTES, "{part:?}");
            }
            for part in &parts {
                prop_assert!(part.bytes() > 0);
                match part {
                    FilePart::Copied(range) => {
                        prop_assert!(range.length >= LEAST_PART_BYTES);
                        prop_assert!(range.length < MOST_COPIED_BYTES + LEAST_PART_BYTES);
                    }
                    FilePart::Joined(_) => {
                        prop_assert!(part.bytes() < JOINED_BYTES + 2 * LEAST_PART_BYTES, "held in memory");
                    }
                }
            }
            prop_assert_eq!(contents(pieces_of(parts)), contents(pieces));
        }
    }

    #[test]
    fn frames_of_a_segment_are_copied_at_once_and_the_end_is_joined_to_nothing() {
        let frames = (0..64).map(|n| range(0, n * MIB, MIB));
        let parts = file_parts(frames.chain([range(1, 0, 20 * MIB), given(14)]));
        let copied = |segment, length| FilePart::Copied(SegmentRange { task: 1, segment, offset: 0, length });
        assert_eq!(parts, [copied(0, 64 * MIB), copied(1, 20 * MIB), FilePart::Joined(vec![given(14)])]);
    }

    #[test]
    fn what_is_too_short_takes_from_the_run_behind_it() {
        let parts = file_parts([range(0, 0, MIB), range(1, 0, 40 * MIB)]);
        let taken = [range(0, 0, MIB), range(1, 0, 4 * MIB)].to_vec();
        let rest = SegmentRange { task: 1, segment: 1, offset: 4 * MIB, length: 36 * MIB };
        assert_eq!(parts, [FilePart::Joined(taken), FilePart::Copied(rest)]);
        // A run that would be too short after that goes with it.
        let both = [range(0, 0, MIB), range(1, 0, 8 * MIB)];
        assert_eq!(file_parts(both.clone()), [FilePart::Joined(both.to_vec())]);
    }

    #[test]
    fn nothing_is_no_part() {
        assert_eq!(file_parts([]), []);
        assert_eq!(file_parts([given(0)]), []);
    }
}
