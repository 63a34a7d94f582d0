//! Backups that somebody suspends.

use std::collections::BTreeSet;
use std::time::Duration;

use permafrost_domain::job::{Job, JobStatus};
use permafrost_engine::sql::literal;
use permafrost_tests::faults::{Injection, Rule};
use permafrost_tests::support::bank::{Load, number};
use permafrost_tests::support::point::PointFolder;
use tokio::time::{Instant, sleep};

use super::arranged::Arranged;

/// A backup that was suspended goes on within its snapshot and copies only what is missing. Meanwhile it copies nothing,
/// and its snapshot is handed from holder to holder; it shows one moment all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_backup_copies_only_what_is_missing() {
    let arranged = Arranged::new("suspended", 1_000_000).await;
    let load = Load::start(&arranged.database.name);
    let (job, asked) = suspended(&arranged).await;
    let folder = PointFolder::of_backup(&job);
    let before = folder.keys().await;
    assert_eq!(copying(&job).await, 0, "a task is still copying");
    let (generation, until) = (arranged.generation(job.id).await, Instant::now() + Duration::from_mins(1));
    while arranged.generation(job.id).await < generation + 2 {
        assert!(Instant::now() < until, "the snapshot is not handed over");
        sleep(Duration::from_millis(500)).await;
    }
    assert!(asked.fired() > 1, "nobody asks whether the backup was resumed");
    assert_eq!(folder.keys().await, before, "something was copied while the backup was suspended");

    let resumed: Job = arranged.cli.ask(&["job", "resume", &job.id.to_string()]).await;
    assert_eq!((resumed.status, resumed.suspended_at), (JobStatus::InProgress, None), "{resumed:#?}");
    let job = arranged.stack.ended(&job).await;
    let transfers_in_all = load.stop().await;
    assert_eq!(job.status, JobStatus::Completed, "{job:#?}");
    let after = folder.keys().await;
    assert!(after.is_superset(&before), "what was copied is gone");
    let new: BTreeSet<String> = after.difference(&before).cloned().collect();
    let missing = tasks_with_results(&new);
    assert!(!missing.is_empty(), "nothing was missing");
    let copied: BTreeSet<u32> = new.iter().filter_map(|key| number_in(key, "segments/")).collect();
    assert!(copied.is_subset(&missing), "{copied:?} were copied, and only {missing:?} were missing");
    arranged.assert_restores_to_one_moment(transfers_in_all).await;
}

/// A suspended backup that is cancelled leaves nothing.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_backup_is_cancelled() {
    let arranged = Arranged::new("suspended-cancel", 1_000_000).await;
    let (job, _asked) = suspended(&arranged).await;
    let id = job.id.to_string();
    let _: Job = arranged.cli.ask(&["job", "cancel", &id]).await;
    let job = arranged.stack.ended(&job).await;
    assert_eq!((job.status, job.suspended_at), (JobStatus::Cancelled, None), "{job:#?}");
    arranged.assert_left_nothing(&job).await;
}

/// A backup that was suspended when some of its tasks were done, and has come to rest; and who tells that it is asked
/// whether it was resumed.
async fn suspended(arranged: &Arranged) -> (Job, Injection) {
    let job = arranged.stack.backup_of(&arranged.instance);
    let asked = arranged.stack.inject(job.id, Rule::delay("release-snapshot", Duration::from_millis(1)));
    arranged.stack.start(&job).await;
    let (folder, until) = (PointFolder::of_backup(&job), Instant::now() + Duration::from_mins(1));
    while tasks_with_results(&folder.keys().await).len() < 2 {
        assert!(Instant::now() < until, "no task is done within a minute");
        sleep(Duration::from_millis(200)).await;
    }
    let suspended: Job = arranged.cli.ask(&["job", "suspend", &job.id.to_string()]).await;
    assert_eq!(suspended.status, JobStatus::InProgress, "{suspended:#?}");
    assert!(suspended.suspended_at.is_some(), "{suspended:#?}");
    asked.wait_until_fired().await;
    (job, asked)
}

/// How many sessions of the job are copying.
async fn copying(job: &Job) -> u64 {
    let name = literal(&format!("permafrost {}", job.id));
    let query = format!(
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = {name} AND state = 'active' \
         AND query LIKE 'COPY%'"
    );
    number("postgres", &query).await
}

fn tasks_with_results(keys: &BTreeSet<String>) -> BTreeSet<u32> {
    keys.iter().filter_map(|key| number_in(key, "tasks/")).collect()
}

/// The number of the task in the name of an object of this kind.
fn number_in(key: &str, kind: &str) -> Option<u32> {
    key.strip_prefix(kind)?.split('.').next()?.parse().ok()
}
