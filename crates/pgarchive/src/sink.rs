//! Writes the archive's primitive values.

use std::io::Write;

use crate::error::WriteError;
use crate::header::ByteWidth;
use crate::text::Text;

/// A writer of integers, offsets and texts in the archive's own widths.
pub(crate) struct Sink<'w, W> {
    writer: &'w mut W,
    int_width: ByteWidth,
}

impl<'w, W: Write> Sink<'w, W> {
    pub(crate) fn new(writer: &'w mut W, int_width: ByteWidth) -> Self {
        Self { writer, int_width }
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), WriteError> {
        Ok(self.writer.write_all(bytes)?)
    }

    /// A sign byte, then the magnitude with its lowest byte first.
    pub(crate) fn int(&mut self, what: &'static str, value: i32) -> Result<(), WriteError> {
        self.bytes(&[u8::from(value < 0)])?;
        self.number(what, u64::from(value.unsigned_abs()), self.int_width)
    }

    /// A number that counts something and so is never negative.
    pub(crate) fn count(&mut self, what: &'static str, value: usize) -> Result<(), WriteError> {
        // `usize` is at most 64 bits on every target there is.
        let number = value as u64;
        let does_not_fit =
            || WriteError::DoesNotFit { what, value: number, width_bytes: self.int_width.get() };
        let value = i32::try_from(value).map_err(|_| does_not_fit())?;
        self.int(what, value)
    }

    /// An unsigned number of `width` bytes, lowest byte first.
    pub(crate) fn number(
        &mut self,
        what: &'static str,
        value: u64,
        width: ByteWidth,
    ) -> Result<(), WriteError> {
        let bytes = value.to_le_bytes();
        let (low, high) = bytes.split_at(width.bytes());
        if high.iter().any(|byte| *byte != 0) {
            return Err(WriteError::DoesNotFit { what, value, width_bytes: width.get() });
        }
        self.bytes(low)
    }

    pub(crate) fn text(&mut self, what: &'static str, text: &[u8]) -> Result<(), WriteError> {
        self.count(what, text.len())?;
        self.bytes(text)
    }

    /// A text, or length -1 for null.
    pub(crate) fn nullable_text(
        &mut self,
        what: &'static str,
        text: Option<&Text>,
    ) -> Result<(), WriteError> {
        match text {
            Some(text) => self.text(what, text.as_bytes()),
            None => self.int(what, -1),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(width: u8, value: i32) -> Result<Vec<u8>, WriteError> {
        let mut bytes = Vec::new();
        Sink::new(&mut bytes, ByteWidth::new(width).unwrap()).int("dump id", value)?;
        Ok(bytes)
    }

    #[test]
    fn integers_are_sign_and_magnitude() {
        assert_eq!(written(4, -1).unwrap(), [1, 1, 0, 0, 0]);
        assert_eq!(written(4, 513).unwrap(), [0, 1, 2, 0, 0]);
        assert_eq!(written(8, 7).unwrap(), [0, 7, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(written(4, i32::MIN).unwrap(), [1, 0, 0, 0, 0x80]);
    }

    #[test]
    fn a_number_wider_than_the_archives_integers_is_refused() {
        let error = written(1, 256).unwrap_err();
        assert_eq!(error.to_string(), "dump id 256 does not fit into 1 bytes");
    }
}
