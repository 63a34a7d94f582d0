//! One zlib stream made of pieces that were compressed independently of each other.
//!
//! A custom archive with gzip has one zlib stream per entry, and pg_restore reads no second one. A
//! piece is compressed on its own and ends at a byte boundary (deflate's empty stored block), so pieces
//! made by several workers follow each other as they are. Only the checksum at the end is of all data;
//! it is computed of those of the pieces.
//!
//! The stream is [`ZLIB_STREAM_START`], pieces, [`zlib_stream_end`].

use std::io::{self, Write};

use flate2::Compression;
use flate2::write::DeflateEncoder;

/// What a zlib stream begins with: deflate with a window of 32 KiB, no dictionary.
pub const ZLIB_STREAM_START: [u8; 2] = [0x78, 0x01];

/// The largest prime below 65536, modulo which the checksum counts.
const MODULUS: u64 = 65_521;

/// The checksum of a zlib stream's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Adler32 {
    /// One and the sum of the bytes, modulo [`MODULUS`].
    sum: u64,
    /// The sum of the sums after each byte, likewise.
    weighted: u64,
    /// How many bytes, likewise.
    length: u64,
}

/// The checksum of nothing.
impl Default for Adler32 {
    fn default() -> Self {
        Self { sum: 1, weighted: 0, length: 0 }
    }
}

impl Adler32 {
    /// The checksum of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        // Far fewer than would let a sum overflow, and enough for the remainders to cost nothing.
        const BLOCK_BYTES: usize = 1 << 16;
        let mut checksum = Self::default();
        for block in bytes.chunks(BLOCK_BYTES) {
            for byte in block {
                checksum.sum += u64::from(*byte);
                checksum.weighted += checksum.sum;
            }
            checksum.sum %= MODULUS;
            checksum.weighted %= MODULUS;
            checksum.length = (checksum.length + block.len() as u64) % MODULUS;
        }
        checksum
    }

    /// The checksum of this one's bytes and then those of `next`.
    #[must_use]
    pub fn followed_by(self, next: Self) -> Self {
        // Each sum of `next` began with one; here it begins with this one's sum.
        let more = self.sum + MODULUS - 1;
        Self {
            sum: (next.sum + more) % MODULUS,
            weighted: (self.weighted + next.weighted + more * next.length) % MODULUS,
            length: (self.length + next.length) % MODULUS,
        }
    }

    fn value(self) -> u64 {
        self.weighted << 16 | self.sum
    }
}

/// What a zlib stream ends with: an empty last block, and the checksum of all its data.
pub fn zlib_stream_end(checksum: Adler32) -> [u8; 6] {
    // Two remainders of 16 bits each: the upper half of the number is zero.
    let [_, _, _, _, a, b, c, d] = checksum.value().to_be_bytes();
    [0x03, 0x00, a, b, c, d]
}

/// A piece of a zlib stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeflatedPiece {
    /// What goes into the stream; never empty.
    pub bytes: Vec<u8>,
    /// The checksum of the data before compression.
    pub checksum: Adler32,
}

/// Compresses a piece of any length, at a level from 1 (fast) to 9 (small).
///
/// # Errors
/// None that a caller could provoke: the compressor writes to memory.
pub fn deflate_piece(data: &[u8], level: u32) -> io::Result<DeflatedPiece> {
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::new(level.clamp(1, 9)));
    encoder.write_all(data)?;
    // To a byte boundary, with all that came before, and without a last block.
    encoder.flush()?;
    Ok(DeflatedPiece { bytes: std::mem::take(encoder.get_mut()), checksum: Adler32::of(data) })
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use proptest::prelude::*;

    use super::*;

    fn stream(pieces: &[Vec<u8>], level: u32) -> Vec<u8> {
        let mut stream = ZLIB_STREAM_START.to_vec();
        let mut checksum = Adler32::default();
        for piece in pieces {
            let piece = deflate_piece(piece, level).unwrap();
            stream.extend(&piece.bytes);
            checksum = checksum.followed_by(piece.checksum);
        }
        stream.extend(zlib_stream_end(checksum));
        stream
    }

    proptest! {
        #[test]
        fn pieces_are_one_stream(
            pieces in prop::collection::vec(prop::collection::vec(any::<u8>(), 0..300), 0..5),
            level in 1..=9u32,
        ) {
            let stream = stream(&pieces, level);
            let mut decoder = flate2::bufread::ZlibDecoder::new(stream.as_slice());
            let mut data = Vec::new();
            // The decoder compares the checksum.
            decoder.read_to_end(&mut data).unwrap();
            prop_assert_eq!(data, pieces.concat());
            prop_assert!(decoder.into_inner().is_empty(), "nothing is behind the stream");
        }

        #[test]
        fn checksums_of_pieces_make_that_of_all(
            first in prop::collection::vec(any::<u8>(), 0..300),
            second in prop::collection::vec(any::<u8>(), 0..300),
        ) {
            let together = Adler32::of(&[&first[..], &second].concat());
            prop_assert_eq!(Adler32::of(&first).followed_by(Adler32::of(&second)), together);
        }
    }

    #[test]
    fn the_checksum_is_the_known_one() {
        assert_eq!(Adler32::of(b"").value(), 1);
        assert_eq!(Adler32::of(b"Wikipedia").value(), 0x11e6_0398);
        let long = vec![0xff; 3_000_000];
        let (start, rest) = long.split_at(70_001);
        assert_eq!(Adler32::of(start).followed_by(Adler32::of(rest)), Adler32::of(&long));
    }

    #[test]
    fn a_large_piece_is_complete() {
        let data: Vec<u8> = (0..300_000u32).flat_map(|n| n.wrapping_mul(n).to_le_bytes()).collect();
        let stream = stream(&[data.clone(), b"end".to_vec()], 6);
        let mut read = Vec::new();
        flate2::bufread::ZlibDecoder::new(stream.as_slice()).read_to_end(&mut read).unwrap();
        assert!(read == [&data[..], b"end"].concat());
    }

    #[test]
    fn a_piece_is_never_empty() {
        assert!(!deflate_piece(b"", 1).unwrap().bytes.is_empty());
    }
}
