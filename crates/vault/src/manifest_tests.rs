use permafrost_domain::JobId;
use proptest::prelude::*;

use super::*;
use crate::checksum::{Blake3, Sha256, Xxh3};
use crate::plan::{PartData, Rows, TablePart};
use crate::plan::{Task, cut};
use crate::segment::FrameLocation;
use crate::task_result::Frame;

fn object(key: &str, bytes: u64) -> ObjectRef {
    ObjectRef { key: key.into(), version: "v1".into(), bytes, sha256: Sha256::of(key.as_bytes()) }
}

fn belonging() -> Belonging {
    let job = JobId::new(Timestamp::UNIX_EPOCH, 1);
    Belonging {
        vault: "permafrost".into(),
        instance: InstanceId::new(Timestamp::UNIX_EPOCH, 2),
        instance_name: "shop".parse().unwrap(),
        point: PointId::of_backup(job),
        job,
    }
}

fn plan(sizes: &[u64]) -> DumpPlan {
    // Larger tables in parts of 60,000 bytes.
    let parts = (1..).zip(sizes).flat_map(|(dump_id, size)| {
        let parts = u32::try_from(size.div_ceil(60_000).max(1)).unwrap();
        (0..parts).map(move |part| Part {
            data: PartData::Table(TablePart {
                dump_id,
                part,
                parts,
                schema: "public".into(),
                name: format!("t{dump_id}"),
                columns: "(a)".into(),
                rows: Rows::All,
            }),
            estimated_bytes: (size - u64::from(part) * 60_000).min(60_000),
        })
    });
    DumpPlan {
        format: FORMAT,
        source: Source {
            host: "db".into(),
            port: 5432,
            database: "shop".into(),
            server_version: "15.18".into(),
            encoding: "UTF8".into(),
            collate: "C".into(),
            ctype: "C".into(),
            locale_provider: 'c',
            locale: None,
            pg_dump_version: "15.18".into(),
            archive_version: "1.14".into(),
        },
        consistent_at: Timestamp::UNIX_EPOCH,
        toc: object("toc.dat", 10),
        globals: object("globals.sql", 10),
        compression: Compression::Zstd,
        level: 1,
        tasks: cut(parts.collect(), |_| 50_000),
    }
}

/// What a task that works as it should returns: a frame for every 10,000 bytes, segments of three frames.
fn carry_out(task: &Task) -> TaskResult {
    let mut bytes_of_segments: Vec<u64> = Vec::new();
    let mut frames_in_last = 3;
    let mut tables = Vec::new();
    for part in &task.parts {
        let table = part.table().unwrap();
        let mut frames = Vec::new();
        for n in 0..part.estimated_bytes / 10_000 {
            if frames_in_last == 3 {
                bytes_of_segments.push(0);
                frames_in_last = 0;
            }
            frames_in_last += 1;
            let segment = bytes_of_segments.len() - 1;
            let location = FrameLocation {
                segment: u32::try_from(segment).unwrap(),
                offset: bytes_of_segments[segment],
                length: 100 + n,
            };
            bytes_of_segments[segment] += location.length;
            let checksum = Blake3::of(format!("{} {n}", table.name).as_bytes());
            let raw_checksum = Xxh3::of(checksum.as_bytes());
            frames.push(Frame { location, raw_length: 10_000, rows: 7, checksum, raw_checksum, page: None });
        }
        tables.push(TableData::of_frames(table, frames));
    }
    let segments = (0..)
        .zip(&bytes_of_segments)
        .map(|(n, bytes)| object(&format!("segments/{}.a.{n}", task.task), *bytes));
    TaskResult {
        format: FORMAT,
        task: task.task,
        attempt: "a".into(),
        segments: segments.collect(),
        tables,
        large_objects: Vec::new(),
    }
}

fn assemble(plan: &DumpPlan, results: &[TaskResult]) -> Result<Manifest, Incomplete> {
    let mut assembly = Assembly::of(plan);
    for result in results {
        assembly.take(object(&format!("tasks/{}.json", result.task), 1), result)?;
    }
    assembly.finish(belonging())
}

proptest! {
    #[test]
    fn whole_results_make_a_manifest_that_names_everything(sizes in prop::collection::vec(0_u64..200_000, 0..20)) {
        let plan = plan(&sizes);
        let results: Vec<TaskResult> = plan.tasks.iter().map(carry_out).collect();
        let manifest = assemble(&plan, &results).unwrap();
        prop_assert_eq!(manifest.tables.len(), sizes.len());
        prop_assert_eq!(manifest.totals.rows, sizes.iter().map(|size| size / 10_000 * 7).sum::<u64>());
        for table in &manifest.tables {
            let mut rows = 0;
            for (part, place) in (0..).zip(&table.parts) {
                let data = &results[place.task as usize - 1].tables[place.index as usize];
                prop_assert_eq!((data.dump_id, data.part), (table.dump_id, part));
                rows += data.sums.rows;
                for frame in &data.frames {
                    let segment = &manifest.task(place.task).unwrap().segments[frame.location.segment as usize];
                    prop_assert!(frame.location.offset + frame.location.length <= segment.bytes);
                }
            }
            prop_assert_eq!(rows, table.sums.rows);
        }
        prop_assert_eq!(manifest.objects().count(), 2 + results.len() + usize::try_from(manifest.totals.segments).unwrap());
        let stored = crate::store::write_document(&manifest);
        let read: Manifest = crate::store::parse_document("manifest.json", &stored).unwrap();
        prop_assert_eq!(read, manifest);
    }

    #[test]
    fn whatever_is_missing_twice_or_altered_is_found(
        tens in prop::collection::vec(1_u64..20, 1..10), pick: prop::sample::Index, how in 0..9,
    ) {
        let plan = plan(&tens.iter().map(|ten| ten * 10_000).collect::<Vec<u64>>());
        let mut results: Vec<TaskResult> = plan.tasks.iter().map(carry_out).collect();
        let at = pick.index(results.len());
        match how {
            0 => { results.remove(at); }
            1 => { let again = results[at].clone(); results.push(again); }
            2 => { results[at].tables.remove(0); }
            3 => { let again = results[at].tables[0].clone(); results[at].tables.push(again); }
            4 => results[at].tables[0].sums.rows += 1,
            5 => { results[at].tables[0].frames.pop(); }
            6 => { results[at].segments.pop(); }
            7 => results[at].tables[0].part += 1,
            _ => results[at].segments[0].bytes += 1,
        }
        prop_assert!(assemble(&plan, &results).is_err());
    }
}

#[test]
fn large_objects_are_there_once_and_where_they_were_planned() {
    let mut plan = plan(&[]);
    let data = PartData::LargeObjects(OidRange { from: 10, to: 20 });
    plan.tasks = vec![Task { task: 1, parts: vec![Part { data, estimated_bytes: 1 }] }];
    let result = |oids: &[u32]| TaskResult {
        large_objects: oids.iter().map(|oid| LargeObjectData { oid: *oid, frames: Vec::new() }).collect(),
        ..carry_out(&Task { task: 1, parts: Vec::new() })
    };
    assert_eq!(assemble(&plan, &[result(&[10, 17, 20])]).unwrap().totals.large_objects, 3);
    for wrong in [&[9][..], &[21], &[11, 11], &[12, 11]] {
        assert!(matches!(assemble(&plan, &[result(wrong)]), Err(Incomplete::Part { .. })), "{wrong:?}");
    }
}

#[test]
fn another_format_is_refused_before_anything_else_is_read() {
    let error = crate::store::parse_document::<Manifest>("manifest.json", br#"{"format": 1}"#).unwrap_err();
    assert_eq!(Fault::from(error).code, Code::FormatNotSupported);
    let error = crate::store::parse_document::<Manifest>("manifest.json", br#"{"format": 2}"#).unwrap_err();
    assert_eq!(Fault::from(error).code, Code::ChecksumMismatch);
}
