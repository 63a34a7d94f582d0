//! The schedule of a policy: one, made, changed and removed with it.

use permafrost_domain::Code;
use permafrost_domain::policy::Policy;
use permafrost_tests::support::{Aws, Cli, Database, Stack};

use super::support::{EVERY_HOUR, policy, put_under};

/// The expression of the policy's schedule, if it has one.
async fn expression(policy: &Policy) -> Option<String> {
    let group = &Stack::get().vault_name;
    let shown =
        Aws::root().scheduler().get_schedule().group_name(group).name(policy.id.to_string()).send().await;
    match shown {
        Ok(shown) => shown.schedule_expression,
        Err(error) if error.as_service_error().is_some_and(|it| it.is_resource_not_found_exception()) => None,
        Err(error) => panic!("the schedule cannot be shown: {error:?}"),
    }
}

/// One EventBridge schedule per policy, made, changed and removed with it.
#[tokio::test]
async fn a_policy_has_one_schedule_as_long_as_it_is_there() {
    let cli = Cli::operator();
    let made = policy(&cli, &EVERY_HOUR).await;
    let hourly = expression(&made).await.expect("the policy has a schedule");
    assert!(hourly.starts_with("cron(0 "), "{hourly}");

    let file = tempfile::NamedTempFile::new().expect("a file can be made");
    std::fs::write(
        file.path(),
        "schedule: {every: day, at: ['02:30'], time_zone: UTC}\nretention: {default: {backup_store: P1M}}\n",
    )
    .expect("the file can be written");
    let path = file.path().to_str().expect("its path is UTF-8");
    let changed: Policy = cli.ask(&["policy", "edit", made.name.as_str(), "--file", path]).await;
    assert_eq!((changed.id, changed.revision), (made.id, 2));
    let daily = expression(&made).await.expect("the policy has a schedule");
    assert!(daily.starts_with("cron(30 2 "), "{daily}");
    let again: Policy = cli.ask(&["policy", "edit", made.name.as_str(), "--file", path]).await;
    assert_eq!(again, changed, "the same again is no change");

    let _: serde_json::Value = cli.ask(&["policy", "delete", made.name.as_str()]).await;
    assert_eq!(expression(&made).await, None);
    let gone = cli.run(&["policy", "show", made.name.as_str()]).await;
    assert_eq!((gone.exit_code, gone.fault().code), (Some(3), Code::PolicyNotFound));
}

/// A policy without a schedule has none at EventBridge either.
#[tokio::test]
async fn a_policy_on_demand_has_no_schedule() {
    let cli = Cli::operator();
    let made = policy(&cli, &["--keep", "P1M"]).await;
    assert_eq!(expression(&made).await, None);
    let _: serde_json::Value = cli.ask(&["policy", "delete", made.name.as_str()]).await;
}

/// A policy that an instance is under is not deleted, and nobody changes a policy that was changed meanwhile.
#[tokio::test]
async fn a_policy_in_use_stays() {
    let cli = Cli::operator();
    let made = policy(&cli, &EVERY_HOUR).await;
    let database = Database::create("policy").await;
    cli.protect(&database.protection()).await;
    put_under(&cli, &database.name, &made).await;
    let refused = cli.run(&["policy", "delete", made.name.as_str()]).await;
    assert_eq!((refused.exit_code, refused.fault().code), (Some(4), Code::PolicyInUse));
    assert!(expression(&made).await.is_some());

    let renamed = format!("{}-b", made.name);
    let stale = ["policy", "edit", made.name.as_str(), "--rename", &renamed, "--from-revision", "7"];
    assert_eq!(cli.run(&stale).await.fault().code, Code::PolicyChanged);

    let _: serde_json::Value = cli.ask(&["instance", "change-policy", &database.name, "--none"]).await;
    let _: serde_json::Value = cli.ask(&["policy", "delete", made.name.as_str()]).await;
    assert_eq!(expression(&made).await, None);
}

/// A second policy of one name is refused, and leaves no schedule behind.
#[tokio::test]
async fn a_refused_policy_leaves_nothing() {
    let cli = Cli::operator();
    let made = policy(&cli, &EVERY_HOUR).await;
    let count = || async {
        let listed =
            Aws::root().scheduler().list_schedules().group_name(&Stack::get().vault_name).send().await;
        let listed = listed.expect("the schedules can be listed");
        let targets = listed.schedules().iter().filter_map(|schedule| schedule.name());
        targets.filter(|name| *name == made.id.to_string()).count()
    };
    let again = [&["policy", "create", made.name.as_str()], EVERY_HOUR.as_slice()].concat();
    assert_eq!(cli.run(&again).await.fault().code, Code::PolicyNameAlreadyInUse);
    assert_eq!(count().await, 1);
    let _: serde_json::Value = cli.ask(&["policy", "delete", made.name.as_str()]).await;
    assert_eq!(count().await, 0);
}
