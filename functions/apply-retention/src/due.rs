//! What a run looks at: what is due, and who is busy.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use permafrost_catalog::DueShard;
use permafrost_domain::job::Operation;
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::wire::MAX_PAGE;
use permafrost_domain::{Fault, InstanceId};
use permafrost_function::Tools;

/// The points that are due, by instance: those of each shard in turn, and about `limit` in all.
pub(crate) async fn due_points(
    tools: &Tools,
    now: Timestamp,
    limit: usize,
) -> Result<BTreeMap<InstanceId, Vec<RecoveryPoint>>, Fault> {
    let shards = DueShard::all().count();
    let of_shard = limit.div_ceil(shards);
    let mut due: BTreeMap<InstanceId, Vec<RecoveryPoint>> = BTreeMap::new();
    for shard in DueShard::all() {
        let mut found = 0;
        let mut next = None;
        while found < of_shard {
            let room = u16::try_from(of_shard - found).unwrap_or(u16::MAX).min(MAX_PAGE);
            let page = tools.catalog.due_points(now, shard, room, next.as_deref()).await?;
            found += page.items.len();
            for point in page.items {
                due.entry(point.instance).or_default().push(point);
            }
            next = page.next;
            if next.is_none() {
                break;
            }
        }
    }
    Ok(due)
}

/// The instances whose data was deleted for good.
pub(crate) async fn deleted_instances(tools: &Tools, now: Timestamp) -> Result<BTreeSet<InstanceId>, Fault> {
    let mut deleted = BTreeSet::new();
    let mut next = None;
    loop {
        let page = tools.catalog.due_deletions(now, MAX_PAGE, next.as_deref()).await?;
        deleted.extend(page.items);
        next = page.next;
        if next.is_none() {
            return Ok(deleted);
        }
    }
}

/// The points of an instance that are not deleted, the newest first, about `limit` at most.
pub(crate) async fn points_there(
    tools: &Tools,
    instance: InstanceId,
    limit: usize,
) -> Result<Vec<RecoveryPoint>, Fault> {
    let mut points = Vec::new();
    let mut next = None;
    loop {
        let page = tools.catalog.points(instance, MAX_PAGE, next.as_deref()).await?;
        points.extend(page.items.into_iter().filter(|point| point.state != PointState::Expired));
        next = page.next;
        if next.is_none() || points.len() >= limit {
            return Ok(points);
        }
    }
}

/// The instances of which an earlier run moves or deletes points, or somebody reads one. Jobs of this run, opened by an
/// earlier try of it, do not count.
pub(crate) async fn busy_instances(tools: &Tools, now: Timestamp) -> Result<BTreeSet<InstanceId>, Fault> {
    let mut busy = BTreeSet::new();
    let mut next = None;
    loop {
        let page = tools.catalog.open_jobs(MAX_PAGE, next.as_deref()).await?;
        for job in &page.items {
            let counts = match job.operation {
                Operation::Tier | Operation::Expire => job.opened_at != now,
                Operation::RestoreDatabase | Operation::RestoreFiles | Operation::Rehydrate => true,
                Operation::Backup
                | Operation::ConfigureProtection
                | Operation::StopProtection
                | Operation::ChangePolicy
                | Operation::Hold
                | Operation::Release => false,
            };
            if counts {
                busy.insert(job.instance);
            }
        }
        next = page.next;
        if next.is_none() {
            return Ok(busy);
        }
    }
}
