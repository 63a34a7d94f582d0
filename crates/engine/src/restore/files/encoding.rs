//! How the files of a restore are compressed, and getting there from how the backup is.

use bytes::Bytes;
use permafrost_domain::files::FileCompression;
use permafrost_pgarchive::{ArchiveVersion, Header};
use permafrost_vault::plan::Compression;
use permafrost_vault::task_result::Frame;

use super::super::frames::Decompressor;
use crate::dump::compressor::Compressor;
use crate::error::EngineError;

/// Levels for what is compressed anew: a good part of what there is to win, at a speed that a function can afford.
const ZSTD_LEVEL: i32 = 3;
const GZIP_LEVEL: i32 = 6;

/// How files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Encoding {
    Zstd,
    Gzip,
    None,
}

impl Encoding {
    /// What `asked` means for a backup in `stored`.
    pub(super) fn of(asked: FileCompression, stored: Compression) -> Self {
        match asked {
            FileCompression::Stored => Self::from(stored),
            FileCompression::Zstd => Self::Zstd,
            FileCompression::Gzip => Self::Gzip,
            FileCompression::None => Self::None,
        }
    }

    /// What file names end with.
    pub(super) fn suffix(self) -> &'static str {
        match self {
            Self::Zstd => ".zst",
            Self::Gzip => ".gz",
            Self::None => "",
        }
    }

    /// The command that checks files of this compression by their own checksums.
    pub(super) fn tester(self) -> Option<&'static str> {
        match self {
            Self::Zstd => Some("zstd"),
            Self::Gzip => Some("gzip"),
            Self::None => None,
        }
    }

    /// Says so in an archive's header, whose version may have to be a newer one for it.
    pub(super) fn tell(self, header: &mut Header) {
        use permafrost_pgarchive::Compression as Told;
        header.compression = match self {
            Self::Zstd => Told::Zstd,
            Self::Gzip => Told::Gzip { level: None },
            Self::None => Told::None,
        };
        if self == Self::Zstd && header.version < ArchiveVersion::V1_15 {
            header.version = ArchiveVersion::V1_15;
        }
    }
}

impl From<Compression> for Encoding {
    fn from(stored: Compression) -> Self {
        match stored {
            Compression::Zstd => Self::Zstd,
            Compression::Gzip => Self::Gzip,
        }
    }
}

/// Makes of a backup's frames what files hold.
pub(super) struct Recoder {
    stored: Encoding,
    encoding: Encoding,
    decompressor: Decompressor,
    compressor: Option<Compressor>,
    buffer: Vec<u8>,
}

impl Recoder {
    pub(super) fn new(stored: Compression, encoding: Encoding) -> Result<Self, EngineError> {
        let compressor = match encoding {
            Encoding::Zstd => Some(Compressor::new(Compression::Zstd, ZSTD_LEVEL)?),
            Encoding::Gzip => Some(Compressor::new(Compression::Gzip, GZIP_LEVEL)?),
            Encoding::None => None,
        };
        let decompressor = Decompressor::new(stored)?;
        Ok(Self { stored: stored.into(), encoding, decompressor, compressor, buffer: Vec::new() })
    }

    /// A frame as files hold it: as it is, where that is how they are compressed.
    pub(super) fn frame(&mut self, stored: Bytes, frame: &Frame, object: &str) -> Result<Bytes, EngineError> {
        if self.encoding == self.stored {
            return Ok(stored);
        }
        let raw = self.raw(&stored, frame, object)?;
        drop(stored);
        if self.compressor.is_none() { Ok(Bytes::from(raw)) } else { self.text(&raw) }
    }

    /// What a frame holds, checked.
    pub(super) fn raw(&mut self, stored: &[u8], frame: &Frame, object: &str) -> Result<Vec<u8>, EngineError> {
        self.decompressor.raw_of(stored, frame, object)
    }

    /// These bytes as files hold them.
    pub(super) fn text(&mut self, raw: &[u8]) -> Result<Bytes, EngineError> {
        match &mut self.compressor {
            None => Ok(Bytes::copy_from_slice(raw)),
            Some(compressor) => {
                compressor.compress(raw, &mut self.buffer)?;
                Ok(Bytes::copy_from_slice(&self.buffer))
            }
        }
    }
}
