//! One object of the archive: its definition, or the place of its data.

use std::num::NonZeroU8;

use crate::copy_statement::{CopyStatement, CopyStatementError};
use crate::desc::Desc;
use crate::dump_id::DumpId;
use crate::header::ArchiveVersion;
use crate::identifier::Relation;
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
}
