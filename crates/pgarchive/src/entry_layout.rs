//! How an entry lies in the archive, field by field.

use std::io::{Read, Write};

use crate::dump_id::DumpId;
use crate::entry::{DataLocation, Entry, OffsetState, RelKind, Section};
use crate::error::{ReadError, WriteError};
use crate::header::{ArchiveVersion, ByteWidth, Format, Header};
use crate::sink::Sink;
use crate::source::{Source, parse_decimal, unexpected_text};

impl Entry {
    pub(crate) fn read<R: Read>(source: &mut Source<'_, R>, header: &Header) -> Result<Self, ReadError> {
        let version = header.version;
        Ok(Self {
            dump_id: read_dump_id(source)?,
            had_dumper: read_had_dumper(source)?,
            table_oid: source.decimal("an entry's catalog oid, in decimal")?,
            oid: source.decimal("an entry's oid, in decimal")?,
            tag: source.text("an entry's tag")?,
            desc: source.frequent("an entry's kind")?.into(),
            section: Section::read(source)?,
            defn: source.nullable_text("an entry's definition")?,
            drop_stmt: source.nullable_text("an entry's DROP statement")?,
            copy_stmt: source.nullable_text("an entry's COPY statement")?,
            namespace: source.nullable_frequent("an entry's schema")?,
            tablespace: source.nullable_frequent("an entry's tablespace")?,
            table_am: if version >= ArchiveVersion::V1_14 {
                source.nullable_frequent("an entry's access method")?
            } else {
                None
            },
            rel_kind: if version >= ArchiveVersion::V1_16 { RelKind::read(source)? } else { None },
            owner: source.nullable_frequent("an entry's owner")?,
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
            sink.int("relation kind", self.rel_kind.map_or(0, RelKind::code))?;
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
    fn code(self) -> i32 {
        // A letter is its code, below 256.
        u32::from(self.letter()).cast_signed()
    }

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
    match source.bytes(EXPECTED)? {
        b"true" => Ok(true),
        b"false" => Ok(false),
        text => Err(unexpected_text(offset, EXPECTED, text)),
    }
}

fn read_dependencies<R: Read>(source: &mut Source<'_, R>) -> Result<Vec<DumpId>, ReadError> {
    const EXPECTED: &str = "an entry's dependency, in decimal, or their end";
    let mut dependencies = Vec::new();
    loop {
        let offset = source.offset();
        let Some(text) = source.nullable_bytes(EXPECTED)? else { return Ok(dependencies) };
        dependencies.push(parse_decimal(text).ok_or_else(|| unexpected_text(offset, EXPECTED, text))?);
    }
}
