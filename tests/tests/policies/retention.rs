//! A change of policy and the points that exist.

use aws_sdk_sfn::types::HistoryEventType;
use jiff::SignedDuration;
use permafrost_catalog::Seed;
use permafrost_domain::job::{Job, JobStatus};
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::retention::RuleName;
use permafrost_domain::{JobId, PointId};
use permafrost_tests::support::{Aws, Cli, Database};

use super::support::{catalog, policy, put_under};

/// A change of policy leaves existing points alone, unless the caller asks for them to be re-evaluated.
#[tokio::test]
async fn existing_points_change_where_that_is_asked_for() {
    let cli = Cli::operator();
    let (short, long) = (policy(&cli, &["--keep", "P1M"]).await, policy(&cli, &["--keep", "P5Y"]).await);
    let database = Database::create("reevaluate").await;
    let name = database.name.as_str();
    cli.protect(&database.protection()).await;
    put_under(&cli, name, &short).await;
    cli.backup(name).await;
    let before = cli.points(name).await.remove(0);
    assert_eq!(before.retention.rule, RuleName::Default);

    put_under(&cli, name, &long).await;
    assert_eq!(cli.points(name).await, std::slice::from_ref(&before));

    let again = ["instance", "change-policy", name, long.name.as_str(), "--reevaluate"];
    let job: Job = cli.ask(&again).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.fault);
    let after = cli.points(name).await.remove(0);
    assert!(after.retention.backup_store_until > before.retention.backup_store_until);
    assert_eq!(after.retention.policy.as_ref().map(|stamp| stamp.id), Some(long.id));
    // Once more changes nothing.
    let _: Job = cli.ask(&again).await;
    assert_eq!(cli.points(name).await, [after]);
}

/// What a change of a policy would do is told of the points of every instance under it, and done to none.
#[tokio::test]
async fn a_change_is_told_of_the_points_of_all_instances() {
    let cli = Cli::operator();
    let short = policy(&cli, &["--keep", "P1M"]).await;
    let databases = [Database::create("diff-a").await, Database::create("diff-b").await];
    let mut names = Vec::new();
    for (database, backups) in databases.iter().zip([1, 2]) {
        let name = database.name.as_str();
        cli.protect(&database.protection()).await;
        put_under(&cli, name, &short).await;
        for _ in 0..backups {
            cli.backup(name).await;
        }
        names.push(name);
    }
    let file = tempfile::NamedTempFile::with_suffix(".yaml").expect("there is room for a file");
    let longer = "retention: {default: {backup_store: P2M, on_expiry: archive, archive_store: P1Y}}";
    std::fs::write(file.path(), longer).expect("there is room for a file");
    let path = file.path().to_str().expect("the path is UTF-8");
    let diffs: serde_json::Value = cli.ask(&["policy", "diff", short.name.as_str(), path]).await;
    let diffs = diffs.as_array().expect("an element for each instance");
    assert_eq!(diffs.len(), 2);
    for (name, expected) in names.into_iter().zip([1, 2]) {
        let of = diffs.iter().find(|diff| diff["instance_name"] == name).expect("each instance is there");
        let changes = of["existing"].as_array().expect("an element for each point");
        assert_eq!(changes.len(), expected);
        let points = cli.points(name).await;
        for change in changes {
            let point = points.iter().find(|point| change["point"] == point.id.to_string());
            let point = point.expect("the change is of a point of the instance");
            assert_eq!(change["effect"], "archived_instead");
            assert_eq!(
                change["before"]["backup_store_until"],
                point.retention.backup_store_until.to_string()
            );
            assert!(change["after"]["archive"]["until"].is_string(), "{change}");
        }
    }
}

/// Where there are more points than one call of the machine's step looks at, it is asked again until all are done.
#[tokio::test]
async fn more_points_than_one_call_looks_at_are_all_done() {
    let cli = Cli::operator();
    let (short, long) = (policy(&cli, &["--keep", "P1M"]).await, policy(&cli, &["--keep", "P5Y"]).await);
    let database = Database::create("slices").await;
    let name = database.name.as_str();
    cli.protect(&database.protection()).await;
    put_under(&cli, name, &short).await;
    cli.backup(name).await;
    let newest = cli.points(name).await.remove(0);
    let older = (1..MANY).map(|n| {
        let consistent_at = newest.consistent_at - SignedDuration::from_secs(i64::from(n));
        let id = PointId::of_backup(JobId::new(consistent_at, n.into()));
        let point = RecoveryPoint { id, job: id.backup_job(), consistent_at, ..newest.clone() };
        Seed::Point(Box::new(point))
    });
    let catalog = catalog();
    catalog.seed(older).await.expect("the catalog takes points");

    let job: Job = cli.ask(&["instance", "change-policy", name, long.name.as_str(), "--reevaluate"]).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.fault);
    let (mut stamped, mut next) = (0, None);
    loop {
        let page = catalog.points(newest.instance, 100, next.as_deref()).await.expect("the catalog answers");
        let of_long =
            |point: &&RecoveryPoint| point.retention.policy.is_some_and(|stamp| stamp.id == long.id);
        stamped += page.items.iter().filter(of_long).count();
        next = page.next;
        if next.is_none() {
            break;
        }
    }
    assert_eq!(stamped, usize::from(MANY));
    let execution = job.execution.expect("it says what has carried it out");
    // One of the calls is CloseJob's.
    assert!(calls(&execution).await > 2, "one call looked at all points: make more of them");
}

/// How many points an instance has at least of which one call of `ReevaluatePoints` leaves some to the next.
const MANY: u16 = 250;

/// How many functions an execution has called.
async fn calls(execution: &str) -> usize {
    let history = Aws::root().sfn().get_execution_history().execution_arn(execution);
    let mut events = history.into_paginator().items().send();
    let mut calls = 0;
    while let Some(event) = events.next().await {
        let event = event.unwrap_or_else(|error| panic!("the history cannot be read: {error:?}"));
        calls += usize::from(event.r#type == HistoryEventType::TaskScheduled);
    }
    calls
}

/// `permafrost retention plan` answers, also where nothing was due yet.
#[tokio::test]
async fn plans_are_listed() {
    let plans: serde_json::Value = Cli::operator().ask(&["retention", "plan", "--limit", "5"]).await;
    assert!(plans.is_array(), "{plans}");
}
