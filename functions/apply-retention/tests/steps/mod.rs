//! The steps of the lifecycle, called as its state machine calls them.

use apply_retention::Item;
use expire_recovery_point::Ground;
use jiff::Timestamp;
use permafrost_catalog::JobOutcome;
use permafrost_domain::retention::DueAction;
use permafrost_domain::{Fault, JobId, PointId};
use permafrost_function::step::PointStep;

use permafrost_testing::Vault;

/// The execution that stands behind the jobs.
pub(crate) const EXECUTION: &str = "arn:aws:states:us-east-1:1:execution:permafrost-lifecycle:one";

/// What a run plans at `now`.
pub(crate) async fn plan(vault: &Vault, now: Timestamp) -> Result<Vec<Item>, Fault> {
    let input = apply_retention::Input { execution: EXECUTION.to_owned(), started_at: now, now: Some(now) };
    apply_retention::handle(&vault.tools, input).await.map(|output| output.items)
}

/// Carries an item out, and closes its job.
pub(crate) async fn carry_out(vault: &Vault, item: &Item) -> Result<(), Fault> {
    let done = match item.action {
        DueAction::Archive => tier(vault, item.point, item.now, item.job).await,
        DueAction::Expire => expire(vault, item.point, item.now, item.job).await,
    };
    let outcome = match &done {
        Ok(()) => JobOutcome::Completed { warnings: Vec::new() },
        Err(fault) => JobOutcome::Failed(fault.clone()),
    };
    vault.tools.catalog.close_job(item.job, &outcome, item.now.unwrap()).await.unwrap();
    done
}

/// Moves a point into the archive store.
pub(crate) async fn tier(
    vault: &Vault,
    point: PointId,
    now: Option<Timestamp>,
    job: JobId,
) -> Result<(), Fault> {
    let step = PointStep { job, instance: vault.instance.id, point, now };
    tier_to_archive::handle(&vault.tools, step).await.map(drop)
}

/// Deletes a point whose time is over.
pub(crate) async fn expire(
    vault: &Vault,
    point: PointId,
    now: Option<Timestamp>,
    job: JobId,
) -> Result<(), Fault> {
    let instance = vault.instance.id;
    let input = expire_recovery_point::Input { job, instance, point, ground: Ground::Retention, now };
    expire_recovery_point::handle(&vault.tools, input).await.map(drop)
}
