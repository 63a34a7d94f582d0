//! The crash matrix of archiving and deleting: the process dies at every call of S3 and DynamoDB, before the call is
//! sent and, where it changes something, after it took effect; and the step is run again.
//!
//! Whatever happens, the end is the same as without a death; and after every death a point that is not being deleted has
//! all of its descriptions, and all of its segments in one store at least.

#![allow(clippy::unwrap_used, reason = "a helper that cannot set a test up has failed it")]

use std::collections::BTreeMap;

use expire_recovery_point::Ground;
use permafrost_domain::immutability::Immutability;
use permafrost_domain::recovery_point::PointState;
use permafrost_domain::{Fault, JobId};
use permafrost_function::Tools;
use permafrost_function::step::{PointStep, Progressed};
use permafrost_vault::{ObjectRef, PointLayout};

use permafrost_testing::{Death, Kill, Place, TestPoint, Vault, at};

/// The times of the matrix: the backup store is over, and later the archive store.
const BACKUP_UNTIL: &str = "2016-04-01T00:00:00Z";
const ARCHIVE_UNTIL: &str = "2017-04-01T00:00:00Z";
const WHEN_ARCHIVED: &str = "2016-04-01T00:30:00Z";
const WHEN_EXPIRED: &str = "2017-04-01T00:30:00Z";

async fn tier(tools: &Tools, vault: &Vault, point: &TestPoint) -> Result<Progressed, Fault> {
    let now = Some(at(WHEN_ARCHIVED));
    let job = JobId::new(at(WHEN_ARCHIVED), 1);
    tier_to_archive::handle(tools, PointStep { job, instance: vault.instance.id, point: point.id, now }).await
}

async fn expire(tools: &Tools, vault: &Vault, point: &TestPoint) -> Result<(), Fault> {
    let (now, job) = (Some(at(WHEN_EXPIRED)), JobId::new(at(WHEN_EXPIRED), 1));
    let (instance, point) = (vault.instance.id, point.id);
    let input = expire_recovery_point::Input { job, instance, point, ground: Ground::Retention, now };
    expire_recovery_point::handle(tools, input).await.map(drop)
}

/// A point's objects, one version each.
fn once(objects: impl IntoIterator<Item = (Place, String)>) -> BTreeMap<(Place, String), usize> {
    objects.into_iter().map(|object| (object, 1)).collect()
}

fn descriptions(more: &[&str]) -> Vec<(Place, String)> {
    let task = PointLayout::task_result(1);
    let names =
        [PointLayout::MANIFEST, PointLayout::TOC, PointLayout::GLOBALS, PointLayout::PLAN, task.as_str()];
    names.iter().chain(more).map(|name| (Place::Backup, (*name).to_owned())).collect()
}

fn segments(place: Place) -> Vec<(Place, String)> {
    (0..2).map(|n| (place, PointLayout::segment(1, "a", n))).collect()
}

/// A point that nobody deletes is whole.
async fn assert_whole(vault: &Vault, point: &TestPoint, death: &str) {
    let record = vault.point(point.id).await;
    if matches!(record.state, PointState::Expiring | PointState::Expired) {
        return;
    }
    for object in point.manifest.descriptions() {
        vault.tools.store.check(&point.layout, object).await.expect(death);
    }
    let there = vault.objects(point).await;
    assert!(there.contains_key(&(Place::Backup, PointLayout::MANIFEST.to_owned())), "{death}: {there:?}");
    let whole = async |place: Place| {
        segments(place).iter().all(|segment| there.contains_key(segment))
            && (place == Place::Archive || checked(vault, point, point.manifest.segments()).await)
    };
    let in_backup = whole(Place::Backup).await;
    let in_archive = whole(Place::Archive).await;
    assert!(in_backup || in_archive, "{death}: {there:?}");
    // What the catalog says is where it is.
    let counts = if record.archive.is_some() { in_archive } else { in_backup };
    assert!(counts, "{death}: the catalog says {:?}, and there is {there:?}", record.state);
}

async fn checked(vault: &Vault, point: &TestPoint, objects: impl Iterator<Item = &ObjectRef>) -> bool {
    for object in objects {
        if vault.tools.store.check(&point.layout, object).await.is_err() {
            return false;
        }
    }
    true
}

/// Every death of archiving ends in an archived point, its old segments gone, no copy there twice.
#[tokio::test]
async fn archiving_ends_the_same_wherever_it_dies() {
    let vault = Vault::new(Immutability::Enabled).await;
    let expected: Vec<_> = [descriptions(&[PointLayout::ARCHIVE]), segments(Place::Archive)].concat();
    let kill = Kill::default();
    let dying = vault.dying_tools(&kill);
    let deaths = kill
        .every_death(async |death: &Death<'_>| {
            let name = &death.name;
            let point = vault.commit(BACKUP_UNTIL, Some(ARCHIVE_UNTIL)).await;
            death.arm();
            let first = tier(&dying, &vault, &point).await;
            assert_whole(&vault, &point, name).await;
            if death.has_struck() {
                assert!(first.is_err(), "{name}: {first:?}");
                let again = tier(&vault.tools, &vault, &point).await.expect(name);
                assert_eq!(again, Progressed::Done, "{name}");
            }
            let record = vault.point(point.id).await;
            assert_eq!(record.state, PointState::Archived, "{name}");
            assert_eq!(record.locked_until, Some(at(ARCHIVE_UNTIL)), "{name}");
            assert_eq!(vault.objects(&point).await, once(expected.clone()), "{name}");
        })
        .await;
    assert!(deaths > 35, "the matrix has only {deaths} deaths");
}

/// Every death of deleting a point of the backup store ends in a tombstone and no object at all.
#[tokio::test]
async fn deleting_from_the_backup_store_ends_the_same_wherever_it_dies() {
    Box::pin(deleting_ends_the_same(None)).await;
}

/// Every death of deleting a point of the archive store ends in a tombstone and no object at all.
#[tokio::test]
async fn deleting_from_the_archive_store_ends_the_same_wherever_it_dies() {
    Box::pin(deleting_ends_the_same(Some(ARCHIVE_UNTIL))).await;
}

async fn deleting_ends_the_same(archive_until: Option<&str>) {
    let vault = Vault::new(Immutability::Disabled).await;
    let kill = Kill::default();
    let dying = vault.dying_tools(&kill);
    let deaths = kill
        .every_death(async |death: &Death<'_>| {
            let name = &death.name;
            let point = vault.commit(BACKUP_UNTIL, archive_until).await;
            if archive_until.is_some() {
                tier(&vault.tools, &vault, &point).await.unwrap();
            }
            death.arm();
            let first = expire(&dying, &vault, &point).await;
            assert_whole(&vault, &point, name).await;
            if death.has_struck() {
                assert!(first.is_err(), "{name}");
                expire(&vault.tools, &vault, &point).await.expect(name);
            }
            assert_eq!(vault.point(point.id).await.state, PointState::Expired, "{name}");
            assert_eq!(vault.objects(&point).await, BTreeMap::new(), "{name}");
        })
        .await;
    assert!(deaths > 25, "the matrix has only {deaths} deaths");
}
