//! What kind of object an entry is, in pg_dump's own words.

use std::fmt;

use crate::text::Text;

/// An entry's kind as pg_dump writes it: `TABLE DATA`, `FK CONSTRAINT`, `SEQUENCE SET`.
///
/// The set is open (each major version adds kinds, and a caller may make up its own), so this is a
/// text with questions rather than an enum.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Desc(Text);

impl Desc {
    /// The rows of one table.
    pub const TABLE_DATA: &'static str = "TABLE DATA";
    /// The current value of a sequence, as a `setval` statement.
    pub const SEQUENCE_SET: &'static str = "SEQUENCE SET";
    /// The contents of large objects.
    pub const BLOBS: &'static str = "BLOBS";
    /// One large object's creation and owner; archives up to version 1.15.
    pub const BLOB: &'static str = "BLOB";
    /// Many large objects' creation, their ids listed line by line; archives from version 1.16 on.
    pub const BLOB_METADATA: &'static str = "BLOB METADATA";
    /// A `REFRESH MATERIALIZED VIEW`.
    pub const MATERIALIZED_VIEW_DATA: &'static str = "MATERIALIZED VIEW DATA";

    /// The text itself.
    pub fn as_text(&self) -> &Text {
        &self.0
    }

    /// Whether this is the rows of one table.
    pub fn is_table_data(&self) -> bool {
        self.0 == Self::TABLE_DATA
    }

    /// Whether this sets a sequence's current value.
    pub fn is_sequence_set(&self) -> bool {
        self.0 == Self::SEQUENCE_SET
    }

    /// Whether this is the contents of large objects.
    pub fn is_blobs(&self) -> bool {
        self.0 == Self::BLOBS
    }

    /// Whether this is one large object's creation.
    pub fn is_blob(&self) -> bool {
        self.0 == Self::BLOB
    }

    /// Whether this is the creation of a list of large objects.
    pub fn is_blob_metadata(&self) -> bool {
        self.0 == Self::BLOB_METADATA
    }

    /// Whether this refreshes a materialized view.
    pub fn is_materialized_view_data(&self) -> bool {
        self.0 == Self::MATERIALIZED_VIEW_DATA
    }

    /// Whether this is something with columns to select from, or a sequence.
    pub fn is_relation(&self) -> bool {
        self.is_any(&["TABLE", "VIEW", "MATERIALIZED VIEW", "FOREIGN TABLE", "SEQUENCE"])
    }

    /// Whether this is one of these kinds.
    pub(crate) fn is_any(&self, kinds: &[&str]) -> bool {
        kinds.iter().any(|kind| *self == **kind)
    }

    /// Whether pg_restore obeys this entry whatever it was asked to restore: the encoding, the
    /// quoting of string literals and the search path. An archive without them restores wrongly.
    pub fn is_session_setting(&self) -> bool {
        [&b"ENCODING"[..], b"STDSTRINGS", b"SEARCHPATH"].contains(&self.0.as_bytes())
    }
}

impl From<&str> for Desc {
    fn from(text: &str) -> Self {
        Self(text.into())
    }
}

impl From<Text> for Desc {
    fn from(text: Text) -> Self {
        Self(text)
    }
}

impl PartialEq<str> for Desc {
    fn eq(&self, other: &str) -> bool {
        self.0 == *other
    }
}

impl PartialEq<&str> for Desc {
    fn eq(&self, other: &&str) -> bool {
        self.0 == **other
    }
}

impl fmt::Display for Desc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
