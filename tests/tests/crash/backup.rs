//! Steps of a backup that are killed.

use permafrost_domain::Code;
use permafrost_domain::job::JobStatus;
use permafrost_tests::faults::{Kill, Rule};

use super::arranged::Arranged;

/// The steps of a backup but `hold-snapshot`, which runs beside them: see `holder`.
const STEPS: [&str; 6] = [
    "validate-permissions",
    "plan-dump",
    "run-dump-task",
    "release-snapshot",
    "commit-recovery-point",
    "close-job",
];

/// A step that is killed before it did anything is started again, and the backup completes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_that_die_before_their_effect_are_repeated() {
    let arranged = Arranged::new("crash-before").await;
    let (job, killed) = arranged.backup(STEPS.map(|step| Rule::kill(step, Kill::Before).times(1)));
    let job = arranged.stack.run(&job).await;
    for injection in &killed {
        injection.assert_fired_times(1);
    }
    arranged.assert_backed_up(&job).await;
}

/// A step whose answer was lost has had its effect. It is started again, finds that, and the backup completes with
/// exactly one recovery point.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_whose_answer_is_lost_are_repeated_without_harm() {
    let arranged = Arranged::new("crash-after").await;
    let (job, killed) = arranged.backup(STEPS.map(|step| Rule::kill(step, Kill::After).times(1)));
    let job = arranged.stack.run(&job).await;
    for injection in &killed {
        injection.assert_fired_times(1);
    }
    arranged.assert_backed_up(&job).await;
}

/// A step that is killed whenever it is started fails the backup: the job is closed with `FunctionFailed`, there is
/// no recovery point, no lock, no session on the server, and the next backup works.
async fn fails_for_good(step: &'static str, kill: Kill) {
    let arranged = Arranged::new("crash-good").await;
    let (job, [killed]) = arranged.backup([Rule::kill(step, kill)]);
    let job = arranged.stack.run(&job).await;
    assert!(killed.fired() >= 3, "{step} was tried {} times", killed.fired());
    let fault = job.fault.clone().expect("a failed job has a fault");
    assert!(fault.message.contains("ended with"), "the fault tells how: {fault:?}");
    arranged.assert_failed_backup(&job, Code::FunctionFailed).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_readiness_check_that_always_dies_fails_the_backup() {
    fails_for_good("validate-permissions", Kill::Before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plan_that_always_dies_fails_the_backup() {
    fails_for_good("plan-dump", Kill::Before).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_always_dies_fails_the_backup() {
    fails_for_good("run-dump-task", Kill::Before).await;
}

/// All data and every task's result are in the store, and nobody counts on them: nothing becomes visible.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_whose_answer_is_always_lost_fails_the_backup() {
    fails_for_good("run-dump-task", Kill::After).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_always_dies_fails_the_backup() {
    fails_for_good("commit-recovery-point", Kill::Before).await;
}

/// A commit whose answer never arrives has committed all the same: what the catalog says counts.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_always_lost_is_a_commit() {
    let arranged = Arranged::new("crash-commit").await;
    let (job, [killed]) = arranged.backup([Rule::kill("commit-recovery-point", Kill::After)]);
    let job = arranged.stack.run(&job).await;
    assert!(killed.fired() >= 3);
    arranged.assert_backed_up(&job).await;
}

/// Cleaning up fails too: the job is closed and its lock goes with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_cannot_be_abandoned_is_closed() {
    let arranged = Arranged::new("crash-abandon").await;
    let (job, killed) =
        arranged.backup(["plan-dump", "abandon-backup"].map(|step| Rule::kill(step, Kill::Before)));
    let job = arranged.stack.run(&job).await;
    for injection in &killed {
        assert!(injection.fired() >= 3);
    }
    arranged.assert_failed_backup(&job, Code::FunctionFailed).await;
}

/// Nobody closes the job any more: it was completed by its commit.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_committed_backup_needs_no_closing() {
    let arranged = Arranged::new("crash-close").await;
    let (job, [killed]) = arranged.backup([Rule::kill("close-job", Kill::Before)]);
    arranged.stack.start(&job).await;
    let record = arranged.cli.watch(&job.id.to_string()).await;
    assert_eq!(record.status, JobStatus::Completed, "{record:#?}");
    killed.wait_until_fired().await;
    arranged.assert_backed_up(&record).await;
}
