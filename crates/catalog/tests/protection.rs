//! The protection of an instance: which change is allowed from where, what it means for backups, and its end.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use jiff::Timestamp;
use permafrost_catalog::{Catalog, CatalogError, ExpiryGround, JobOutcome, PointChange};
use permafrost_domain::instance::{Instance, ProtectionStatus, SoftDeletion, StopMode};
use permafrost_domain::job::{BackupOrder, Job, JobStatus, Operation};
use permafrost_domain::recovery_point::{BackupKind, PointState};
use permafrost_domain::{Code, InstanceId, JobId};
use support::emulator::table;
use support::samples::{at, commit, instance, job, point, policy, protected, running_backup, with_points};

/// A deletion that is for good at `at(until)`.
fn deletion(until: i64) -> SoftDeletion {
    SoftDeletion {
        requested_at: at(0),
        until: at(until),
        reason: "the shop is closed".to_owned(),
        by: "arn:aws:iam::1:user/ada".to_owned(),
    }
}

/// What is done to an instance's protection.
#[derive(Debug, Clone, Copy)]
enum Change {
    Suspend,
    Resume,
    Stop(StopMode),
    SoftDelete,
    Undelete,
}

async fn make(catalog: &Catalog, instance: InstanceId, change: Change) -> Result<Instance, CatalogError> {
    match change {
        Change::Suspend => catalog.suspend(instance).await,
        Change::Resume => catalog.resume(instance).await,
        Change::Stop(mode) => catalog.stop_protection(instance, mode).await,
        Change::SoftDelete => catalog.soft_delete(instance, &deletion(1_000)).await,
        Change::Undelete => catalog.undelete(instance, at(500)).await,
    }
}

/// An instance in `status`, as the `n`th.
async fn in_status(catalog: &Catalog, n: u32, status: ProtectionStatus) -> Instance {
    if status == ProtectionStatus::ConfiguringProtection {
        let shop = instance(n);
        let configure =
            Job { id: JobId::new(at(0), u128::from(n)), ..job(Operation::ConfigureProtection, &shop, 0) };
        catalog.protect(&shop, &configure).await.unwrap();
        return shop;
    }
    let shop = protected(catalog, n).await;
    match status {
        ProtectionStatus::BackupsSuspended => catalog.suspend(shop.id).await.unwrap(),
        ProtectionStatus::ProtectionStopped => {
            catalog.stop_protection(shop.id, StopMode::RetainAsPerPolicy).await.unwrap()
        }
        ProtectionStatus::SoftDeleted => catalog.soft_delete(shop.id, &deletion(1_000)).await.unwrap(),
        ProtectionStatus::ConfiguringProtection | ProtectionStatus::Protected => shop,
    }
}

#[tokio::test]
async fn every_status_meets_every_change() {
    use Change::{Resume, SoftDelete, Stop, Suspend, Undelete};
    use ProtectionStatus::{
        BackupsSuspended, ConfiguringProtection, Protected, ProtectionStopped, SoftDeleted,
    };
    let (forever, as_policy) = (StopMode::RetainForever, StopMode::RetainAsPerPolicy);
    let catalog = table().await.catalog;
    let changes = [Suspend, Resume, Stop(forever), Stop(as_policy), SoftDelete, Undelete];
    let (stopped, deleted) =
        (|mode| (ProtectionStopped, Some(mode)), (SoftDeleted, Some(StopMode::DeleteData)));
    let (protected, suspended) = ((Protected, None), (BackupsSuspended, None));
    // What each of the changes above comes to; None where it is refused.
    let expected = [
        (ConfiguringProtection, [None, None, None, None, None, None]),
        (
            Protected,
            [
                Some(suspended),
                Some(protected),
                Some(stopped(forever)),
                Some(stopped(as_policy)),
                Some(deleted),
                None,
            ],
        ),
        (
            BackupsSuspended,
            [
                Some(suspended),
                Some(protected),
                Some(stopped(forever)),
                Some(stopped(as_policy)),
                Some(deleted),
                None,
            ],
        ),
        (
            ProtectionStopped,
            [None, Some(protected), Some(stopped(forever)), Some(stopped(as_policy)), Some(deleted), None],
        ),
        (SoftDeleted, [None, None, None, None, Some(deleted), Some(stopped(forever))]),
    ];
    let mut n = 0;
    for (from, row) in expected {
        for (change, to) in changes.into_iter().zip(row) {
            n += 1;
            let before = in_status(&catalog, n, from).await;
            for _ in 0..2 {
                let made = make(&catalog, before.id, change).await;
                let there = catalog.instance(before.id).await.unwrap();
                match (to, made) {
                    (Some((status, stopped)), Ok(made)) => {
                        assert_eq!(made, there, "{from} {change:?}");
                        assert_eq!((made.status, made.stopped), (status, stopped), "{from} {change:?}");
                        let deletion = (status == SoftDeleted).then(|| deletion(1_000));
                        assert_eq!(made.deletion, deletion, "{from} {change:?}");
                    }
                    (None, Err(error)) => {
                        assert_eq!(error.code(), Code::ProtectionNotChanged, "{from} {change:?}");
                        assert_eq!(there, before, "{from} {change:?}");
                    }
                    (_, made) => panic!("{from} {change:?}: {made:?}"),
                }
            }
        }
    }
    let nobody = instance(999).id;
    for change in changes {
        let error = make(&catalog, nobody, change).await.unwrap_err();
        assert_eq!(error.code(), Code::InstanceNotFound, "{change:?}");
    }
    let shop = in_status(&catalog, 998, Protected).await;
    let error = catalog.stop_protection(shop.id, StopMode::DeleteData).await.unwrap_err();
    assert_eq!(error.code(), Code::CatalogConflict);
}

#[tokio::test]
async fn backups_are_refused_by_the_status_and_a_refusal_says_which() {
    use ProtectionStatus::{
        BackupsSuspended, ConfiguringProtection, Protected, ProtectionStopped, SoftDeleted,
    };
    let catalog = table().await.catalog;
    let cases = [
        (ConfiguringProtection, Some(Code::InstanceNotProtected), Some(Code::InstanceNotProtected)),
        (Protected, None, None),
        (BackupsSuspended, None, Some(Code::BackupsSuspended)),
        (ProtectionStopped, Some(Code::ProtectionStopped), Some(Code::ProtectionStopped)),
        (SoftDeleted, Some(Code::ProtectionStopped), Some(Code::ProtectionStopped)),
    ];
    let mut n = 0;
    for (status, on_demand, scheduled) in cases {
        for (kind, refused) in [(BackupKind::OnDemand, on_demand), (BackupKind::Scheduled, scheduled)] {
            n += 1;
            let shop = in_status(&catalog, n, status).await;
            let order = BackupOrder { kind, rule: None, policy: None, scheduled_at: None };
            let backup = Job {
                id: JobId::new(at(20), u128::from(n)),
                backup: Some(order),
                ..job(Operation::Backup, &shop, 20)
            };
            let opened = catalog.open_backup(&backup).await;
            assert_eq!(opened.err().map(|error| error.code()), refused, "{status} {kind:?}");
        }
    }
}

#[tokio::test]
async fn a_backup_that_runs_when_its_schedule_is_suspended_commits_and_one_that_is_stopped_does_not() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 1).await;
    let backup = running_backup(&catalog, &shop, 10).await;
    catalog.suspend(shop.id).await.unwrap();
    assert_eq!(commit(&catalog, &point(&backup), at(50), &[]).await.unwrap(), JobStatus::Completed);
    catalog.resume(shop.id).await.unwrap();
    let backup = running_backup(&catalog, &shop, 100).await;
    catalog.stop_protection(shop.id, StopMode::RetainForever).await.unwrap();
    let error = commit(&catalog, &point(&backup), at(150), &[]).await.unwrap_err();
    assert_eq!(error.code(), Code::ProtectionStopped);
    assert_eq!(catalog.instance_facts(shop.id).await.unwrap().points, 1);
}

#[tokio::test]
async fn deleted_data_can_be_had_back_until_its_time_is_over() {
    let catalog = table().await.catalog;
    let (shop, points) = with_points(&catalog, 1, [10, 20]).await;
    catalog.soft_delete(shop.id, &deletion(1_000)).await.unwrap();
    let due = async |now: Timestamp| catalog.due_deletions(now, 10, None).await.unwrap().items;
    assert_eq!(due(at(999)).await, []);
    assert_eq!(due(at(1_000)).await, [shop.id]);
    // Nothing is deleted before, whatever plan says so.
    let early = catalog.begin_expiry(&points[0], ExpiryGround::DataDeletion, at(999)).await.unwrap_err();
    assert!(matches!(early, CatalogError::SoftDeletionEnds { .. }), "{early:?}");
    let error = catalog.remove_instance(shop.id, at(999)).await.unwrap_err();
    assert!(matches!(error, CatalogError::SoftDeletionEnds { .. }), "{error:?}");

    let kept = catalog.undelete(shop.id, at(999)).await.unwrap();
    assert_eq!((kept.stopped, kept.deletion), (Some(StopMode::RetainForever), None));
    assert_eq!(due(at(9_999)).await, []);
    let undone = catalog.begin_expiry(&points[0], ExpiryGround::DataDeletion, at(9_999)).await.unwrap_err();
    assert_eq!(undone.code(), Code::ProtectionNotChanged);
    let kept_for_ever = catalog.begin_expiry(&points[0], ExpiryGround::Retention, at(1_000_000_000)).await;
    assert_eq!(kept_for_ever.unwrap_err().code(), Code::ProtectionStopped);

    catalog.soft_delete(shop.id, &deletion(1_000)).await.unwrap();
    let late = catalog.undelete(shop.id, at(1_000)).await.unwrap_err();
    assert!(matches!(late, CatalogError::SoftDeletionEnds { .. }), "{late:?}");
}

#[tokio::test]
async fn an_instance_whose_points_are_gone_leaves_its_name_its_database_and_its_policy() {
    let catalog = table().await.catalog;
    let daily = policy(1);
    catalog.create_policy(&daily).await.unwrap();
    let (shop, points) = with_points(&catalog, 1, [10, 20]).await;
    catalog.change_policy(shop.id, Some(daily.id)).await.unwrap();
    assert_eq!(
        catalog.remove_instance(shop.id, at(5_000)).await.unwrap_err().code(),
        Code::ProtectionNotChanged
    );
    catalog.soft_delete(shop.id, &deletion(1_000)).await.unwrap();
    assert_eq!(catalog.change_policy(shop.id, None).await.unwrap_err().code(), Code::ProtectionStopped);
    for (index, point) in points.iter().enumerate() {
        let error = catalog.remove_instance(shop.id, at(5_000)).await.unwrap_err();
        let left = (points.len() - index) as u64;
        assert!(
            matches!(error, CatalogError::InstanceHasPoints { points, .. } if points == left),
            "{error:?}"
        );
        // The newest one, too.
        let expiring = catalog.begin_expiry(point, ExpiryGround::DataDeletion, at(5_000)).await.unwrap();
        catalog.move_point(&expiring, PointState::Expired, &PointChange::default()).await.unwrap();
    }
    for _ in 0..2 {
        catalog.remove_instance(shop.id, at(5_000)).await.unwrap();
    }
    assert_eq!(catalog.instance(shop.id).await.unwrap_err().code(), Code::InstanceNotFound);
    assert_eq!(catalog.due_deletions(at(9_999), 10, None).await.unwrap().items, []);
    catalog.delete_policy(daily.id).await.expect("nothing is under it");
    let tombstones = catalog.points(shop.id, 10, None).await.unwrap().items;
    assert!(tombstones.len() == 2 && tombstones.iter().all(|point| point.state == PointState::Expired));
    let again = Instance { id: InstanceId::new(at(9), 9), ..shop };
    let configure = job(Operation::ConfigureProtection, &again, 9);
    catalog.protect(&again, &configure).await.expect("name and database are free");
    catalog.close_job(configure.id, &JobOutcome::Cancelled, at(9)).await.unwrap();
}

#[tokio::test]
async fn due_deletions_are_listed_in_pages_the_longest_over_first() {
    let catalog = table().await.catalog;
    let mut expected = Vec::new();
    for n in 0..3 {
        let shop = protected(&catalog, n).await;
        catalog.soft_delete(shop.id, &deletion(1_000 - i64::from(n))).await.unwrap();
        expected.insert(0, shop.id);
    }
    let first = catalog.due_deletions(at(2_000), 2, None).await.unwrap();
    let second = catalog.due_deletions(at(2_000), 2, first.next.as_deref()).await.unwrap();
    assert_eq!([first.items, second.items].concat(), expected);
}
