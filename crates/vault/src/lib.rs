//! The vault: what S3 holds.
//!
//! `docs/format.md` describes every object; this crate is its code. Write: segments, task results, manifest,
//! and only then the catalog. Archive: copies of the segments, `archive.json`, the catalog, and only then the old
//! segments go. Erase: the list of what goes, the catalog, manifest, segments, the list. Objects are written once and
//! read, locked and deleted by the exact version that was written.
//!
//! A [`folder`] is no part of it: a place of somebody's own, into which a restore writes files.
//!
//! **Invariants:** nothing here overwrites objects of the vault. [`erasure`] alone deletes them, by exact version, and
//! never a locked one. [`listing`] alone lists them, for those that no point may name.

pub mod archive;
pub mod assembly;
pub mod checksum;
pub mod erasure;
pub mod error;
pub mod file_writer;
pub mod folder;
pub mod layout;
pub mod listing;
pub mod manifest;
pub mod object_lock;
pub mod plan;
pub mod rehydration;
pub mod segment;
mod segment_buffers;
pub mod segment_reader;
pub mod store;
pub mod task_result;

/// The version of the format that this code writes, and the only one that it reads.
pub const FORMAT: u32 = 2;

pub use archive::Archive;
pub use checksum::{Blake3, Sha256, Xxh3};
pub use erasure::{Erasure, ObjectVersion};
pub use error::VaultError;
pub use file_writer::FileWriter;
pub use folder::{Folder, WrittenFile};
pub use layout::PointLayout;
pub use manifest::Manifest;
pub use object_lock::ObjectLock;
pub use plan::DumpPlan;
pub use rehydration::Rehydration;
pub use segment::{FrameLocation, SegmentWriter};
pub use segment_reader::SegmentReader;
pub use store::{ObjectRef, Store};
pub use task_result::TaskResult;
