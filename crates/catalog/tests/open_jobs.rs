//! Jobs that have not ended: listed while they are open, gone with their end, whatever it is. And backups that were
//! skipped, which never were.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use permafrost_catalog::{Catalog, JobOutcome, OpenJob};
use permafrost_domain::job::{BackupOrder, Job, JobStatus, Operation};
use permafrost_domain::recovery_point::BackupKind;
use permafrost_domain::{Code, Fault, JobId};
use support::emulator::table;
use support::samples::{at, commit, instance, job, point, protected, running_backup};

async fn open(catalog: &Catalog) -> Vec<JobId> {
    catalog.open_jobs(100, None).await.unwrap().items.into_iter().map(|open| open.job).collect()
}

#[tokio::test]
async fn a_job_is_open_until_it_ends() {
    let catalog = table().await.catalog;
    let shop = instance(1);
    let configure = job(Operation::ConfigureProtection, &shop, 0);
    catalog.protect(&shop, &configure).await.unwrap();
    let listed = catalog.open_jobs(100, None).await.unwrap().items;
    let expected = OpenJob {
        job: configure.id,
        operation: Operation::ConfigureProtection,
        instance: shop.id,
        opened_at: at(0),
    };
    assert_eq!(listed, [expected]);
    let done = JobOutcome::Completed { warnings: Vec::new() };
    catalog.close_job(configure.id, &done, at(1)).await.unwrap();
    assert_eq!(open(&catalog).await, []);

    // Committed, failed, cancelled: gone with each.
    let committed = running_backup(&catalog, &shop, 10).await;
    assert_eq!(open(&catalog).await, [committed.id]);
    commit(&catalog, &point(&committed), at(15), &[]).await.unwrap();
    assert_eq!(open(&catalog).await, []);
    let failed = running_backup(&catalog, &shop, 20).await;
    let restore = job(Operation::RestoreDatabase, &shop, 30);
    for _ in 0..2 {
        catalog.open_job(&restore).await.unwrap();
    }
    catalog.request_cancel(restore.id).await.unwrap();
    assert_eq!(
        open(&catalog).await,
        [failed.id, restore.id],
        "the oldest first, and one that is being cancelled"
    );
    let outcome = JobOutcome::Failed(Fault::new(Code::SnapshotLost, "lost"));
    for ended in [failed.id, restore.id] {
        for _ in 0..2 {
            catalog.close_job(ended, &outcome, at(40)).await.unwrap();
        }
    }
    assert_eq!(open(&catalog).await, []);
    assert_eq!(catalog.job(failed.id).await.unwrap().status, JobStatus::Failed);
    // A repeated opening does not open what has ended.
    let again = catalog.open_job(&restore).await;
    assert!(again.is_ok());
    assert_eq!(open(&catalog).await, []);
}

#[tokio::test]
async fn open_jobs_are_listed_in_pages() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 1).await;
    let mut expected = Vec::new();
    for seconds in 0..5 {
        let restore = job(Operation::RestoreFiles, &shop, 100 + seconds);
        catalog.open_job(&restore).await.unwrap();
        expected.push(restore.id);
    }
    let (mut listed, mut next) = (Vec::new(), None::<String>);
    loop {
        let page = catalog.open_jobs(2, next.as_deref()).await.unwrap();
        assert!(page.items.len() <= 2);
        assert!(
            !catalog.job(page.items[0].job).await.unwrap().status.has_ended(),
            "its record does not disturb"
        );
        listed.extend(page.items.into_iter().map(|open| open.job));
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn a_skipped_backup_is_recorded_with_its_reason_and_never_in_the_place_of_one_that_ran() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 1).await;
    let running = running_backup(&catalog, &shop, 10).await;
    let scheduled = |seconds: i64| {
        let order = BackupOrder {
            kind: BackupKind::Scheduled,
            rule: None,
            policy: None,
            scheduled_at: Some(at(seconds)),
        };
        Job {
            id: JobId::of_run(shop.id, at(seconds), Operation::Backup),
            backup: Some(order),
            ..job(Operation::Backup, &shop, seconds)
        }
    };
    let due = scheduled(20);
    let busy = catalog.open_backup(&due).await.unwrap_err();
    assert_eq!(busy.code(), Code::BackupAlreadyRunning);
    let skipped = Job {
        status: JobStatus::Skipped,
        ended_at: Some(at(21)),
        fault: Some(Fault::from(busy)),
        ..due.clone()
    };
    for later in [0, 30] {
        // A doubled trigger says the same a moment later.
        let said = Job { created_at: at(20 + later), ..skipped.clone() };
        assert_eq!(catalog.record_skipped_backup(&said).await.unwrap(), JobStatus::Skipped);
    }
    assert_eq!(catalog.job(due.id).await.unwrap(), skipped);
    assert_eq!(open(&catalog).await, [running.id]);
    commit(&catalog, &point(&running), at(25), &[]).await.unwrap();
    // It was skipped: a late trigger does not run it after all.
    let late = catalog.open_backup(&due).await.unwrap_err();
    assert_eq!(late.code(), Code::JobNotRunning);
    assert_eq!(catalog.instance(shop.id).await.unwrap().running_backup, None);

    // One that runs, or ran, stays as it is.
    let next = scheduled(40);
    catalog.open_backup(&next).await.unwrap();
    let skip_next = Job { status: JobStatus::Skipped, ended_at: Some(at(41)), ..next.clone() };
    assert_eq!(catalog.record_skipped_backup(&skip_next).await.unwrap(), JobStatus::Queued);
    assert_eq!(catalog.job(next.id).await.unwrap(), next);
    commit(&catalog, &point(&next), at(45), &[]).await.unwrap();
    assert_eq!(catalog.record_skipped_backup(&skip_next).await.unwrap(), JobStatus::Completed);
    assert_eq!(catalog.open_backup(&next).await.unwrap_err().code(), Code::JobNotRunning);
    let not_skipped = catalog.record_skipped_backup(&scheduled(60)).await.unwrap_err();
    assert_eq!(not_skipped.code(), Code::CatalogConflict);
}
