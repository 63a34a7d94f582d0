//! Compressing frames that stand by themselves, with buffers that are used again.

use std::io::Write;

use permafrost_vault::plan::Compression;
use zstd::zstd_safe::{CParameter, compress_bound};

use super::frames::FRAME_BYTES;
use crate::error::EngineError;

/// The level of zstd that looks for matches by one hash table, and nothing else.
const FASTEST_LEVEL: i32 = 1;
/// By itself that level has a table of 2^14 places, 64 KiB: more than the first cache of most processors. This one
/// has 8 KiB: a sixth less work, and rows of tables become no larger by it, often smaller; source text and JSON grow by
/// a tenth (`docs/adr/0009-hash-table-by-trial.md`).
const SMALL_HASH_LOG: u32 = 11;
/// How much larger, in thousandths, frames may become by the small table.
const GROWTH_PER_MILLE: usize = 5;
/// Both tables are tried on the first of so many frames.
const FRAMES_OF_A_TRIAL: u32 = 32;
/// A part of less is over before a trial has paid.
const SMALLEST_PART_BYTES: u64 = 8 * FRAME_BYTES as u64;
/// A smaller frame has a table of another size anyway.
const SMALLEST_TRIED_BYTES: usize = FRAME_BYTES / 4;
/// A larger one is a single huge row, of which there is no room for two.
const LARGEST_TRIED_BYTES: usize = 2 * FRAME_BYTES;

/// Compresses frames that stand by themselves.
pub(crate) enum Compressor {
    /// Zstandard with content checksums.
    Zstd(Zstd),
    /// gzip members.
    Gzip(flate2::Compression),
}

/// Zstandard, which at its fastest level finds out by trial whether the rows need the larger table.
pub(crate) struct Zstd {
    context: zstd::bulk::Compressor<'static>,
    fastest: bool,
    /// In how many frames there is a trial; in none where this part is too small.
    next_trial: Option<u32>,
    small_table: bool,
    /// The frame of the trial that is not written.
    other: Vec<u8>,
}

impl Compressor {
    /// A compressor of this level: 1 to 19 of zstd, 0 to 9 of gzip.
    ///
    /// # Errors
    /// There is no such level.
    pub(crate) fn new(compression: Compression, level: i32) -> Result<Self, EngineError> {
        Ok(match compression {
            Compression::Zstd => Self::Zstd(Zstd::new(level)?),
            Compression::Gzip => {
                Self::Gzip(flate2::Compression::new(u32::try_from(level.clamp(0, 9)).unwrap_or(1)))
            }
        })
    }

    /// What comes now, about `bytes` of it, is of another kind than what came before.
    pub(crate) fn begin_part(&mut self, bytes: u64) {
        if let Self::Zstd(zstd) = self {
            zstd.small_table = false;
            zstd.next_trial = (zstd.fastest && bytes >= SMALLEST_PART_BYTES).then_some(0);
        }
    }

    /// Makes `frame` the compressed form of `raw`.
    ///
    /// # Errors
    /// There is no memory for it.
    pub(crate) fn compress(&mut self, raw: &[u8], frame: &mut Vec<u8>) -> Result<(), EngineError> {
        match self {
            Self::Zstd(zstd) => zstd.compress(raw, frame),
            Self::Gzip(level) => {
                frame.clear();
                let mut gzip = flate2::write::GzEncoder::new(frame, *level);
                gzip.write_all(raw).map_err(EngineError::Compression)?;
                gzip.finish().map_err(EngineError::Compression)?;
                Ok(())
            }
        }
    }
}

impl Zstd {
    fn new(level: i32) -> Result<Self, EngineError> {
        let mut context = zstd::bulk::Compressor::new(level).map_err(EngineError::Compression)?;
        context.set_parameter(CParameter::ChecksumFlag(true)).map_err(EngineError::Compression)?;
        let fastest = level == FASTEST_LEVEL;
        Ok(Self { context, fastest, next_trial: None, small_table: false, other: Vec::new() })
    }

    fn compress(&mut self, raw: &[u8], frame: &mut Vec<u8>) -> Result<(), EngineError> {
        if !(SMALLEST_TRIED_BYTES..=LARGEST_TRIED_BYTES).contains(&raw.len()) {
            return self.compress_with(false, raw, frame);
        }
        self.next_trial = match self.next_trial {
            Some(0) => Some(FRAMES_OF_A_TRIAL - 1),
            other => {
                self.next_trial = other.map(|frames| frames - 1);
                return self.compress_with(self.small_table, raw, frame);
            }
        };
        self.compress_with(false, raw, frame)?;
        let mut other = std::mem::take(&mut self.other);
        self.compress_with(true, raw, &mut other)?;
        self.small_table = other.len() <= frame.len() + frame.len() * GROWTH_PER_MILLE / 1000;
        if self.small_table {
            std::mem::swap(frame, &mut other);
        }
        self.other = other;
        Ok(())
    }

    fn compress_with(
        &mut self,
        small_table: bool,
        raw: &[u8],
        frame: &mut Vec<u8>,
    ) -> Result<(), EngineError> {
        if self.fastest {
            // Zero leaves it to the level.
            let hash_log = if small_table { SMALL_HASH_LOG } else { 0 };
            self.context.set_parameter(CParameter::HashLog(hash_log)).map_err(EngineError::Compression)?;
        }
        frame.clear();
        frame.reserve(compress_bound(raw.len()));
        self.context.compress_to_buffer(raw, frame).map_err(EngineError::Compression)?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    /// Numbers that look like nothing before, from a fixed seed.
    fn numbers() -> impl Iterator<Item = u64> {
        std::iter::successors(Some(0x9e37_79b9_7f4a_7c15_u64), |n| {
            let n = n ^ (n << 13);
            let n = n ^ (n >> 7);
            Some(n ^ (n << 17))
        })
    }

    /// Rows of numbers: what repeats is near.
    fn ledger(bytes: usize) -> Vec<u8> {
        let rows =
            numbers().map(|n| format!("{}\t{}.{:04}\tpaid by card\n", n % 50_000, n >> 40, n % 10_000));
        rows.flat_map(String::into_bytes).take(bytes).collect()
    }

    /// Words of a large vocabulary: what repeats is far away.
    fn prose(bytes: usize) -> Vec<u8> {
        let vocabulary: Vec<String> = numbers().take(3_000).map(|n| format!("{n:x} ")).collect();
        let words = numbers().skip(5_000).map(|n| vocabulary[usize::try_from(n % 3_000).unwrap()].clone());
        words.flat_map(String::into_bytes).take(bytes).collect()
    }

    #[test]
    fn frames_are_what_the_standard_tools_read() {
        let raw = b"1\tone\n".repeat(1000);
        let mut frame = b"left from before".to_vec();
        Compressor::new(Compression::Zstd, 1).unwrap().compress(&raw, &mut frame).unwrap();
        assert_eq!(zstd::stream::decode_all(frame.as_slice()).unwrap(), raw);
        Compressor::new(Compression::Gzip, 1).unwrap().compress(&raw, &mut frame).unwrap();
        let mut again = Vec::new();
        flate2::read::GzDecoder::new(frame.as_slice()).read_to_end(&mut again).unwrap();
        assert_eq!(again, raw);
    }

    /// The size of a frame by the level's own table.
    fn by_the_own_table(raw: &[u8]) -> usize {
        let mut zstd = zstd::bulk::Compressor::new(FASTEST_LEVEL).unwrap();
        zstd.set_parameter(CParameter::ChecksumFlag(true)).unwrap();
        zstd.compress(raw).unwrap().len()
    }

    /// The sizes of the frames of a part.
    fn sizes(compressor: &mut Compressor, raw: &[u8]) -> Vec<usize> {
        compressor.begin_part(64 * raw.len() as u64);
        let mut frame = Vec::new();
        let sizes = (0..2 * FRAMES_OF_A_TRIAL).map(|_| {
            compressor.compress(raw, &mut frame).unwrap();
            assert_eq!(zstd::bulk::decompress(&frame, raw.len()).unwrap(), raw);
            frame.len()
        });
        sizes.collect()
    }

    #[test]
    fn the_small_table_is_taken_where_it_costs_no_space_and_given_back_where_it_does() {
        let mut compressor = Compressor::new(Compression::Zstd, 1).unwrap();
        let (ledger, prose) = (ledger(FRAME_BYTES), prose(FRAME_BYTES));
        for (raw, shrinks) in [(&ledger, true), (&prose, false), (&ledger, true)] {
            let (sizes, by_large) = (sizes(&mut compressor, raw), by_the_own_table(raw));
            assert!(sizes.iter().all(|size| *size == sizes[0]), "{sizes:?}");
            assert!(
                sizes[0] <= by_large + by_large * GROWTH_PER_MILLE / 1000,
                "{by_large} became {}",
                sizes[0]
            );
            assert_eq!(sizes[0] != by_large, shrinks);
        }
    }

    #[test]
    fn what_gains_nothing_is_compressed_once() {
        let tries = |level, part_bytes, raw: &[u8]| {
            let mut zstd = Compressor::new(Compression::Zstd, level).unwrap();
            zstd.begin_part(part_bytes);
            zstd.compress(raw, &mut Vec::new()).unwrap();
            let Compressor::Zstd(zstd) = zstd else { unreachable!() };
            zstd.other.capacity() > 0
        };
        let raw = ledger(LARGEST_TRIED_BYTES + 1);
        let part_bytes = SMALLEST_PART_BYTES;
        assert!(tries(1, part_bytes, &raw[..FRAME_BYTES]));
        assert!(!tries(2, part_bytes, &raw[..FRAME_BYTES]));
        assert!(!tries(1, part_bytes - 1, &raw[..FRAME_BYTES]));
        assert!(!tries(1, part_bytes, &raw[..SMALLEST_TRIED_BYTES - 1]));
        assert!(!tries(1, part_bytes, &raw));
    }
}
