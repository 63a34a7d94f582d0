//! The lifecycle of points against the emulator: what is planned and carried out, what is left alone and why, what
//! cannot be read, what is swept away.

#![allow(clippy::unwrap_used, reason = "a helper that cannot set a test up has failed it")]

mod steps;

use std::collections::BTreeMap;
use std::time::Duration;

use apply_retention::Item;
use aws_sdk_dynamodb::types::AttributeValue;
use bytes::Bytes;
use expire_recovery_point::Ground;
use jiff::SignedDuration;
use permafrost_catalog::JobOutcome;
use permafrost_domain::files::{FileCompression, FileFormat, FilesOrder, FilesTarget};
use permafrost_domain::immutability::{Immutability, LockMode};
use permafrost_domain::instance::SoftDeletion;
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::recovery_point::PointState;
use permafrost_domain::retention::DueAction;
use permafrost_domain::tiering::RehydrationDays;
use permafrost_domain::{Code, Fault, JobId, PointId};
use permafrost_function::hold::{Reached, set_hold};
use permafrost_function::point::OpenPoint;
use permafrost_function::step::{JobStep, PointStep, Progressed};
use permafrost_vault::object_lock::LegalHold;
use permafrost_vault::{ObjectVersion, PointLayout};
use sweep_orphans::Scope;

use permafrost_testing::{Kill, Locks, Moment, Place, TestPoint, Vault, at};
use steps::{EXECUTION, carry_out, expire, tier};

const BACKUP_UNTIL: &str = "2016-04-01T00:00:00Z";
const ARCHIVE_UNTIL: &str = "2017-04-01T00:00:00Z";
const WHEN_ARCHIVED: &str = "2016-04-01T00:30:00Z";
const WHEN_EXPIRED: &str = "2017-04-01T00:30:00Z";

/// What a run plans at `now`.
async fn plan(vault: &Vault, now: &str) -> Result<Vec<Item>, Fault> {
    steps::plan(vault, at(now)).await
}

async fn expire_at(vault: &Vault, point: &TestPoint, now: &str) -> Result<(), Fault> {
    expire(vault, point.id, Some(at(now)), JobId::new(at(now), 1)).await
}

/// A point is archived when its time in the backup store is over, and deleted when that in the archive store is; the
/// plan is written down before, each action is a job, and a run that is repeated makes the same items.
#[tokio::test]
async fn a_point_goes_through_its_life() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = vault.commit(BACKUP_UNTIL, Some(ARCHIVE_UNTIL)).await;
    assert_eq!(plan(&vault, "2016-03-31T23:59:59Z").await.unwrap(), []);

    let items = plan(&vault, WHEN_ARCHIVED).await.unwrap();
    assert_eq!(items.len(), 1);
    assert_eq!((items[0].point, items[0].action), (point.id, DueAction::Archive));
    assert_eq!(plan(&vault, WHEN_ARCHIVED).await.unwrap(), items, "the same run again");
    let job = vault.tools.catalog.job(items[0].job).await.unwrap();
    assert_eq!((job.operation, job.point), (Operation::Tier, Some(point.id)));
    assert_eq!(job.execution.as_deref(), Some(EXECUTION));
    // Another run leaves the instance to the one that works on it.
    assert_eq!(plan(&vault, "2016-04-01T01:30:00Z").await.unwrap(), []);
    carry_out(&vault, &items[0]).await.unwrap();
    assert_eq!(vault.point(point.id).await.state, PointState::Archived);
    assert_eq!(plan(&vault, "2017-03-31T23:59:59Z").await.unwrap(), []);

    let items = plan(&vault, WHEN_EXPIRED).await.unwrap();
    assert_eq!(items.iter().map(|item| item.action).collect::<Vec<_>>(), [DueAction::Expire]);
    carry_out(&vault, &items[0]).await.unwrap();
    assert_eq!(vault.point(point.id).await.state, PointState::Expired);
    assert_eq!(vault.objects(&point).await, BTreeMap::new());
    assert_eq!(plan(&vault, "2018-01-01T00:00:00Z").await.unwrap(), []);
    let plans = vault.tools.catalog.retention_plans(10, None).await.unwrap();
    assert_eq!(plans.items.len(), 2);
}

/// A point whose old segments were left behind by a death is found again, and finished.
#[tokio::test]
async fn what_a_death_left_behind_is_finished_by_the_next_run() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = vault.commit(BACKUP_UNTIL, Some(ARCHIVE_UNTIL)).await;
    // Dies after the catalog has called the point archived.
    let kill = Kill::default();
    let dying = vault.dying_tools(&kill);
    for call in 0.. {
        kill.arm(call, Moment::After);
        let step = PointStep {
            job: JobId::new(at(WHEN_ARCHIVED), 1),
            instance: vault.instance.id,
            point: point.id,
            now: Some(at(WHEN_ARCHIVED)),
        };
        let died = tier_to_archive::handle(&dying, step).await;
        assert!(died.is_err());
        if vault.point(point.id).await.state == PointState::Archived {
            break;
        }
    }
    let segment = (Place::Backup, PointLayout::segment(1, "a", 0));
    assert!(vault.objects(&point).await.contains_key(&segment));
    let items = plan(&vault, "2016-04-01T01:30:00Z").await.unwrap();
    assert_eq!(items.iter().map(|item| item.action).collect::<Vec<_>>(), [DueAction::Archive]);
    carry_out(&vault, &items[0]).await.unwrap();
    assert!(!vault.objects(&point).await.contains_key(&segment));
    assert_eq!(plan(&vault, "2016-04-01T02:30:00Z").await.unwrap(), []);
}

/// Could not read never leads to delete: whatever is damaged, nothing goes, and the fault says what.
#[tokio::test]
async fn what_cannot_be_read_is_not_deleted() {
    let vault = Vault::new(Immutability::Disabled).await;
    let damages = [
        (PointLayout::MANIFEST, Damage::Gone, Code::ObjectMissing),
        (PointLayout::MANIFEST, Damage::OtherBytes, Code::ChecksumMismatch),
        (PointLayout::ARCHIVE, Damage::Gone, Code::ObjectMissing),
        (PointLayout::ARCHIVE, Damage::OtherBytes, Code::ChecksumMismatch),
    ];
    for (name, damage, code) in damages {
        let archived = name == PointLayout::ARCHIVE;
        let point = vault.commit(BACKUP_UNTIL, archived.then_some(ARCHIVE_UNTIL)).await;
        if archived {
            tier(&vault, point.id, Some(at(WHEN_ARCHIVED)), JobId::new(at(WHEN_ARCHIVED), 1)).await.unwrap();
        }
        damage_object(&vault, &point, name, damage).await;
        let before = vault.objects(&point).await;
        let state = vault.point(point.id).await.state;
        let fault = expire_at(&vault, &point, WHEN_EXPIRED).await.unwrap_err();
        assert_eq!(fault.code, code, "{name}: {fault}");
        assert_eq!(vault.objects(&point).await, before, "{name}");
        assert_eq!(vault.point(point.id).await.state, state, "{name}");
    }
}

/// A missing segment stops the archiving; what is there stays where it is.
#[tokio::test]
async fn a_point_that_is_not_whole_is_not_archived() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = vault.commit(BACKUP_UNTIL, Some(ARCHIVE_UNTIL)).await;
    damage_object(&vault, &point, &PointLayout::segment(1, "a", 1), Damage::Gone).await;
    let before = vault.objects(&point).await;
    let job = JobId::new(at(WHEN_ARCHIVED), 1);
    let fault = tier(&vault, point.id, Some(at(WHEN_ARCHIVED)), job).await.unwrap_err();
    assert_eq!(fault.code, Code::ObjectMissing);
    assert_eq!(vault.objects(&point).await, before);
}

/// A catalog record that cannot be decoded ends the run before anything is planned.
#[tokio::test]
async fn a_record_that_cannot_be_decoded_ends_the_run() {
    let vault = Vault::new(Immutability::Disabled).await;
    let good = vault.commit(BACKUP_UNTIL, None).await;
    let bad = vault.commit(BACKUP_UNTIL, None).await;
    let update = vault.dynamo().update_item().table_name(&vault.config().table_name);
    update
        .key("pk", AttributeValue::S(format!("INSTANCE#{}", vault.instance.id)))
        .key("sk", AttributeValue::S(format!("POINT#{}", bad.id)))
        .update_expression("SET #state = :state")
        .expression_attribute_names("#state", "state")
        .expression_attribute_values(":state", AttributeValue::S("Melted".to_owned()))
        .send()
        .await
        .unwrap();
    let fault = plan(&vault, WHEN_EXPIRED).await.unwrap_err();
    assert_eq!(fault.code, Code::CatalogRecordInvalid);
    let fault = expire_at(&vault, &bad, WHEN_EXPIRED).await.unwrap_err();
    assert_eq!(fault.code, Code::CatalogRecordInvalid);
    assert_eq!(vault.objects(&bad).await, vault.objects(&good).await);
}

/// Objects are locked at commit: segments until the point leaves the backup store, what describes it until it is
/// deleted. A lock that is longer than the point's time puts its deletion off; nothing goes before.
#[tokio::test]
async fn locks_are_kept_and_respected() {
    let vault = Vault::new(Immutability::Locked).await;
    let (backup_until, archive_until) = ("2090-04-01T00:00:00Z", "2091-04-01T00:00:00Z");
    let point = vault.commit_with(backup_until, Some(archive_until), Locks::Set).await;
    assert_eq!(vault.point(point.id).await.locked_until, Some(at(backup_until)));
    let store = &vault.tools.store;
    let lock = async |object: &ObjectVersion| store.lock(&point.layout, object).await.unwrap().retention;
    for segment in point.manifest.segments() {
        assert_eq!(lock(&segment.into()).await, Some((LockMode::Compliance, at(backup_until))));
    }
    for description in point.manifest.descriptions() {
        assert_eq!(lock(&description.into()).await, Some((LockMode::Compliance, at(archive_until))));
    }
    for name in [PointLayout::MANIFEST, PointLayout::PLAN] {
        let object = store.current_version(&point.layout, name).await.unwrap().unwrap();
        assert_eq!(lock(&object).await, Some((LockMode::Compliance, at(archive_until))), "{name}");
    }

    // The catalog says that its time is over; the store does not let it go.
    let point = vault.commit(BACKUP_UNTIL, None).await;
    let segment = ObjectVersion::from(point.manifest.segments().next().unwrap());
    let late = at("2017-06-01T00:00:00Z");
    store.lock_until(&point.layout, &segment, LockMode::Compliance, late).await.unwrap();
    let before = vault.objects(&point).await;
    let fault = expire_at(&vault, &point, WHEN_EXPIRED).await.unwrap_err();
    assert_eq!(fault.code, Code::ObjectLocked);
    assert!(fault.message.contains("put off to 2017-06-01T00:00:00Z"), "{fault}");
    assert_eq!(vault.objects(&point).await, before);
    assert_eq!(vault.point(point.id).await.state, PointState::Available);
    assert_eq!(plan(&vault, "2017-05-31T23:59:59Z").await.unwrap(), [], "it is put off");
    let items = plan(&vault, "2017-06-01T00:00:01Z").await.unwrap();
    assert_eq!(items.len(), 1);
    carry_out(&vault, &items[0]).await.unwrap();
    assert_eq!(vault.objects(&point).await, BTreeMap::new());
}

/// A legal hold on a point's objects keeps it, whatever the catalog has read.
#[tokio::test]
async fn a_legal_hold_keeps_every_object() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = vault.commit(BACKUP_UNTIL, None).await;
    let record = vault.point(point.id).await;
    let set =
        async |hold| set_hold(&vault.tools, &record, hold, 0, tokio::time::Instant::now()).await.unwrap();
    assert_eq!(set(LegalHold::On).await, Reached { next: 7, is_end: true });
    let before = vault.objects(&point).await;
    let fault = expire_at(&vault, &point, WHEN_EXPIRED).await.unwrap_err();
    assert_eq!(fault.code, Code::ObjectLocked);
    assert_eq!(vault.objects(&point).await, before);
    set(LegalHold::Off).await;
    expire_at(&vault, &point, WHEN_EXPIRED).await.unwrap();
    assert_eq!(vault.objects(&point).await, BTreeMap::new());
}

/// An archived point is readable for the days that were asked for, from the archive store, and archived again after
/// them. Without an order it is not rehydrated; nothing is read of it before.
#[tokio::test]
async fn an_archived_point_is_rehydrated_and_read() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = vault.commit(BACKUP_UNTIL, Some("2090-01-01T00:00:00Z")).await;
    tier(&vault, point.id, Some(at(WHEN_ARCHIVED)), JobId::new(at(WHEN_ARCHIVED), 1)).await.unwrap();
    let open = async || OpenPoint::to_restore(&vault.tools, vault.instance.id, point.id).await;
    assert_eq!(open().await.unwrap_err().code, Code::RecoveryPointNotAvailable);
    OpenPoint::to_describe(&vault.tools, vault.instance.id, point.id)
        .await
        .expect("its manifest stays readable");

    let now = permafrost_function::clock::now();
    let job = vault.open_rehydration(point.id, now, RehydrationDays::try_from(10).unwrap()).await;
    let step = || rehydrate_point::handle(&vault.tools, JobStep { job });
    assert_eq!(step().await.unwrap(), Progressed::Running);
    assert_eq!(vault.point(point.id).await.state, PointState::Rehydrating);
    while step().await.unwrap() == Progressed::Running {
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    let rehydrated = vault.point(point.id).await;
    let until = rehydrated.rehydrated_until.unwrap();
    assert_eq!(rehydrated.state, PointState::Rehydrated);
    assert!(until >= now + SignedDuration::from_hours(9 * 24), "until {until}");
    let opened = open().await.unwrap();
    for segment in opened.manifest.segments() {
        opened.store.get(&point.layout, segment).await.unwrap();
    }
    assert!(!vault.objects(&point).await.contains_key(&(Place::Backup, PointLayout::segment(1, "a", 0))));

    // A restore that may not rehydrate is told so, when the time is over.
    vault.tools.catalog.close_job(job, &JobOutcome::Completed { warnings: Vec::new() }, now).await.unwrap();
    let late = (until + SignedDuration::from_mins(5)).to_string();
    assert_eq!(plan(&vault, &late).await.unwrap(), []);
    assert_eq!(vault.point(point.id).await.state, PointState::Archived);
    let mut other = Job::queued(JobId::new(now, 4), Operation::Rehydrate, &vault.instance, now);
    other.files = Some(Box::new(FilesOrder {
        point: point.id,
        target: FilesTarget { bucket: "restores".parse().unwrap(), prefix: "here".parse().unwrap() },
        format: FileFormat::Directory,
        compression: FileCompression::default(),
    }));
    vault.tools.catalog.open_job(&other).await.unwrap();
    let fault = rehydrate_point::handle(&vault.tools, JobStep { job: other.id }).await.unwrap_err();
    assert_eq!(fault.code, Code::RecoveryPointArchived);
}

/// A rehydration that begins where archiving has died, between the new state and the end of the old segments, leaves
/// them no longer than it lasts: a run after it goes on with the archiving.
#[tokio::test]
async fn a_rehydration_does_not_keep_old_segments() {
    let vault = Vault::new(Immutability::Disabled).await;
    let (kill, old) = (Kill::default(), (Place::Backup, PointLayout::segment(1, "a", 0)));
    let dying = vault.dying_tools(&kill);
    let mut died = None;
    for write in 0.. {
        let point = vault.commit(BACKUP_UNTIL, Some(ARCHIVE_UNTIL)).await;
        kill.arm(write, Moment::After);
        let now = Some(at(WHEN_ARCHIVED));
        let job = JobId::new(at(WHEN_ARCHIVED), 1);
        let step = PointStep { job, instance: vault.instance.id, point: point.id, now };
        if tier_to_archive::handle(&dying, step).await.is_ok() {
            break;
        }
        let is_archived = vault.point(point.id).await.state == PointState::Archived;
        if is_archived && vault.objects(&point).await.contains_key(&old) {
            died = Some(point);
            break;
        }
        tier(&vault, point.id, now, job).await.unwrap();
    }
    let point = died.expect("archiving ends with the old segments");

    let asked = at("2016-05-01T00:00:00Z");
    let job = vault.open_rehydration(point.id, asked, RehydrationDays::default()).await;
    let step = rehydrate_point::handle(&vault.tools, JobStep { job }).await;
    assert_eq!(step, Ok(Progressed::Running));
    vault.tools.catalog.close_job(job, &JobOutcome::Cancelled, asked).await.unwrap();

    assert_eq!(plan(&vault, "2016-05-01T00:30:00Z").await, Ok(Vec::new()));
    assert_eq!(vault.point(point.id).await.state, PointState::Archived);
    let items = plan(&vault, "2016-05-01T01:30:00Z").await.unwrap();
    let [item] = items.as_slice() else { panic!("{items:?}") };
    assert_eq!((item.point, item.action), (point.id, DueAction::Archive));
    carry_out(&vault, item).await.unwrap();
    assert!(!vault.objects(&point).await.contains_key(&old));
    assert_eq!(plan(&vault, "2016-05-01T02:30:00Z").await, Ok(Vec::new()));
}

/// A rehydration that ended before its copies were there keeps its point no longer than while somebody waits: when its
/// time is over the point is deleted, by its retention as with the data of its instance.
#[tokio::test]
async fn a_rehydration_that_was_given_up_keeps_nothing_for_ever() {
    let deletion = SoftDeletion {
        requested_at: at("2017-03-01T00:00:00Z"),
        until: at("2017-03-31T00:00:00Z"),
        reason: "the shop is closed".to_owned(),
        by: "arn:aws:iam::1:user/ada".to_owned(),
    };
    for (archive_until, deletion) in [(ARCHIVE_UNTIL, None), ("2090-01-01T00:00:00Z", Some(deletion))] {
        let vault = Vault::new(Immutability::Disabled).await;
        let catalog = &vault.tools.catalog;
        let point = vault.commit(BACKUP_UNTIL, Some(archive_until)).await;
        tier(&vault, point.id, Some(at(WHEN_ARCHIVED)), JobId::new(at(WHEN_ARCHIVED), 1)).await.unwrap();
        let asked = at("2017-03-01T00:00:00Z");
        let job = vault.open_rehydration(point.id, asked, RehydrationDays::default()).await;
        let step = rehydrate_point::handle(&vault.tools, JobStep { job }).await;
        assert_eq!(step, Ok(Progressed::Running));
        if let Some(deletion) = &deletion {
            catalog.soft_delete(vault.instance.id, deletion).await.unwrap();
        }
        assert_eq!(plan(&vault, WHEN_EXPIRED).await, Ok(Vec::new()));
        assert_eq!(vault.point(point.id).await.state, PointState::Rehydrating, "somebody waits for it");

        catalog.close_job(job, &JobOutcome::Cancelled, asked).await.unwrap();
        let items = plan(&vault, "2017-04-01T01:30:00Z").await.unwrap();
        assert!(items.iter().all(|item| item.point != point.id), "{items:?}");
        assert_eq!(vault.point(point.id).await.state, PointState::Archived);
        // What an earlier run does is done.
        for item in items {
            catalog.close_job(item.job, &JobOutcome::Cancelled, asked).await.unwrap();
        }
        let items = plan(&vault, "2017-04-01T02:30:00Z").await.unwrap();
        let item = items.iter().find(|item| item.point == point.id).expect("the next run deletes it");
        let ground = match item.ground {
            apply_retention::Ground::Retention => Ground::Retention,
            apply_retention::Ground::DataDeletion => Ground::DataDeletion,
        };
        let (job, instance, point_id, now) = (item.job, item.instance, point.id, item.now);
        let input = expire_recovery_point::Input { job, instance, point: point_id, ground, now };
        expire_recovery_point::handle(&vault.tools, input).await.unwrap();
        assert_eq!(vault.objects(&point).await, BTreeMap::new());
    }
}

/// The sweeper deletes what no point names and what runs have left that ended without a commit: after a week, and not
/// where nobody knows what it is.
#[tokio::test]
async fn what_nobody_names_is_swept_away_after_a_week() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = vault.commit("2090-01-01T00:00:00Z", None).await;
    let of_point = vault.objects(&point).await;
    let put = async |layout: &PointLayout, name: &str| {
        vault.tools.store.put_new(layout, name, Bytes::from_static(b"left")).await.unwrap();
    };
    // A run of a task that another run of it overtook.
    put(&point.layout, &PointLayout::segment(1, "b", 0)).await;
    // A backup that failed, one that runs, and one that nobody knows.
    let made = permafrost_function::clock::now();
    let mut folders = Vec::new();
    for n in 0..3_u8 {
        let job = JobId::new(made, u128::from(n) + 7);
        let layout = PointLayout::new(vault.instance.id, PointId::of_backup(job));
        put(&layout, PointLayout::TOC).await;
        put(&layout, &PointLayout::segment(1, "a", 0)).await;
        folders.push((job, TestPoint { id: layout.point(), layout, manifest: point.manifest.clone() }));
    }
    for (job, _) in &folders[..2] {
        let job = Job::queued(*job, Operation::RestoreFiles, &vault.instance, made);
        vault.tools.catalog.open_job(&job).await.unwrap();
    }
    let failed = JobOutcome::Failed(Fault::new(Code::SnapshotLost, "lost"));
    vault.tools.catalog.close_job(folders[0].0, &failed, made).await.unwrap();

    let sweep = async |days: i64| {
        let now = Some(made + SignedDuration::from_hours(24 * days));
        sweep_orphans::handle(&vault.tools, sweep_orphans::Input { now, scope: Scope::All }).await.unwrap()
    };
    let early = sweep(6).await;
    assert_eq!((early.deleted, early.unknown), (0, 1));
    let late = sweep(8).await;
    assert_eq!((late.deleted, late.unknown), (3, 1));
    assert_eq!(vault.objects(&point).await, of_point);
    let left: Vec<usize> = [
        vault.objects(&folders[0].1).await.len(),
        vault.objects(&folders[1].1).await.len(),
        vault.objects(&folders[2].1).await.len(),
    ]
    .into();
    assert_eq!(left, [0, 2, 2]);
    assert_eq!(sweep(8).await.deleted, 0);
}

/// Where an object of a point cannot be read, the sweep ends; nothing of it goes.
#[tokio::test]
async fn a_sweep_ends_at_what_it_cannot_read() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = vault.commit("2090-01-01T00:00:00Z", None).await;
    vault
        .tools
        .store
        .put_new(&point.layout, &PointLayout::segment(1, "b", 0), Bytes::from_static(b"left"))
        .await
        .unwrap();
    damage_object(&vault, &point, PointLayout::MANIFEST, Damage::OtherBytes).await;
    let before = vault.objects(&point).await;
    let now = Some(permafrost_function::clock::now() + SignedDuration::from_hours(24 * 8));
    let input = sweep_orphans::Input { now, scope: Scope::All };
    let fault = sweep_orphans::handle(&vault.tools, input).await.unwrap_err();
    assert_eq!(fault.code, Code::ChecksumMismatch);
    assert_eq!(vault.objects(&point).await, before);
}

/// What may happen to an object behind everybody's back.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Damage {
    /// Its version is gone.
    Gone,
    /// The catalog's record has another checksum than its bytes.
    OtherBytes,
}

async fn damage_object(vault: &Vault, point: &TestPoint, name: &str, damage: Damage) {
    match damage {
        Damage::Gone => {
            let object = vault.tools.store.current_version(&point.layout, name).await.unwrap().unwrap();
            vault.tools.store.delete_version(&point.layout, &object).await.unwrap();
        }
        Damage::OtherBytes => {
            let field = if name == PointLayout::ARCHIVE { "archive" } else { "manifest" };
            let update = vault.dynamo().update_item().table_name(&vault.config().table_name);
            update
                .key("pk", AttributeValue::S(format!("INSTANCE#{}", vault.instance.id)))
                .key("sk", AttributeValue::S(format!("POINT#{}", point.id)))
                .update_expression("SET #object.sha256 = :other")
                .expression_attribute_names("#object", field)
                .expression_attribute_values(":other", AttributeValue::S("0".repeat(64)))
                .send()
                .await
                .unwrap();
        }
    }
}
