//! The whole table of contents.

use std::io::{Read, Write};

use crate::desc::Desc;
use crate::dump_id::DumpId;
use crate::entry::{Entry, Section};
use crate::error::{ReadError, WriteError};
use crate::header::{Format, Header};
use crate::sink::Sink;
use crate::source::Source;
use crate::text::Text;

/// An archive's header and its entries, in the order in which pg_restore goes through them.
///
/// The entries are a plain list: look at them, `retain` some, change or insert others. When
/// leaving entries out, keep those for which [`Desc::is_session_setting`] holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableOfContents {
    /// Everything before the first entry.
    pub header: Header,
    /// The entries, in the archive's order.
    pub entries: Vec<Entry>,
}

/// There is no unused dump id after the largest one.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the archive already uses the largest dump id there is")]
pub struct DumpIdsExhausted;

impl TableOfContents {
    /// Reads header and entries of either format, and not one byte more.
    ///
    /// `pg_dump -Fc` to a pipe writes all of this before it reads any table's rows, so a caller
    /// that wants no data can end pg_dump as soon as this returns. Each value is taken by a `read`
    /// of its own: give a [`BufReader`](std::io::BufReader) where it does no harm that it reads
    /// ahead.
    ///
    /// # Errors
    /// The input ends early, is no archive, has a version that is not known, or holds something
    /// that [`TableOfContents::write`] could not give back byte for byte. Each error names the
    /// offset and what was expected there.
    pub fn read(reader: &mut impl Read) -> Result<Self, ReadError> {
        const EXPECTED: &str = "the number of entries";
        let mut source = Source::new(reader);
        let header = Header::read(&mut source)?;
        let offset = source.offset();
        let count = source.int(EXPECTED)?;
        if count < 0 {
            return Err(ReadError::Unexpected { offset, expected: EXPECTED, found: count.to_string() });
        }
        let mut entries = Vec::new();
        for _ in 0..count {
            entries.push(Entry::read(&mut source, &header)?);
        }
        Ok(Self { header, entries })
    }

    /// Writes header and entries in the header's format.
    ///
    /// Many small writes: give a `Vec` or a [`BufWriter`](std::io::BufWriter). In custom format the
    /// data has to follow. Entries that came from a file know the offsets of their data, which hold
    /// only as long as header and entries keep their length; from a pipe there are none to be wrong.
    ///
    /// # Errors
    /// Writing failed, or a value has no place in this archive version or does not fit its width.
    pub fn write(&self, writer: &mut impl Write) -> Result<(), WriteError> {
        self.write_as(writer, self.header.format)
    }

    /// Writes the `toc.dat` of a directory archive, whichever format this was read from.
    ///
    /// Beside it pg_restore expects, for every entry with an [`Entry::file_name`], the file of that
    /// name or with a suffix `.gz`, and as of version 1.15 `.lz4` or `.zst`: the rows as `COPY`
    /// gives them, then `\.` and two empty lines. For `BLOBS` the file (never compressed) lists the
    /// large objects, one line `<oid> blob_<oid>.dat` each, and those files hold their bytes.
    ///
    /// The header's compression is written as it is; pg_restore goes by the suffixes.
    ///
    /// # Errors
    /// As [`TableOfContents::write`].
    pub fn write_directory(&self, writer: &mut impl Write) -> Result<(), WriteError> {
        self.write_as(writer, Format::Directory)
    }

    fn write_as(&self, writer: &mut impl Write, format: Format) -> Result<(), WriteError> {
        let mut sink = Sink::new(writer, self.header.int_width);
        self.header.write(&mut sink, format)?;
        sink.count("number of entries", self.entries.len())?;
        self.entries.iter().try_for_each(|entry| entry.write(&mut sink, &self.header, format))
    }

    /// The entry with this id.
    pub fn entry(&self, dump_id: DumpId) -> Option<&Entry> {
        self.entries.iter().find(|entry| entry.dump_id == dump_id)
    }

    /// An id that no entry has and none depends on.
    ///
    /// # Errors
    /// The largest possible id is taken.
    pub fn unused_dump_id(&self) -> Result<DumpId, DumpIdsExhausted> {
        let used = |entry: &Entry| entry.dependencies.iter().copied().chain([entry.dump_id]).max();
        match self.entries.iter().filter_map(used).max() {
            Some(largest) => largest.next().ok_or(DumpIdsExhausted),
            None => DumpId::new(1).map_err(|_| DumpIdsExhausted),
        }
    }

    /// Puts a statement of the caller's own before everything else in the post-data section, and
    /// gives its id.
    ///
    /// pg_restore runs any kind of entry that it does not know, `desc` may be made up. It needs a
    /// definition, the section, a fresh id, and no more; without an owner nothing is done but the
    /// statement. `defn` should end with a semicolon (`pg_restore -f` writes it into a script) and
    /// qualify its names (the search path is empty).
    ///
    /// One connection (`pg_restore` without `-j`) goes by the order of the entries, several go by
    /// dependencies alone. So every post-data entry is made to depend on the new one, which holds
    /// for both. A failing statement stops pg_restore only with `--exit-on-error`.
    ///
    /// # Errors
    /// There is no unused dump id left.
    pub fn push_post_data_first(
        &mut self,
        tag: impl Into<Text>,
        desc: impl Into<Desc>,
        defn: impl Into<Text>,
    ) -> Result<DumpId, DumpIdsExhausted> {
        let dump_id = self.unused_dump_id()?;
        let is_post_data = |entry: &Entry| entry.section == Section::PostData;
        let place = self.entries.iter().position(is_post_data).unwrap_or(self.entries.len());
        for entry in self.entries.iter_mut().filter(|entry| is_post_data(entry)) {
            entry.dependencies.push(dump_id);
        }
        self.entries.insert(place, Entry::new(dump_id, Section::PostData, desc, tag, defn));
        Ok(dump_id)
    }
}
