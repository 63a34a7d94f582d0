//! The life of a point and of an instance: their tables of transitions, and what is due in each state.

use jiff::Timestamp;
use permafrost_domain::fault::Code;
use permafrost_domain::ids::{InstanceId, JobId, PointId};
use permafrost_domain::instance::Instance;
use permafrost_domain::job::Job;
use permafrost_domain::protection::{ProtectionStatus, SoftDeleteDays, StopMode};
use permafrost_domain::recovery_point::{BackupKind, ManifestRef, PointState, RecoveryPoint};
use permafrost_domain::retention::{DueAction, Rule, StampedRetention};
use permafrost_domain::tiering::{
    ArchiveClass, PriceList, RehydrationDays, RehydrationPriority, RetrievalTier, estimate,
};
use serde_json::json;

/// The `n`th point of `instance`, with the default rule.
pub(crate) fn point(instance: InstanceId, n: u32, consistent_at: Timestamp) -> RecoveryPoint {
    let job = JobId::new(consistent_at, u128::from(n));
    RecoveryPoint {
        id: PointId::of_backup(job),
        instance,
        job,
        state: PointState::Available,
        consistent_at,
        committed_at: consistent_at,
        kind: BackupKind::Scheduled,
        retention: StampedRetention::new(Rule::DEFAULT, consistent_at),
        database: "shop".to_owned(),
        server_version: "17.2".to_owned(),
        tables: 1,
        rows: 1,
        raw_bytes: 1,
        stored_bytes: 1,
        segments: 1,
        manifest: ManifestRef { key: "m".to_owned(), version: "1".to_owned(), sha256: "0".repeat(64) },
        archive: None,
        rehydrated_until: None,
        legal_hold: false,
        hold_job: None,
        locked_until: None,
    }
}

#[test]
fn a_point_moves_as_the_table_says_and_no_other_way() {
    use PointState::{Archived, Archiving, Available, Damaged, Expired, Expiring, Rehydrated, Rehydrating};
    let table = [
        (Available, vec![Archiving, Expiring, Damaged]),
        (Archiving, vec![Archived, Available, Damaged]),
        (Archived, vec![Rehydrating, Expiring, Damaged]),
        (Rehydrating, vec![Rehydrated, Archived, Damaged]),
        (Rehydrated, vec![Archived, Expiring, Damaged]),
        (Expiring, vec![Expired]),
        (Expired, vec![]),
        (Damaged, vec![Expiring]),
    ];
    for (from, allowed) in &table {
        for to in PointState::ALL {
            assert_eq!(from.transition(to).is_ok(), allowed.contains(&to), "{from:?} to {to:?}");
            assert_eq!(PointState::before(to).any(|state| state == *from), allowed.contains(&to));
        }
    }
    assert_eq!(table.len(), PointState::ALL.len());
    let good: Vec<PointState> = PointState::ALL.into_iter().filter(|state| state.is_good()).collect();
    assert_eq!(good, [Available, Archiving, Archived, Rehydrating, Rehydrated]);
}

#[test]
fn an_instance_moves_as_the_table_says_and_no_other_way() {
    use ProtectionStatus::{
        BackupsSuspended, ConfiguringProtection, Protected, ProtectionStopped, SoftDeleted,
    };
    let table = [
        (ConfiguringProtection, vec![Protected]),
        (Protected, vec![BackupsSuspended, ProtectionStopped, SoftDeleted]),
        (BackupsSuspended, vec![Protected, ProtectionStopped, SoftDeleted]),
        (ProtectionStopped, vec![Protected, SoftDeleted]),
        (SoftDeleted, vec![ProtectionStopped]),
    ];
    for (from, allowed) in &table {
        for to in ProtectionStatus::ALL {
            assert_eq!(from.transition(to).is_ok(), allowed.contains(&to), "{from} to {to}");
            assert_eq!(ProtectionStatus::before(to).any(|status| status == *from), allowed.contains(&to));
        }
        assert_eq!(serde_json::to_value(from).unwrap(), from.as_str());
    }
    assert_eq!(table.len(), ProtectionStatus::ALL.len());
}

#[test]
fn a_backup_runs_where_protection_lets_it() {
    use BackupKind::{OnDemand, Scheduled};
    for (status, on_demand, scheduled) in [
        (
            ProtectionStatus::ConfiguringProtection,
            Err(Code::InstanceNotProtected),
            Err(Code::InstanceNotProtected),
        ),
        (ProtectionStatus::Protected, Ok(()), Ok(())),
        (ProtectionStatus::BackupsSuspended, Ok(()), Err(Code::BackupsSuspended)),
        (ProtectionStatus::ProtectionStopped, Err(Code::ProtectionStopped), Err(Code::ProtectionStopped)),
        (ProtectionStatus::SoftDeleted, Err(Code::ProtectionStopped), Err(Code::ProtectionStopped)),
    ] {
        assert_eq!((status.takes_backup(OnDemand), status.takes_backup(Scheduled)), (on_demand, scheduled));
    }
}

#[test]
fn deleted_data_is_kept_for_14_to_180_days() {
    assert_eq!(SoftDeleteDays::default().get(), 14);
    let now: Timestamp = "2027-01-01T12:00:00Z".parse().unwrap();
    assert_eq!(SoftDeleteDays::default().end(now).to_string(), "2027-01-15T12:00:00Z");
    for (days, allowed) in [(13, false), (14, true), (180, true), (181, false)] {
        assert_eq!(SoftDeleteDays::try_from(days).is_ok(), allowed, "{days}");
    }
    for mode in StopMode::ALL {
        assert_eq!(mode.as_str().parse(), Ok(mode));
        assert_eq!(serde_json::to_value(mode).unwrap(), mode.as_str());
    }
    assert_eq!("retain-forever".parse(), Ok(StopMode::RetainForever));
}

#[test]
fn what_is_due_follows_the_state() {
    let day = |n: i8| Timestamp::from_second(i64::from(n) * 86_400).unwrap();
    let delete = StampedRetention {
        backup_store_until: day(10),
        ..StampedRetention::new(Rule::DEFAULT, Timestamp::UNIX_EPOCH)
    };
    let archive = StampedRetention {
        archive: Some(serde_json::from_value(json!({"until": day(100)})).unwrap()),
        ..delete.clone()
    };
    assert_eq!((delete.deleted_on(), archive.deleted_on()), (day(10), day(100)));
    let (moves, goes, goes_late) = (
        Some((day(10), DueAction::Archive)),
        Some((day(10), DueAction::Expire)),
        Some((day(100), DueAction::Expire)),
    );
    for (state, of_delete, of_archive) in [
        (PointState::Available, goes, moves),
        (PointState::Archiving, moves, moves),
        (PointState::Archived, goes, goes_late),
        (PointState::Rehydrating, goes, goes_late),
        (PointState::Rehydrated, goes, goes_late),
        (PointState::Damaged, goes, goes_late),
        (PointState::Expiring, goes, goes),
        (PointState::Expired, None, None),
    ] {
        assert_eq!((delete.next_due(state), archive.next_due(state)), (of_delete, of_archive), "{state:?}");
    }
}

#[test]
fn records_of_the_first_release_are_read_and_written_as_they_were() {
    let point = json!({
        "id": "rp-01kb0000000000000000000003", "instance": "bi-01kb0000000000000000000001",
        "job": "job-01kb0000000000000000000003", "state": "Available",
        "consistent_at": "2026-11-22T08:00:00Z", "committed_at": "2026-11-22T08:01:12Z", "kind": "on_demand",
        "retention": {"rule": "default", "backup_store_until": "2027-02-22T08:00:00Z"},
        "database": "shop", "server_version": "15.18", "tables": 12, "rows": 7, "raw_bytes": 9,
        "stored_bytes": 8, "segments": 3,
        "manifest": {"key": "k", "version": "v1", "sha256": "00ff"},
    });
    let read: RecoveryPoint = serde_json::from_value(point.clone()).unwrap();
    assert!(read.archive.is_none() && !read.legal_hold && read.locked_until.is_none());
    assert_eq!(serde_json::to_value(&read).unwrap(), point);
    let instance = json!({
        "id": "bi-01kb0000000000000000000001", "name": "shop", "status": "Protected",
        "created_at": "2026-11-01T08:00:00Z",
        "data_source": {"host": "db", "database": "shop", "login": {"method": "iam", "user": "backup"}},
    });
    let read: Instance = serde_json::from_value(instance).unwrap();
    assert!(read.policy.is_none() && read.stopped.is_none() && read.deletion.is_none());
    let job = json!({
        "id": "job-01kb0000000000000000000003", "operation": "Backup",
        "instance": "bi-01kb0000000000000000000001", "instance_name": "shop", "started_by": "arn:aws:iam::1:user/a",
        "status": "InProgress", "created_at": "2026-11-22T08:00:00Z",
    });
    assert!(serde_json::from_value::<Job>(job).unwrap().backup.is_none());
}

#[test]
fn priorities_are_tiers_of_the_class() {
    use ArchiveClass::{DeepArchive, FlexibleRetrieval};
    use RehydrationPriority::{High, Standard};
    for (class, priority, tier, minutes) in [
        (FlexibleRetrieval, Standard, RetrievalTier::Standard, 5 * 60),
        (FlexibleRetrieval, High, RetrievalTier::Expedited, 5),
        (DeepArchive, Standard, RetrievalTier::Bulk, 48 * 60),
        (DeepArchive, High, RetrievalTier::Standard, 12 * 60),
    ] {
        assert_eq!(priority.tier(class), tier);
        assert_eq!(priority.takes_at_most(class).as_mins(), minutes);
        assert!(PriceList::US_EAST_1.retrieval(class, tier).is_some(), "what is asked for has its price");
    }
    for class in ArchiveClass::ALL {
        assert_eq!(ArchiveClass::of_storage_class(class.storage_class()), Some(class));
        assert_eq!(class.as_str().parse(), Ok(class));
    }
    assert_eq!(RehydrationDays::default().get(), 15);
    for (days, allowed) in [(9, false), (10, true), (30, true), (31, false)] {
        assert_eq!(RehydrationDays::try_from(days).is_ok(), allowed, "{days}");
    }
}

#[test]
fn an_estimate_adds_retrieval_requests_and_the_copy() {
    let days = RehydrationDays::try_from(30).unwrap();
    let of = |bytes, objects, class, priority| {
        estimate(bytes, objects, class, priority, days, &PriceList::US_EAST_1)
    };
    let hundred_gigabytes = 100 << 30;
    let deep = of(hundred_gigabytes, 1_600, ArchiveClass::DeepArchive, RehydrationPriority::Standard);
    assert_eq!(deep.retrieval_usd_micros.usd_micros(), 100 * 2_500 + 25_000 * 1_600 / 1_000);
    assert_eq!(deep.copy_usd_micros.usd_micros(), 100 * 23_000);
    assert_eq!(deep.cost().to_string(), "$2.59");
    assert_eq!(deep.takes_at_most().as_hours(), 48);
    let fast = of(hundred_gigabytes, 1_600, ArchiveClass::FlexibleRetrieval, RehydrationPriority::High);
    assert_eq!(fast.cost().to_string(), "$21.30");
    let one = of(1, 1, ArchiveClass::DeepArchive, RehydrationPriority::Standard);
    assert_eq!(one.cost().to_string(), "$0.01", "never said to be free");
    let most = of(u64::MAX, u64::MAX, ArchiveClass::FlexibleRetrieval, RehydrationPriority::High);
    assert!(most.cost() > fast.cost(), "no overflow");
}
