//! An archive in one file.
//!
//! Where it is known beforehand how long the data of each entry will be (the backup's own zstd, or no compression),
//! the table of contents says where it is, and `pg_restore -j` goes there at once. Else it says nothing, as that of
//! an archive that `pg_dump` writes into a pipe, and `pg_restore` searches.

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use bytes::Bytes;
use permafrost_domain::job::Progress;
use permafrost_pgarchive::{
    Adler32, BlockSize, ChunkLength, Chunks, CustomLayout, DataLocation, DumpId, Format, Framing,
    TableOfContents, ZLIB_STREAM_START, deflate_piece, zlib_stream_end,
};
use permafrost_vault::{FileWriter, WrittenFile};

use super::FileRestore;
use super::archive::contradiction;
use super::contents::{Contents, Data, EntryData, count, stream};
use super::directory::END_OF_ROWS;
use super::encoding::{Encoding, Recoder};
use super::frames::{FrameOf, FrameStream};
use crate::error::EngineError;

const NAME: &str = "archive.dump";
/// The level of a zlib stream.
const GZIP_LEVEL: u32 = 6;
/// Bytes of a chunk that is not compressed: pg_restore takes memory for a whole one.
const CHUNK_BYTES: u64 = 1024 * 1024;

/// Writes the archive.
pub(super) async fn write(
    restore: &FileRestore<'_>,
    watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
) -> Result<(Vec<WrittenFile>, Progress), EngineError> {
    let contents = Contents::of(restore).await?;
    let entries = contents.entries(restore)?;
    let encoding = restore.encoding();
    let stored = restore.manifest.compression;
    let mut toc = restore.toc.clone();
    encoding.tell(&mut toc.header);
    toc.header.format = Format::Custom;
    let framing = Framing::of(&toc.header).map_err(|error| contradiction(error.to_string()))?;
    let mut recoder = Recoder::new(stored, encoding)?;
    let end = recoder.text(END_OF_ROWS)?;
    let sizes = match encoding {
        Encoding::Gzip => None,
        Encoding::Zstd if Encoding::from(stored) != Encoding::Zstd => None,
        Encoding::Zstd | Encoding::None => Some(sizes(&entries, encoding, end.len() as u64)),
    };
    let head = head(toc, sizes.as_ref())?;

    let writer = FileWriter::new(restore.folder.clone(), NAME.to_owned());
    let chunks = Chunker { writer, framing, encoding, recoder, sum: Adler32::default() };
    let mut writing = Writing { chunks, done: Progress::default() };
    let mut frames = stream(restore, &entries);
    match writing.all(&head, &entries, &mut frames, watch).await {
        Ok(()) => {
            let written = writing.chunks.writer.finish().await?;
            Ok((vec![written], writing.done))
        }
        Err(error) => {
            writing.chunks.writer.abandon().await;
            Err(error)
        }
    }
}

/// Header and table of contents.
fn head(
    mut toc: TableOfContents,
    sizes: Option<&BTreeMap<DumpId, BlockSize>>,
) -> Result<Vec<u8>, EngineError> {
    if let Some(sizes) = sizes {
        let layout = CustomLayout::new(toc, sizes).map_err(|error| contradiction(error.to_string()))?;
        return Ok(layout.toc().to_vec());
    }
    toc.entries.iter_mut().for_each(|entry| entry.data = DataLocation::Derived);
    let mut head = Vec::new();
    toc.write(&mut head).map_err(|error| contradiction(error.to_string()))?;
    Ok(head)
}

/// How long the data of each entry will be.
fn sizes(entries: &[EntryData<'_>], encoding: Encoding, end_bytes: u64) -> BTreeMap<DumpId, BlockSize> {
    let chunks = |frames: &[FrameOf<'_>]| {
        frames.iter().fold(Chunks::default(), |sum, FrameOf { frame, .. }| match encoding {
            Encoding::None => Chunks {
                count: sum.count + frame.raw_length.div_ceil(CHUNK_BYTES),
                bytes: sum.bytes + frame.raw_length,
            },
            Encoding::Zstd | Encoding::Gzip => {
                Chunks { count: sum.count + 1, bytes: sum.bytes + frame.location.length }
            }
        })
    };
    let size = |data: &EntryData<'_>| match &data.data {
        Data::Rows(frames) => {
            let rows = chunks(frames);
            BlockSize::Rows(Chunks { count: rows.count + 1, bytes: rows.bytes + end_bytes })
        }
        Data::LargeObjects(objects) => {
            BlockSize::LargeObjects { objects: objects.len() as u64, chunks: chunks(&data.frames()) }
        }
    };
    entries.iter().map(|data| (data.entry.dump_id, size(data))).collect()
}

struct Writing {
    chunks: Chunker,
    done: Progress,
}

impl Writing {
    async fn all(
        &mut self,
        head: &[u8],
        entries: &[EntryData<'_>],
        frames: &mut FrameStream<'_>,
        watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        self.chunks.writer.write(head).await?;
        for data in entries {
            let object = data.object();
            let framing = self.chunks.framing;
            match &data.data {
                Data::Rows(of_table) => {
                    self.chunks.writer.write(&framing.rows_start(data.entry.dump_id)).await?;
                    self.chunks.begin().await?;
                    self.frames(of_table, &object, frames, watch).await?;
                    self.chunks.text(END_OF_ROWS).await?;
                    self.chunks.end().await?;
                    self.done.tables_done += 1;
                }
                Data::LargeObjects(objects) => {
                    self.chunks.writer.write(&framing.large_objects_start(data.entry.dump_id)).await?;
                    for (oid, of_object) in objects {
                        let oid = NonZeroU32::new(*oid)
                            .ok_or_else(|| contradiction("a large object of number 0".to_owned()))?;
                        self.chunks.writer.write(&framing.large_object_start(oid)).await?;
                        self.chunks.begin().await?;
                        self.frames(of_object, &object, frames, watch).await?;
                        self.chunks.end().await?;
                    }
                    self.chunks.writer.write(&framing.end()).await?;
                }
            }
        }
        watch(self.done).await
    }

    async fn frames(
        &mut self,
        of_object: &[FrameOf<'_>],
        object: &str,
        frames: &mut FrameStream<'_>,
        watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
    ) -> Result<(), EngineError> {
        for frame in of_object {
            let stored = frames.take(*frame).await?;
            self.chunks.frame(stored, *frame, object).await?;
            count(&mut self.done, *frame);
            watch(self.done).await?;
        }
        Ok(())
    }
}

/// Writes the chunks of one entry or large object after the other.
struct Chunker {
    writer: FileWriter,
    framing: Framing,
    encoding: Encoding,
    recoder: Recoder,
    /// Of the zlib stream that is being written.
    sum: Adler32,
}

impl Chunker {
    async fn begin(&mut self) -> Result<(), EngineError> {
        if self.encoding == Encoding::Gzip {
            self.sum = Adler32::default();
            self.chunk(&ZLIB_STREAM_START).await?;
        }
        Ok(())
    }

    async fn frame(&mut self, stored: Bytes, frame: FrameOf<'_>, object: &str) -> Result<(), EngineError> {
        match self.encoding {
            Encoding::Zstd => {
                let bytes = self.recoder.frame(stored, frame.frame, object)?;
                self.chunk(&bytes).await
            }
            Encoding::Gzip => {
                let raw = self.recoder.raw(&stored, frame.frame, object)?;
                drop(stored);
                self.piece(&raw).await
            }
            Encoding::None => {
                let raw = self.recoder.frame(stored, frame.frame, object)?;
                for chunk in raw.chunks(usize::try_from(CHUNK_BYTES).unwrap_or(usize::MAX)) {
                    self.chunk(chunk).await?;
                }
                Ok(())
            }
        }
    }

    async fn text(&mut self, raw: &[u8]) -> Result<(), EngineError> {
        if self.encoding == Encoding::Gzip {
            return self.piece(raw).await;
        }
        let bytes = self.recoder.text(raw)?;
        self.chunk(&bytes).await
    }

    async fn end(&mut self) -> Result<(), EngineError> {
        if self.encoding == Encoding::Gzip {
            self.chunk(&zlib_stream_end(self.sum)).await?;
        }
        Ok(self.writer.write(&self.framing.end()).await?)
    }

    async fn piece(&mut self, raw: &[u8]) -> Result<(), EngineError> {
        let piece = deflate_piece(raw, GZIP_LEVEL).map_err(EngineError::Compression)?;
        self.sum = self.sum.followed_by(piece.checksum);
        self.chunk(&piece.bytes).await
    }

    async fn chunk(&mut self, bytes: &[u8]) -> Result<(), EngineError> {
        let length = ChunkLength::new(bytes.len())
            .ok_or_else(|| contradiction(format!("a chunk of {} bytes", bytes.len())))?;
        self.writer.write(&self.framing.chunk_start(length)).await?;
        Ok(self.writer.write(bytes).await?)
    }
}
