//! The holder of the snapshot, killed.

use std::time::Duration;

use permafrost_domain::Code;
use permafrost_tests::faults::{How, Kill, Rule, Variant, When};

use super::arranged::Arranged;

/// A holder that dies before it has the snapshot is started again; so is one whose answer is lost, and finds that
/// nobody needs the snapshot any more. The backup completes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_dies_before_it_holds_is_started_again() {
    let arranged = Arranged::new("crash-holder").await;
    let (job, [before, after]) = arranged.backup([
        Rule::kill("hold-snapshot", Kill::Before).only_where(FIRST_HOLDER).times(1),
        Rule::kill("hold-snapshot", Kill::After).only_where(FIRST_HOLDER).times(1),
    ]);
    let job = arranged.stack.run(&job).await;
    before.assert_fired_times(1);
    after.assert_fired_times(1);
    arranged.assert_backed_up(&job).await;
}

/// A holder that dies while data is read takes the snapshot with it: the backup fails with `SnapshotLost`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_whose_holder_dies_while_data_is_read_never_commits() {
    let arranged = Arranged::new("crash-holding").await;
    let (job, [waiting]) = arranged.backup([Rule::delay("run-dump-task", Duration::from_secs(3)).times(1)]);
    arranged.stack.start(&job).await;
    // The plan is made under the snapshot, and the first task is about to read.
    waiting.wait_until_fired().await;
    let killed = arranged.stack.inject(job.id, killed_while_holding());
    let job = arranged.stack.ended(&job).await;
    killed.assert_fired_times(1);
    arranged.assert_failed_backup(&job, Code::SnapshotLost).await;
}

/// All data was read when the holder died, and nobody knows whether its locks were held until then: the backup finds
/// out by its lease.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_whose_holder_is_silent_at_the_end_never_commits() {
    let arranged = Arranged::new("crash-silent").await;
    let (job, [waiting]) =
        arranged.backup([Rule::delay("release-snapshot", Duration::from_secs(3)).times(1)]);
    arranged.stack.start(&job).await;
    waiting.wait_until_fired().await;
    let killed = arranged.stack.inject(job.id, killed_while_holding());
    let job = arranged.stack.ended(&job).await;
    killed.assert_fired_times(1);
    arranged.assert_failed_backup(&job, Code::SnapshotLost).await;
}

/// A backup that takes longer than its snapshot may live fails with `SnapshotExpired`.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_that_outlives_its_snapshot_never_commits() {
    let arranged = Arranged::new("crash-expired").await;
    let late = Variant::FAULTY.snapshot_limit + Duration::from_secs(2);
    let (job, [waiting]) = arranged.backup([Rule::delay("release-snapshot", late).times(1)]);
    let job = arranged.stack.run(&job).await;
    waiting.assert_fired_times(1);
    arranged.assert_failed_backup(&job, Code::SnapshotExpired).await;
}

/// Nobody tells the holder to let go, since `release-snapshot` always dies. On AWS the backup is given up then, and
/// the holder learns it; the emulator waits for the snapshot's end, whose fault is the job's there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_holder_that_is_never_told_lets_go_by_itself() {
    let arranged = Arranged::new("crash-release").await;
    let (job, [killed]) = arranged.backup([Rule::kill("release-snapshot", Kill::Before)]);
    let job = arranged.stack.run(&job).await;
    assert!(killed.fired() >= 3);
    let code = job.fault.as_ref().expect("a failed job has a fault").code;
    assert!([Code::FunctionFailed, Code::SnapshotExpired].contains(&code), "{job:#?}");
    arranged.assert_failed_backup(&job, code).await;
}

/// The lane whose function takes the snapshot.
const FIRST_HOLDER: &str = r#""lane":"odd""#;

/// Kills the holder when it is about to renew its lease, which it does twice a second.
fn killed_while_holding() -> Rule {
    let renewing = Rule::fail("hold-snapshot", "dynamodb:UpdateItem", "", When::BeforeEffect, How::Kill);
    renewing.only_where(FIRST_HOLDER).times(1)
}
