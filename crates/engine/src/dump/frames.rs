//! Compressing rows into frames, and frames into segments.

use std::io::Write;

use permafrost_domain::job::Progress;
use permafrost_vault::plan::Compression;
use permafrost_vault::store::ObjectRef;
use permafrost_vault::task_result::Frame;
use permafrost_vault::{Blake3, SegmentWriter, Xxh3};

use crate::error::EngineError;

/// Bytes of rows at which a frame is full.
pub(super) const FRAME_BYTES: usize = 2 * 1024 * 1024;
/// A buffer that has grown beyond this for one huge row is not kept for the others.
const KEPT_BYTES: usize = 4 * FRAME_BYTES;

/// Compresses what is put into `raw`, frame by frame, with buffers that are used again.
pub(super) struct FrameWriter {
    writer: SegmentWriter,
    compressor: Compressor,
    frame: Vec<u8>,
    /// What the next frame is to hold.
    pub(super) raw: Vec<u8>,
    /// What has been written.
    pub(super) done: Progress,
}

/// Compresses frames that stand by themselves, with buffers that are used again.
pub(crate) enum Compressor {
    /// Zstandard with content checksums.
    Zstd(zstd::bulk::Compressor<'static>),
    /// gzip members.
    Gzip(flate2::Compression),
}

impl FrameWriter {
    pub(super) fn new(
        writer: SegmentWriter,
        compression: Compression,
        level: i32,
    ) -> Result<Self, EngineError> {
        let compressor = Compressor::new(compression, level)?;
        Ok(Self { writer, compressor, frame: Vec::new(), raw: Vec::new(), done: Progress::default() })
    }

    /// Writes what is in `raw`, which holds `rows` whole rows, as one frame, and empties it.
    pub(super) async fn write(&mut self, rows: u64, page: Option<u32>) -> Result<Frame, EngineError> {
        self.compressor.compress(&self.raw, &mut self.frame)?;
        let (checksum, raw_checksum) = (Blake3::of(&self.frame), Xxh3::of(&self.raw));
        let raw_length = self.raw.len() as u64;
        self.raw.clear();
        self.raw.shrink_to(KEPT_BYTES);
        let location = self.writer.append(&mut self.frame).await?;
        self.frame.clear();
        self.frame.shrink_to(KEPT_BYTES);
        self.done.rows_done += rows;
        self.done.bytes_done += raw_length;
        Ok(Frame { location, raw_length, rows, checksum, raw_checksum, page })
    }

    /// Writes the last segment and returns all of them.
    pub(super) async fn finish(self) -> Result<Vec<ObjectRef>, EngineError> {
        Ok(self.writer.finish().await?)
    }
}

impl Compressor {
    /// A compressor of this level: 1 to 19 of zstd, 0 to 9 of gzip.
    ///
    /// # Errors
    /// There is no such level.
    pub(crate) fn new(compression: Compression, level: i32) -> Result<Self, EngineError> {
        Ok(match compression {
            Compression::Zstd => {
                let mut zstd = zstd::bulk::Compressor::new(level).map_err(EngineError::Compression)?;
                zstd.set_parameter(zstd::zstd_safe::CParameter::ChecksumFlag(true))
                    .map_err(EngineError::Compression)?;
                Self::Zstd(zstd)
            }
            Compression::Gzip => {
                Self::Gzip(flate2::Compression::new(u32::try_from(level.clamp(0, 9)).unwrap_or(1)))
            }
        })
    }

    /// Makes `frame` the compressed form of `raw`.
    ///
    /// # Errors
    /// There is no memory for it.
    pub(crate) fn compress(&mut self, raw: &[u8], frame: &mut Vec<u8>) -> Result<(), EngineError> {
        frame.clear();
        match self {
            Self::Zstd(zstd) => {
                frame.reserve(zstd::zstd_safe::compress_bound(raw.len()));
                zstd.compress_to_buffer(raw, frame).map_err(EngineError::Compression)?;
            }
            Self::Gzip(level) => {
                let mut gzip = flate2::write::GzEncoder::new(frame, *level);
                gzip.write_all(raw).map_err(EngineError::Compression)?;
                gzip.finish().map_err(EngineError::Compression)?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read;

    use super::*;

    #[test]
    fn frames_are_what_the_standard_tools_read() {
        let raw = b"1\tone\n".repeat(1000);
        let mut frame = b"left from before".to_vec();
        let mut zstd = Compressor::Zstd(zstd::bulk::Compressor::new(1).unwrap());
        zstd.compress(&raw, &mut frame).unwrap();
        assert_eq!(zstd::stream::decode_all(frame.as_slice()).unwrap(), raw);
        Compressor::Gzip(flate2::Compression::fast()).compress(&raw, &mut frame).unwrap();
        let mut again = Vec::new();
        flate2::read::GzDecoder::new(frame.as_slice()).read_to_end(&mut again).unwrap();
        assert_eq!(again, raw);
    }
}
