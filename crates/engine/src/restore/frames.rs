//! What frames hold, checked.

use std::io::Read;

use permafrost_vault::Xxh3;
use permafrost_vault::plan::Compression;
use permafrost_vault::task_result::Frame;

use crate::error::EngineError;

/// Takes frames apart, with memory that is used again: of very many small tables each has a frame of its own.
pub(super) enum Decompressor {
    /// Zstandard.
    Zstd(zstd::bulk::Decompressor<'static>),
    /// gzip members.
    Gzip,
}

impl Decompressor {
    /// # Errors
    /// There is no memory for it.
    pub(super) fn new(compression: Compression) -> Result<Self, EngineError> {
        Ok(match compression {
            Compression::Zstd => {
                Self::Zstd(zstd::bulk::Decompressor::new().map_err(EngineError::Compression)?)
            }
            Compression::Gzip => Self::Gzip,
        })
    }

    /// What a frame of `object` holds, checked.
    ///
    /// # Errors
    /// It is not what the backup has written.
    pub(super) fn raw_of(
        &mut self,
        stored: &[u8],
        frame: &Frame,
        object: &str,
    ) -> Result<Vec<u8>, EngineError> {
        let damaged = || EngineError::Damaged { what: format!("a frame of {object}") };
        let raw_length = usize::try_from(frame.raw_length).map_err(|_| damaged())?;
        let raw = match self {
            Self::Zstd(zstd) => zstd.decompress(stored, raw_length).map_err(|_| damaged())?,
            Self::Gzip => {
                let mut raw = Vec::with_capacity(raw_length);
                // One byte more would show that the frame is not what it says, without an end to it.
                let mut gzip = flate2::read::GzDecoder::new(stored).take(frame.raw_length + 1);
                gzip.read_to_end(&mut raw).map_err(|_| damaged())?;
                raw
            }
        };
        if raw.len() == raw_length && Xxh3::of(&raw) == frame.raw_checksum { Ok(raw) } else { Err(damaged()) }
    }
}
