//! pg_dump's archive format: read and write the table of contents.
//!
//! `pg_dump -Fc` writes a header and a table of contents before the first byte of data. That part
//! is everything a restore needs beside the data itself: each object's definition, owner and
//! dependencies, and for each table the `COPY` statement that loads it. This crate reads it from a
//! pipe ([`TableOfContents::read`]), lets the caller look at it and change it, and writes it back,
//! byte for byte in its own format ([`TableOfContents::write`]) or as the `toc.dat` of a directory
//! archive that stock `pg_restore` accepts ([`TableOfContents::write_directory`]).
//!
//! - [`Header`]: versions, integer widths, format, compression, when and of what the dump was made.
//! - [`Entry`]: one object of the archive, every field kept.
//! - [`CopyStatement`]: the relation and columns of an entry's `COPY`, and the statements made of them.
//! - [`TocIndex`]: entries by id and name, dependencies in both directions; from it the SQL of each
//!   entry ([`TocIndex::statements`]) and what may run at once after the data ([`TocIndex::units`]).
//! - [`Selection`]: which entries some schemas and tables need, and what has to stay behind.
//! - [`Ownership`], [`Privileges`], [`TablespaceMap`]: whose the restored objects are, and where.
//! - [`Text`]: strings are in the database's encoding, so they are bytes with a UTF-8 view.
//!
//! Archive versions 1.12 to 1.16 are known (PostgreSQL 9.0 to 18), in the custom and the directory
//! format.
//!
//! **Invariant:** what [`TableOfContents::read`] accepts, [`TableOfContents::write`] gives back
//! byte for byte. Input that could not be given back (an unknown section, an integer written in
//! two ways) is refused with the offset and what was expected there.
//!
//! **Invariant:** nothing here opens a file or a socket, and no length found in the input is
//! allocated before that many bytes have arrived.

mod anchor;
mod copy_statement;
mod custom;
mod desc;
mod dump_id;
mod entry;
mod entry_layout;
mod error;
mod graph;
mod header;
mod identifier;
mod large_objects;
mod levels;
mod ownership;
mod select;
mod sink;
mod source;
mod split;
mod statements;
mod text;
mod toc;
mod tokens;
mod zlib_stream;

pub use copy_statement::{CopyStatement, CopyStatementError};
pub use custom::{BlockSize, ChunkLength, Chunks, CustomLayout, Framing, LayoutError, PlacedBlock};
pub use desc::Desc;
pub use dump_id::{DumpId, InvalidDumpId};
pub use entry::{DataLocation, Entry, OffsetState, RelKind, Section};
pub use error::{ReadError, WriteError};
pub use graph::{DuplicateDumpId, TocIndex};
pub use header::{ArchiveVersion, ByteWidth, Compression, CreationTime, Format, Header};
pub use identifier::{Relation, quote_ident};
pub use large_objects::{
    LargeObjectGroup, LargeObjectListError, LargeObjectsError, ListedLargeObject, large_object_file_name,
    large_object_groups, large_object_list_file_name, read_large_object_list, write_large_object_list,
};
pub use levels::{Level, LevelsError, TableLock, Unit};
pub use ownership::{Ownership, OwnershipError, Privileges, RoleMention, RoleUse, TablespaceMap};
pub use select::{Content, LeftOut, LeftOutReason, Selected, Selection, SelectionError};
pub use source::MAX_TEXT_BYTES;
pub use split::{SplitError, split_table_data};
pub use statements::{Statements, StatementsError, TransactionUse};
pub use text::Text;
pub use toc::{DumpIdsExhausted, TableOfContents};
pub use zlib_stream::{Adler32, DeflatedPiece, ZLIB_STREAM_START, deflate_piece, zlib_stream_end};
