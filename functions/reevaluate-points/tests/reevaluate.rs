//! Points and a changed policy, on the emulator.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use jiff::SignedDuration;
use permafrost_catalog::Seed;
use permafrost_domain::immutability::Immutability;
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::policy::{Policy, PolicySpec};
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::retention::RuleName;
use permafrost_domain::{JobId, PointId, PolicyId};
use permafrost_function::step::{InstanceStep, Progressed};
use permafrost_testing::{Vault, at};

const FIVE_YEARS_FOR_THE_FIRST: &str =
    "{default: {backup_store: P1Y}, yearly: {criteria: first_successful, backup_store: P5Y}}";

/// Puts the instance under a policy with these rules.
async fn put_under(vault: &Vault, rules: &str) -> Policy {
    let spec = PolicySpec::parse(&format!("retention: {rules}")).unwrap();
    let made = at("2015-06-01T00:00:00Z");
    let (id, name) = (PolicyId::new(made, 1), "gold".parse().unwrap());
    let policy = Policy { id, name, revision: 1, spec, created_at: made, updated_at: made };
    vault.tools.catalog.create_policy(&policy).await.unwrap();
    vault.tools.catalog.change_policy(vault.instance.id, Some(id)).await.unwrap();
    policy
}

/// Runs the step of a new job to its end.
async fn reevaluate(vault: &Vault) {
    let now = at("2016-06-01T00:00:00Z");
    let job = Job::queued(JobId::new(now, 1), Operation::ChangePolicy, &vault.instance, now);
    vault.tools.catalog.open_job(&job).await.unwrap();
    let step = InstanceStep { job: job.id, instance: vault.instance.id };
    assert_eq!(reevaluate_points::handle(&vault.tools, step).await, Ok(Progressed::Done));
}

fn until(point: &RecoveryPoint) -> String {
    point.retention.deleted_on().strftime("%Y-%m-%d").to_string()
}

/// The oldest point of a period is its first; the next ones take the default rule. Once more changes nothing, and the
/// period stays used up.
#[tokio::test]
async fn points_get_the_retention_that_the_policy_says() {
    let vault = Vault::new(Immutability::Disabled).await;
    let (first, second) =
        (vault.commit("2016-04-01T00:00:00Z", None).await, vault.commit("2016-04-01T00:00:00Z", None).await);
    let policy = put_under(&vault, FIVE_YEARS_FOR_THE_FIRST).await;
    let mut seen = Vec::new();
    for _ in 0..2 {
        reevaluate(&vault).await;
        let points = [vault.point(first.id).await, vault.point(second.id).await];
        let rules = points.each_ref().map(|point| point.retention.rule);
        assert_eq!(rules, [RuleName::Yearly, RuleName::Default]);
        assert_eq!(points.each_ref().map(until), ["2021-01-01", "2017-01-01"]);
        assert!(points.iter().all(|point| point.retention.policy == Some(policy.stamp())));
        seen.push(points);
    }
    assert_eq!(seen[0], seen[1]);
    let periods = policy.spec.periods(seen[0][0].consistent_at);
    let taken = vault.tools.catalog.taken_periods(vault.instance.id, &periods, second.id).await.unwrap();
    assert_eq!(taken.into_iter().collect::<Vec<_>>(), periods);
}

/// A shorter retention is given where nothing is immutable, and never where anything is.
#[tokio::test]
async fn nothing_is_shortened_while_the_vault_is_immutable() {
    for (immutability, expected) in [
        (Immutability::Disabled, "2016-02-01"),
        (Immutability::Enabled, "2016-12-01"),
        (Immutability::Locked, "2016-12-01"),
    ] {
        let vault = Vault::new(immutability).await;
        let point = vault.commit("2016-12-01T00:00:00Z", None).await;
        put_under(&vault, "{default: {backup_store: P1M}}").await;
        reevaluate(&vault).await;
        assert_eq!(until(&vault.point(point.id).await), expected, "{immutability:?}");
    }
}

/// The objects of a point that stays longer are locked for the longer time: what describes it, until it is deleted.
#[tokio::test]
async fn locks_are_lengthened_with_the_retention() {
    let vault = Vault::new(Immutability::Enabled).await;
    let point = vault.commit("2016-12-01T00:00:00Z", None).await;
    let rules = "{default: {backup_store: P10Y, on_expiry: archive, archive_store: P10Y}}";
    put_under(&vault, rules).await;
    reevaluate(&vault).await;
    assert_eq!(until(&vault.point(point.id).await), "2036-01-01");
    let toc = &point.manifest.toc;
    let locked = aws_sdk_s3::Client::new(&vault.tools.sdk)
        .get_object_retention()
        .bucket(&vault.config().backup_bucket)
        .key(point.layout.key(&toc.key))
        .version_id(&toc.version)
        .send()
        .await
        .unwrap();
    let locked_until = locked.retention.unwrap().retain_until_date.unwrap();
    assert_eq!(locked_until.secs(), at("2036-01-01T00:00:00Z").as_second());
}

/// An instance under no policy has nothing to be re-evaluated by.
#[tokio::test]
async fn without_a_policy_nothing_changes() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = vault.commit("2016-12-01T00:00:00Z", None).await;
    let before = vault.point(point.id).await;
    let now = at("2016-06-01T00:00:00Z");
    let job = Job::queued(JobId::new(now, 1), Operation::ChangePolicy, &vault.instance, now);
    vault.tools.catalog.open_job(&job).await.unwrap();
    let step = InstanceStep { job: job.id, instance: vault.instance.id };
    let fault = reevaluate_points::handle(&vault.tools, step).await.unwrap_err();
    assert_eq!(fault.code, permafrost_domain::Code::PolicyNotFound);
    assert_eq!(vault.point(point.id).await, before);
}

/// However many points there are, each call looks at some of them, the oldest first, and gets further than the one
/// before; the last one says that all are done.
#[tokio::test]
async fn many_points_are_done_in_slices() {
    let vault = Vault::new(Immutability::Disabled).await;
    let first = vault.point(vault.commit("2016-04-01T00:00:00Z", None).await.id).await;
    let points = (2..reevaluate_points::SLICE + 50).map(|n| {
        let consistent_at = first.consistent_at + SignedDuration::from_secs(i64::try_from(n).unwrap());
        let id = PointId::of_backup(JobId::new(consistent_at, n as u128));
        let point = RecoveryPoint { id, consistent_at, job: id.backup_job(), ..first.clone() };
        Seed::Point(Box::new(point))
    });
    vault.tools.catalog.seed(points).await.unwrap();
    let policy = put_under(&vault, FIVE_YEARS_FOR_THE_FIRST).await;
    let now = at("2016-06-01T00:00:00Z");
    let job = Job::queued(JobId::new(now, 1), Operation::ChangePolicy, &vault.instance, now);
    vault.tools.catalog.open_job(&job).await.unwrap();
    let step = InstanceStep { job: job.id, instance: vault.instance.id };
    // With the first and the newest point of the vault there are 50 more than one call looks at.
    let slice = reevaluate_points::SLICE;
    for (expected, done) in [(Progressed::Running, slice), (Progressed::Done, slice + 50)] {
        assert_eq!(reevaluate_points::handle(&vault.tools, step).await, Ok(expected));
        let points = vault.points().await;
        let stamped = points.iter().filter(|point| point.retention.policy == Some(policy.stamp()));
        assert_eq!(stamped.count(), done);
    }
    assert_eq!(vault.point(first.id).await.retention.rule, RuleName::Yearly);
}
