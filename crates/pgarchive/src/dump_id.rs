//! The number by which entries of one archive refer to each other.

use std::fmt;
use std::str::FromStr;

/// An entry's number within its archive; always positive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DumpId(i32);

/// A number that is no dump id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a dump id is a number from 1 to 2147483647")]
pub struct InvalidDumpId;

impl DumpId {
    /// The id with this number, if it is positive.
    ///
    /// # Errors
    /// The number is zero or negative; pg_restore refuses those as well.
    pub fn new(number: i32) -> Result<Self, InvalidDumpId> {
        if number > 0 { Ok(Self(number)) } else { Err(InvalidDumpId) }
    }

    /// The number.
    pub fn get(self) -> i32 {
        self.0
    }

    /// The id after this one, if there is one.
    pub fn next(self) -> Option<Self> {
        self.0.checked_add(1).map(Self)
    }
}

impl fmt::Display for DumpId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for DumpId {
    type Err = InvalidDumpId;

    fn from_str(text: &str) -> Result<Self, InvalidDumpId> {
        Self::new(text.parse().map_err(|_| InvalidDumpId)?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_positive_numbers_are_ids() {
        assert_eq!("17".parse(), DumpId::new(17));
        for text in ["0", "-1", "", "x", "2147483648"] {
            assert_eq!(text.parse::<DumpId>(), Err(InvalidDumpId), "{text:?}");
        }
        assert_eq!(DumpId::new(i32::MAX).unwrap().next(), None);
    }
}
