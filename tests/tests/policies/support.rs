//! A policy of a test's own, a firing of its schedule, and runs of the lifecycle.

use std::fs::File;
use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::Catalog;
use permafrost_domain::job::Job;
use permafrost_domain::policy::Policy;
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_tests::support::{Aws, Cli, Stack, unique};
use serde_json::json;
use tokio::time::{Instant, sleep};

/// An hour's run at its first minute, of every instance at once.
pub(crate) const EVERY_HOUR: [&str; 10] =
    ["--every", "hour", "--interval", "1", "--at", "00:00", "--time-zone", "UTC", "--start-window", "PT0M"];

/// Makes a policy from the command line's options, with a name that no other test has.
pub(crate) async fn policy(cli: &Cli, options: &[&str]) -> Policy {
    let name = format!("test-{}", unique());
    let arguments = [&["policy", "create", &name], options].concat();
    cli.ask(&arguments).await
}

/// Puts an instance under a policy.
pub(crate) async fn put_under(cli: &Cli, instance: &str, policy: &Policy) {
    let _: serde_json::Value = cli.ask(&["instance", "change-policy", instance, policy.name.as_str()]).await;
}

/// The run of [`EVERY_HOUR`] that was due last.
pub(crate) fn last_hour() -> Timestamp {
    let seconds = now().as_second();
    Timestamp::from_second(seconds - seconds % 3_600).expect("the hour began in the calendar's range")
}

/// What time it is.
#[expect(clippy::disallowed_methods, reason = "a test is an edge at which time enters")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}

/// Fires the schedule of `policy` for `scheduled_at`, as EventBridge Scheduler does, and returns the execution's ARN.
pub(crate) async fn fire(policy: &Policy, scheduled_at: Timestamp) -> String {
    let input = json!({"policy": policy.id, "scheduled_at": scheduled_at});
    let machine = Stack::get().output("ScheduledBackupsStateMachineArn");
    let started =
        Aws::root().sfn().start_execution().state_machine_arn(machine).input(input.to_string()).send().await;
    started.unwrap_or_else(|error| panic!("the machine cannot be started: {error:?}")).execution_arn
}

/// Waits until an execution has ended, which it must do well; what it answered.
pub(crate) async fn ended(execution: &str) -> serde_json::Value {
    let sfn = Aws::root().sfn();
    let until = Instant::now() + Duration::from_mins(1);
    loop {
        let found = sfn.describe_execution().execution_arn(execution).send().await;
        let found = found.unwrap_or_else(|error| panic!("the execution cannot be looked at: {error:?}"));
        match found.status {
            ExecutionStatus::Running => assert!(Instant::now() < until, "{execution} does not end"),
            ExecutionStatus::Succeeded => {
                return serde_json::from_str(found.output().unwrap_or("null")).expect("the output is JSON");
            }
            status => panic!("{execution} is {status}: {:?} {:?}", found.error, found.cause),
        }
        sleep(Duration::from_millis(200)).await;
    }
}

/// The backup jobs of an instance of the last day, the newest first.
pub(crate) async fn backups(cli: &Cli, instance: &str) -> Vec<Job> {
    let since = (now() - SignedDuration::from_hours(24)).to_string();
    let jobs: Vec<Job> = cli.ask(&["job", "list", "--instance", instance, "--since", &since]).await;
    jobs.into_iter().filter(|job| job.backup.is_some()).collect()
}

/// The vault's catalog, for arranging and for looking at what no route shows.
pub(crate) fn catalog() -> Catalog {
    Catalog::new(Aws::root().dynamodb(), &Stack::get().table)
}

/// Waits until no other test runs the lifecycle, and keeps others from it until it is dropped: a run acts on whatever is
/// due in the vault, and leaves alone what another run acts on.
pub(crate) async fn lifecycle_turn() -> File {
    let path = Stack::directory().join("lifecycle.lock");
    let lock = move || {
        let file = File::create(path)?;
        file.lock()?;
        Ok::<_, std::io::Error>(file)
    };
    let locked = tokio::task::spawn_blocking(lock).await.expect("locking does not panic");
    locked.expect("the stack's directory takes a file")
}

/// Runs the lifecycle once.
pub(crate) async fn run_lifecycle() {
    let other = Stack::get().output("ScheduledBackupsStateMachineArn");
    let machine = other.replace("-scheduled-backups", "-lifecycle");
    let started = Aws::root()
        .sfn()
        .start_execution()
        .state_machine_arn(machine)
        .input(json!({}).to_string())
        .send()
        .await;
    let started = started.unwrap_or_else(|error| panic!("the machine cannot be started: {error:?}"));
    ended(&started.execution_arn).await;
}

/// The keys of all versions of a point's objects in a bucket.
pub(crate) async fn versions(bucket: &str, point: &RecoveryPoint) -> Vec<String> {
    let prefix = format!("instances/{}/points/{}/", point.instance, point.id);
    let listed = Aws::root().s3().list_object_versions().bucket(bucket).prefix(prefix).send().await;
    let listed = listed.unwrap_or_else(|error| panic!("the bucket cannot be listed: {error:?}"));
    assert_eq!(listed.is_truncated, Some(false), "a page holds them");
    listed.versions().iter().filter_map(|version| version.key().map(str::to_owned)).collect()
}
