//! Periods: claimed by the commit alone, by one point each, and met again by a repeated commit.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use permafrost_catalog::{Catalog, CommitOutcome, JobOutcome};
use permafrost_domain::instance::Instance;
use permafrost_domain::job::{Job, JobStatus};
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::retention::PeriodClaim;
use permafrost_domain::{Code, Fault, PointId};
use support::emulator::table;
use support::samples::{at, point, protected, running_backup};

fn claims(claims: &[&str]) -> Vec<PeriodClaim> {
    claims.iter().map(|claim| claim.parse().unwrap()).collect()
}

fn set(texts: &[&str]) -> BTreeSet<PeriodClaim> {
    claims(texts).into_iter().collect()
}

/// Somebody who is not the point that asks.
fn nobody() -> PointId {
    PointId::new(at(0), 0)
}

async fn commit(catalog: &Catalog, point: &RecoveryPoint, claimed: &[&str]) -> CommitOutcome {
    catalog.commit_recovery_point(point, &claims(claimed), at(500), &[]).await.unwrap()
}

fn committed(point: &RecoveryPoint) -> CommitOutcome {
    CommitOutcome::Committed { status: JobStatus::Completed, point: Box::new(point.clone()) }
}

async fn taken(catalog: &Catalog, shop: &Instance, asked: &[&str]) -> BTreeSet<PeriodClaim> {
    catalog.taken_periods(shop.id, &claims(asked), nobody()).await.unwrap()
}

#[tokio::test]
async fn a_period_has_one_first_and_the_second_decides_anew() {
    let catalog = table().await.catalog;
    let (shop, other) = (protected(&catalog, 1).await, protected(&catalog, 2).await);
    let (year, month, week) = ("yearly#2026", "monthly#2026-11", "weekly#2026-11-16");
    let first = point(&running_backup(&catalog, &shop, 10).await);
    assert_eq!(taken(&catalog, &shop, &[year, month, week]).await, BTreeSet::new());
    assert_eq!(commit(&catalog, &first, &[year, week]).await, committed(&first));
    assert_eq!(taken(&catalog, &shop, &[year, month, week]).await, set(&[year, week]));
    assert_eq!(
        taken(&catalog, &other, &[year, month, week]).await,
        BTreeSet::new(),
        "periods are an instance's own"
    );

    // Decided before the first was committed: refused as a whole, with those that are taken.
    let second = point(&running_backup(&catalog, &shop, 20).await);
    let refused = commit(&catalog, &second, &[year, month, week]).await;
    assert_eq!(refused, CommitOutcome::PeriodsTaken(set(&[year, week])));
    assert_eq!(taken(&catalog, &shop, &[month]).await, BTreeSet::new());
    assert_eq!(catalog.point(shop.id, second.id).await.unwrap_err().code(), Code::RecoveryPointNotFound);
    assert_eq!(catalog.job_status(second.job).await.unwrap(), JobStatus::InProgress);
    assert_eq!(catalog.instance_facts(shop.id).await.unwrap().points, 1);
    // Decided anew it goes through.
    assert_eq!(commit(&catalog, &second, &[month]).await, committed(&second));
    assert_eq!(taken(&catalog, &shop, &[year, month, week]).await, set(&[year, month, week]));
    assert_eq!(catalog.instance_facts(shop.id).await.unwrap().points, 2);
}

#[tokio::test]
async fn a_repeated_commit_meets_itself_and_its_own_claims() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 1).await;
    let first = point(&running_backup(&catalog, &shop, 10).await);
    commit(&catalog, &first, &["yearly#2026"]).await;
    let own = catalog.taken_periods(shop.id, &claims(&["yearly#2026"]), first.id).await.unwrap();
    assert_eq!(own, BTreeSet::new(), "what it took itself is not in its way");
    // Whatever is claimed, and whatever is stamped: the point stays as it was committed.
    let shorter = RecoveryPoint { committed_at: at(700), rows: 1, ..first.clone() };
    for claimed in [&["yearly#2026"][..], &[], &["daily#2026-11-22"]] {
        assert_eq!(commit(&catalog, &shorter, claimed).await, committed(&first));
    }
    assert_eq!(taken(&catalog, &shop, &["daily#2026-11-22"]).await, BTreeSet::new());
    assert_eq!(catalog.instance_facts(shop.id).await.unwrap().points, 1, "it is counted once");
}

#[tokio::test]
async fn a_backup_that_fails_never_uses_a_period_up() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 1).await;
    let failed = running_backup(&catalog, &shop, 10).await;
    catalog.request_cancel(failed.id).await.unwrap();
    let refused =
        catalog.commit_recovery_point(&point(&failed), &claims(&["yearly#2026"]), at(500), &[]).await;
    assert_eq!(refused.unwrap_err().code(), Code::JobCancelled);
    let outcome = JobOutcome::Failed(Fault::new(Code::SnapshotLost, "lost"));
    catalog.close_job(failed.id, &outcome, at(50)).await.unwrap();
    assert_eq!(taken(&catalog, &shop, &["yearly#2026"]).await, BTreeSet::new());
    let next = point(&running_backup(&catalog, &shop, 20).await);
    assert_eq!(commit(&catalog, &next, &["yearly#2026"]).await, committed(&next));
}

#[tokio::test]
async fn of_commits_at_once_one_is_the_first_of_the_period() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 1).await;
    for round in 0..5_u32 {
        // The lock lets one backup of an instance run: its commit may still race with its own repetition.
        let backup: Job = running_backup(&catalog, &shop, i64::from(round) * 10).await;
        let committing = point(&backup);
        let daily = format!("daily#2026-11-{:02}", round + 1);
        let claimed = [daily.as_str()];
        let (one, two) =
            tokio::join!(commit(&catalog, &committing, &claimed), commit(&catalog, &committing, &claimed),);
        assert_eq!((one, two), (committed(&committing), committed(&committing)));
        assert_eq!(taken(&catalog, &shop, &[&daily]).await, set(&[&daily]));
        assert_eq!(catalog.instance_facts(shop.id).await.unwrap().points, u64::from(round) + 1);
    }
}
