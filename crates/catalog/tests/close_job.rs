//! The end of a job: every outcome from every status for every operation.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use aws_sdk_dynamodb::types::AttributeValue;
use permafrost_catalog::{Catalog, JobOutcome};
use permafrost_domain::instance::{InstanceRef, ProtectionStatus};
use permafrost_domain::job::{Job, JobStatus, Operation};
use permafrost_domain::{Code, Fault, JobId};
use support::emulator::{Table, table};
use support::samples::{at, instance, job, protected, running_backup};

fn completed() -> JobOutcome {
    JobOutcome::Completed { warnings: Vec::new() }
}

fn failed(code: Code) -> JobOutcome {
    JobOutcome::Failed(Fault::new(code, "the last word"))
}

/// Opens a restore as the `n`th job, in `status`.
async fn restore_in(catalog: &Catalog, n: i64, status: JobStatus) -> Job {
    let restore = job(Operation::RestoreDatabase, &instance(1), n);
    catalog.open_job(&Job { status, ..restore.clone() }).await.unwrap();
    restore
}

#[tokio::test]
async fn every_status_meets_every_outcome() {
    use JobStatus::{
        Cancelled, Cancelling, Completed, CompletedWithWarnings, Failed, InProgress, Queued, Skipped,
    };
    let catalog = table().await.catalog;
    let warned = || JobOutcome::Completed { warnings: vec!["look".into()] };
    let table = [
        (Queued, completed(), Completed),
        (Queued, warned(), CompletedWithWarnings),
        (Queued, failed(Code::StatementFailed), Failed),
        (Queued, failed(Code::JobCancelled), Cancelled),
        (Queued, JobOutcome::Cancelled, Cancelled),
        (InProgress, completed(), Completed),
        (InProgress, warned(), CompletedWithWarnings),
        (InProgress, failed(Code::StatementFailed), Failed),
        (InProgress, failed(Code::JobCancelled), Cancelled),
        (InProgress, JobOutcome::Cancelled, Cancelled),
        (Cancelling, completed(), Completed),
        (Cancelling, warned(), CompletedWithWarnings),
        (Cancelling, failed(Code::StatementFailed), Cancelled),
        (Cancelling, failed(Code::JobCancelled), Cancelled),
        (Cancelling, JobOutcome::Cancelled, Cancelled),
    ];
    let mut n = 0;
    for (from, outcome, to) in table {
        n += 1;
        let restore = restore_in(&catalog, n, from).await;
        assert_eq!(catalog.close_job(restore.id, &outcome, at(500)).await.unwrap(), to, "{from} {outcome:?}");
        let ended = catalog.job(restore.id).await.unwrap();
        assert_eq!((ended.status, ended.ended_at), (to, Some(at(500))), "{from} {outcome:?}");
        assert_eq!(ended.fault.is_some(), to == Failed, "{from} {outcome:?}");
        assert_eq!(ended.warnings.is_empty(), to != CompletedWithWarnings, "{from} {outcome:?}");
        // Whatever is said afterwards, it stays.
        for again in [completed(), failed(Code::StatementFailed), JobOutcome::Cancelled] {
            assert_eq!(catalog.close_job(restore.id, &again, at(900)).await.unwrap(), to);
        }
        assert_eq!(catalog.job(restore.id).await.unwrap(), ended);
    }
    let restore = restore_in(&catalog, 99, Skipped).await;
    assert_eq!(catalog.close_job(restore.id, &completed(), at(500)).await.unwrap(), Skipped);
}

#[tokio::test]
async fn the_fault_that_was_recorded_first_is_the_cause() {
    let catalog = table().await.catalog;
    for (n, last) in [(1, Code::FunctionFailed), (2, Code::StatementFailed), (3, Code::JobCancelled)] {
        let restore = restore_in(&catalog, n, JobStatus::InProgress).await;
        let cause = Fault::new(Code::DatabaseNameAlreadyInUse, "the cause").on("database copy");
        catalog.record_fault(restore.id, &cause).await.unwrap();
        assert_eq!(catalog.close_job(restore.id, &failed(last), at(9)).await.unwrap(), JobStatus::Failed);
        assert_eq!(catalog.job(restore.id).await.unwrap().fault, Some(cause));
    }
}

#[tokio::test]
async fn a_configured_protection_protects() {
    let catalog = table().await.catalog;
    let shop = instance(1);
    let configure = job(Operation::ConfigureProtection, &shop, 0);
    catalog.protect(&shop, &configure).await.unwrap();
    let backup = job(Operation::Backup, &shop, 5);
    assert_eq!(catalog.open_backup(&backup).await.unwrap_err().code(), Code::InstanceNotProtected);
    for _ in 0..2 {
        assert_eq!(catalog.close_job(configure.id, &completed(), at(1)).await.unwrap(), JobStatus::Completed);
        assert_eq!(catalog.instance(shop.id).await.unwrap().status, ProtectionStatus::Protected);
    }
    catalog.open_backup(&backup).await.unwrap();
}

#[tokio::test]
async fn a_protection_that_failed_leaves_name_and_database_free() {
    let catalog = table().await.catalog;
    for (n, outcome) in [(1, failed(Code::DatabaseNotFound)), (2, JobOutcome::Cancelled)] {
        let shop = instance(1);
        let configure = Job { id: JobId::new(at(0), n), ..job(Operation::ConfigureProtection, &shop, 0) };
        catalog.protect(&shop, &configure).await.expect("the one before left nothing");
        let status = catalog.close_job(configure.id, &outcome, at(1)).await.unwrap();
        assert!(matches!(status, JobStatus::Failed | JobStatus::Cancelled));
        assert_eq!(catalog.instance(shop.id).await.unwrap_err().code(), Code::InstanceNotFound);
        let by_name = catalog.resolve(&InstanceRef::Name(shop.name.clone())).await.unwrap_err();
        assert_eq!(by_name.code(), Code::InstanceNotFound);
        assert_eq!(catalog.job(configure.id).await.unwrap().instance_name, shop.name, "the job tells of it");
    }
}

#[tokio::test]
async fn a_job_ends_also_where_its_instance_is_gone_or_protected() {
    let Table { catalog, client, name, .. } = table().await;
    // Protected already: a stray failure does not take it away.
    let shop = protected(&catalog, 1).await;
    let stray = Job { id: JobId::new(at(0), 5), ..job(Operation::ConfigureProtection, &shop, 0) };
    catalog.open_job(&stray).await.unwrap();
    let status = catalog.close_job(stray.id, &failed(Code::FunctionFailed), at(1)).await.unwrap();
    assert_eq!(status, JobStatus::Failed);
    assert_eq!(catalog.instance(shop.id).await.unwrap(), shop);
    // Gone: completing is an error, failing ends the job.
    let other = instance(2);
    let configure = job(Operation::ConfigureProtection, &other, 0);
    catalog.protect(&other, &configure).await.unwrap();
    let key = [("pk", format!("INSTANCE#{}", other.id)), ("sk", "INSTANCE".to_owned())];
    let key = key.map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
    client.delete_item().table_name(name).set_key(Some(key.into())).send().await.unwrap();
    let error = catalog.close_job(configure.id, &completed(), at(1)).await.unwrap_err();
    assert_eq!(error.code(), Code::InstanceNotFound);
    assert_eq!(catalog.job_status(configure.id).await.unwrap(), JobStatus::Queued);
    let status = catalog.close_job(configure.id, &failed(Code::FunctionFailed), at(1)).await.unwrap();
    assert_eq!(status, JobStatus::Failed);
}

#[tokio::test]
async fn a_backup_that_ends_without_a_commit_lets_the_lock_go_and_cannot_complete() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 1).await;
    for (n, outcome) in [(10, failed(Code::SnapshotLost)), (20, JobOutcome::Cancelled)] {
        let backup = running_backup(&catalog, &shop, n).await;
        let error = catalog.close_job(backup.id, &completed(), at(30)).await.unwrap_err();
        assert_eq!(error.code(), Code::CatalogConflict);
        assert!(!catalog.close_job(backup.id, &outcome, at(30)).await.unwrap().is_success());
        assert_eq!(catalog.instance(shop.id).await.unwrap().running_backup, None);
    }
    // The lock of the next backup is not the earlier one's to delete.
    let (first, second) = (job(Operation::Backup, &shop, 40), job(Operation::Backup, &shop, 50));
    catalog.open_backup(&first).await.unwrap();
    catalog.abandon_backup(first.id, shop.id).await.unwrap();
    catalog.open_backup(&second).await.unwrap();
    catalog.close_job(first.id, &failed(Code::SnapshotLost), at(60)).await.unwrap();
    assert_eq!(catalog.instance(shop.id).await.unwrap().running_backup, Some(second.id));
}

#[tokio::test]
async fn two_ends_at_once_are_one_end() {
    let catalog = table().await.catalog;
    let restore = restore_in(&catalog, 1, JobStatus::InProgress).await;
    let (well, badly) = (completed(), failed(Code::StatementFailed));
    let (one, two, cancel) = tokio::join!(
        catalog.close_job(restore.id, &well, at(1)),
        catalog.close_job(restore.id, &badly, at(2)),
        catalog.request_cancel(restore.id),
    );
    let status = catalog.job_status(restore.id).await.unwrap();
    assert_eq!((one.unwrap(), two.unwrap()), (status, status));
    assert!(status.has_ended());
    assert!(cancel.is_ok() || cancel.unwrap_err().code() == Code::JobNotRunning);
}
