//! Object Lock, legal hold and deleting, against the emulator.

#![allow(clippy::unwrap_used, reason = "a helper that cannot set a test up has failed it")]

mod support;

use bytes::Bytes;
use jiff::{SignedDuration, Timestamp};
use permafrost_domain::immutability::LockMode;
use permafrost_vault::object_lock::LegalHold;
use permafrost_vault::{ObjectLock, ObjectVersion, VaultError};

use support::stores;

/// In days from a moment that is far enough away for the emulator's clock.
fn day(n: i64) -> Timestamp {
    "2090-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_hours(24 * n)
}

/// A lock stands until the time that was asked for, is lengthened, and never shortened or weakened.
#[tokio::test]
async fn locks_are_lengthened_and_never_shortened() {
    let stores = stores().await;
    let object = ObjectVersion::from(&stores.segment(0, b"rows").await);
    let (store, layout) = (&stores.backup, &stores.layout);
    assert_eq!(store.lock(layout, &object).await.unwrap(), ObjectLock::default());
    let steps = [
        (LockMode::Governance, 10, LockMode::Governance, 10),
        (LockMode::Governance, 20, LockMode::Governance, 20),
        (LockMode::Governance, 5, LockMode::Governance, 20),
        (LockMode::Compliance, 5, LockMode::Compliance, 20),
        (LockMode::Governance, 30, LockMode::Compliance, 30),
        (LockMode::Compliance, 30, LockMode::Compliance, 30),
    ];
    for (mode, until, then_mode, then_until) in steps {
        store.lock_until(layout, &object, mode, day(until)).await.unwrap();
        let found = store.lock(layout, &object).await.unwrap();
        assert_eq!(found.retention, Some((then_mode, day(then_until))), "after {mode:?} for {until} days");
    }
}

/// A locked version stays, under whichever kind of lock, and the error says what keeps it.
#[tokio::test]
async fn a_locked_version_is_not_deleted() {
    let stores = stores().await;
    let (store, layout) = (&stores.backup, &stores.layout);
    for (n, mode) in [(0, LockMode::Governance), (1, LockMode::Compliance)] {
        let object = ObjectVersion::from(&stores.segment(n, b"rows").await);
        store.lock_until(layout, &object, mode, day(1)).await.unwrap();
        match store.delete_version(layout, &object).await {
            Err(VaultError::Locked { lock, .. }) => assert_eq!(lock.retention, Some((mode, day(1)))),
            other => panic!("{other:?}"),
        }
        assert_eq!(stores.versions(store, &object.key).await, 1);
    }
    let held = ObjectVersion::from(&stores.segment(2, b"rows").await);
    store.set_legal_hold(layout, &held, LegalHold::On).await.unwrap();
    match store.delete_version(layout, &held).await {
        Err(VaultError::Locked { lock, .. }) => assert_eq!(lock.hold, LegalHold::On),
        other => panic!("{other:?}"),
    }
    store.set_legal_hold(layout, &held, LegalHold::Off).await.unwrap();
    store.delete_version(layout, &held).await.unwrap();
}

/// Deleting takes the named version alone, leaves no marker, and may be repeated.
#[tokio::test]
async fn a_version_is_deleted_and_nothing_else() {
    let stores = stores().await;
    let (store, layout) = (&stores.backup, &stores.layout);
    let first = ObjectVersion::from(&stores.segment(0, b"rows").await);
    let other = stores.client.put_object().bucket(store.bucket()).key(layout.key(&first.key));
    other.body(Bytes::from_static(b"other").into()).send().await.unwrap();
    assert_eq!(stores.versions(store, &first.key).await, 2);
    for _ in 0..2 {
        store.delete_version(layout, &first).await.unwrap();
        assert_eq!(stores.versions(store, &first.key).await, 1);
    }
    assert!(store.current_version(layout, &first.key).await.unwrap().is_some_and(|left| left != first));
}

/// What is not there is missing, and cannot be locked.
#[tokio::test]
async fn what_is_missing_is_not_locked() {
    let stores = stores().await;
    let nothing = ObjectVersion { key: "segments/9.x.0".into(), version: "none".into() };
    let found = stores.backup.lock_until(&stores.layout, &nothing, LockMode::Governance, day(1)).await;
    assert!(matches!(found, Err(VaultError::Missing { .. })), "{found:?}");
    assert_eq!(stores.backup.current_version(&stores.layout, &nothing.key).await.unwrap(), None);
}

/// A list has every version of an instance, page by page, and knows the instances.
#[tokio::test]
async fn a_list_has_every_version() {
    let stores = stores().await;
    let (store, layout) = (&stores.backup, &stores.layout);
    let mut written = Vec::new();
    for n in 0..3 {
        written.push(ObjectVersion::from(&stores.segment(n, b"rows").await));
    }
    assert_eq!(store.instances().await.unwrap(), [layout.instance()]);
    let listed = store.versions(layout.instance(), None).await.unwrap();
    assert_eq!(listed.next, None);
    let found: Vec<ObjectVersion> = listed
        .versions
        .iter()
        .map(|listed| {
            let (of, key) = listed.of_point().unwrap();
            assert_eq!(of, *layout);
            ObjectVersion { key: key.to_owned(), version: listed.version.clone() }
        })
        .collect();
    assert_eq!(found, written);
}
