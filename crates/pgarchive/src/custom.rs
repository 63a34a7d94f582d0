//! An archive in one file: the table of contents, then a block of data for each entry that has any.
//!
//! A block is a type byte and the entry's dump id; then for rows chunks and an end, for large objects
//! the oid, chunks and an end of each, and a zero in place of a further oid. A chunk is its length and
//! that many bytes; length 0 is the end. Where the chunks of an entry are divided depends on the
//! compression that the header tells, which is one for the whole archive:
//!
//! - *None*: anywhere.
//! - *Gzip*: anywhere, but the chunks together are one zlib stream (not gzip members), complete even
//!   where there is no data. Behind its end pg_restore would spin forever. Pieces that were compressed
//!   independently become one stream by [`deflate_piece`](crate::deflate_piece).
//! - *Zstd*: any number of frames, but a chunk must not hold the end of one and the beginning of the
//!   next: pg_restore drops the rest of a chunk once a frame ends. One chunk per frame is right.
//!
//! pg_restore takes memory for a whole chunk. With offsets in the table of contents it can load
//! several entries at once from a file; without, it searches.
//!
//! Order of writing: [`CustomLayout::toc`], then the blocks in the order of [`CustomLayout::blocks`].

use std::collections::BTreeMap;

use crate::dump_id::DumpId;
use crate::entry::{DataLocation, Entry, OffsetState};
use crate::error::WriteError;
use crate::header::{ByteWidth, Format, Header};
use crate::toc::TableOfContents;

/// The bytes around the data of a custom archive's blocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Framing {
    int_width: ByteWidth,
}

/// The length of one chunk of data: 1 to 2147483647 bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChunkLength(i32);

impl ChunkLength {
    /// The length, unless it is zero (which would end the data) or too long for the format.
    pub fn new(bytes: usize) -> Option<Self> {
        i32::try_from(bytes).ok().filter(|bytes| *bytes > 0).map(Self)
    }

    /// The number of bytes.
    pub fn get(self) -> u32 {
        self.0.unsigned_abs()
    }
}

/// How much data there is between two ends: chunks, without the lengths before them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Chunks {
    /// How many chunks.
    pub count: u64,
    /// The bytes of all of them together.
    pub bytes: u64,
}

/// How much data an entry has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BlockSize {
    /// The rows of a table.
    Rows(Chunks),
    /// Large objects.
    LargeObjects {
        /// How many.
        objects: u64,
        /// The chunks of all of them together.
        chunks: Chunks,
    },
}

/// Where an entry's block of data is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlacedBlock {
    /// The entry.
    pub dump_id: DumpId,
    /// The place of the block's first byte, in bytes from the archive's beginning.
    pub offset: u64,
    /// The block's length, all framing included.
    pub length_bytes: u64,
}

/// A whole custom archive, laid out before a byte of it is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CustomLayout {
    toc: Vec<u8>,
    blocks: Vec<PlacedBlock>,
}

/// Why an archive could not be laid out.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// An entry has data, but nobody told how much.
    #[error("the length of the data of entry {0} is not known")]
    UnknownSize(DumpId),

    /// A length was told for what is no entry, or one without data.
    #[error("entry {0} has no data")]
    NoData(DumpId),

    /// Large objects were told for rows, or the other way round.
    #[error("the data of entry {0} is of the other kind, rows or large objects")]
    OtherKind(DumpId),

    /// The archive would have more bytes than can be counted.
    #[error("the archive is longer than an offset can tell")]
    TooLong,

    /// The table of contents could not be written.
    #[error(transparent)]
    Write(#[from] WriteError),
}

impl CustomLayout {
    /// Lays out the archive, with a block for each entry that has data, in the order of the entries.
    ///
    /// Whatever format `toc` was read in, it is written as custom, with the compression that its
    /// header tells and with the offsets of all data.
    ///
    /// # Errors
    /// `sizes` does not have exactly the entries with data, or a value does not fit the archive.
    pub fn new(mut toc: TableOfContents, sizes: &BTreeMap<DumpId, BlockSize>) -> Result<Self, LayoutError> {
        toc.header.format = Format::Custom;
        let framing = Framing::of(&toc.header)?;
        let mut blocks = Vec::with_capacity(sizes.len());
        for entry in &mut toc.entries {
            entry.data = location(OffsetState::NoData, 0);
            if entry.had_dumper {
                let length_bytes = framing.length_of(entry, sizes)?;
                blocks.push(PlacedBlock { dump_id: entry.dump_id, offset: 0, length_bytes });
            }
        }
        expect_all_placed(&blocks, sizes)?;

        // Offsets take the same room whatever they are, so the first writing tells where data begins.
        let mut bytes = Vec::new();
        toc.write(&mut bytes)?;
        let mut offset = bytes.len() as u64;
        for block in &mut blocks {
            block.offset = offset;
            offset = offset.checked_add(block.length_bytes).ok_or(LayoutError::TooLong)?;
        }
        let with_data = toc.entries.iter_mut().filter(|entry| entry.had_dumper);
        for (entry, block) in with_data.zip(&blocks) {
            entry.data = location(OffsetState::Set, block.offset);
        }
        bytes.clear();
        toc.write(&mut bytes)?;
        Ok(Self { toc: bytes, blocks })
    }

    /// Header and table of contents: the archive's first bytes.
    pub fn toc(&self) -> &[u8] {
        &self.toc
    }

    /// The blocks, in the order in which they follow.
    pub fn blocks(&self) -> &[PlacedBlock] {
        &self.blocks
    }

    /// The length of the whole archive, in bytes.
    pub fn total_bytes(&self) -> u64 {
        self.blocks.last().map_or(self.toc.len() as u64, |block| block.offset + block.length_bytes)
    }
}

fn location(state: OffsetState, offset: u64) -> DataLocation {
    DataLocation::Block { state, offset }
}

/// Whether each size told was used, and for one entry.
fn expect_all_placed(blocks: &[PlacedBlock], sizes: &BTreeMap<DumpId, BlockSize>) -> Result<(), LayoutError> {
    let placed: BTreeMap<DumpId, u64> =
        blocks.iter().map(|block| (block.dump_id, block.length_bytes)).collect();
    match sizes.keys().find(|id| !placed.contains_key(id)) {
        Some(id) => Err(LayoutError::NoData(*id)),
        None => Ok(()),
    }
}

impl Framing {
    /// The framing of an archive with this header.
    ///
    /// # Errors
    /// Its integers are too narrow for a dump id, as no machine's are today.
    pub fn of(header: &Header) -> Result<Self, WriteError> {
        let int_width = header.int_width;
        if int_width < ByteWidth::FOUR {
            return Err(WriteError::DoesNotFit {
                what: "length of a chunk",
                value: u64::from(u32::MAX),
                width_bytes: int_width.get(),
            });
        }
        Ok(Self { int_width })
    }

    /// The beginning of a block of rows; chunks follow, then [`Framing::end`].
    pub fn rows_start(self, dump_id: DumpId) -> Vec<u8> {
        self.block_start(1, dump_id)
    }

    /// The beginning of a block of large objects; objects follow, then [`Framing::end`].
    pub fn large_objects_start(self, dump_id: DumpId) -> Vec<u8> {
        self.block_start(3, dump_id)
    }

    /// The beginning of one large object; chunks follow, then [`Framing::end`].
    ///
    /// An oid of zero is no object's, and would end the block.
    pub fn large_object_start(self, oid: std::num::NonZeroU32) -> Vec<u8> {
        // The archive's integers have a sign, and pg_dump writes large oids as negative numbers.
        self.int(oid.get().cast_signed())
    }

    /// What precedes a chunk of this length.
    pub fn chunk_start(self, length: ChunkLength) -> Vec<u8> {
        self.int(length.0)
    }

    /// The end of a table's rows, of one large object, or of a block of large objects.
    pub fn end(self) -> Vec<u8> {
        self.int(0)
    }

    /// The length of a block with this much data, or `None` if it cannot be counted.
    pub fn block_bytes(self, size: BlockSize) -> Option<u64> {
        let int = 1 + u64::from(self.int_width.get());
        let chunk_bytes = |chunks: Chunks| chunks.count.checked_mul(int)?.checked_add(chunks.bytes);
        // Type and dump id before the data, a zero behind it.
        let around = 1 + 2 * int;
        match size {
            BlockSize::Rows(chunks) => chunk_bytes(chunks)?.checked_add(around),
            BlockSize::LargeObjects { objects, chunks } => {
                objects.checked_mul(2 * int)?.checked_add(chunk_bytes(chunks)?)?.checked_add(around)
            }
        }
    }

    fn length_of(self, entry: &Entry, sizes: &BTreeMap<DumpId, BlockSize>) -> Result<u64, LayoutError> {
        let size = *sizes.get(&entry.dump_id).ok_or(LayoutError::UnknownSize(entry.dump_id))?;
        if entry.desc.is_blobs() != matches!(size, BlockSize::LargeObjects { .. }) {
            return Err(LayoutError::OtherKind(entry.dump_id));
        }
        self.block_bytes(size).ok_or(LayoutError::TooLong)
    }

    fn block_start(self, kind: u8, dump_id: DumpId) -> Vec<u8> {
        [&[kind], self.int(dump_id.get()).as_slice()].concat()
    }

    /// A sign byte, then the magnitude with its lowest byte first; it fits, by [`Framing::of`].
    fn int(self, value: i32) -> Vec<u8> {
        let mut bytes = vec![u8::from(value < 0)];
        bytes.extend(value.unsigned_abs().to_le_bytes());
        bytes.resize(1 + self.int_width.bytes(), 0);
        bytes
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;

    use super::*;
    use crate::desc::Desc;
    use crate::entry::Section;

    fn id(number: i32) -> DumpId {
        DumpId::new(number).unwrap()
    }

    fn archive() -> TableOfContents {
        let bytes = include_bytes!("../tests/data/1.16-directory.toc");
        let header = TableOfContents::read(&mut &bytes[..]).unwrap().header;
        let entry = |number, desc, had_dumper| Entry {
            had_dumper,
            ..Entry::new(id(number), Section::Data, desc, "", "")
        };
        let entries = vec![
            entry(5, Desc::TABLE_DATA, true),
            entry(6, Desc::SEQUENCE_SET, false),
            entry(3, Desc::BLOBS, true),
        ];
        TableOfContents { header, entries }
    }

    const ROWS: BlockSize = BlockSize::Rows(Chunks { count: 2, bytes: 7 });
    const OBJECTS: BlockSize =
        BlockSize::LargeObjects { objects: 3, chunks: Chunks { count: 1, bytes: 1 << 40 } };

    #[test]
    fn the_layout_is_that_of_the_bytes_written() {
        let layout =
            CustomLayout::new(archive(), &BTreeMap::from([(id(5), ROWS), (id(3), OBJECTS)])).unwrap();
        let start = layout.toc().len() as u64;
        let rows_bytes = 1 + 5 + 2 * 5 + 7 + 5;
        let objects_bytes = 1 + 5 + 3 * 10 + 5 + (1 << 40) + 5;
        assert_eq!(
            layout.blocks(),
            [
                PlacedBlock { dump_id: id(5), offset: start, length_bytes: rows_bytes },
                PlacedBlock { dump_id: id(3), offset: start + rows_bytes, length_bytes: objects_bytes },
            ]
        );
        assert_eq!(layout.total_bytes(), start + rows_bytes + objects_bytes);

        let read = TableOfContents::read(&mut layout.toc()).unwrap();
        assert_eq!(read.header.format, Format::Custom);
        let places: Vec<_> = read.entries.into_iter().map(|entry| entry.data).collect();
        assert_eq!(
            places,
            [
                location(OffsetState::Set, start),
                location(OffsetState::NoData, 0),
                location(OffsetState::Set, start + rows_bytes),
            ]
        );
    }

    #[test]
    fn framing_is_in_the_archives_integers() {
        let mut header = archive().header;
        let framing = Framing::of(&header).unwrap();
        assert_eq!(framing.rows_start(id(258)), [1, 0, 2, 1, 0, 0]);
        assert_eq!(framing.large_objects_start(id(7)), [3, 0, 7, 0, 0, 0]);
        assert_eq!(framing.chunk_start(ChunkLength::new(513).unwrap()), [0, 1, 2, 0, 0]);
        assert_eq!(framing.large_object_start(NonZeroU32::new(17).unwrap()), [0, 17, 0, 0, 0]);
        assert_eq!(framing.large_object_start(NonZeroU32::MAX), [1, 1, 0, 0, 0]);
        assert_eq!(framing.large_object_start(NonZeroU32::new(1 << 31).unwrap()), [1, 0, 0, 0, 0x80]);
        assert_eq!(framing.end(), [0; 5]);

        header.int_width = ByteWidth::EIGHT;
        assert_eq!(Framing::of(&header).unwrap().end(), [0; 9]);
        header.int_width = ByteWidth::new(3).unwrap();
        assert!(Framing::of(&header).is_err());
    }

    #[test]
    fn a_chunk_is_neither_empty_nor_longer_than_its_length_can_tell() {
        assert_eq!(ChunkLength::new(0), None);
        assert_eq!(ChunkLength::new(1).unwrap().get(), 1);
        assert_eq!(ChunkLength::new(0x7fff_ffff).unwrap().get(), 0x7fff_ffff);
        assert_eq!(ChunkLength::new(0x8000_0000), None);
    }

    #[test]
    fn sizes_are_told_for_exactly_the_entries_with_data() {
        for (sizes, message) in [
            (vec![(5, ROWS)], "the length of the data of entry 3 is not known"),
            (vec![(5, ROWS), (3, OBJECTS), (6, ROWS)], "entry 6 has no data"),
            (vec![(5, ROWS), (3, OBJECTS), (99, ROWS)], "entry 99 has no data"),
            (
                vec![(5, OBJECTS), (3, OBJECTS)],
                "the data of entry 5 is of the other kind, rows or large objects",
            ),
            (
                vec![(5, BlockSize::Rows(Chunks { count: u64::MAX, bytes: 0 })), (3, OBJECTS)],
                "the archive is longer than an offset can tell",
            ),
        ] {
            let sizes = sizes.into_iter().map(|(number, size)| (id(number), size)).collect();
            let error = CustomLayout::new(archive(), &sizes).unwrap_err();
            assert_eq!(error.to_string(), message);
        }
    }
}
