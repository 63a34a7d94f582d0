//! The first part of an archive: what wrote it, of what, and how the rest is laid out.

use std::fmt;
use std::io::{Read, Write};
use std::num::NonZeroU8;

use crate::error::{ReadError, WriteError};
use crate::sink::Sink;
use crate::source::Source;
use crate::text::Text;

const MAGIC: [u8; 5] = *b"PGDMP";

/// Everything before the first entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Header {
    /// The version of the archive's layout; not that of pg_dump or the server.
    pub version: ArchiveVersion,
    /// How wide integers are, beside their sign byte; 4 in practice.
    pub int_width: ByteWidth,
    /// How wide file offsets are; 8 in practice.
    pub offset_width: ByteWidth,
    /// Which kind of archive the table of contents belongs to.
    pub format: Format,
    /// How pg_dump compresses the data behind the table of contents.
    pub compression: Compression,
    /// When pg_dump started, in the local time of its machine.
    pub created_at: CreationTime,
    /// The name of the dumped database.
    pub database: Text,
    /// The server's version, such as `15.6 (Debian 15.6-0+deb12u1)`.
    pub server_version: Text,
    /// pg_dump's version, likewise.
    pub pg_dump_version: Text,
}

/// The version of the archive's layout.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ArchiveVersion {
    /// 1 ever since 2000.
    pub major: u8,
    /// Counts changes of the layout.
    pub minor: u8,
    /// 0 in every archive known.
    pub revision: u8,
}

impl ArchiveVersion {
    /// PostgreSQL 9.0 and newer.
    pub const V1_12: Self = Self::minor(12);
    /// The minor releases of March 2018 (10.3) to PostgreSQL 11: the same layout, but names in
    /// statements are schema-qualified.
    pub const V1_13: Self = Self::minor(13);
    /// PostgreSQL 12 to 15: table access methods.
    pub const V1_14: Self = Self::minor(14);
    /// PostgreSQL 16: compression is an algorithm instead of a level.
    pub const V1_15: Self = Self::minor(15);
    /// PostgreSQL 17 and 18: relation kinds, large objects in several entries.
    pub const V1_16: Self = Self::minor(16);
    /// The oldest layout that is read and written.
    pub const OLDEST: Self = Self::V1_12;
    /// The newest layout that is read and written.
    pub const NEWEST: Self = Self::V1_16;

    const fn minor(minor: u8) -> Self {
        Self { major: 1, minor, revision: 0 }
    }

    fn is_supported(self) -> bool {
        // Revisions do not change the layout.
        self.major == 1 && (Self::OLDEST.minor..=Self::NEWEST.minor).contains(&self.minor)
    }
}

impl fmt::Display for ArchiveVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.major, self.minor)?;
        if self.revision == 0 { Ok(()) } else { write!(f, "-{}", self.revision) }
    }
}

/// How many bytes a number takes in the archive: 1 to 8.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ByteWidth(u8);

impl ByteWidth {
    /// The width of integers on every machine of today.
    pub const FOUR: Self = Self(4);
    /// The width of file offsets on every machine of today.
    pub const EIGHT: Self = Self(8);
    /// The widest number, in bytes.
    pub(crate) const MAX: usize = 8;

    /// The width, if a number of this many bytes can be handled.
    pub fn new(bytes: u8) -> Option<Self> {
        (1..=Self::MAX).contains(&usize::from(bytes)).then_some(Self(bytes))
    }

    /// The number of bytes.
    pub fn get(self) -> u8 {
        self.0
    }

    pub(crate) fn bytes(self) -> usize {
        usize::from(self.0)
    }
}

/// Which kind of archive a table of contents belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// One file or stream, the data behind the table of contents (`pg_dump -Fc`).
    Custom,
    /// `toc.dat`, with the data in files beside it (`pg_dump -Fd`).
    ///
    /// pg_dump marks it with the number of the tar format, whose `toc.dat` is the same.
    Directory,
}

impl Format {
    const fn code(self) -> u8 {
        match self {
            Self::Custom => 1,
            Self::Directory => 3,
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Custom => "custom",
            Self::Directory => "directory",
        })
    }
}

/// How the data is compressed.
///
/// Of a directory archive this is only a hint: pg_restore goes by each file's suffix (`.gz`,
/// `.lz4`, `.zst`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Compression {
    /// Not at all.
    None,
    /// zlib in a custom archive, gzip in a directory.
    Gzip {
        /// zlib's 1 to 9, where pg_dump was given a level and the archive tells it (up to version 1.14).
        level: Option<NonZeroU8>,
    },
    /// LZ4 frames; archive version 1.15 and newer.
    Lz4,
    /// Zstandard frames; archive version 1.15 and newer.
    Zstd,
}

/// A local time without its zone, as C's `struct tm` has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct CreationTime {
    /// Seconds after the minute, 0 to 60.
    pub second: i32,
    /// Minutes after the hour, 0 to 59.
    pub minute: i32,
    /// Hours since midnight, 0 to 23.
    pub hour: i32,
    /// Day of the month, 1 to 31.
    pub day: i32,
    /// Months since January, 0 to 11.
    pub months_since_january: i32,
    /// Years since 1900.
    pub years_since_1900: i32,
    /// Positive during daylight saving time, negative if not known.
    pub daylight_saving: i32,
}

impl Header {
    pub(crate) fn read<R: Read>(source: &mut Source<'_, R>) -> Result<Self, ReadError> {
        expect_magic(source)?;
        let version = read_version(source)?;
        let int_width = read_width(source, "an integer width of 1 to 8 bytes")?;
        source.set_int_width(int_width);
        let offset_width = read_width(source, "an offset width of 1 to 8 bytes")?;
        let format = read_format(source)?;
        let compression = read_compression(source, version)?;
        let created_at = CreationTime {
            second: source.int("the creation time's second")?,
            minute: source.int("the creation time's minute")?,
            hour: source.int("the creation time's hour")?,
            day: source.int("the creation time's day")?,
            months_since_january: source.int("the creation time's month")?,
            years_since_1900: source.int("the creation time's year")?,
            daylight_saving: source.int("the creation time's daylight saving flag")?,
        };
        Ok(Self {
            version,
            int_width,
            offset_width,
            format,
            compression,
            created_at,
            database: source.text("the database's name")?,
            server_version: source.text("the server's version")?,
            pg_dump_version: source.text("pg_dump's version")?,
        })
    }

    pub(crate) fn write<W: Write>(&self, sink: &mut Sink<'_, W>, format: Format) -> Result<(), WriteError> {
        if !self.version.is_supported() {
            return Err(WriteError::UnsupportedVersion { version: self.version, format });
        }
        let ArchiveVersion { major, minor, revision } = self.version;
        sink.bytes(&MAGIC)?;
        sink.bytes(&[major, minor, revision, self.int_width.0, self.offset_width.0, format.code()])?;
        self.write_compression(sink)?;
        let created_at = self.created_at;
        for part in [
            created_at.second,
            created_at.minute,
            created_at.hour,
            created_at.day,
            created_at.months_since_january,
            created_at.years_since_1900,
            created_at.daylight_saving,
        ] {
            sink.int("part of the creation time", part)?;
        }
        sink.text("length of the database's name", self.database.as_bytes())?;
        sink.text("length of the server's version", self.server_version.as_bytes())?;
        sink.text("length of pg_dump's version", self.pg_dump_version.as_bytes())
    }

    fn write_compression<W: Write>(&self, sink: &mut Sink<'_, W>) -> Result<(), WriteError> {
        let no_place = |what| WriteError::NoPlace { what, version: self.version };
        if self.version >= ArchiveVersion::V1_15 {
            return match self.compression {
                Compression::None => sink.bytes(&[0]),
                Compression::Gzip { level: None } => sink.bytes(&[1]),
                Compression::Gzip { level: Some(_) } => Err(no_place("a compression level")),
                Compression::Lz4 => sink.bytes(&[2]),
                Compression::Zstd => sink.bytes(&[3]),
            };
        }
        let level = match self.compression {
            Compression::None => 0,
            Compression::Gzip { level: None } => -1,
            Compression::Gzip { level: Some(level) } => i32::from(level.get()),
            Compression::Lz4 => return Err(no_place("lz4 compression")),
            Compression::Zstd => return Err(no_place("zstd compression")),
        };
        sink.int("compression level", level)
    }
}

fn expect_magic<R: Read>(source: &mut Source<'_, R>) -> Result<(), ReadError> {
    const EXPECTED: &str = "the letters PGDMP, with which every archive begins,";
    let offset = source.offset();
    let found = source.array(EXPECTED)?;
    if found == MAGIC {
        return Ok(());
    }
    Err(ReadError::Unexpected {
        offset,
        expected: EXPECTED,
        found: format!("the bytes {}", found.escape_ascii()),
    })
}

fn read_version<R: Read>(source: &mut Source<'_, R>) -> Result<ArchiveVersion, ReadError> {
    let offset = source.offset();
    let [major, minor, revision] = source.array("the archive's version")?;
    let found = ArchiveVersion { major, minor, revision };
    if found.is_supported() { Ok(found) } else { Err(ReadError::UnsupportedVersion { offset, found }) }
}

fn read_width<R: Read>(source: &mut Source<'_, R>, expected: &'static str) -> Result<ByteWidth, ReadError> {
    let offset = source.offset();
    let bytes = source.byte(expected)?;
    ByteWidth::new(bytes).ok_or_else(|| ReadError::Unexpected { offset, expected, found: bytes.to_string() })
}

fn read_format<R: Read>(source: &mut Source<'_, R>) -> Result<Format, ReadError> {
    const EXPECTED: &str = "archive format 1 (custom) or 3 (directory)";
    let offset = source.offset();
    let code = source.byte(EXPECTED)?;
    [Format::Custom, Format::Directory]
        .into_iter()
        .find(|format| format.code() == code)
        .ok_or_else(|| ReadError::Unexpected { offset, expected: EXPECTED, found: code.to_string() })
}

fn read_compression<R: Read>(
    source: &mut Source<'_, R>,
    version: ArchiveVersion,
) -> Result<Compression, ReadError> {
    if version >= ArchiveVersion::V1_15 {
        read_compression_algorithm(source)
    } else {
        read_compression_level(source)
    }
}

fn read_compression_algorithm<R: Read>(source: &mut Source<'_, R>) -> Result<Compression, ReadError> {
    const EXPECTED: &str = "compression algorithm 0 (none), 1 (gzip), 2 (lz4) or 3 (zstd)";
    let offset = source.offset();
    match source.byte(EXPECTED)? {
        0 => Ok(Compression::None),
        1 => Ok(Compression::Gzip { level: None }),
        2 => Ok(Compression::Lz4),
        3 => Ok(Compression::Zstd),
        code => Err(ReadError::Unexpected { offset, expected: EXPECTED, found: code.to_string() }),
    }
}

fn read_compression_level<R: Read>(source: &mut Source<'_, R>) -> Result<Compression, ReadError> {
    const EXPECTED: &str = "compression level -1 (default), 0 (none) or a small positive one";
    let offset = source.offset();
    match source.int(EXPECTED)? {
        0 => Ok(Compression::None),
        -1 => Ok(Compression::Gzip { level: None }),
        level => match u8::try_from(level).ok().and_then(NonZeroU8::new) {
            Some(level) => Ok(Compression::Gzip { level: Some(level) }),
            None => Err(ReadError::Unexpected { offset, expected: EXPECTED, found: level.to_string() }),
        },
    }
}
