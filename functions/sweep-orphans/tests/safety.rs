//! What a sweep never deletes, however old it is.

#![allow(clippy::unwrap_used, reason = "a helper that cannot set a test up has failed it")]

mod leftovers;
use std::collections::BTreeMap;

use aws_sdk_dynamodb::types::AttributeValue;
use permafrost_catalog::{JobOutcome, Seed};
use permafrost_domain::immutability::{Immutability, LockMode};
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::{Code, JobId, PointId};
use permafrost_function::clock;
use permafrost_function::step::{PointStep, Progressed};
use permafrost_vault::PointLayout;
use permafrost_vault::object_lock::LegalHold;

use leftovers::{failed_backup, leave, leave_segment, running_backup, sweep, unknown_backup};
use permafrost_testing::{Place, TestPoint, Vault, at};

const BACKUP_UNTIL: &str = "2016-04-01T00:00:00Z";
const ARCHIVE_UNTIL: &str = "2090-01-01T00:00:00Z";
const WHEN_ARCHIVED: &str = "2016-04-01T00:30:00Z";

async fn archived(vault: &Vault) -> TestPoint {
    let point = vault.commit(BACKUP_UNTIL, Some(ARCHIVE_UNTIL)).await;
    let job = JobId::new(at(WHEN_ARCHIVED), 1);
    let step = PointStep { job, instance: vault.instance.id, point: point.id, now: Some(at(WHEN_ARCHIVED)) };
    assert_eq!(Box::pin(tier_to_archive::handle(&vault.tools, step)).await, Ok(Progressed::Done));
    point
}

/// Whatever state a point is in, nothing goes that it names. What it does not name goes where nobody moves or deletes
/// the point, or looks into what has happened to it.
#[tokio::test]
async fn what_a_point_names_stays_in_every_state() {
    let vault = Vault::new(Immutability::Disabled).await;
    for state in PointState::ALL.into_iter().filter(|state| *state != PointState::Expired) {
        let is_archived =
            matches!(state, PointState::Archived | PointState::Rehydrating | PointState::Rehydrated);
        let point =
            if is_archived { archived(&vault).await } else { vault.commit(ARCHIVE_UNTIL, None).await };
        let record = RecoveryPoint { state, ..vault.point(point.id).await };
        vault.tools.catalog.seed([Seed::Point(Box::new(record))]).await.unwrap();
        let named = vault.objects(&point).await;
        leave_segment(&vault, &point).await;
        leave(&vault.tools.archive, &point, &PointLayout::segment(1, "b", 1)).await;
        let with_unnamed = vault.objects(&point).await;
        assert_eq!(with_unnamed.len(), named.len() + 2);

        let swept = sweep(&vault.tools).await.unwrap();
        let is_another_s =
            matches!(state, PointState::Archiving | PointState::Expiring | PointState::Damaged);
        assert_eq!(swept.deleted, if is_another_s { 0 } else { 2 }, "{state:?}");
        let expected = if is_another_s { with_unnamed } else { named };
        assert_eq!(vault.objects(&point).await, expected, "{state:?}");
    }
}

/// The list of what is to be deleted of a point is left to whoever deletes it, as long as the point is there.
#[tokio::test]
async fn the_list_of_a_deletion_that_was_not_begun_stays() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = vault.commit(ARCHIVE_UNTIL, None).await;
    leave(&vault.tools.store, &point, PointLayout::EXPIRY).await;
    let before = vault.objects(&point).await;
    leave_segment(&vault, &point).await;
    assert_eq!(sweep(&vault.tools).await.unwrap().deleted, 1);
    assert_eq!(vault.objects(&point).await, before);
}

/// While a backup's job is open its folder stays, whatever the job waits for; once it has failed or was cancelled the
/// folder goes.
#[tokio::test]
async fn a_running_backup_keeps_its_folder() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = vault.commit(ARCHIVE_UNTIL, None).await;
    let (job, running) = running_backup(&vault, &point.manifest).await;
    let before = vault.objects(&running).await;
    let catalog = &vault.tools.catalog;
    assert_eq!(sweep(&vault.tools).await.unwrap().deleted, 0, "it is queued");
    catalog.job_started(job, "arn:aws:states:us-east-1:1:execution:permafrost-backup:one").await.unwrap();
    assert_eq!(sweep(&vault.tools).await.unwrap().deleted, 0, "it runs");
    catalog.request_cancel(job).await.unwrap();
    assert_eq!(sweep(&vault.tools).await.unwrap().deleted, 0, "it is being cancelled");
    assert_eq!(vault.objects(&running).await, before);
    catalog.close_job(job, &JobOutcome::Cancelled, clock::now()).await.unwrap();
    assert_eq!(sweep(&vault.tools).await.unwrap().deleted, 2);
    assert_eq!(vault.objects(&running).await, BTreeMap::new());
}

/// A job that has completed has made a point: where the catalog has lost that, its folder is one that nobody knows.
#[tokio::test]
async fn a_point_whose_record_is_lost_keeps_its_objects() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = vault.commit(ARCHIVE_UNTIL, None).await;
    let (id, lost) = unknown_backup(&vault, &point.manifest).await;
    let before = vault.objects(&lost).await;
    let job = Job::queued(id, Operation::RestoreFiles, &vault.instance, clock::now());
    vault.tools.catalog.open_job(&job).await.unwrap();
    let completed = JobOutcome::Completed { warnings: Vec::new() };
    vault.tools.catalog.close_job(id, &completed, clock::now()).await.unwrap();
    let swept = sweep(&vault.tools).await.unwrap();
    assert_eq!((swept.deleted, swept.unknown), (0, 1));
    assert_eq!(vault.objects(&lost).await, before);
}

/// What the catalog's record or a document of the store cannot tell is not deleted: the sweep ends there.
#[tokio::test]
async fn what_cannot_be_read_is_not_swept() {
    for damage in Damage::ALL {
        let vault = Vault::new(Immutability::Disabled).await;
        let point = archived(&vault).await;
        leave_segment(&vault, &point).await;
        let (_, running) = running_backup(&vault, &point.manifest).await;
        let code = damage.does(&vault, &point, running.id).await;
        let before = [vault.objects(&point).await, vault.objects(&running).await];
        for _ in 0..2 {
            let fault = sweep(&vault.tools).await.unwrap_err();
            assert_eq!(fault.code, code, "{damage:?}: {fault}");
            let now = [vault.objects(&point).await, vault.objects(&running).await];
            // What was read before may have been swept.
            let kept = if damage == Damage::JobRecord { &now[1..] } else { &now };
            assert_eq!(kept, &before[2 - kept.len()..], "{damage:?}");
        }
    }
}

/// An orphan that a lock or a legal hold keeps is left, and counted each time, and keeps no other from being swept.
#[tokio::test]
async fn an_orphan_under_a_lock_is_left_and_said() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = vault.commit(ARCHIVE_UNTIL, None).await;
    let locked = leave_segment(&vault, &point).await;
    let held = leave(&vault.tools.store, &point, &PointLayout::segment(1, "b", 1)).await;
    let store = &vault.tools.store;
    store.lock_until(&point.layout, &locked, LockMode::Compliance, at(ARCHIVE_UNTIL)).await.unwrap();
    store.set_legal_hold(&point.layout, &held, LegalHold::On).await.unwrap();
    let before = vault.objects(&point).await;
    let failed = failed_backup(&vault, &point.manifest).await;
    let swept = sweep(&vault.tools).await.unwrap();
    assert_eq!((swept.deleted, swept.locked), (2, 2));
    assert_eq!(vault.objects(&failed).await, BTreeMap::new());
    assert_eq!(vault.objects(&point).await, before);

    store.set_legal_hold(&point.layout, &held, LegalHold::Off).await.unwrap();
    let swept = sweep(&vault.tools).await.unwrap();
    assert_eq!((swept.deleted, swept.locked), (1, 1));
    assert!(vault.objects(&point).await.contains_key(&(Place::Backup, locked.key)));
}

/// What may have happened behind everybody's back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Damage {
    PointRecord,
    JobRecord,
    ManifestGone,
    ManifestChanged,
    ArchiveGone,
    ArchiveChanged,
}

impl Damage {
    const ALL: [Damage; 6] = [
        Self::PointRecord,
        Self::JobRecord,
        Self::ManifestGone,
        Self::ManifestChanged,
        Self::ArchiveGone,
        Self::ArchiveChanged,
    ];

    /// Does it to `point`, or to the job of the backup `running`; the code that is to be expected.
    async fn does(self, vault: &Vault, point: &TestPoint, running: PointId) -> Code {
        let of_point = || (format!("INSTANCE#{}", vault.instance.id), format!("POINT#{}", point.id));
        match self {
            Self::PointRecord => {
                set(vault, of_point(), &["state"], "Melted").await;
                Code::CatalogRecordInvalid
            }
            Self::JobRecord => {
                let job = format!("JOB#{}", running.backup_job());
                set(vault, (job.clone(), "JOB".to_owned()), &["status"], "Melted").await;
                Code::CatalogRecordInvalid
            }
            Self::ManifestGone => remove(vault, point, PointLayout::MANIFEST).await,
            Self::ArchiveGone => remove(vault, point, PointLayout::ARCHIVE).await,
            Self::ManifestChanged => {
                set(vault, of_point(), &["manifest", "sha256"], &"0".repeat(64)).await;
                Code::ChecksumMismatch
            }
            Self::ArchiveChanged => {
                set(vault, of_point(), &["archive", "sha256"], &"0".repeat(64)).await;
                Code::ChecksumMismatch
            }
        }
    }
}

/// Writes a text into a record of the catalog.
async fn set(vault: &Vault, (pk, sk): (String, String), path: &[&str], value: &str) {
    let names = path.iter().enumerate().map(|(n, name)| (format!("#p{n}"), (*name).to_owned()));
    let names: std::collections::HashMap<_, _> = names.collect();
    let path: Vec<_> = (0..path.len()).map(|n| format!("#p{n}")).collect();
    vault
        .dynamo()
        .update_item()
        .table_name(&vault.config().table_name)
        .key("pk", AttributeValue::S(pk))
        .key("sk", AttributeValue::S(sk))
        .update_expression(format!("SET {} = :value", path.join(".")))
        .condition_expression("attribute_exists(pk)")
        .set_expression_attribute_names(Some(names))
        .expression_attribute_values(":value", AttributeValue::S(value.to_owned()))
        .send()
        .await
        .unwrap();
}

/// Deletes an object of a point; the code that is to be expected.
async fn remove(vault: &Vault, point: &TestPoint, name: &str) -> Code {
    let object = vault.tools.store.current_version(&point.layout, name).await.unwrap().unwrap();
    vault.tools.store.delete_version(&point.layout, &object).await.unwrap();
    Code::ObjectMissing
}
