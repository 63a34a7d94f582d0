//! A change of policy and the points that exist.

use permafrost_domain::job::{Job, JobStatus};
use permafrost_domain::retention::RuleName;
use permafrost_tests::support::{Cli, Database};

use super::support::{policy, put_under};

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
    assert_eq!(cli.points(name).await, [before.clone()]);

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

/// `permafrost retention plan` answers, also where nothing was due yet.
#[tokio::test]
async fn plans_are_listed() {
    let plans: serde_json::Value = Cli::operator().ask(&["retention", "plan", "--limit", "5"]).await;
    assert!(plans.is_array(), "{plans}");
}
