//! The life of a point after its commit: every move, repeated; every guard of its deletion; what a stale reader meets.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::{
    Catalog, CatalogError, DueShard, ExpiryGround, NextDue, PointChange, Seed, Shortening,
};
use permafrost_domain::instance::StopMode;
use permafrost_domain::job::Operation;
use permafrost_domain::recovery_point::{ArchiveRef, PointState, RecoveryPoint};
use permafrost_domain::retention::{StampedArchive, StampedRetention};
use permafrost_domain::tiering::ArchiveClass;
use permafrost_domain::{Code, InstanceId, PointId};
use support::emulator::{Table, table};
use support::samples::{at, commit, hold, hold_job, point, release, running_backup, with_points};

/// A time when every sample is over.
fn much_later() -> Timestamp {
    at(4_000_000_000)
}

fn archive() -> ArchiveRef {
    ArchiveRef {
        key: "instances/x/points/y/archive.json".to_owned(),
        version: "v7".to_owned(),
        sha256: "a".repeat(64),
        class: ArchiveClass::DeepArchive,
    }
}

/// Whether the point is due at `now`.
async fn is_due(catalog: &Catalog, point: PointId, now: Timestamp) -> bool {
    let due = catalog.due_points(now, DueShard::of(point), 100, None).await.unwrap().items;
    due.iter().any(|due| due.id == point)
}

/// Puts `point` into `state` behind the catalog's back, and reads it.
async fn put_into(table: &Table, point: &RecoveryPoint, state: PointState) -> RecoveryPoint {
    let put = RecoveryPoint { state, ..point.clone() };
    table.catalog.seed([Seed::Point(Box::new(put.clone()))]).await.unwrap();
    put
}

async fn begin(catalog: &Catalog, point: &RecoveryPoint) -> Result<RecoveryPoint, CatalogError> {
    catalog.begin_expiry(point, ExpiryGround::Retention, much_later()).await
}

#[tokio::test]
async fn a_point_is_moved_rehydrated_and_deleted_and_every_step_meets_itself() {
    use PointState::{Archived, Archiving, Available, Expired, Rehydrated, Rehydrating};
    let catalog = table().await.catalog;
    let (shop, points) = with_points(&catalog, 1, [10, 20]).await;
    let archived_until = at(300_000_000);
    let stamp = StampedRetention {
        archive: Some(StampedArchive { class: None, until: archived_until }),
        ..points[0].retention.clone()
    };
    let begin_with = catalog.lengthen_retention(&points[0], &stamp).await.unwrap();
    let life = [
        (Archiving, PointChange::default(), begin_with.retention.backup_store_until),
        (Available, PointChange::default(), begin_with.retention.backup_store_until),
        (Archiving, PointChange::default(), begin_with.retention.backup_store_until),
        (Archived, PointChange { archive: Some(archive()), ..PointChange::default() }, archived_until),
        (Rehydrating, PointChange { next_due: NextDue::At(at(70)), ..PointChange::default() }, at(70)),
        (Rehydrated, PointChange { rehydrated_until: Some(at(90)), ..PointChange::default() }, at(90)),
        (Archived, PointChange::default(), archived_until),
    ];
    let mut there = begin_with;
    for (to, change, due) in life {
        let moved = catalog.move_point(&there, to, &change).await.unwrap();
        assert_eq!(catalog.move_point(&there, to, &change).await.unwrap(), moved, "{to:?} met itself");
        assert_eq!(catalog.point(shop.id, there.id).await.unwrap(), moved);
        assert_eq!(moved.state, to);
        assert_eq!(moved.archive.is_some(), change.archive.is_some() || there.archive.is_some());
        assert_eq!(moved.rehydrated_until, change.rehydrated_until, "{to:?}");
        let second = SignedDuration::from_secs(1);
        assert!(is_due(&catalog, there.id, due.checked_add(second).unwrap()).await, "{to:?}");
        assert!(!is_due(&catalog, there.id, due.checked_sub(second).unwrap()).await, "{to:?}");
        there = moved;
    }
    let expiring = begin(&catalog, &there).await.unwrap();
    assert_eq!(begin(&catalog, &there).await.unwrap(), expiring, "met itself");
    assert_eq!(expiring.archive, Some(archive()));
    assert_eq!(catalog.point(shop.id, there.id).await.unwrap(), expiring);
    assert!(is_due(&catalog, there.id, much_later()).await, "until it is done, it is found again");
    assert_eq!(catalog.instance_facts(shop.id).await.unwrap().points, 1, "it is counted no more, once");
    for _ in 0..2 {
        let expired = catalog.move_point(&expiring, Expired, &PointChange::default()).await.unwrap();
        assert_eq!(expired.state, Expired);
        assert!(!is_due(&catalog, there.id, much_later()).await);
    }
}

#[tokio::test]
async fn the_table_of_transitions_decides_and_a_refused_move_changes_nothing() {
    let table = table().await;
    let catalog = &table.catalog;
    let (shop, points) = with_points(catalog, 1, [10, 20]).await;
    for from in PointState::ALL {
        for to in PointState::ALL {
            let there = put_into(&table, &points[0], from).await;
            let allowed = from.transition(to).is_ok();
            let moved = match to {
                PointState::Expiring => begin(catalog, &there).await,
                _ => catalog.move_point(&there, to, &PointChange::default()).await,
            };
            let after = catalog.point(shop.id, there.id).await.unwrap();
            match moved {
                Ok(moved) => assert!(allowed && moved.state == to && after.state == to, "{from:?} {to:?}"),
                Err(error) => {
                    assert!(!allowed, "{from:?} {to:?}: {error:?}");
                    assert!(
                        matches!(error, CatalogError::PointNotMoved { .. }),
                        "{from:?} {to:?}: {error:?}"
                    );
                    assert_eq!(after, there, "{from:?} {to:?}");
                }
            }
        }
    }
    let by_move = catalog.move_point(&points[1], PointState::Expiring, &PointChange::default()).await;
    assert_eq!(by_move.unwrap_err().code(), Code::CatalogConflict);
    assert_eq!(catalog.point(shop.id, points[1].id).await.unwrap(), points[1]);
}

#[tokio::test]
async fn who_read_what_is_no_more_is_refused() {
    let catalog = table().await.catalog;
    let (shop, points) = with_points(&catalog, 1, [10, 20]).await;
    let old = &points[0];
    // Kept longer since the plan was made.
    let mut longer = old.retention.clone();
    longer.backup_store_until = at(900_000_000);
    let kept = catalog.lengthen_retention(old, &longer).await.unwrap();
    assert_eq!(catalog.lengthen_retention(old, &longer).await.unwrap(), kept, "met itself");
    for error in [
        begin(&catalog, old).await.unwrap_err(),
        catalog.move_point(old, PointState::Archiving, &PointChange::default()).await.unwrap_err(),
    ] {
        assert!(
            matches!(error, CatalogError::PointChanged { state: PointState::Available, .. }),
            "{error:?}"
        );
    }
    // Sent to the archive instead.
    let archived = StampedRetention {
        archive: Some(StampedArchive { class: None, until: at(1_000_000_000) }),
        ..longer.clone()
    };
    catalog.lengthen_retention(&kept, &archived).await.unwrap();
    let error = begin(&catalog, &kept).await.unwrap_err();
    assert!(matches!(error, CatalogError::PointChanged { .. }), "{error:?}");
    // Moved by another.
    let there = catalog.point(shop.id, old.id).await.unwrap();
    catalog.move_point(&there, PointState::Archiving, &PointChange::default()).await.unwrap();
    let error = catalog.move_point(&there, PointState::Damaged, &PointChange::default()).await.unwrap_err();
    assert!(matches!(error, CatalogError::PointChanged { state: PointState::Archiving, .. }), "{error:?}");
    let error = begin(&catalog, &there).await.unwrap_err();
    assert!(matches!(error, CatalogError::PointChanged { .. }), "{error:?}");
    let gone = RecoveryPoint { id: PointId::new(at(0), 1), ..points[0].clone() };
    let error = catalog.move_point(&gone, PointState::Archiving, &PointChange::default()).await.unwrap_err();
    assert_eq!(error.code(), Code::RecoveryPointNotFound);
    assert_eq!(begin(&catalog, &gone).await.unwrap_err().code(), Code::RecoveryPointNotFound);
    assert_eq!(catalog.instance_facts(shop.id).await.unwrap().points, 2);
}

#[tokio::test]
async fn retention_is_never_shortened_and_nothing_goes_before_its_time() {
    let catalog = table().await.catalog;
    let (shop, points) = with_points(&catalog, 1, [10, 20]).await;
    let mut shorter = points[0].retention.clone();
    shorter.backup_store_until = at(100);
    let error = catalog.lengthen_retention(&points[0], &shorter).await.unwrap_err();
    assert_eq!(error.code(), Code::RetentionCannotBeShortened);
    let over = points[0].retention.deleted_on();
    let before = over.checked_sub(SignedDuration::from_nanos(1)).unwrap();
    let early = catalog.begin_expiry(&points[0], ExpiryGround::Retention, before).await.unwrap_err();
    assert!(matches!(early, CatalogError::PointNotDue { until, .. } if until == over), "{early:?}");
    assert_eq!(catalog.point(shop.id, points[0].id).await.unwrap(), points[0]);
    catalog.begin_expiry(&points[0], ExpiryGround::Retention, over).await.unwrap();
    let expiring = catalog.point(shop.id, points[0].id).await.unwrap();
    let error = catalog.lengthen_retention(&expiring, &expiring.retention).await.unwrap_err();
    assert_eq!(error.code(), Code::RecoveryPointNotAvailable);
}

#[tokio::test]
async fn retention_does_not_delete_the_newest_good_point_nor_where_none_can_be_counted_on() {
    let table = table().await;
    let catalog = &table.catalog;
    let (shop, points) = with_points(catalog, 1, [10, 20]).await;
    let newest = begin(catalog, &points[1]).await.unwrap_err();
    assert!(matches!(newest, CatalogError::NewestGoodPoint(id) if id == points[1].id), "{newest:?}");
    // What is noted as the newest is not good, or not there: nothing is deleted.
    put_into(&table, &points[1], PointState::Damaged).await;
    assert_eq!(begin(catalog, &points[0]).await.unwrap_err().code(), Code::CatalogConflict);
    let key = [("pk", format!("INSTANCE#{}", shop.id)), ("sk", format!("POINT#{}", points[1].id))];
    let key = key.map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
    table.client.delete_item().table_name(&table.name).set_key(Some(key.into())).send().await.unwrap();
    assert_eq!(begin(catalog, &points[0]).await.unwrap_err().code(), Code::CatalogConflict);
    assert_eq!(catalog.point(shop.id, points[0].id).await.unwrap(), points[0]);
    assert_eq!(catalog.instance_facts(shop.id).await.unwrap().points, 2);
}

#[tokio::test]
async fn the_next_newest_point_is_the_newest_good_one_when_one_is_damaged() {
    let catalog = table().await.catalog;
    let (shop, points) = with_points(&catalog, 1, [10, 20, 30]).await;
    let newest_of = async |shop: InstanceId| {
        let noted = catalog.instance_facts(shop).await.unwrap().newest_good.map(|newest| newest.id);
        let found = catalog.newest_good_point(shop).await.unwrap().map(|point| point.id);
        assert_eq!(noted, found);
        found
    };
    assert_eq!(newest_of(shop.id).await, Some(points[2].id));
    let damage = async |point: &RecoveryPoint| {
        catalog.move_point(point, PointState::Damaged, &PointChange::default()).await.unwrap()
    };
    // An older one changes nothing; the newest one, all.
    damage(&points[1]).await;
    assert_eq!(newest_of(shop.id).await, Some(points[2].id));
    let damaged = damage(&points[2]).await;
    assert_eq!(damage(&points[2]).await, damaged, "met itself");
    assert_eq!(newest_of(shop.id).await, Some(points[0].id));
    assert!(matches!(begin(&catalog, &points[0]).await.unwrap_err(), CatalogError::NewestGoodPoint(_)));
    begin(&catalog, &damaged).await.expect("what is damaged can go");
    damage(&points[0]).await;
    assert_eq!(newest_of(shop.id).await, None);
    assert_eq!(catalog.latest_point(shop.id).await.unwrap_err().code(), Code::RecoveryPointNotFound);
    let last = catalog.point(shop.id, points[0].id).await.unwrap();
    assert_eq!(
        begin(&catalog, &last).await.unwrap_err().code(),
        Code::CatalogConflict,
        "no good one is known"
    );
}

#[tokio::test]
async fn a_damaged_newest_point_and_a_commit_at_once_leave_a_good_one_noted() {
    let catalog = table().await.catalog;
    let (shop, points) = with_points(&catalog, 1, [10]).await;
    let mut newest = points[0].clone();
    for round in 2..8 {
        let backup = running_backup(&catalog, &shop, round * 10).await;
        let next = point(&backup);
        let unchanged = PointChange::default();
        let (committed, damaged) = tokio::join!(
            commit(&catalog, &next, at(round * 10 + 5), &[]),
            catalog.move_point(&newest, PointState::Damaged, &unchanged),
        );
        committed.unwrap();
        damaged.unwrap();
        let noted = catalog.instance_facts(shop.id).await.unwrap().newest_good.unwrap();
        assert_eq!(noted.id, next.id, "round {round}");
        newest = next;
    }
}

#[tokio::test]
async fn a_point_under_legal_hold_is_not_deleted_by_anything() {
    let catalog = table().await.catalog;
    let (shop, points) = with_points(&catalog, 1, [10, 20]).await;
    // Set after the plan was made.
    let held = hold(&catalog, &points[0]).await;
    for read in [&points[0], &held] {
        let error = begin(&catalog, read).await.unwrap_err();
        assert!(matches!(error, CatalogError::PointUnderLegalHold(_)), "{error:?}");
    }
    let deletion = permafrost_domain::instance::SoftDeletion {
        requested_at: at(0),
        until: at(1_000),
        reason: "closed".to_owned(),
        by: "ada".to_owned(),
    };
    catalog.soft_delete(shop.id, &deletion).await.unwrap();
    let error = catalog.begin_expiry(&held, ExpiryGround::DataDeletion, much_later()).await.unwrap_err();
    assert_eq!(error.code(), Code::RecoveryPointUnderLegalHold);
    let released = release(&catalog, &held).await;
    catalog.begin_expiry(&released, ExpiryGround::DataDeletion, much_later()).await.unwrap();
    let error = catalog.open_hold_job(&hold_job(&held, Operation::Hold, 90)).await.unwrap_err();
    assert_eq!(error.code(), Code::RecoveryPointNotAvailable);
}

#[tokio::test]
async fn a_locked_point_is_not_deleted_before_its_lock_ends() {
    let catalog = table().await.catalog;
    let (shop, points) = with_points(&catalog, 1, [10, 20]).await;
    let until = at(3_000_000_000);
    let locked = catalog.record_lock(shop.id, points[0].id, until).await.unwrap();
    let before = until.checked_sub(SignedDuration::from_nanos(1)).unwrap();
    let early = catalog.begin_expiry(&locked, ExpiryGround::Retention, before).await.unwrap_err();
    assert_eq!(early.code(), Code::ObjectLocked);
    // Locked since it was read.
    let stale = catalog.begin_expiry(&points[0], ExpiryGround::Retention, before).await.unwrap_err();
    assert!(matches!(stale, CatalogError::PointChanged { .. }), "{stale:?}");
    assert_eq!(catalog.point(shop.id, points[0].id).await.unwrap(), locked);
    catalog.begin_expiry(&locked, ExpiryGround::Retention, until).await.unwrap();
}

#[tokio::test]
async fn of_points_damaged_at_once_none_is_noted_as_the_newest_good_one() {
    let catalog = table().await.catalog;
    let (shop, points) = with_points(&catalog, 1, [10, 20, 30, 40, 50]).await;
    let change = PointChange::default();
    for (newer, older, good) in [(4, 3, 2), (2, 1, 0)] {
        let (one, two) = tokio::join!(
            catalog.move_point(&points[newer], PointState::Damaged, &change),
            catalog.move_point(&points[older], PointState::Damaged, &change),
        );
        assert_eq!((one.unwrap().state, two.unwrap().state), (PointState::Damaged, PointState::Damaged));
        let noted = catalog.instance_facts(shop.id).await.unwrap().newest_good.unwrap();
        assert_eq!(noted.id, points[good].id);
    }
}

#[tokio::test]
async fn a_stop_that_keeps_all_wins_over_a_plan_that_was_made_before() {
    let catalog = table().await.catalog;
    let (shop, points) = with_points(&catalog, 1, [10, 20, 30]).await;
    catalog.stop_protection(shop.id, StopMode::RetainForever).await.unwrap();
    assert_eq!(begin(&catalog, &points[0]).await.unwrap_err().code(), Code::ProtectionStopped);
    catalog.stop_protection(shop.id, StopMode::RetainAsPerPolicy).await.unwrap();
    begin(&catalog, &points[0]).await.unwrap();
    catalog.resume(shop.id).await.unwrap();
    begin(&catalog, &points[1]).await.unwrap();
    assert_eq!(catalog.instance_facts(shop.id).await.unwrap().points, 1);
}

#[tokio::test]
async fn of_two_that_delete_one_point_both_succeed_and_it_is_counted_once() {
    let catalog = table().await.catalog;
    let (shop, points) = with_points(&catalog, 1, [10, 20, 30, 40]).await;
    for (left, old) in [(3, &points[0]), (2, &points[1]), (1, &points[2])] {
        let (one, two) = tokio::join!(begin(&catalog, old), begin(&catalog, old));
        assert_eq!((one.unwrap().state, two.unwrap().state), (PointState::Expiring, PointState::Expiring));
        assert_eq!(catalog.instance_facts(shop.id).await.unwrap().points, left);
    }
}

#[tokio::test]
async fn a_life_is_shortened_where_that_is_asked_for_and_never_below_its_locks() {
    let catalog = table().await.catalog;
    let (shop, points) = with_points(&catalog, 1, [10, 20]).await;
    let until =
        |until: Timestamp| StampedRetention { backup_store_until: until, ..points[0].retention.clone() };
    let shortened = catalog.restamp_point(&points[0], &until(at(5_000)), Shortening::Allowed).await.unwrap();
    assert_eq!(shortened, RecoveryPoint { retention: until(at(5_000)), ..points[0].clone() });
    assert!(is_due(&catalog, shortened.id, at(5_000)).await);
    let locked = catalog.record_lock(shop.id, shortened.id, at(4_000)).await.unwrap();
    for shortening in [Shortening::Allowed, Shortening::Refused] {
        let error = catalog.restamp_point(&locked, &until(at(3_999)), shortening).await.unwrap_err();
        assert_eq!(error.code(), Code::RetentionCannotBeShortened);
    }
    // Locked since it was read.
    let error = catalog.restamp_point(&shortened, &until(at(3_000)), Shortening::Allowed).await.unwrap_err();
    assert_eq!(error.code(), Code::CatalogConflict, "{error:?}");
    let shortest = catalog.restamp_point(&locked, &until(at(4_000)), Shortening::Allowed).await.unwrap();
    assert_eq!(catalog.point(shop.id, locked.id).await.unwrap(), shortest);
}

#[tokio::test]
async fn locks_are_recorded_and_only_grow() {
    let catalog = table().await.catalog;
    let (shop, points) = with_points(&catalog, 1, [10]).await;
    for (until, recorded) in [(at(50), at(50)), (at(40), at(50)), (at(50), at(50)), (at(60), at(60))] {
        let locked = catalog.record_lock(shop.id, points[0].id, until).await.unwrap();
        assert_eq!(locked, RecoveryPoint { locked_until: Some(recorded), ..points[0].clone() });
        assert_eq!(catalog.point(shop.id, points[0].id).await.unwrap(), locked);
    }
}

#[tokio::test]
async fn a_rehydrated_copy_is_prolonged_while_it_is_there_and_its_point_looked_at_when_it_goes() {
    let table = table().await;
    let catalog = &table.catalog;
    let (_, points) = with_points(catalog, 1, [10, 20]).await;
    let archived = put_into(&table, &points[0], PointState::Archived).await;
    let refused = catalog.prolong_rehydration(&archived, at(90)).await.unwrap_err();
    assert_eq!(refused.code(), Code::CatalogConflict, "{refused}");
    assert_eq!(catalog.point(archived.instance, archived.id).await.unwrap(), archived);

    let rehydrated = RecoveryPoint {
        state: PointState::Rehydrated,
        rehydrated_until: Some(at(60)),
        retention: StampedRetention { backup_store_until: at(500), ..archived.retention.clone() },
        ..archived
    };
    catalog.seed([Seed::Point(Box::new(rehydrated.clone()))]).await.unwrap();
    for _ in 0..2 {
        let prolonged = catalog.prolong_rehydration(&rehydrated, at(90)).await.unwrap();
        assert_eq!(prolonged, RecoveryPoint { rehydrated_until: Some(at(90)), ..rehydrated.clone() });
        assert_eq!(catalog.point(rehydrated.instance, rehydrated.id).await.unwrap(), prolonged);
        assert!(!is_due(catalog, rehydrated.id, at(89)).await);
        assert!(is_due(catalog, rehydrated.id, at(91)).await);
    }
    catalog.move_point(&rehydrated, PointState::Archived, &PointChange::default()).await.unwrap();
    let late = catalog.prolong_rehydration(&rehydrated, at(99)).await.unwrap_err();
    assert!(matches!(late, CatalogError::PointChanged { .. }), "{late}");
}
