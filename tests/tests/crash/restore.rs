//! Steps of a restore that are killed.

use std::time::Duration;

use permafrost_domain::Code;
use permafrost_tests::faults::{How, Kill, Rule, When};

use super::arranged::Arranged;

const STEPS: [&str; 6] = [
    "validate-permissions",
    "prepare-restore",
    "run-restore-task",
    "run-post-data",
    "finish-restore",
    "close-job",
];

/// An index on it takes four seconds.
const SLOW_TABLE: &str = "
    CREATE FUNCTION app.slow(n integer) RETURNS integer LANGUAGE plpgsql IMMUTABLE AS $$
    BEGIN
        RAISE NOTICE 'row %', n;
        PERFORM pg_sleep(0.1);
        RETURN n;
    END $$;
    CREATE TABLE app.slow AS SELECT i AS n FROM generate_series(1, 40) i;
    CREATE INDEX slow_n ON app.slow (app.slow(n));";

/// Every step is killed once before it did anything, in another restore once after its effect: both restores
/// complete, and the databases are equal.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn steps_that_die_once_are_repeated() {
    let (arranged, point) = Arranged::with_point("crash-restore").await;
    for when in [Kill::Before, Kill::After] {
        let name = arranged.database.sibling(if when == Kill::Before { "before" } else { "after" });
        let (job, killed) = arranged.restore(point, &name, STEPS.map(|step| Rule::kill(step, when).times(1)));
        let job = arranged.stack.run(&job).await;
        for injection in &killed {
            injection.assert_fired_times(1);
        }
        arranged.assert_restored(&job, &name).await;
    }
}

/// A table is being loaded when the function dies; then requests are lost and refused: no row is loaded twice or lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_that_dies_while_it_loads_is_repeated() {
    let (arranged, point) = Arranged::with_point("crash-loading").await;
    let name = arranged.database.sibling("copy");
    let segment =
        |when, how| Rule::fail("run-restore-task", "s3:GetObject", "/segments/", when, how).times(1);
    let (job, injections) = arranged.restore(
        point,
        &name,
        [
            segment(When::BeforeEffect, How::Kill),
            segment(When::AfterEffect, How::Disconnect),
            segment(When::BeforeEffect, How::Unavailable),
        ],
    );
    let job = arranged.stack.run(&job).await;
    for injection in &injections {
        injection.assert_fired_times(1);
    }
    arranged.assert_restored(&job, &name).await;
}

/// The function dies somewhere in the middle of creating the database: it is created anew, once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preparation_that_dies_in_the_middle_starts_over() {
    let (arranged, point) = Arranged::with_point("crash-prepare").await;
    let mut died = 0;
    for after_ms in [60, 120, 240] {
        let name = arranged.database.sibling(&format!("after-{after_ms}"));
        let during = Kill::During(Duration::from_millis(after_ms));
        let (job, [killed]) =
            arranged.restore(point, &name, [Rule::kill("prepare-restore", during).times(1)]);
        let job = arranged.stack.run(&job).await;
        died += killed.fired();
        arranged.assert_restored(&job, &name).await;
    }
    assert_ne!(died, 0, "creating the database never took as long");
}

/// An index takes longer than a function may: the function leaves it to the server, comes back, and the restore
/// completes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_may_outlive_its_function() {
    let arranged = Arranged::new("crash-long").await;
    arranged.database.run_as_owner(SLOW_TABLE).await;
    let point = arranged.cli.backup(&arranged.database.name).await.point.expect("a backup has a point");
    let name = arranged.database.sibling("copy");
    let seen = Rule::delay("run-post-data", Duration::from_millis(1)).only_where(r#""level":1"#);
    let (job, [seen]) = arranged.restore(point, &name, [seen]);
    let job = arranged.stack.run(&job).await;
    assert!(seen.fired() >= 2, "one run of two seconds was enough for four");
    arranged.assert_restored(&job, &name).await;
}

/// The function is killed while the server builds an index: the next one waits for the server, and nothing is built
/// twice, which would fail.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_function_that_dies_while_an_index_is_built_is_repeated() {
    let arranged = Arranged::new("crash-index").await;
    arranged.database.run_as_owner(SLOW_TABLE).await;
    let point = arranged.cli.backup(&arranged.database.name).await.point.expect("a backup has a point");
    let name = arranged.database.sibling("copy");
    let during = Kill::During(Duration::from_millis(1_500));
    let killed = Rule::kill("run-post-data", during).only_where(r#""level":1"#).times(1);
    let (job, [killed]) = arranged.restore(point, &name, [killed]);
    let job = arranged.stack.run(&job).await;
    killed.assert_fired_times(1);
    arranged.assert_restored(&job, &name).await;
}

/// A step that is killed whenever it is started fails the restore: what was built under the temporary name is
/// dropped, the wanted name was never taken, and the next restore works.
async fn fails_for_good(step: &'static str) {
    let (arranged, point) = Arranged::with_point("crash-good").await;
    let name = arranged.database.sibling("copy");
    let (job, [killed]) = arranged.restore(point, &name, [Rule::kill(step, Kill::Before)]);
    let job = arranged.stack.run(&job).await;
    assert!(killed.fired() >= 3, "{step:?} was tried {} times", killed.fired());
    arranged.assert_failed_restore(&job, Code::FunctionFailed, &name).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_readiness_check_that_always_dies_fails_the_restore() {
    Box::pin(fails_for_good(STEPS[0])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_preparation_that_always_dies_fails_the_restore() {
    Box::pin(fails_for_good(STEPS[1])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_data_task_that_always_dies_fails_the_restore() {
    Box::pin(fails_for_good(STEPS[2])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn post_data_that_always_dies_fails_the_restore() {
    Box::pin(fails_for_good(STEPS[3])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_last_step_that_always_dies_fails_the_restore() {
    Box::pin(fails_for_good(STEPS[4])).await;
}

/// The store gives no segment out: the restore fails with the function's own code, not with the Map's.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_gives_no_segment_fails_the_restore() {
    let (arranged, point) = Arranged::with_point("crash-store").await;
    let name = arranged.database.sibling("copy");
    let rule =
        Rule::fail("run-restore-task", "s3:GetObject", "/segments/", When::BeforeEffect, How::Unavailable);
    let (job, [injection]) = arranged.restore(point, &name, [rule]);
    let job = arranged.stack.run(&job).await;
    injection.assert_fired();
    arranged.assert_failed_restore(&job, Code::StoreUnavailable, &name).await;
}
