//! `ReevaluatePoints`: gives the points of an instance the retention that its policy says now, the oldest first, as if
//! each were committed under it. While the vault is immutable no point's life gets shorter.
//!
//! Order of effects, point by point: the periods that it is the first of are claimed; its objects are locked for the
//! longer time; the catalog is told of the new retention; then until when it is locked. A point whose objects are locked
//! longer than the catalog says is safe, the other way round it would not be. Every step may be repeated: a point
//! that says already that this revision of the policy has decided is left alone, and costs no more than its place in
//! the list. So each call gets further than the one before, however many points there are.

use std::time::Duration;

use jiff::Timestamp;
use permafrost_catalog::Shortening;
use permafrost_domain::policy::Policy;
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::retention::reevaluate;
use permafrost_domain::wire::MAX_PAGE;
use permafrost_domain::{Code, Fault, InstanceId};
use permafrost_function::lock::extend_lock;
use permafrost_function::step::{InstanceStep, Progressed};
use permafrost_function::{Tools, clock};
use tokio::time::Instant;

/// How long one call works before it asks to be called again; a function lives 900 s.
const WORKS: Duration = Duration::from_mins(10);

/// How many points one call looks at.
pub const SLICE: usize = 200;

/// Gives points their new retention, for some minutes.
///
/// # Errors
/// `PolicyNotFound` where the instance is under no policy any more; `ImmutabilityCannotBeLowered`; `JobCancelled`; the
/// catalog or the store does not answer, or refuses.
pub async fn handle(tools: &Tools, step: InstanceStep) -> Result<Progressed, Fault> {
    tools.catalog.check_immutability(tools.config.immutability).await?;
    let begun = Instant::now();
    let instance = tools.catalog.instance(step.instance).await?;
    let Some(policy) = instance.policy else {
        return Err(Fault::new(Code::PolicyNotFound, "the instance is under no policy")
            .on(format!("instance {}", instance.name)));
    };
    let policy = tools.catalog.policy(policy).await?;
    let mut points = points(tools, step.instance).await?;
    points.retain(|point| point.retention.policy != Some(policy.stamp()));
    points.sort_by_key(|point| (point.consistent_at, point.id));
    for (looked_at, point) in points.iter().enumerate() {
        if looked_at == SLICE || begun.elapsed() > WORKS {
            return Ok(Progressed::Running);
        }
        tools.check_not_cancelled(step.job).await?;
        look_again(tools, &policy, point, clock::now()).await?;
    }
    Ok(Progressed::Done)
}

/// Looks at one point again.
async fn look_again(
    tools: &Tools,
    policy: &Policy,
    point: &RecoveryPoint,
    now: Timestamp,
) -> Result<(), Fault> {
    let catalog = &tools.catalog;
    let immutability = tools.config.immutability;
    let periods = policy.spec.periods(point.consistent_at);
    let taken = catalog.taken_periods(point.instance, &periods, point.id).await?;
    let mut verdict = reevaluate(point, &policy.spec, immutability, &taken);
    let lost = catalog.claim_periods(point.instance, point.id, &verdict.claims, now).await?;
    if !lost.is_empty() {
        // A backup has committed in between.
        verdict = reevaluate(point, &policy.spec, immutability, &taken.union(&lost).copied().collect());
    }
    verdict.retention.policy = Some(policy.stamp());
    let stamped = RecoveryPoint { retention: verdict.retention, ..point.clone() };
    // Its locks are as long as what is stamped on it already.
    let locked_until =
        if is_longer(&stamped, point) { extend_lock(tools, &stamped, now).await? } else { None };
    let shortening =
        if immutability.forbids_shortening() { Shortening::Refused } else { Shortening::Allowed };
    catalog.restamp_point(point, &stamped.retention, shortening).await?;
    if let Some(until) = locked_until {
        catalog.record_lock(point.instance, point.id, until).await?;
    }
    Ok(())
}

/// Whether a point stays longer than `before`, in the backup store or at all.
fn is_longer(after: &RecoveryPoint, before: &RecoveryPoint) -> bool {
    let (after, before) = (&after.retention, &before.retention);
    after.deleted_on() > before.deleted_on() || after.backup_store_until > before.backup_store_until
}

/// The points of the instance that are not deleted or being deleted.
async fn points(tools: &Tools, instance: InstanceId) -> Result<Vec<RecoveryPoint>, Fault> {
    let (mut points, mut next) = (Vec::new(), None);
    loop {
        let page = tools.catalog.points(instance, MAX_PAGE, next.as_deref()).await?;
        let kept = page
            .items
            .into_iter()
            .filter(|point| !matches!(point.state, PointState::Expiring | PointState::Expired));
        points.extend(kept);
        next = page.next;
        if next.is_none() {
            return Ok(points);
        }
    }
}
