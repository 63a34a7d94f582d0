//! What comes after the tasks, wherever the job and its snapshot stand.

#![allow(clippy::unwrap_used, reason = "a helper that cannot set a test up has failed it")]

use jiff::SignedDuration;
use permafrost_catalog::{Snapshot, SnapshotState};
use permafrost_domain::immutability::Immutability;
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::{Code, Fault, JobId};
use permafrost_function::clock;
use permafrost_testing::Vault;
use release_snapshot::{Input, Next};

/// A backup whose snapshot is held, or was once.
async fn backup(lease_s: i64) -> (Vault, JobId) {
    let vault = Vault::new(Immutability::Disabled).await;
    let (now, catalog) = (clock::now(), &vault.tools.catalog);
    let job = Job::queued(JobId::new(now, 1), Operation::Backup, &vault.instance, now);
    catalog.open_backup(&job).await.unwrap();
    catalog.job_started(job.id, "arn").await.unwrap();
    let snapshot = Snapshot {
        job: job.id,
        snapshot_id: "00000003-00000002-1".to_owned(),
        holder: "h".to_owned(),
        generation: 1,
        held_since: now,
        consistent_at: now,
        state: SnapshotState::Held,
        lease_until: now + SignedDuration::from_secs(lease_s),
        tables: 1,
    };
    catalog.put_first_snapshot(&snapshot, now).await.unwrap();
    (vault, job.id)
}

async fn next(vault: &Vault, job: JobId, suspended: bool, may_retry: bool) -> Result<Next, Code> {
    let input = Input { job, suspended, may_retry };
    let answer = release_snapshot::handle(&vault.tools, input).await;
    answer.map(|answer| answer.next).map_err(|fault| fault.code)
}

/// The holder that lets go when it is asked to.
async fn let_go(vault: &Vault, job: JobId) {
    let catalog = &vault.tools.catalog;
    while catalog.snapshot(job).await.unwrap().unwrap().state != SnapshotState::Releasing {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    catalog.mark_released(job, "h").await.unwrap();
}

/// What comes next where the snapshot is let go of.
async fn last(vault: &Vault, job: JobId, suspended: bool, may_retry: bool) -> Result<Next, Code> {
    tokio::join!(Box::pin(next(vault, job, suspended, may_retry)), Box::pin(let_go(vault, job))).0
}

/// As long as it is suspended, a backup keeps its snapshot and does nothing; resumed, it copies what is missing.
#[tokio::test]
async fn a_suspended_backup_waits_until_it_is_resumed() {
    let (vault, job) = backup(60).await;
    let catalog = &vault.tools.catalog;
    catalog.suspend_job(job, clock::now()).await.unwrap();
    catalog.record_passing_fault(job, &Fault::new(Code::StoreUnavailable, "503")).await.unwrap();
    for (suspended, may_retry) in [(true, false), (false, true), (true, true)] {
        assert_eq!(next(&vault, job, suspended, may_retry).await, Ok(Next::Ask));
    }
    catalog.resume_job(job).await.unwrap();
    for may_retry in [false, true] {
        assert_eq!(next(&vault, job, true, may_retry).await, Ok(Next::Resume));
    }
    assert_eq!(last(&vault, job, false, false).await, Ok(Next::End));
    assert_eq!(next(&vault, job, false, false).await, Ok(Next::End), "asked twice");
}

/// A backup whose tasks are all done when it is suspended does not wait.
#[tokio::test]
async fn a_backup_that_is_suspended_too_late_goes_on() {
    let (vault, job) = backup(60).await;
    vault.tools.catalog.suspend_job(job, clock::now()).await.unwrap();
    assert_eq!(last(&vault, job, false, false).await, Ok(Next::End));
}

/// Tasks are run once more where what they failed of may pass.
#[tokio::test]
async fn tasks_that_failed_of_what_may_pass_are_run_once_more() {
    let (vault, job) = backup(60).await;
    let passing = Fault::new(Code::StoreUnavailable, "503");
    vault.tools.catalog.record_passing_fault(job, &passing).await.unwrap();
    assert_eq!(next(&vault, job, false, true).await, Ok(Next::Retry));
    assert_eq!(last(&vault, job, false, false).await, Ok(Next::End));
}

/// Tasks that were killed are not run again, nor those of a job that failed for good.
#[tokio::test]
async fn tasks_that_would_fail_again_are_not_run_again() {
    for suspended in [false, true] {
        let (vault, job) = backup(60).await;
        if suspended {
            vault.tools.catalog.suspend_job(job, clock::now()).await.unwrap();
        }
        assert_eq!(last(&vault, job, false, true).await, Ok(Next::End));
    }

    let (vault, job) = backup(60).await;
    vault.tools.catalog.suspend_job(job, clock::now()).await.unwrap();
    vault.tools.catalog.record_fault(job, &Fault::new(Code::StatementFailed, "x")).await.unwrap();
    assert_eq!(last(&vault, job, true, true).await, Err(Code::StatementFailed), "not all was copied");
}

/// A suspended backup ends where it is cancelled, and where its snapshot is gone.
#[tokio::test]
async fn a_suspended_backup_ends_where_it_cannot_go_on() {
    let (vault, job) = backup(60).await;
    vault.tools.catalog.suspend_job(job, clock::now()).await.unwrap();
    vault.tools.catalog.request_cancel(job).await.unwrap();
    assert_eq!(last(&vault, job, true, false).await, Err(Code::JobCancelled));

    let (vault, job) = backup(-1).await;
    assert_eq!(next(&vault, job, true, false).await, Err(Code::SnapshotLost));
}
