//! What can be wrong with an archive that is read or written.

use std::io;

use crate::header::{ArchiveVersion, Format};

/// Why a table of contents could not be read.
///
/// Offsets are bytes from where reading began, and point at the first byte of what was expected.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The input ended. If it came from pg_dump, pg_dump has failed: its exit status and standard
    /// error tell why.
    #[error("archive ended at byte {offset}, expected {expected}")]
    Ended {
        /// How many bytes there were.
        offset: u64,
        /// What should have come next.
        expected: &'static str,
    },

    /// Something else stands where the format demands `expected`: the archive is damaged or is not
    /// one.
    #[error("expected {expected} at byte {offset} of the archive, found {found}")]
    Unexpected {
        /// Where the unexpected value begins.
        offset: u64,
        /// What the format has there.
        expected: &'static str,
        /// What stands there.
        found: String,
    },

    /// The archive's version is not one that this crate knows the layout of.
    #[error(
        "archive version {found} at byte {offset} is not supported, expected {} to {}",
        ArchiveVersion::OLDEST,
        ArchiveVersion::NEWEST
    )]
    UnsupportedVersion {
        /// Where the version stands.
        offset: u64,
        /// The version found.
        found: ArchiveVersion,
    },

    /// A string is longer than PostgreSQL can make one.
    #[error("expected {expected} at byte {offset} of the archive, found a text of {length} bytes")]
    TooLong {
        /// Where the length stands.
        offset: u64,
        /// Which field it is.
        expected: &'static str,
        /// The length read.
        length: u64,
    },

    /// Reading itself failed.
    #[error("could not read the archive at byte {offset}")]
    Io {
        /// How many bytes had been read.
        offset: u64,
        /// The reader's error.
        source: io::Error,
    },
}

/// Why a table of contents could not be written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WriteError {
    /// A number is too large for the archive's integers.
    #[error("{what} {value} does not fit into {width_bytes} bytes")]
    DoesNotFit {
        /// Which field it is.
        what: &'static str,
        /// The number.
        value: u64,
        /// The archive's integer or offset width.
        width_bytes: u8,
    },

    /// A field is set that this archive version has no place for.
    #[error("archive version {version} cannot hold {what}")]
    NoPlace {
        /// The value without a place.
        what: &'static str,
        /// The archive's version.
        version: ArchiveVersion,
    },

    /// A version outside the known range was asked for.
    #[error("archive version {version} cannot be written in {format} format")]
    UnsupportedVersion {
        /// The version asked for.
        version: ArchiveVersion,
        /// The format asked for.
        format: Format,
    },

    /// Writing itself failed.
    #[error("could not write the archive")]
    Io(#[from] io::Error),
}
