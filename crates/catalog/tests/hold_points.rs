//! Legal hold: what a point says while it is held, and the one job at a time that changes it.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use permafrost_catalog::{CatalogError, DueShard, JobOutcome, NextDue, PointChange};
use permafrost_domain::job::Operation;
use permafrost_domain::recovery_point::{ArchiveRef, PointState, RecoveryPoint};
use permafrost_domain::tiering::ArchiveClass;
use permafrost_domain::{Code, PointId};
use support::emulator::table;
use support::samples::{at, hold, hold_job, release, with_points};

fn archived() -> PointChange {
    let archive = ArchiveRef {
        key: "archive.json".to_owned(),
        version: "v7".to_owned(),
        sha256: "a".repeat(64),
        class: ArchiveClass::DeepArchive,
    };
    PointChange { archive: Some(archive), ..PointChange::default() }
}

/// A hold is said when it is asked for; a release when its job says so. Whoever asks for the same meanwhile meets the
/// job that is at it, whoever asks for the opposite is told of it. Its end makes room for another.
#[tokio::test]
async fn one_job_at_a_time_changes_a_hold() {
    let catalog = table().await.catalog;
    let (shop, points) = with_points(&catalog, 1, [10]).await;
    let there = async || catalog.point(shop.id, points[0].id).await.unwrap();
    let done = JobOutcome::Completed { warnings: Vec::new() };
    let (first, second) =
        (hold_job(&points[0], Operation::Hold, 40), hold_job(&points[0], Operation::Hold, 41));
    for job in [&first, &first, &second] {
        assert_eq!(catalog.open_hold_job(job).await.unwrap(), first.id);
        let held = there().await;
        assert_eq!(held, RecoveryPoint { legal_hold: true, hold_job: Some(first.id), ..points[0].clone() });
    }
    assert_eq!(catalog.job_record(second.id).await.unwrap_err().code(), Code::JobNotFound);
    let opposite = hold_job(&points[0], Operation::Release, 42);
    let refused = catalog.open_hold_job(&opposite).await.unwrap_err();
    assert!(matches!(refused, CatalogError::LegalHoldChanging { job, .. } if job == first.id), "{refused:?}");

    for _ in 0..2 {
        catalog.close_job(first.id, &done, at(43)).await.unwrap();
        assert_eq!(there().await, RecoveryPoint { legal_hold: true, ..points[0].clone() });
    }
    assert_eq!(catalog.open_hold_job(&first).await.unwrap_err().code(), Code::JobNotRunning);
    assert_eq!(catalog.open_hold_job(&opposite).await.unwrap(), opposite.id);
    assert!(there().await.legal_hold, "its objects are let go first");
    let stranger = catalog.end_hold(&there().await, first.id, at(44)).await.unwrap_err();
    assert!(matches!(stranger, CatalogError::PointChanged { .. }), "{stranger:?}");
    for _ in 0..2 {
        let released = catalog.end_hold(&there().await, opposite.id, at(44)).await.unwrap();
        assert!(!released.legal_hold);
    }
    catalog.close_job(opposite.id, &done, at(45)).await.unwrap();
    assert_eq!(there().await, points[0]);

    let unknown = RecoveryPoint { id: PointId::new(at(0), 1), ..points[0].clone() };
    let nothing = catalog.open_hold_job(&hold_job(&unknown, Operation::Hold, 46)).await.unwrap_err();
    assert_eq!(nothing.code(), Code::RecoveryPointNotFound);
}

/// A job that fails leaves a hold as the catalog says it, and makes room.
#[tokio::test]
async fn a_release_that_fails_leaves_the_point_held() {
    let catalog = table().await.catalog;
    let (shop, points) = with_points(&catalog, 1, [10]).await;
    hold(&catalog, &points[0]).await;
    let job = hold_job(&points[0], Operation::Release, 40);
    catalog.open_hold_job(&job).await.unwrap();
    catalog.close_job(job.id, &JobOutcome::Cancelled, at(41)).await.unwrap();
    let left = catalog.point(shop.id, points[0].id).await.unwrap();
    assert_eq!(left, RecoveryPoint { legal_hold: true, ..points[0].clone() });
    assert_eq!(release(&catalog, &left).await, points[0]);
}

/// Copies are not named by who has read the hold as it is no more: they would be held, or not, by what was.
#[tokio::test]
async fn copies_are_named_only_under_the_hold_that_was_read() {
    let catalog = table().await.catalog;
    let (_, points) = with_points(&catalog, 1, [10]).await;
    let free = catalog.move_point(&points[0], PointState::Archiving, &PointChange::default()).await.unwrap();
    let held = hold(&catalog, &free).await;
    let changed = catalog.move_point(&free, PointState::Archived, &archived()).await.unwrap_err();
    assert!(matches!(changed, CatalogError::PointChanged { .. }), "{changed:?}");
    let released = release(&catalog, &held).await;
    let changed = catalog.move_point(&held, PointState::Archived, &archived()).await.unwrap_err();
    assert!(matches!(changed, CatalogError::PointChanged { .. }), "{changed:?}");
    catalog.move_point(&released, PointState::Archived, &archived()).await.unwrap();
}

/// A hold is not ended by who has read the objects of a point that has others by now.
#[tokio::test]
async fn a_release_meets_copies_that_began_to_count() {
    let catalog = table().await.catalog;
    let (_, points) = with_points(&catalog, 1, [10]).await;
    let archiving =
        catalog.move_point(&points[0], PointState::Archiving, &PointChange::default()).await.unwrap();
    let held = hold(&catalog, &archiving).await;
    let job = hold_job(&held, Operation::Release, 40);
    catalog.open_hold_job(&job).await.unwrap();
    let moved = catalog.move_point(&held, PointState::Archived, &archived()).await.unwrap();
    let changed = catalog.end_hold(&held, job.id, at(41)).await.unwrap_err();
    assert!(matches!(changed, CatalogError::PointChanged { .. }), "{changed:?}");
    catalog.end_hold(&moved, job.id, at(41)).await.unwrap();
}

/// A released point of the archive store is due at once: what it left in the backup store could not be deleted before.
#[tokio::test]
async fn a_released_point_of_the_archive_store_is_due_at_once() {
    let catalog = table().await.catalog;
    let (_, points) = with_points(&catalog, 1, [10]).await;
    let archiving =
        catalog.move_point(&points[0], PointState::Archiving, &PointChange::default()).await.unwrap();
    let held = hold(&catalog, &archiving).await;
    let moved = PointChange { next_due: NextDue::AsStamped, ..archived() };
    let moved = catalog.move_point(&held, PointState::Archived, &moved).await.unwrap();
    let is_due = async || {
        let shard = DueShard::of(moved.id);
        !catalog.due_points(at(200_000), shard, 10, None).await.unwrap().items.is_empty()
    };
    assert!(!is_due().await, "it is held");
    release(&catalog, &moved).await;
    assert!(is_due().await);
}
