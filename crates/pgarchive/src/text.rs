//! Strings of an archive: bytes in the dumped database's encoding.

use std::borrow::{Borrow, Cow};
use std::fmt;
use std::str::Utf8Error;
use std::sync::Arc;

/// A string as it stands in the archive.
///
/// pg_dump writes names and definitions in the database's encoding, which need not be UTF-8
/// (`LATIN1`, `EUC_JP`, or anything at all under `SQL_ASCII`). The bytes are kept as they are; the
/// UTF-8 view is [`Text::to_str`].
///
/// Every encoding that a *server* may have keeps ASCII bytes out of its multibyte characters, so
/// looking for ASCII (a quote, a dot, a parenthesis) in these bytes is sound.
///
/// Copies share their bytes: an archive of very many tables has as many owners and schemas, and all
/// the same.
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Text(Arc<[u8]>);

impl Text {
    /// The bytes, in the database's encoding.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The text as UTF-8.
    ///
    /// # Errors
    /// The bytes are not UTF-8: the database has another encoding.
    pub fn to_str(&self) -> Result<&str, Utf8Error> {
        std::str::from_utf8(&self.0)
    }

    /// The text for people: what is not UTF-8 is replaced.
    pub fn to_string_lossy(&self) -> Cow<'_, str> {
        String::from_utf8_lossy(&self.0)
    }

    /// Whether there is not a single byte.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl From<&str> for Text {
    fn from(text: &str) -> Self {
        Self(text.as_bytes().into())
    }
}

impl From<String> for Text {
    fn from(text: String) -> Self {
        Self(text.into_bytes().into())
    }
}

impl From<Vec<u8>> for Text {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }
}

impl From<&[u8]> for Text {
    fn from(bytes: &[u8]) -> Self {
        Self(bytes.into())
    }
}

impl AsRef<[u8]> for Text {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

/// A text is found among others by its bytes.
impl Borrow<[u8]> for Text {
    fn borrow(&self) -> &[u8] {
        &self.0
    }
}

impl PartialEq<str> for Text {
    fn eq(&self, other: &str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

impl PartialEq<&str> for Text {
    fn eq(&self, other: &&str) -> bool {
        self.as_bytes() == other.as_bytes()
    }
}

/// The lossy view, for messages.
impl fmt::Display for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_string_lossy())
    }
}

/// Quoted; bytes that are not UTF-8 are shown as escapes, so different texts look different.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.to_str() {
            Ok(text) => write!(f, "{text:?}"),
            Err(_) => write!(f, "b\"{}\"", self.0.escape_ascii()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_outside_utf8_is_kept_and_shown() {
        let latin1 = Text::from(&b"caf\xe9"[..]);
        assert!(latin1.to_str().is_err());
        assert_eq!(latin1.as_bytes(), b"caf\xe9");
        assert_eq!(latin1.to_string(), "caf\u{fffd}");
        assert_eq!(format!("{latin1:?}"), r#"b"caf\xe9""#);
    }

    #[test]
    fn text_compares_with_str() {
        let text = Text::from("größe");
        assert_eq!(text, "größe");
        assert_eq!(text.to_str(), Ok("größe"));
        assert_eq!(format!("{text:?}"), "\"größe\"");
    }
}
