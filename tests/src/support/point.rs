//! A recovery point as it lies in the store, read as `docs/format.md` says and not with the product's own code.

use std::collections::BTreeSet;

use permafrost_domain::job::Job;
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::{InstanceId, PointId};
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
    /// The objects of the tasks.
    pub tasks: Vec<Task>,
    /// All tables.
    pub tables: Vec<Table>,
    /// Sums.
    pub totals: Totals,
}

/// The objects of a task.
#[derive(Debug, Deserialize)]
pub struct Task {
    /// Its number.
    pub task: u32,
    /// Its result.
    pub result: Object,
    /// Its segments.
    pub segments: Vec<Object>,
    /// Bytes of rows.
    pub raw_bytes: u64,
}

/// A table.
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
    /// BLAKE3 of the checksums of its parts.
    pub checksum: String,
    /// Where its parts are listed.
    pub parts: Vec<Place>,
}

/// Where a part of a table is listed.
#[derive(Debug, Deserialize)]
pub struct Place {
    /// The task.
    pub task: usize,
    /// The place in its result's `tables`.
    pub index: usize,
}

/// What a task copied.
#[derive(Debug, Deserialize)]
struct TaskResult {
    tables: Vec<Part>,
    #[serde(default)]
    large_objects: Vec<LargeObject>,
}

/// A large object.
#[derive(Debug, Deserialize)]
struct LargeObject {
    oid: u32,
    frames: Vec<Frame>,
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

/// What a task copied of a table.
#[derive(Debug, Deserialize)]
struct Part {
    dump_id: i32,
    #[serde(rename = "part")]
    number: usize,
    schema: String,
    name: String,
    rows: u64,
    raw_bytes: u64,
    stored_bytes: u64,
    checksum: String,
    frames: Vec<Frame>,
}

/// A frame.
#[derive(Debug, Deserialize)]
struct Frame {
    segment: usize,
    offset: usize,
    length: usize,
    raw_length: usize,
    rows: u64,
    checksum: String,
    raw_checksum: String,
}

/// Sums over all tables.
#[derive(Debug, PartialEq, Eq, Deserialize)]
pub struct Totals {
    /// Tables.
    pub tables: u64,
    /// Rows.
    pub rows: u64,
    /// Large objects.
    pub large_objects: u64,
    /// Bytes of rows and of large objects.
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
        Self::new(point.instance, point.id)
    }

    /// The folder of the point that a backup makes.
    pub fn of_backup(job: &Job) -> Self {
        Self::new(job.instance, PointId::of_backup(job.id))
    }

    fn new(instance: InstanceId, point: PointId) -> Self {
        let prefix = format!("instances/{instance}/points/{point}/");
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
        assert_eq!(manifest.format, 2);
        for object in [&manifest.toc, &manifest.globals] {
            self.read_checked(object).await;
        }
        let mut results = Vec::new();
        for task in &manifest.tasks {
            results.push(self.assert_task_sound(task).await);
        }
        for table in &manifest.tables {
            assert_table_sound(table, &results);
        }
        let parts: usize = manifest.tables.iter().map(|table| table.parts.len()).sum();
        assert_eq!(parts, results.iter().map(|result| result.tables.len()).sum::<usize>());
        let segments: Vec<&Object> = manifest.tasks.iter().flat_map(|task| &task.segments).collect();
        let totals = Totals {
            tables: manifest.tables.len() as u64,
            rows: manifest.tables.iter().map(|table| table.rows).sum(),
            large_objects: results.iter().map(|result| result.large_objects.len() as u64).sum(),
            raw_bytes: manifest.tasks.iter().map(|task| task.raw_bytes).sum(),
            stored_bytes: segments.iter().map(|segment| segment.bytes).sum(),
            segments: segments.len() as u64,
        };
        assert_eq!(manifest.totals, totals);
        manifest
    }

    /// Checks the result and the segments of a task, and every frame.
    async fn assert_task_sound(&self, task: &Task) -> TaskResult {
        let result = self.read_checked(&task.result).await;
        let result: TaskResult = serde_json::from_slice(&result)
            .unwrap_or_else(|error| panic!("the result of task {} is not as documented: {error}", task.task));
        let mut segments = Vec::new();
        for segment in &task.segments {
            segments.push(self.read_checked(segment).await);
        }
        let mut covered = vec![0; segments.len()];
        let mut raw_bytes = 0;
        for part in &result.tables {
            assert_part_sound(part, &segments, &mut covered);
            raw_bytes += part.raw_bytes;
        }
        for object in &result.large_objects {
            for frame in &object.frames {
                let name = format!("large object {}", object.oid);
                raw_bytes += assert_frame_sound(frame, &name, &segments, &mut covered).len() as u64;
            }
        }
        assert_eq!(raw_bytes, task.raw_bytes, "raw bytes of task {}", task.task);
        for (segment, covered) in task.segments.iter().zip(covered) {
            assert_eq!(segment.bytes, covered, "frames fill {}", segment.key);
        }
        result
    }

    async fn read_checked(&self, object: &Object) -> Vec<u8> {
        let bytes = self.read(&object.key, Some(&object.version)).await;
        assert_eq!(bytes.len() as u64, object.bytes, "size of {}", object.key);
        let sha256 = hex::encode(sha2::Sha256::digest(&bytes));
        assert_eq!(sha256, object.sha256, "SHA-256 of {}", object.key);
        bytes
    }
}

/// The table's sums and checksum are those of its parts.
fn assert_table_sound(table: &Table, results: &[TaskResult]) {
    let name = format!("{}.{}", table.schema, table.name);
    let mut of_parts = blake3::Hasher::new();
    let (mut rows, mut raw_bytes, mut stored_bytes) = (0, 0, 0);
    for (number, place) in table.parts.iter().enumerate() {
        let part = &results[place.task - 1].tables[place.index];
        assert_eq!(
            (part.dump_id, part.number, &part.schema, &part.name),
            (table.dump_id, number, &table.schema, &table.name)
        );
        rows += part.rows;
        raw_bytes += part.raw_bytes;
        stored_bytes += part.stored_bytes;
        of_parts.update(&hex::decode(&part.checksum).expect("a checksum is hexadecimal"));
    }
    assert_eq!(
        (table.rows, table.raw_bytes, table.stored_bytes),
        (rows, raw_bytes, stored_bytes),
        "sums of {name}"
    );
    assert_eq!(of_parts.finalize().to_hex().as_str(), table.checksum, "checksum of {name}");
}

fn assert_part_sound(part: &Part, segments: &[Vec<u8>], covered: &mut [u64]) {
    let name = format!("{}.{}", part.schema, part.name);
    let (mut rows, mut raw_bytes, mut stored_bytes) = (0, 0, 0);
    let mut of_frames = blake3::Hasher::new();
    for frame in &part.frames {
        let raw = assert_frame_sound(frame, &name, segments, covered);
        assert_eq!(raw.last(), Some(&b'\n'), "a frame of {name} ends with a whole row");
        let lines = raw.split(|byte| *byte == b'\n').count() as u64 - 1;
        assert_eq!(lines, frame.rows, "rows in a frame of {name}");
        of_frames.update(&hex::decode(&frame.raw_checksum).expect("a checksum is hexadecimal"));
        rows += lines;
        raw_bytes += raw.len() as u64;
        stored_bytes += frame.length as u64;
    }
    assert_eq!(
        (part.rows, part.raw_bytes, part.stored_bytes),
        (rows, raw_bytes, stored_bytes),
        "sums of {name}"
    );
    assert_eq!(of_frames.finalize().to_hex().as_str(), part.checksum, "checksum of {name}");
}

/// Checks a frame and returns what it holds.
fn assert_frame_sound(frame: &Frame, name: &str, segments: &[Vec<u8>], covered: &mut [u64]) -> Vec<u8> {
    let stored = &segments[frame.segment][frame.offset..frame.offset + frame.length];
    assert_eq!(blake3::hash(stored).to_hex().as_str(), frame.checksum, "a frame of {name}");
    // One frame, complete by itself, with its own checksum, which decompressing verifies.
    let raw = zstd::bulk::decompress(stored, frame.raw_length).expect("a frame decompresses");
    assert_eq!(raw.len(), frame.raw_length, "raw bytes of a frame of {name}");
    assert_eq!(
        format!("{:032x}", xxhash_rust::xxh3::xxh3_128(&raw)),
        frame.raw_checksum,
        "what a frame of {name} holds"
    );
    covered[frame.segment] += stored.len() as u64;
    raw
}
