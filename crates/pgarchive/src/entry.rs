//! One object of the archive: its definition, or the place of its data.

use std::io::{Read, Write};
use std::num::NonZeroU8;

use crate::copy_statement::{CopyStatement, CopyStatementError};
use crate::desc::Desc;
use crate::dump_id::DumpId;
use crate::error::{ReadError, WriteError};
use crate::header::{ArchiveVersion, ByteWidth, Format, Header};
use crate::identifier::Relation;
use crate::sink::Sink;
use crate::source::{Source, parse_decimal, unexpected_text};
use crate::text::Text;

/// One line of the table of contents, every field of it.
///
/// `None` is the archive's null, which pg_dump keeps apart from an empty text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The entry's number, unique in the archive.
    pub dump_id: DumpId,
    /// Whether pg_dump has a routine that writes data for it.
    pub had_dumper: bool,
    /// The catalog in which the object is a row, as its oid; 0 for things that are none.
    pub table_oid: u32,
    /// The object's oid in that catalog; 0 for things without one.
    pub oid: u32,
    /// The object's name, not quoted. Of some kinds a description: `TABLE users` of a comment.
    pub tag: Text,
    /// The object's kind.
    pub desc: Desc,
    /// The part of a restore that it belongs to.
    pub section: Section,
    /// The statements that make it.
    pub defn: Option<Text>,
    /// The statement that removes it, for `pg_restore --clean`.
    pub drop_stmt: Option<Text>,
    /// The statement that loads its data; see [`Entry::copy_statement`].
    pub copy_stmt: Option<Text>,
    /// The object's schema, not quoted; null or empty for objects outside of schemas.
    pub namespace: Option<Text>,
    /// The object's tablespace; empty for the database's default.
    pub tablespace: Option<Text>,
    /// The table's access method; archive version 1.14 and newer.
    pub table_am: Option<Text>,
    /// The relation's kind, `pg_class.relkind`; archive version 1.16 and newer.
    pub rel_kind: Option<RelKind>,
    /// The owning role's name, not quoted.
    pub owner: Option<Text>,
    /// Whether the table has the oid column of PostgreSQL 11 and older.
    pub with_oids: bool,
    /// The entries that must be restored before it. They may name entries that are not there.
    pub dependencies: Vec<DumpId>,
    /// Where its data is.
    pub data: DataLocation,
}

/// The part of a restore that an entry belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Section {
    /// Wherever the entry before it belongs (comments, grants, settings).
    None,
    /// Before the data: schemas, types, functions, tables.
    PreData,
    /// Rows, sequence values, large objects.
    Data,
    /// After the data: indexes, constraints, triggers, materialized views' contents.
    PostData,
}

/// A relation's kind, one letter: `r` table, `p` partitioned table, `S` sequence, and so on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct RelKind(NonZeroU8);

impl RelKind {
    /// The kind of this letter; there is none for zero.
    pub fn new(letter: u8) -> Option<Self> {
        NonZeroU8::new(letter).map(Self)
    }

    /// The letter.
    pub fn letter(self) -> char {
        char::from(self.0.get())
    }
}

/// Where an entry's data is: the part of an entry that differs between formats.
///
/// Written in the other format, an entry gets what pg_dump would have written there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DataLocation {
    /// Not told: whatever pg_dump would have written for such an entry.
    Derived,
    /// In a custom archive: the byte at which the entry's data block begins.
    Block {
        /// Whether there is data, and whether `offset` is known.
        state: OffsetState,
        /// Bytes from the archive's beginning; 0 unless known.
        offset: u64,
    },
    /// In a directory archive: the file's name without a compression suffix; empty without data.
    File(Text),
}

/// What a custom archive knows of the place of an entry's data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OffsetState {
    /// There is data, in an archive that was written to a pipe: it has to be searched for.
    NotSet,
    /// There is data, at the offset.
    Set,
    /// There is none.
    NoData,
}

impl Entry {
    /// An entry with these texts and everything else empty, as pg_dump makes it for a statement
    /// without an owner, a schema or data.
    pub fn new(
        dump_id: DumpId,
        section: Section,
        desc: impl Into<Desc>,
        tag: impl Into<Text>,
        defn: impl Into<Text>,
    ) -> Self {
        Self {
            dump_id,
            had_dumper: false,
            table_oid: 0,
            oid: 0,
            tag: tag.into(),
            desc: desc.into(),
            section,
            defn: Some(defn.into()),
            drop_stmt: Some(Text::default()),
            copy_stmt: None,
            namespace: None,
            tablespace: None,
            table_am: None,
            rel_kind: None,
            // Empty, not null: older pg_restore measures the owner's length without a look.
            owner: Some(Text::default()),
            with_oids: false,
            dependencies: Vec::new(),
            data: DataLocation::Derived,
        }
    }

    /// The relation that the entry itself names by schema and tag.
    ///
    /// For `TABLE DATA` this is where the rows are read from, also where they are loaded through
    /// another one (see [`Entry::is_loaded_via_partition_root`]).
    pub fn relation(&self) -> Relation {
        Relation {
            schema: self.namespace.clone().filter(|schema| !schema.is_empty()),
            name: self.tag.clone(),
        }
    }

    /// The relation and columns that the entry's data is loaded into; `None` if it is not loaded by
    /// `COPY` (it has no rows, or pg_dump was run with `--inserts`).
    ///
    /// # Errors
    /// There is a statement, but not of the form that pg_dump writes.
    pub fn copy_statement(&self) -> Result<Option<CopyStatement>, CopyStatementError> {
        match &self.copy_stmt {
            Some(statement) if !statement.is_empty() => CopyStatement::parse(statement).map(Some),
            _ => Ok(None),
        }
    }

    /// Whether the rows of this partition are loaded through the root of its partition tree
    /// (`pg_dump --load-via-partition-root`, or a hash partition by an enum column).
    ///
    /// pg_dump 11.20, 12.15, 13.11, 14.8, 15.3 and newer mark it in the entry's definition; of an
    /// older one compare [`Entry::relation`] with the statement's.
    pub fn is_loaded_via_partition_root(&self) -> bool {
        const MARK: &[u8] = b"-- load via partition root ";
        self.defn.as_ref().is_some_and(|defn| defn.as_bytes().starts_with(MARK))
    }

    /// The name, without a compression suffix, of the file that holds the entry's data in a
    /// directory archive of this version; `None` without data.
    ///
    /// Of `BLOBS` this is the list of large objects (lines of `<oid> blob_<oid>.dat`).
    pub fn file_name(&self, version: ArchiveVersion) -> Option<Text> {
        match &self.data {
            DataLocation::File(name) if name.is_empty() => None,
            DataLocation::File(name) => Some(name.clone()),
            DataLocation::Derived | DataLocation::Block { .. } => self.derived_file_name(version),
        }
    }

    fn derived_file_name(&self, version: ArchiveVersion) -> Option<Text> {
        if self.desc.is_blobs() && version >= ArchiveVersion::V1_16 {
            Some(format!("blobs_{}.toc", self.dump_id).into())
        } else if self.desc.is_blobs() {
            Some("blobs.toc".into())
        } else {
            self.had_dumper.then(|| format!("{}.dat", self.dump_id).into())
        }
    }

    pub(crate) fn read<R: Read>(source: &mut Source<'_, R>, header: &Header) -> Result<Self, ReadError> {
        let version = header.version;
        Ok(Self {
            dump_id: read_dump_id(source)?,
            had_dumper: read_had_dumper(source)?,
            table_oid: source.decimal("an entry's catalog oid, in decimal")?,
            oid: source.decimal("an entry's oid, in decimal")?,
            tag: source.text("an entry's tag")?,
            desc: source.text("an entry's kind")?.into(),
            section: Section::read(source)?,
            defn: source.nullable_text("an entry's definition")?,
            drop_stmt: source.nullable_text("an entry's DROP statement")?,
            copy_stmt: source.nullable_text("an entry's COPY statement")?,
            namespace: source.nullable_text("an entry's schema")?,
            tablespace: source.nullable_text("an entry's tablespace")?,
            table_am: if version >= ArchiveVersion::V1_14 {
                source.nullable_text("an entry's access method")?
            } else {
                None
            },
            rel_kind: if version >= ArchiveVersion::V1_16 { RelKind::read(source)? } else { None },
            owner: source.nullable_text("an entry's owner")?,
            with_oids: read_with_oids(source)?,
            dependencies: read_dependencies(source)?,
            data: DataLocation::read(source, header.format, header.offset_width)?,
        })
    }

    pub(crate) fn write<W: Write>(
        &self,
        sink: &mut Sink<'_, W>,
        header: &Header,
        format: Format,
    ) -> Result<(), WriteError> {
        let version = header.version;
        let no_place = |what| Err(WriteError::NoPlace { what, version });
        sink.int("dump id", self.dump_id.get())?;
        sink.int("dumper flag", i32::from(self.had_dumper))?;
        sink.text("length of a catalog oid", self.table_oid.to_string().as_bytes())?;
        sink.text("length of an oid", self.oid.to_string().as_bytes())?;
        sink.text("length of a tag", self.tag.as_bytes())?;
        sink.text("length of a kind", self.desc.as_text().as_bytes())?;
        sink.int("section", self.section.code())?;
        sink.nullable_text("length of a definition", self.defn.as_ref())?;
        sink.nullable_text("length of a DROP statement", self.drop_stmt.as_ref())?;
        sink.nullable_text("length of a COPY statement", self.copy_stmt.as_ref())?;
        sink.nullable_text("length of a schema", self.namespace.as_ref())?;
        sink.nullable_text("length of a tablespace", self.tablespace.as_ref())?;
        if version >= ArchiveVersion::V1_14 {
            sink.nullable_text("length of an access method", self.table_am.as_ref())?;
        } else if self.table_am.is_some() {
            return no_place("an access method");
        }
        if version >= ArchiveVersion::V1_16 {
            sink.int("relation kind", self.rel_kind.map_or(0, |kind| i32::from(kind.0.get())))?;
        } else if self.rel_kind.is_some() {
            return no_place("a relation kind");
        }
        sink.nullable_text("length of an owner", self.owner.as_ref())?;
        sink.text("length of the oids flag", if self.with_oids { b"true" } else { b"false" })?;
        for dependency in &self.dependencies {
            sink.text("length of a dependency", dependency.to_string().as_bytes())?;
        }
        sink.nullable_text("end of the dependencies", None)?;
        self.write_location(sink, header, format)
    }

    fn write_location<W: Write>(
        &self,
        sink: &mut Sink<'_, W>,
        header: &Header,
        format: Format,
    ) -> Result<(), WriteError> {
        match format {
            Format::Custom => {
                let (state, offset) = match self.data {
                    DataLocation::Block { state, offset } => (state, offset),
                    _ if self.had_dumper => (OffsetState::NotSet, 0),
                    _ => (OffsetState::NoData, 0),
                };
                sink.bytes(&[state.code()])?;
                sink.number("data offset", offset, header.offset_width)
            }
            Format::Directory => {
                let name = self.file_name(header.version).unwrap_or_default();
                sink.text("length of a file name", name.as_bytes())
            }
        }
    }
}

impl Section {
    const ALL: [Self; 4] = [Self::None, Self::PreData, Self::Data, Self::PostData];

    const fn code(self) -> i32 {
        match self {
            Self::None => 1,
            Self::PreData => 2,
            Self::Data => 3,
            Self::PostData => 4,
        }
    }

    fn read<R: Read>(source: &mut Source<'_, R>) -> Result<Self, ReadError> {
        const EXPECTED: &str = "an entry's section, 1 to 4,";
        let offset = source.offset();
        let code = source.int(EXPECTED)?;
        Self::ALL.into_iter().find(|section| section.code() == code).ok_or_else(|| ReadError::Unexpected {
            offset,
            expected: EXPECTED,
            found: code.to_string(),
        })
    }
}

impl RelKind {
    fn read<R: Read>(source: &mut Source<'_, R>) -> Result<Option<Self>, ReadError> {
        const EXPECTED: &str = "an entry's relation kind, one letter or 0,";
        let offset = source.offset();
        let code = source.int(EXPECTED)?;
        let letter = u8::try_from(code).map_err(|_| ReadError::Unexpected {
            offset,
            expected: EXPECTED,
            found: code.to_string(),
        })?;
        Ok(Self::new(letter))
    }
}

impl OffsetState {
    const ALL: [Self; 3] = [Self::NotSet, Self::Set, Self::NoData];

    const fn code(self) -> u8 {
        match self {
            Self::NotSet => 1,
            Self::Set => 2,
            Self::NoData => 3,
        }
    }
}

impl DataLocation {
    fn read<R: Read>(
        source: &mut Source<'_, R>,
        format: Format,
        offset_width: ByteWidth,
    ) -> Result<Self, ReadError> {
        const EXPECTED: &str = "an entry's data state, 1 to 3,";
        if format == Format::Directory {
            return source.text("an entry's file name").map(Self::File);
        }
        let start = source.offset();
        let code = source.byte(EXPECTED)?;
        let state = OffsetState::ALL.into_iter().find(|state| state.code() == code).ok_or_else(|| {
            ReadError::Unexpected { offset: start, expected: EXPECTED, found: code.to_string() }
        })?;
        Ok(Self::Block { state, offset: source.file_offset(offset_width, "an entry's data offset")? })
    }
}

fn read_dump_id<R: Read>(source: &mut Source<'_, R>) -> Result<DumpId, ReadError> {
    const EXPECTED: &str = "an entry's positive dump id";
    let offset = source.offset();
    let number = source.int(EXPECTED)?;
    DumpId::new(number).map_err(|_| ReadError::Unexpected {
        offset,
        expected: EXPECTED,
        found: number.to_string(),
    })
}

fn read_had_dumper<R: Read>(source: &mut Source<'_, R>) -> Result<bool, ReadError> {
    const EXPECTED: &str = "an entry's dumper flag, 0 or 1,";
    let offset = source.offset();
    match source.int(EXPECTED)? {
        0 => Ok(false),
        1 => Ok(true),
        other => Err(ReadError::Unexpected { offset, expected: EXPECTED, found: other.to_string() }),
    }
}

fn read_with_oids<R: Read>(source: &mut Source<'_, R>) -> Result<bool, ReadError> {
    const EXPECTED: &str = "an entry's oids flag, true or false,";
    let offset = source.offset();
    let text = source.text(EXPECTED)?;
    match text.as_bytes() {
        b"true" => Ok(true),
        b"false" => Ok(false),
        _ => Err(unexpected_text(offset, EXPECTED, &text)),
    }
}

fn read_dependencies<R: Read>(source: &mut Source<'_, R>) -> Result<Vec<DumpId>, ReadError> {
    const EXPECTED: &str = "an entry's dependency, in decimal, or their end";
    let mut dependencies = Vec::new();
    loop {
        let offset = source.offset();
        let Some(text) = source.nullable_text(EXPECTED)? else { return Ok(dependencies) };
        dependencies.push(parse_decimal(&text).ok_or_else(|| unexpected_text(offset, EXPECTED, &text))?);
    }
}
