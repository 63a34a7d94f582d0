//! One holder after the other.

use std::time::Duration;

use permafrost_domain::Code;
use permafrost_domain::job::JobStatus;
use permafrost_tests::faults::{Kill, Rule};
use permafrost_tests::support::bank::{self, Load, number};
use permafrost_tests::support::database::connect;
use tokio::time::{Instant, sleep, timeout};

use super::arranged::Arranged;

/// With holders of 5 s a dump of at least 60 s under a load of transfers restores to the exact sum. Whoever wants a
/// table for itself meanwhile waits, and one that waits without end delays nobody.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_outlives_its_holders_by_far() {
    let arranged = Arranged::new("relay", 450_000).await;
    let job = arranged.stack.backup_of(&arranged.instance);
    let load = Load::start(&arranged.database.name);
    let started = Instant::now();
    arranged.stack.start(&job).await;
    // pg_dump asks for all tables once, at the beginning, and would wait too.
    while arranged.stack.catalog().job(job.id).await.expect("the job can be read").progress.rows_done == 0 {
        assert!(started.elapsed() < Duration::from_mins(1), "no row was copied within a minute");
        sleep(Duration::from_millis(500)).await;
    }
    let mut patient = connect(&arranged.database.name).await;
    let truncate = tokio::spawn(async move { patient.execute("TRUNCATE north.coveted").await });
    let ended = async || arranged.has_ended(job.id).await;
    let refused = bank::refused_changes(&arranged.database.name, ended).await;
    let took = started.elapsed();
    let job = arranged.stack.ended(&job).await;
    let transfers_in_all = load.stop().await;
    assert_eq!(job.status, JobStatus::Completed, "{job:#?}");
    assert!(took >= Duration::from_mins(1), "it took only {took:?}");
    assert!(refused > 20, "only {refused} changes were tried while the tables were held");
    let generation = arranged.generation(job.id).await;
    assert!(generation >= 6, "only {generation} holders within {took:?}");
    let truncated =
        timeout(Duration::from_secs(10), truncate).await.expect("nobody holds the table any more");
    truncated.expect("it does not panic").expect("the table can be emptied");
    assert_eq!(number(&arranged.database.name, "SELECT count(*) FROM north.coveted").await, 0);
    arranged.assert_restores_to_one_moment(transfers_in_all).await;
}

/// Killing a holder fails the backup and nothing else, whether it is the first or a later one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_whose_holder_is_killed_fails_and_leaves_nothing() {
    // The even lane's function holds from the sixth second on.
    for (lane, after_ms) in [("odd", 3_500), ("even", 8_000)] {
        let arranged = Arranged::new(&format!("relay-killed-{lane}"), 1_000_000).await;
        let job = arranged.stack.backup_of(&arranged.instance);
        let kill = Rule::kill("hold-snapshot", Kill::During(Duration::from_millis(after_ms)));
        let kill = arranged.stack.inject(job.id, kill.only_where(format!("\"lane\":\"{lane}\"")).times(1));
        let job = arranged.stack.run(&job).await;
        kill.assert_fired_times(1);
        let code = job.fault.as_ref().map(|fault| fault.code);
        assert_eq!((job.status, code), (JobStatus::Failed, Some(Code::SnapshotLost)), "{lane}: {job:#?}");
        arranged.assert_left_nothing(&job).await;
    }
}

/// A function that is killed while it waits for its turn is started again, and the snapshot has never been in danger.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backup_whose_next_holder_is_killed_completes() {
    let arranged = Arranged::new("relay-waiting", 1_000_000).await;
    let job = arranged.stack.backup_of(&arranged.instance);
    let load = Load::start(&arranged.database.name);
    let kill = Rule::kill("hold-snapshot", Kill::During(Duration::from_secs(2)));
    let kill = arranged.stack.inject(job.id, kill.only_where("\"lane\":\"even\"").times(1));
    let job = arranged.stack.run(&job).await;
    let transfers_in_all = load.stop().await;
    kill.assert_fired_times(1);
    assert_eq!(job.status, JobStatus::Completed, "{job:#?}");
    assert!(arranged.generation(job.id).await > 1, "nobody took the snapshot over");
    arranged.assert_restores_to_one_moment(transfers_in_all).await;
}
