//! What is due: found when it is due and not before, at a cost that follows what is due.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::{Catalog, DueShard, Meter, Seed};
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::{Code, Fault, JobId, PointId};
use support::emulator::table;
use support::samples::{at, hold, instance, job, point, release, with_points};

/// All points that are due at `now`, in every shard, page by page.
async fn due(catalog: &Catalog, now: Timestamp) -> BTreeSet<PointId> {
    let mut found = BTreeSet::new();
    for shard in DueShard::all() {
        let mut next = None::<String>;
        loop {
            let page = catalog.due_points(now, shard, 3, next.as_deref()).await.unwrap();
            assert!(page.items.len() <= 3);
            for point in page.items {
                assert_eq!(DueShard::of(point.id), shard);
                assert!(found.insert(point.id), "{} twice", point.id);
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
    }
    found
}

/// A point of the `n`th job, whose time in the backup store ends at `until`.
fn ending(n: u32, until: Timestamp) -> RecoveryPoint {
    let backup =
        Job { id: JobId::new(at(0), u128::from(n) * 7_919), ..job(Operation::Backup, &instance(1), 0) };
    let mut point = point(&backup);
    point.retention.backup_store_until = until;
    point
}

#[tokio::test]
async fn the_cost_of_what_is_due_follows_what_is_due_and_not_what_is_kept() {
    const KEPT: u32 = 2_000;
    const DUE: u32 = 50;
    let catalog = table().await.catalog;
    let kept = (0..KEPT).map(|n| ending(n, at(100_000 + i64::from(n))));
    let due_ones: Vec<RecoveryPoint> = (0..DUE).map(|n| ending(KEPT + n, at(i64::from(n)))).collect();
    let seeds = kept.chain(due_ones.iter().cloned()).map(|point| Seed::Point(Box::new(point)));
    catalog.seed(seeds).await.unwrap();

    let meter = Meter::default();
    let found = due(&catalog.clone().metered(&meter), at(50_000)).await;
    assert_eq!(found, due_ones.iter().map(|point| point.id).collect());
    let reads = meter.reads();
    // The emulator's units do not grow with what is read, so the items that it looked at are counted, too.
    assert_eq!(reads.items, u64::from(DUE), "{reads:?}");
    assert!(reads.units <= f64::from(2 * DUE), "{reads:?}");
    assert!(reads.requests <= u64::from(DUE.div_ceil(3)) + 2 * 16, "{reads:?}");

    let nothing = Meter::default();
    assert_eq!(due(&catalog.clone().metered(&nothing), at(-1)).await, BTreeSet::new());
    assert_eq!(nothing.reads().items, 0);
}

#[tokio::test]
async fn nothing_is_due_before_its_time() {
    let catalog = table().await.catalog;
    let stamped: Timestamp = "2027-02-22T10:00:01.5Z".parse().unwrap();
    let point = ending(1, stamped);
    catalog.seed([Seed::Point(Box::new(point.clone()))]).await.unwrap();
    // Places are in whole seconds, rounded up.
    for (now, is_due) in [
        ("2026-11-22T10:00:00Z", false),
        ("2027-02-22T10:00:01Z", false),
        ("2027-02-22T10:00:01.499999999Z", false),
        ("2027-02-22T10:00:01.999999999Z", false),
        ("2027-02-22T10:00:02Z", true),
        ("2027-02-22T10:00:02.000000001Z", true),
        ("2036-01-01T00:00:00Z", true),
    ] {
        let found = due(&catalog, now.parse().unwrap()).await;
        assert_eq!(found.contains(&point.id), is_due, "{now}");
    }
    // At the second itself.
    let sharp = ending(2, "2027-02-22T10:00:05Z".parse().unwrap());
    catalog.seed([Seed::Point(Box::new(sharp.clone()))]).await.unwrap();
    let before = due(&catalog, "2027-02-22T10:00:04.999Z".parse().unwrap()).await;
    assert!(!before.contains(&sharp.id));
    assert!(due(&catalog, sharp.retention.backup_store_until).await.contains(&sharp.id));
}

#[tokio::test]
async fn a_committed_point_is_due_by_its_stamp_and_what_is_put_off_is_due_later() {
    let catalog = table().await.catalog;
    let (_, points) = with_points(&catalog, 1, [10]).await;
    let point = &points[0];
    let until = point.retention.backup_store_until;
    let second_after = until.checked_add(SignedDuration::from_secs(1)).unwrap();
    assert_eq!(due(&catalog, at(1_000)).await, BTreeSet::new());
    assert_eq!(due(&catalog, second_after).await, BTreeSet::from([point.id]));

    let later = until.checked_add(SignedDuration::from_hours(24)).unwrap();
    for _ in 0..2 {
        catalog.postpone_point(point, later).await.unwrap();
    }
    assert_eq!(due(&catalog, second_after).await, BTreeSet::new());
    let much_later = later.checked_add(SignedDuration::from_secs(1)).unwrap();
    assert_eq!(due(&catalog, much_later).await, BTreeSet::from([point.id]));
    // Putting off is for who knows the point as it is.
    let mut longer = point.retention.clone();
    longer.backup_store_until = later;
    catalog.lengthen_retention(point, &longer).await.unwrap();
    let stale = catalog.postpone_point(point, at(1)).await.unwrap_err();
    assert_eq!(stale.code(), Code::CatalogConflict);
}

#[tokio::test]
async fn a_point_under_legal_hold_is_never_due_until_it_is_released() {
    let catalog = table().await.catalog;
    let (shop, points) = with_points(&catalog, 1, [10]).await;
    let point = &points[0];
    for _ in 0..2 {
        let held = hold(&catalog, point).await;
        assert_eq!(held, RecoveryPoint { legal_hold: true, ..point.clone() });
        assert_eq!(due(&catalog, at(1_000_000_000)).await, BTreeSet::new());
    }
    let held = catalog.point(shop.id, point.id).await.unwrap();
    catalog.postpone_point(&held, at(1)).await.expect("nothing is put off");
    assert_eq!(due(&catalog, at(1_000_000_000)).await, BTreeSet::new());
    for _ in 0..2 {
        let released = release(&catalog, point).await;
        assert_eq!(released, *point);
        assert_eq!(due(&catalog, at(1_000_000_000)).await, BTreeSet::from([point.id]));
    }
}

#[tokio::test]
async fn a_due_point_that_cannot_be_decoded_is_an_error_and_is_named() {
    let table = table().await;
    let catalog = &table.catalog;
    // Two in one shard: the damaged one is not skipped.
    let shard = DueShard::of(ending(0, at(10)).id);
    let same: Vec<RecoveryPoint> =
        (0..200).map(|n| ending(n, at(10))).filter(|point| DueShard::of(point.id) == shard).take(2).collect();
    catalog.seed(same.iter().map(|point| Seed::Point(Box::new(point.clone())))).await.unwrap();
    assert_eq!(catalog.due_points(at(50), shard, 100, None).await.unwrap().items.len(), 2);
    let key = [("pk", format!("INSTANCE#{}", same[1].instance)), ("sk", format!("POINT#{}", same[1].id))];
    table
        .client
        .update_item()
        .table_name(&table.name)
        .set_key(Some(key.map(|(name, value)| (name.to_owned(), AttributeValue::S(value))).into()))
        .update_expression("SET #s = :s")
        .expression_attribute_names("#s", "state")
        .expression_attribute_values(":s", AttributeValue::S("Misplaced".to_owned()))
        .send()
        .await
        .unwrap();
    let fault = Fault::from(catalog.due_points(at(50), shard, 100, None).await.unwrap_err());
    assert_eq!(fault.code, Code::CatalogRecordInvalid);
    assert!(fault.object.unwrap().contains(&same[1].id.to_string()));
}

#[test]
fn points_spread_over_the_shards() {
    let mut counts = [0_u32; 16];
    for n in 0..3_200_u32 {
        let id = PointId::of_backup(JobId::new(at(i64::from(n)), u128::from(n) * 7_919));
        counts[usize::from(u8::from(DueShard::of(id)))] += 1;
    }
    assert!(counts.iter().all(|count| (100..=300).contains(count)), "{counts:?}");
    assert!(DueShard::try_from(16).is_err());
    assert_eq!(DueShard::all().count(), 16);
}

#[tokio::test]
async fn a_token_leads_on_in_its_own_shard_alone() {
    let catalog = table().await.catalog;
    let points: Vec<RecoveryPoint> = (0..40).map(|n| ending(n, at(10))).collect();
    catalog.seed(points.into_iter().map(|point| Seed::Point(Box::new(point)))).await.unwrap();
    let mut shards = DueShard::all();
    let (shard, token) = loop {
        let shard = shards.next().expect("some shard has two");
        if let Some(token) = catalog.due_points(at(50), shard, 1, None).await.unwrap().next {
            break (shard, token);
        }
    };
    catalog.due_points(at(50), shard, 1, Some(&token)).await.unwrap();
    let elsewhere = DueShard::all().find(|other| *other != shard).unwrap();
    let error = catalog.due_points(at(50), elsewhere, 1, Some(&token)).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
}
