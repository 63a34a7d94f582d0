//! The archive store, rehydration and reading archived segments, against the emulator.

#![allow(clippy::unwrap_used, reason = "a helper that cannot set a test up has failed it")]

mod support;

use std::time::Duration;

use bytes::Bytes;
use jiff::Timestamp;
use permafrost_domain::files::FilesTarget;
use permafrost_domain::tiering::{ArchiveClass, RehydrationDays, RetrievalTier};
use permafrost_vault::{Archive, Folder, ObjectVersion, PointLayout, Rehydration, VaultError};

use support::stores;

const DEEP: ArchiveClass = ArchiveClass::DeepArchive;

/// A copy has the bytes, the checksum and the class that were asked for, and is made once however often it is asked.
#[tokio::test]
async fn a_copy_is_verified_and_made_once() {
    let stores = stores().await;
    let segment = stores.segment(0, b"rows").await;
    let copy = stores.archive.copy_from(&stores.backup, &stores.layout, &segment, DEEP).await.unwrap();
    assert_eq!((copy.bytes, copy.sha256, &copy.key), (segment.bytes, segment.sha256, &segment.key));
    assert_ne!(copy.version, segment.version);
    let again = stores.archive.copy_from(&stores.backup, &stores.layout, &segment, DEEP).await.unwrap();
    assert_eq!(again, copy);
    assert_eq!(stores.versions(&stores.archive, &segment.key).await, 1);

    // Of another class it is not what was asked for.
    let flexible = ArchiveClass::FlexibleRetrieval;
    let refused = stores.archive.copy_from(&stores.backup, &stores.layout, &segment, flexible).await;
    assert!(matches!(refused, Err(VaultError::Refused { .. })), "{refused:?}");
}

/// Other bytes under the key of a copy are never taken for it, nor overwritten.
#[tokio::test]
async fn other_bytes_are_no_copy() {
    let stores = stores().await;
    let segment = stores.segment(0, b"rows").await;
    stores.archive.put_new(&stores.layout, &segment.key, Bytes::from_static(b"swor")).await.unwrap();
    let found = stores.archive.copy_from(&stores.backup, &stores.layout, &segment, DEEP).await;
    assert!(matches!(found, Err(VaultError::Checksum { .. })), "{found:?}");
    assert_eq!(stores.versions(&stores.archive, &segment.key).await, 1);

    let mut gone = segment.clone();
    gone.key = "segments/9.x.0".to_owned();
    let found = stores.archive.copy_from(&stores.backup, &stores.layout, &gone, DEEP).await;
    assert!(matches!(found, Err(VaultError::Missing { .. })), "{found:?}");
}

/// What is archived is read after its rehydration alone; S3's copies ask before, too.
#[tokio::test]
async fn archived_segments_are_read_when_they_are_rehydrated() {
    let stores = stores().await;
    let body: &'static [u8] = vec![7; 6 * 1024 * 1024].leak();
    let segment = stores.segment(0, body).await;
    let copy = stores.archive.copy_from(&stores.backup, &stores.layout, &segment, DEEP).await.unwrap();
    let version = ObjectVersion::from(&copy);
    stores.backup.delete_version(&stores.layout, &ObjectVersion::from(&segment)).await.unwrap();

    let archive = Archive::new(&stores.layout, DEEP, vec![copy]);
    let reader = stores.backup.reading_archived(&stores.archive, &archive);
    let found = reader.get(&stores.layout, &segment).await;
    assert!(matches!(found, Err(VaultError::Archived { .. })), "{found:?}");
    let target = FilesTarget { bucket: "restores".parse().unwrap(), prefix: "here".parse().unwrap() };
    stores.client.create_bucket().bucket("restores").send().await.unwrap();
    let upload = Folder::new(stores.client.clone(), &target).begin("1.dat").await.unwrap();
    let copied = upload.copy(1, &reader, &stores.layout, &segment, (0, segment.bytes)).await;
    assert!(matches!(copied, Err(VaultError::Archived { .. })), "{copied:?}");

    let rehydration = || stores.archive.rehydration(&stores.layout, &version);
    assert_eq!(rehydration().await.unwrap(), Rehydration::Frozen);
    let ask = || {
        let days = RehydrationDays::try_from(10).unwrap();
        stores.archive.rehydrate(&stores.layout, &version, RetrievalTier::Bulk, days)
    };
    ask().await.unwrap();
    assert_eq!(rehydration().await.unwrap(), Rehydration::Ongoing);
    ask().await.expect("what is asked for already is asked for");
    let until = loop {
        match rehydration().await.unwrap() {
            Rehydration::Until(until) => break until,
            _ => tokio::time::sleep(Duration::from_millis(200)).await,
        }
    };
    assert!(until > Timestamp::UNIX_EPOCH);

    assert_eq!(reader.get(&stores.layout, &segment).await.unwrap(), body);
    assert_eq!(reader.get_range(&stores.layout, &segment, 5, 3).await.unwrap(), &body[..3]);
    reader.check(&stores.layout, &segment).await.unwrap();
    let part = upload.copy(1, &reader, &stores.layout, &segment, (0, segment.bytes)).await.unwrap();
    upload.complete(vec![part], segment.bytes).await.unwrap();

    // Another point's objects of the same name are not taken from the archive.
    let other = PointLayout::new(stores.layout.instance(), permafrost_domain::PointId::new(until, 9));
    let found = reader.get(&other, &segment).await;
    assert!(matches!(found, Err(VaultError::Missing { .. })), "{found:?}");
}
