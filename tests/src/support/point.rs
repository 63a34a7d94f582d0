//! A recovery point as it lies in the store, read as `docs/format.md` says and not with the product's own code.

use std::collections::BTreeSet;

use permafrost_domain::recovery_point::RecoveryPoint;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::Digest;

use super::{Aws, Stack};

/// The manifest, as far as a reader needs it.
#[derive(Debug, Deserialize)]
pub struct Manifest {
    /// The format's version.
    pub format: u32,
    /// The table of contents.
    pub toc: Object,
    /// Roles, tablespaces, settings.
    pub globals: Object,
    /// All segments.
    pub segments: Vec<Object>,
    /// All tables.
    pub tables: Vec<Table>,
    /// Sums.
    pub totals: Totals,
}

/// An object that the manifest names.
#[derive(Debug, Clone, Deserialize)]
pub struct Object {
    /// Counts from the point's own folder.
    pub key: String,
    /// The S3 version.
    pub version: String,
    /// The size.
    pub bytes: u64,
    /// 64 hexadecimal digits.
    pub sha256: String,
}

/// A table's data.
#[derive(Debug, Deserialize)]
pub struct Table {
    /// The number of its entry.
    pub dump_id: i32,
    /// Its schema.
    pub schema: String,
    /// Its name.
    pub name: String,
    /// Its rows.
    pub rows: u64,
    /// Bytes of rows.
    pub raw_bytes: u64,
    /// Bytes of frames.
    pub stored_bytes: u64,
    /// BLAKE3 of the frames' raw checksums.
    pub checksum: String,
    /// Its frames.
    pub frames: Vec<Frame>,
}

/// A frame.
#[derive(Debug, Deserialize)]
pub struct Frame {
    /// Place in `segments`.
    pub segment: usize,
    /// Bytes into the segment.
    pub offset: usize,
    /// Bytes in the segment.
    pub length: usize,
    /// Bytes of rows.
    pub raw_length: usize,
    /// Rows.
    pub rows: u64,
    /// BLAKE3 of the compressed bytes.
    pub checksum: String,
    /// BLAKE3 of the rows.
    pub raw_checksum: String,
}

/// Sums over all tables.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Totals {
    /// Tables.
    pub tables: u64,
    /// Rows.
    pub rows: u64,
    /// Bytes of rows.
    pub raw_bytes: u64,
    /// Bytes of segments.
    pub stored_bytes: u64,
    /// Segments.
    pub segments: u64,
}

/// The folder of a recovery point in the backup store.
#[derive(Debug, Clone)]
pub struct PointFolder {
    s3: aws_sdk_s3::Client,
    prefix: String,
}

impl PointFolder {
    /// The folder of a point.
    pub fn of(point: &RecoveryPoint) -> Self {
        let prefix = format!("instances/{}/points/{}/", point.instance, point.id);
        Self { s3: Aws::root().s3(), prefix }
    }

    /// The folder's key, with the slash at its end.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The bytes of an object of the folder; of the newest version where none is named.
    ///
    /// # Panics
    /// There is none.
    pub async fn read(&self, key: &str, version: Option<&str>) -> Vec<u8> {
        let key = format!("{}{key}", self.prefix);
        let get = self.s3.get_object().bucket(&Stack::get().backup_bucket).key(&key);
        let found = get
            .set_version_id(version.map(str::to_owned))
            .send()
            .await
            .unwrap_or_else(|error| panic!("cannot read {key}: {error:?}"));
        found.body.collect().await.expect("the object can be read").to_vec()
    }

    /// A document of the folder.
    ///
    /// # Panics
    /// There is none, or it is not what the format says.
    pub async fn document<T: DeserializeOwned>(&self, key: &str) -> T {
        let bytes = self.read(key, None).await;
        serde_json::from_slice(&bytes).unwrap_or_else(|error| panic!("{key} is not as documented: {error}"))
    }

    /// The keys of all objects in the folder, counted from it.
    ///
    /// # Panics
    /// The store cannot be listed.
    pub async fn keys(&self) -> BTreeSet<String> {
        let list = self.s3.list_objects_v2().bucket(&Stack::get().backup_bucket).prefix(&self.prefix);
        let pages = list.into_paginator().send().try_collect().await.expect("the store can be listed");
        let objects =
            pages.iter().flat_map(aws_sdk_s3::operation::list_objects_v2::ListObjectsV2Output::contents);
        objects
            .filter_map(|object| Some(object.key()?.strip_prefix(self.prefix.as_str())?.to_owned()))
            .collect()
    }

    /// Reads every object that the manifest names, and asserts every size, sum and checksum in it against
    /// their bytes.
    ///
    /// # Panics
    /// One does not hold.
    pub async fn assert_sound(&self) -> Manifest {
        let manifest: Manifest = self.document("manifest.json").await;
        assert_eq!(manifest.format, 1);
        for object in [&manifest.toc, &manifest.globals] {
            self.read_checked(object).await;
        }
        let mut segments = Vec::new();
        for segment in &manifest.segments {
            segments.push(self.read_checked(segment).await);
        }
        let mut covered = vec![0; segments.len()];
        for table in &manifest.tables {
            assert_table_sound(table, &segments, &mut covered);
        }
        for (segment, covered) in manifest.segments.iter().zip(covered) {
            assert_eq!(segment.bytes, covered, "frames fill {}", segment.key);
        }
        let sum = |of: fn(&Table) -> u64| manifest.tables.iter().map(of).sum();
        let totals = Totals {
            tables: manifest.tables.len() as u64,
            rows: sum(|table| table.rows),
            raw_bytes: sum(|table| table.raw_bytes),
            stored_bytes: manifest.segments.iter().map(|segment| segment.bytes).sum(),
            segments: manifest.segments.len() as u64,
        };
        assert_eq!(manifest.totals, totals);
        manifest
    }

    async fn read_checked(&self, object: &Object) -> Vec<u8> {
        let bytes = self.read(&object.key, Some(&object.version)).await;
        assert_eq!(bytes.len() as u64, object.bytes, "size of {}", object.key);
        let sha256 = hex::encode(sha2::Sha256::digest(&bytes));
        assert_eq!(sha256, object.sha256, "SHA-256 of {}", object.key);
        bytes
    }
}

fn assert_table_sound(table: &Table, segments: &[Vec<u8>], covered: &mut [u64]) {
    let name = format!("{}.{}", table.schema, table.name);
    let (mut rows, mut raw_bytes, mut stored_bytes) = (0, 0, 0);
    let mut of_frames = blake3::Hasher::new();
    for frame in &table.frames {
        let stored = &segments[frame.segment][frame.offset..frame.offset + frame.length];
        assert_eq!(blake3::hash(stored).to_hex().as_str(), frame.checksum, "a frame of {name}");
        // One frame, complete by itself, with its own checksum, which decompressing verifies.
        let raw = zstd::bulk::decompress(stored, frame.raw_length).expect("a frame decompresses");
        assert_eq!(raw.len(), frame.raw_length, "raw bytes of a frame of {name}");
        let raw_checksum = blake3::hash(&raw);
        assert_eq!(raw_checksum.to_hex().as_str(), frame.raw_checksum, "the rows of a frame of {name}");
        assert_eq!(raw.last(), Some(&b'\n'), "a frame of {name} ends with a whole row");
        let lines = raw.split(|byte| *byte == b'\n').count() as u64 - 1;
        assert_eq!(lines, frame.rows, "rows in a frame of {name}");
        of_frames.update(raw_checksum.as_bytes());
        rows += lines;
        raw_bytes += raw.len() as u64;
        stored_bytes += stored.len() as u64;
        covered[frame.segment] += stored.len() as u64;
    }
    assert_eq!(
        (table.rows, table.raw_bytes, table.stored_bytes),
        (rows, raw_bytes, stored_bytes),
        "sums of {name}"
    );
    assert_eq!(of_frames.finalize().to_hex().as_str(), table.checksum, "checksum of {name}");
}
