//! The rule of a point, decided at its commit: which periods it claims, what is stamped on it, and who wins a race.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

#[path = "../../../crates/catalog/tests/support/mod.rs"]
mod support;

use std::collections::BTreeSet;

use commit_recovery_point::decide;
use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::{Catalog, CommitOutcome};
use permafrost_domain::instance::Instance;
use permafrost_domain::job::{BackupOrder, Job, JobStatus, Operation};
use permafrost_domain::policy::{Policy, PolicySpec};
use permafrost_domain::recovery_point::{BackupKind, RecoveryPoint};
use permafrost_domain::retention::{PeriodClaim, PolicyStamp, Reason, RuleName};
use permafrost_domain::{Code, Fault, PolicyId};
use support::emulator::table;
use support::samples::{at, job, point, policy, protected};

/// Commits without locks: there are no objects.
async fn commit(
    catalog: &Catalog,
    job: &Job,
    point: RecoveryPoint,
    now: Timestamp,
) -> Result<RecoveryPoint, Fault> {
    commit_recovery_point::commit(catalog, job, point, now, async |_| Ok(None)).await
}

/// A backup of `shop` that has begun, by the schedule of `policy` or by the rule that somebody chose.
async fn backup(
    catalog: &Catalog,
    shop: &Instance,
    seconds: i64,
    policy: Option<PolicyId>,
    rule: Option<RuleName>,
) -> Job {
    let kind = if rule.is_some() { BackupKind::OnDemand } else { BackupKind::Scheduled };
    let order = BackupOrder { kind, rule, policy, scheduled_at: None };
    let backup = Job { backup: Some(order), ..job(Operation::Backup, shop, seconds) };
    catalog.open_backup(&backup).await.unwrap();
    backup
}

fn claims(texts: &[&str]) -> BTreeSet<PeriodClaim> {
    texts.iter().map(|text| text.parse().unwrap()).collect()
}

/// The claims of 2026 that are taken, out of those that the policy of the samples can make in November.
async fn taken(catalog: &Catalog, shop: &Instance) -> BTreeSet<PeriodClaim> {
    let all: Vec<PeriodClaim> = claims(&["yearly#2026", "monthly#2026-11"]).into_iter().collect();
    catalog.taken_periods(shop.id, &all, point(&job(Operation::Backup, shop, -1)).id).await.unwrap()
}

fn months_after(point: &RecoveryPoint, months: i64) -> Timestamp {
    let from = point.consistent_at.to_zoned(jiff::tz::TimeZone::UTC);
    from.checked_add(jiff::Span::new().months(months)).unwrap().timestamp()
}

#[tokio::test]
async fn the_first_of_a_year_takes_the_year_and_the_second_what_is_left() {
    let catalog = table().await.catalog;
    let daily = policy(1);
    catalog.create_policy(&daily).await.unwrap();
    let shop = protected(&catalog, 1).await;
    let first = backup(&catalog, &shop, 10, Some(daily.id), None).await;
    let yearly = commit(&catalog, &first, point(&first), at(50)).await.unwrap();
    assert_eq!(yearly, catalog.point(shop.id, yearly.id).await.unwrap());
    assert_eq!(yearly.retention.rule, RuleName::Yearly);
    assert_eq!(yearly.retention.backup_store_until, months_after(&yearly, 12));
    assert_eq!(yearly.retention.archive.unwrap().until, months_after(&yearly, 132));
    assert_eq!(yearly.retention.policy, Some(PolicyStamp { id: daily.id, revision: 1 }));
    let period = "yearly#2026".parse().unwrap();
    assert_eq!(yearly.retention.reasons[0], Reason::FirstOfPeriod { period });
    // It is the first of its month, too: the month has its backup.
    assert_eq!(taken(&catalog, &shop).await, claims(&["yearly#2026", "monthly#2026-11"]));

    let second = backup(&catalog, &shop, 100, Some(daily.id), None).await;
    let default = commit(&catalog, &second, point(&second), at(150)).await.unwrap();
    assert_eq!(default.retention.rule, RuleName::Default);
    assert_eq!(default.retention.backup_store_until, months_after(&default, 1));
    assert_eq!(default.retention.reasons[0], Reason::PeriodTaken { period });
    // Another instance has periods of its own.
    let other = protected(&catalog, 2).await;
    let its_first =
        Job { id: permafrost_domain::JobId::new(at(200), 8), ..job(Operation::Backup, &other, 200) };
    let its_first = Job { backup: first.backup, ..its_first };
    catalog.open_backup(&its_first).await.unwrap();
    let its_point = commit(&catalog, &its_first, point(&its_first), at(250)).await.unwrap();
    assert_eq!(its_point.retention.rule, RuleName::Yearly);
}

#[tokio::test]
async fn who_loses_a_period_between_deciding_and_committing_decides_anew() {
    let catalog = table().await.catalog;
    let daily = policy(1);
    catalog.create_policy(&daily).await.unwrap();
    let shop = protected(&catalog, 1).await;
    let first = backup(&catalog, &shop, 10, Some(daily.id), None).await;
    // Decided while nothing was committed: both would be the first.
    let early = decide(&catalog, &first, point(&first).consistent_at).await.unwrap();
    assert_eq!(early.retention.rule, RuleName::Yearly);
    commit(&catalog, &first, point(&first), at(50)).await.unwrap();
    let second = backup(&catalog, &shop, 100, Some(daily.id), None).await;
    let late = RecoveryPoint { retention: early.retention, ..point(&second) };
    let refused = catalog.commit_recovery_point(&late, &early.claims, at(150), &[]).await.unwrap();
    assert_eq!(refused, CommitOutcome::PeriodsTaken(claims(&["yearly#2026", "monthly#2026-11"])));
    let committed = commit(&catalog, &second, late, at(150)).await.unwrap();
    assert_eq!(committed.retention.rule, RuleName::Default);
    let points = catalog.points(shop.id, 10, None).await.unwrap().items;
    let firsts = points.iter().filter(|point| point.retention.rule == RuleName::Yearly).count();
    assert_eq!((points.len(), firsts), (2, 1));
}

#[tokio::test]
async fn a_repeated_commit_keeps_the_rule_it_was_committed_with() {
    let catalog = table().await.catalog;
    let daily = policy(1);
    catalog.create_policy(&daily).await.unwrap();
    let shop = protected(&catalog, 1).await;
    let first = backup(&catalog, &shop, 10, Some(daily.id), None).await;
    let committing = point(&first);
    let (one, two) = tokio::join!(
        commit(&catalog, &first, committing.clone(), at(50)),
        commit(&catalog, &first, committing.clone(), at(51)),
    );
    let committed = one.unwrap();
    assert_eq!(committed, two.unwrap());
    assert_eq!(committed.retention.rule, RuleName::Yearly);
    // Its own claims are not in its way, nor is another revision of the policy.
    let spec = PolicySpec::parse("retention: {default: {backup_store: P7D}}").unwrap();
    catalog.replace_policy(&Policy { revision: 2, spec, ..daily }, 1).await.unwrap();
    for _ in 0..2 {
        assert_eq!(commit(&catalog, &first, committing.clone(), at(99)).await.unwrap(), committed);
    }
    assert_eq!(catalog.job(first.id).await.unwrap().status, JobStatus::Completed);
}

#[tokio::test]
async fn a_chosen_rule_is_taken_and_uses_up_no_period() {
    let catalog = table().await.catalog;
    let daily = policy(1);
    catalog.create_policy(&daily).await.unwrap();
    let shop = protected(&catalog, 1).await;
    for (n, rule) in [(1, RuleName::Yearly), (2, RuleName::Monthly), (3, RuleName::Default)] {
        let chosen = backup(&catalog, &shop, n * 10, Some(daily.id), Some(rule)).await;
        let committed = commit(&catalog, &chosen, point(&chosen), at(500)).await.unwrap();
        assert_eq!(committed.retention.rule, rule);
        assert_eq!(committed.retention.reasons, [Reason::AskedFor { rule }]);
        assert_eq!(taken(&catalog, &shop).await, BTreeSet::new());
        assert_eq!(catalog.job(chosen.id).await.unwrap().warnings, Vec::<String>::new());
    }
}

#[tokio::test]
async fn a_finished_backup_is_not_lost_over_its_policy() {
    let catalog = table().await.catalog;
    let daily = policy(1);
    catalog.create_policy(&daily).await.unwrap();
    let shop = protected(&catalog, 1).await;
    // The rule that was chosen is gone from the policy: its default applies.
    let chosen = backup(&catalog, &shop, 10, Some(daily.id), Some(RuleName::Yearly)).await;
    let spec = PolicySpec::parse("retention: {default: {backup_store: P10D}}").unwrap();
    catalog.replace_policy(&Policy { revision: 2, spec, ..daily.clone() }, 1).await.unwrap();
    let committed = commit(&catalog, &chosen, point(&chosen), at(50)).await.unwrap();
    assert_eq!(committed.retention.rule, RuleName::Default);
    let ten_days = SignedDuration::from_hours(240);
    assert_eq!(
        committed.retention.backup_store_until,
        committed.consistent_at.checked_add(ten_days).unwrap()
    );
    assert_eq!(committed.retention.policy, Some(PolicyStamp { id: daily.id, revision: 2 }));
    let ended = catalog.job(chosen.id).await.unwrap();
    assert_eq!(ended.status, JobStatus::CompletedWithWarnings);
    assert!(ended.warnings[0].contains("yearly"), "{:?}", ended.warnings);

    // The policy is gone: the vault's default.
    let scheduled = backup(&catalog, &shop, 100, Some(daily.id), None).await;
    catalog.delete_policy(daily.id).await.unwrap();
    let committed = commit(&catalog, &scheduled, point(&scheduled), at(150)).await.unwrap();
    assert_eq!(committed.retention.rule, RuleName::Default);
    assert_eq!(committed.retention.backup_store_until, months_after(&committed, 3));
    assert_eq!(committed.retention.policy, None);
    let ended = catalog.job(scheduled.id).await.unwrap();
    assert!(ended.warnings[0].contains(&daily.id.to_string()), "{:?}", ended.warnings);
}

#[tokio::test]
async fn without_a_policy_the_default_rule_applies_and_a_cancelled_backup_claims_nothing() {
    let catalog = table().await.catalog;
    let daily = policy(1);
    catalog.create_policy(&daily).await.unwrap();
    let shop = protected(&catalog, 1).await;
    // As jobs were before there were policies.
    let plain = job(Operation::Backup, &shop, 10);
    catalog.open_backup(&plain).await.unwrap();
    let committed = commit(&catalog, &plain, point(&plain), at(50)).await.unwrap();
    assert_eq!(committed.retention.rule, RuleName::Default);
    assert_eq!(committed.retention.backup_store_until, months_after(&committed, 3));

    let cancelled = backup(&catalog, &shop, 100, Some(daily.id), None).await;
    catalog.request_cancel(cancelled.id).await.unwrap();
    let fault = commit(&catalog, &cancelled, point(&cancelled), at(150)).await.unwrap_err();
    assert_eq!(fault.code, Code::JobCancelled);
    assert_eq!(taken(&catalog, &shop).await, BTreeSet::new());
}
