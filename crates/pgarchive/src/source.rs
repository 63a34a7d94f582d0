//! Reads the archive's primitive values and knows at which byte it is.

use std::collections::HashSet;
use std::io::{ErrorKind, Read};

use crate::error::ReadError;
use crate::header::ByteWidth;
use crate::text::Text;

/// The longest text accepted, in bytes: PostgreSQL itself cannot make a longer one.
pub const MAX_TEXT_BYTES: u64 = 1 << 30;
/// A longer text is given memory as it arrives only, so that a wrong length costs none.
const TRUSTED_BYTES: u64 = 64 * 1024;

/// A reader of integers, offsets and texts that never takes more bytes than the value has.
pub(crate) struct Source<'r, R> {
    reader: &'r mut R,
    offset: u64,
    int_width: ByteWidth,
    /// The text that was read last.
    last: Vec<u8>,
    /// Texts that come again and again.
    frequent: HashSet<Text>,
}

impl<'r, R: Read> Source<'r, R> {
    /// Starts at byte 0; integers are four bytes wide until the header says otherwise.
    pub(crate) fn new(reader: &'r mut R) -> Self {
        Self { reader, offset: 0, int_width: ByteWidth::FOUR, last: Vec::new(), frequent: HashSet::new() }
    }

    /// How many bytes were consumed.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Takes the width of integers from the header.
    pub(crate) fn set_int_width(&mut self, width: ByteWidth) {
        self.int_width = width;
    }

    pub(crate) fn byte(&mut self, expected: &'static str) -> Result<u8, ReadError> {
        let [byte] = self.array(expected)?;
        Ok(byte)
    }

    pub(crate) fn array<const N: usize>(&mut self, expected: &'static str) -> Result<[u8; N], ReadError> {
        let mut bytes = [0; N];
        self.fill(&mut bytes, expected)?;
        Ok(bytes)
    }

    /// A signed integer: a sign byte, then the magnitude with its lowest byte first.
    ///
    /// Only the one way in which pg_dump writes a number is accepted, so that it can be given back.
    pub(crate) fn int(&mut self, expected: &'static str) -> Result<i32, ReadError> {
        let start = self.offset;
        let mut bytes = [0; 1 + ByteWidth::MAX];
        let used = 1 + self.int_width.bytes();
        self.fill(&mut bytes[..used], expected)?;
        let magnitude = little_endian(&bytes[1..used]);
        let value = match (bytes[0], i64::try_from(magnitude)) {
            (0, Ok(magnitude)) => i32::try_from(magnitude).ok(),
            (1, Ok(magnitude)) if magnitude != 0 => i32::try_from(-magnitude).ok(),
            _ => None,
        };
        value.ok_or_else(|| ReadError::Unexpected {
            offset: start,
            expected,
            found: format!("the bytes {}", bytes[..used].escape_ascii()),
        })
    }

    /// An unsigned number of `width` bytes, lowest byte first.
    pub(crate) fn file_offset(&mut self, width: ByteWidth, expected: &'static str) -> Result<u64, ReadError> {
        let mut bytes = [0; ByteWidth::MAX];
        let bytes = &mut bytes[..width.bytes()];
        self.fill(bytes, expected)?;
        Ok(little_endian(bytes))
    }

    /// A text, or `None` for the null that length -1 stands for.
    pub(crate) fn nullable_text(&mut self, expected: &'static str) -> Result<Option<Text>, ReadError> {
        Ok(self.nullable_bytes(expected)?.map(Text::from))
    }

    /// As [`Source::nullable_text`], of a field that has the same text in very many entries: they share it.
    pub(crate) fn nullable_frequent(&mut self, expected: &'static str) -> Result<Option<Text>, ReadError> {
        if self.nullable_bytes(expected)?.is_none() {
            return Ok(None);
        }
        if let Some(known) = self.frequent.get(self.last.as_slice()) {
            return Ok(Some(known.clone()));
        }
        let text = Text::from(self.last.as_slice());
        self.frequent.insert(text.clone());
        Ok(Some(text))
    }

    /// The bytes of a text, which are gone with the next one; `None` for null.
    pub(crate) fn nullable_bytes(&mut self, expected: &'static str) -> Result<Option<&[u8]>, ReadError> {
        let start = self.offset;
        let length = match self.int(expected)? {
            -1 => return Ok(None),
            length => u64::try_from(length).map_err(|_| ReadError::Unexpected {
                offset: start,
                expected,
                found: format!("a text of length {length}"),
            })?,
        };
        if length > MAX_TEXT_BYTES {
            return Err(ReadError::TooLong { offset: start, expected, length });
        }
        let mut bytes = std::mem::take(&mut self.last);
        bytes.clear();
        if length <= TRUSTED_BYTES {
            bytes.resize(usize::try_from(length).unwrap_or_default(), 0);
            self.fill(&mut bytes, expected)?;
        } else {
            let outcome = self.reader.by_ref().take(length).read_to_end(&mut bytes);
            self.offset += bytes.len() as u64;
            outcome.map_err(|source| ReadError::Io { offset: self.offset, source })?;
            if (bytes.len() as u64) < length {
                return Err(ReadError::Ended { offset: self.offset, expected });
            }
        }
        self.last = bytes;
        Ok(Some(&self.last))
    }

    /// The bytes of a text that must not be null, which are gone with the next one.
    pub(crate) fn bytes(&mut self, expected: &'static str) -> Result<&[u8], ReadError> {
        let start = self.offset;
        self.nullable_bytes(expected)?.ok_or_else(|| is_null(start, expected))
    }

    /// A text that must not be null.
    pub(crate) fn text(&mut self, expected: &'static str) -> Result<Text, ReadError> {
        self.bytes(expected).map(Text::from)
    }

    /// As [`Source::text`], of a field that has the same text in very many entries: they share it.
    pub(crate) fn frequent(&mut self, expected: &'static str) -> Result<Text, ReadError> {
        let start = self.offset;
        self.nullable_frequent(expected)?.ok_or_else(|| is_null(start, expected))
    }

    /// A number written as decimal text, in the one way that `parse` and `Display` agree on.
    pub(crate) fn decimal<T: std::str::FromStr>(&mut self, expected: &'static str) -> Result<T, ReadError> {
        let start = self.offset;
        let text = self.bytes(expected)?;
        parse_decimal(text).ok_or_else(|| unexpected_text(start, expected, text))
    }

    fn fill(&mut self, buffer: &mut [u8], expected: &'static str) -> Result<(), ReadError> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.reader.read(&mut buffer[filled..]) {
                Ok(0) => return Err(ReadError::Ended { offset: self.offset, expected }),
                Ok(count) => {
                    filled += count;
                    self.offset += count as u64;
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(source) => return Err(ReadError::Io { offset: self.offset, source }),
            }
        }
        Ok(())
    }
}

fn is_null(offset: u64, expected: &'static str) -> ReadError {
    ReadError::Unexpected { offset, expected, found: "null".to_owned() }
}

/// The number that `text` is, unless another text would give the same number (`007`, `+7`).
pub(crate) fn parse_decimal<T: std::str::FromStr>(text: &[u8]) -> Option<T> {
    let is_usual = matches!(text, b"0" | [b'1'..=b'9', ..] | [b'-', b'1'..=b'9', ..]);
    std::str::from_utf8(text).ok().filter(|_| is_usual)?.parse().ok()
}

/// The error for a text that is none of those allowed; a long one is cut.
pub(crate) fn unexpected_text(offset: u64, expected: &'static str, text: &[u8]) -> ReadError {
    const SHOWN_BYTES: usize = 40;
    let shown = &text[..text.len().min(SHOWN_BYTES)];
    ReadError::Unexpected { offset, expected, found: format!("\"{}\"", shown.escape_ascii()) }
}

fn little_endian(bytes: &[u8]) -> u64 {
    bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn int_of(width: u8, bytes: &[u8]) -> Result<i32, ReadError> {
        let mut input = bytes;
        let mut source = Source::new(&mut input);
        source.set_int_width(ByteWidth::new(width).unwrap());
        source.int("a number")
    }

    #[test]
    fn integers_are_sign_and_magnitude() {
        assert_eq!(int_of(4, &[0, 1, 2, 0, 0]).unwrap(), 513);
        assert_eq!(int_of(4, &[1, 1, 0, 0, 0]).unwrap(), -1);
        assert_eq!(int_of(4, &[1, 0, 0, 0, 0x80]).unwrap(), i32::MIN);
        assert_eq!(int_of(8, &[0, 7, 0, 0, 0, 0, 0, 0, 0]).unwrap(), 7);
        assert_eq!(int_of(2, &[0, 0xff, 0xff]).unwrap(), 65_535);
    }

    #[test]
    fn integers_that_could_not_be_given_back_are_refused() {
        let refused: [(u8, &[u8]); 5] = [
            (4, &[2, 1, 0, 0, 0]),
            (4, &[1, 0, 0, 0, 0]),
            (4, &[0, 0, 0, 0, 0x80]),
            (8, &[0, 0, 0, 0, 0, 1, 0, 0, 0]),
            (8, &[1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]),
        ];
        for (width, bytes) in refused {
            let error = int_of(width, bytes).unwrap_err();
            assert!(matches!(error, ReadError::Unexpected { offset: 0, .. }), "{bytes:?}: {error}");
        }
    }

    #[test]
    fn a_length_beyond_the_limit_is_refused_before_reading() {
        let mut input: &[u8] = &[0, 1, 0, 0, 0x40];
        let error = Source::new(&mut input).text("a tag").unwrap_err();
        assert_eq!(
            error.to_string(),
            "expected a tag at byte 0 of the archive, found a text of 1073741825 bytes"
        );
    }

    #[test]
    fn a_length_beyond_the_input_names_where_it_ended() {
        let mut input: &[u8] = &[0, 0, 0, 0, 0x20, b'a', b'b'];
        let error = Source::new(&mut input).text("a tag").unwrap_err();
        assert_eq!(error.to_string(), "archive ended at byte 7, expected a tag");
    }

    #[test]
    fn decimals_have_one_spelling() {
        for text in ["007", "+7", " 7", "-0", "", "4294967296", "x"] {
            assert_eq!(parse_decimal::<u32>(text.as_bytes()), None, "{text:?}");
        }
        assert_eq!(parse_decimal::<u32>(b"4294967295"), Some(u32::MAX));
    }
}
