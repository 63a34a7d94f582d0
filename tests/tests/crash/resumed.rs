//! Backups that go on within their snapshot.

use std::collections::BTreeMap;
use std::time::Duration;

use permafrost_domain::Code;
use permafrost_domain::job::Job;
use permafrost_tests::faults::{FaultyStack, How, Rule, Variant, When};
use permafrost_tests::support::point::PointFolder;

use super::arranged::Arranged;

/// The store refuses the data of one task for longer than the task is retried. The tasks are run once more under the
/// same snapshot: what was copied stays as it is, what is missing is copied, and the backup completes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_whose_task_failed_for_a_while_copies_only_what_is_missing() {
    let arranged = Arranged::on(FaultyStack::varied(Variant::RELAY).await, "crash-resume").await;
    let refused =
        Rule::fail("run-dump-task", "s3:PutObject", "/segments/1.", When::BeforeEffect, How::Unavailable);
    // Whoever is to let the snapshot go is asked when the tasks have failed.
    let asked = Rule::delay("release-snapshot", Duration::from_secs(3));
    let (job, [refused, asked]) = arranged.backup([refused, asked]);
    arranged.stack.start(&job).await;
    asked.wait_until_fired().await;
    refused.assert_fired();
    drop(refused);

    let job = arranged.stack.ended(&job).await;
    arranged.assert_backed_up(&job).await;
    asked.assert_fired_times(2);
    let point = arranged.cli.points(&arranged.database.name).await;
    let point = point.iter().find(|point| point.job == job.id).expect("the backup has a point");
    let mut runs: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    for key in PointFolder::of(point).keys().await {
        let Some(segment) = key.strip_prefix("segments/") else { continue };
        let mut words = segment.split('.');
        let task = words.next().and_then(|task| task.parse().ok()).expect("a segment names its task");
        let run = words.next().expect("a segment names the run of its task").to_owned();
        runs.entry(task).or_default().push(run);
    }
    assert!(runs.len() > 3, "too few tasks to show anything: {runs:?}");
    for (task, mut runs) in runs {
        runs.dedup();
        assert_eq!(runs.len(), 1, "task {task} was copied more than once");
    }
}

/// A backup that nobody resumes holds its snapshot for no longer than any other: it fails, and leaves nothing.
#[tokio::test]
async fn a_backup_that_stays_suspended_fails_when_its_snapshot_is_too_old() {
    let arranged = Arranged::new("crash-suspend").await;
    let planned = Rule::delay("plan-dump", Duration::from_secs(3)).times(1);
    let (job, [planned]) = arranged.backup([planned]);
    arranged.stack.start(&job).await;
    planned.wait_until_fired().await;
    let _: Job = arranged.cli.ask(&["job", "suspend", &job.id.to_string()]).await;
    let job = arranged.stack.ended(&job).await;
    arranged.assert_failed_backup(&job, Code::SnapshotExpired).await;
}
