//! `COPY` data without its messages: bytes from the socket in, whole rows out. Pure.
//!
//! In text and CSV format the server sends every row as one `CopyData` message: the byte `d`, the
//! length (4 bytes, big-endian, counting itself), the row with its line end. The decoder strips the
//! headers from whatever piece of the stream it is shown, and stops at the first other message, which
//! is the connection's business.

const TAG: u8 = b'd';
const HEADER_BYTES: usize = 5;
/// No row can be longer on a server: a string there ends at 1 GiB.
const ROW_BYTES_LIMIT: usize = 1 << 30;

/// Where in the stream the decoder stands.
#[derive(Debug, Default)]
pub(super) struct CopyDecoder {
    /// Bytes of the present row that are still to come; 0 between rows.
    missing: usize,
    /// Bytes of the present row that have been appended to the output; 0 between rows.
    arrived: usize,
}

/// What one call did.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Decoded {
    /// Bytes of the input that were used up; the caller drops them.
    pub(super) consumed: usize,
    /// Rows that were completed.
    pub(super) rows: u64,
    /// Why it went no further.
    pub(super) stop: Stop,
}

/// Why [`CopyDecoder::decode`] stopped.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Stop {
    /// The input is used up, but for a header's beginning.
    NeedInput,
    /// The output has the length that was asked for, and ends with a whole row.
    TargetReached,
    /// Here begins a message that is not `CopyData`.
    OtherMessage,
}

/// What no server sends.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Malformed {
    #[error("a row of COPY data does not end its line")]
    LineEnd,
    #[error("a message of COPY data claims {0} bytes")]
    Length(usize),
}

impl CopyDecoder {
    /// How many bytes at the output's end belong to a row that has not ended.
    pub(super) fn unfinished_bytes(&self) -> usize {
        self.arrived
    }

    /// Appends rows from `input` to `output` until that is `target_len` long or longer. Inside a row
    /// it goes on to the row's end.
    ///
    /// # Errors
    /// A row without a line end, or of an impossible length.
    pub(super) fn decode(
        &mut self,
        input: &[u8],
        output: &mut Vec<u8>,
        target_len: usize,
    ) -> Result<Decoded, Malformed> {
        let mut rest = input;
        let mut rows = 0;
        let stop = loop {
            if self.missing == 0 {
                if output.len() >= target_len {
                    break Stop::TargetReached;
                }
                match rest.first() {
                    Some(&TAG) => {}
                    Some(_) => break Stop::OtherMessage,
                    None => break Stop::NeedInput,
                }
                let Some((header, after)) = rest.split_first_chunk::<HEADER_BYTES>() else {
                    break Stop::NeedInput;
                };
                self.missing = row_bytes(*header)?;
                rest = after;
                // A row that is here in part is worth one exact allocation instead of several.
                if self.missing > rest.len() {
                    output.reserve(self.missing);
                }
            }
            let (piece, after) = rest.split_at(self.missing.min(rest.len()));
            output.extend_from_slice(piece);
            rest = after;
            self.missing -= piece.len();
            self.arrived += piece.len();
            if self.missing > 0 {
                break Stop::NeedInput;
            }
            if output.last() != Some(&b'\n') {
                return Err(Malformed::LineEnd);
            }
            self.arrived = 0;
            rows += 1;
        };
        Ok(Decoded { consumed: input.len() - rest.len(), rows, stop })
    }
}

/// The length of the row behind a header; at least 1, since every row has a line end.
fn row_bytes(header: [u8; HEADER_BYTES]) -> Result<usize, Malformed> {
    let [_, length @ ..] = header;
    let length = u32::from_be_bytes(length) as usize;
    match length.checked_sub(4) {
        Some(bytes) if (1..=ROW_BYTES_LIMIT).contains(&bytes) => Ok(bytes),
        _ => Err(Malformed::Length(length)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn message(row: &[u8]) -> Vec<u8> {
        let mut message = vec![TAG];
        message.extend_from_slice(&u32::try_from(row.len() + 4).unwrap().to_be_bytes());
        message.extend_from_slice(row);
        message
    }

    /// Rows as a server might send them, the stream that carries them, and `CopyDone` behind.
    fn streams() -> impl Strategy<Value = (Vec<Vec<u8>>, Vec<u8>)> {
        let row = prop::collection::vec(any::<u8>(), 0..40).prop_map(|mut row| {
            row.push(b'\n');
            row
        });
        prop::collection::vec(row, 0..12).prop_map(|rows| {
            let mut stream: Vec<u8> = rows.iter().flat_map(|row| message(row)).collect();
            stream.extend_from_slice(b"c\0\0\0\x04");
            (rows, stream)
        })
    }

    /// Shows the decoder the stream in pieces, in the way of the asynchronous shell: what is not
    /// consumed is shown again in front of the next piece.
    fn decode_in_pieces(stream: &[u8], ends: &[usize], target: usize) -> (Vec<Vec<u8>>, u64, usize) {
        let mut decoder = CopyDecoder::default();
        let (mut blocks, mut block) = (Vec::new(), Vec::new());
        let (mut rows, mut start) = (0, 0);
        for &end in ends.iter().chain([&stream.len()]) {
            loop {
                let piece = decoder.decode(&stream[start..end], &mut block, target).unwrap();
                start += piece.consumed;
                rows += piece.rows;
                let whole = &block[..block.len() - decoder.unfinished_bytes()];
                assert!(whole.is_empty() || whole.ends_with(b"\n"));
                match piece.stop {
                    Stop::TargetReached => blocks.push(std::mem::take(&mut block)),
                    Stop::NeedInput => break,
                    Stop::OtherMessage => {
                        blocks.push(block);
                        return (blocks, rows, start);
                    }
                }
            }
        }
        panic!("the end was not seen");
    }

    proptest! {
        #[test]
        fn any_split_of_the_input_gives_the_same_rows(
            (rows, stream) in streams(),
            cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
            target in 1_usize..200,
        ) {
            let mut ends: Vec<usize> = cuts.iter().map(|cut| cut.index(stream.len())).collect();
            ends.sort_unstable();
            let (blocks, counted, consumed) = decode_in_pieces(&stream, &ends, target);

            prop_assert_eq!(blocks.concat(), rows.concat());
            prop_assert_eq!(counted, rows.len() as u64);
            prop_assert_eq!(&stream[consumed..], b"c\0\0\0\x04");
            // Every block but the last has reached the target, and none goes on after reaching it.
            let mut remaining = rows.iter();
            for (number, block) in blocks.iter().enumerate() {
                let mut length = 0;
                while length < block.len() {
                    prop_assert!(length < target);
                    length += remaining.next().unwrap().len();
                }
                prop_assert_eq!(length, block.len(), "a row was cut");
                prop_assert!(length >= target || number + 1 == blocks.len());
            }
        }
    }

    #[test]
    fn every_single_cut_of_a_stream_is_the_same() {
        let rows: [&[u8]; 4] =
            [b"1\tone\n", b"\n", b"d\0\0\0\x05\n", b"a longer row, longer than the target\n"];
        let mut stream: Vec<u8> = rows.iter().flat_map(|row| message(row)).collect();
        stream.push(b'C');
        for first in 0..=stream.len() {
            for second in first..=stream.len() {
                let (blocks, counted, consumed) = decode_in_pieces(&stream, &[first, second], 7);
                assert_eq!((blocks.concat(), counted, consumed), (rows.concat(), 4, stream.len() - 1));
            }
        }
    }

    #[test]
    fn impossible_lengths_are_refused() {
        for length in [0_u32, 3, 4, (1 << 30) + 5, u32::MAX] {
            let mut input = vec![TAG];
            input.extend_from_slice(&length.to_be_bytes());
            input.push(b'\n');
            let decoded = CopyDecoder::default().decode(&input, &mut Vec::new(), 100);
            assert!(matches!(decoded, Err(Malformed::Length(_))), "{length}: {decoded:?}");
        }
    }

    #[test]
    fn a_row_without_its_line_end_is_refused() {
        let decoded = CopyDecoder::default().decode(&message(b"half"), &mut Vec::new(), 100);
        assert!(matches!(decoded, Err(Malformed::LineEnd)), "{decoded:?}");
    }
}
