//! A policy of a test's own, and a firing of its schedule.

use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use jiff::{SignedDuration, Timestamp};
use permafrost_domain::job::Job;
use permafrost_domain::policy::Policy;
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
    let until = Instant::now() + Duration::from_secs(60);
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
