//! `SweepOrphans`: deletes what runs that never committed have left in the stores.
//!
//! This is the one place that finds objects by listing, so it deletes only what it has evidence against, and nothing
//! that is younger than a week. For each point's folder the catalog is asked after the list was read:
//! - the point is there: what neither its manifest nor `archive.json` names goes. A point that is being moved or deleted
//!   is left to whoever does that, as are the old segments of one that was archived, and a list of what is to be deleted;
//! - the point is deleted: everything goes;
//! - there is no such point, and its backup job has failed or was cancelled: everything goes;
//! - there is no such point, and its job runs, or nobody knows it, or it has completed, and so made a point: everything
//!   stays. Where a catalog was lost, every folder looks like that.
//!
//! What cannot be read ends the sweep. A locked object is left. Each run takes the instances whose turn it is, so that
//! all are looked at within a day.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use permafrost_domain::job::JobStatus;
use permafrost_domain::recovery_point::PointState;
use permafrost_domain::{Code, Fault, InstanceId};
use permafrost_function::Tools;
use permafrost_function::objects::PointObjects;
use permafrost_vault::{ObjectVersion, PointLayout, Store, VaultError};
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::folder::{Folder, InStore, Place, folders};

mod folder;

/// How old an object is at least that is swept away.
const GRACE: SignedDuration = SignedDuration::from_hours(7 * 24);

/// How many runs it takes until every instance was looked at: they come once an hour.
const TURNS: i64 = 24;

/// How long folders are begun: a function lives 900 s.
const BUDGET: Duration = Duration::from_mins(10);

/// The step's input.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct Input {
    /// What time it is, where the stack takes that from its inputs.
    #[serde(default)]
    pub now: Option<Timestamp>,
    /// Whether all instances are looked at, whosever turn it is.
    #[serde(default)]
    pub scope: Scope,
}

/// Which instances are looked at.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// Those whose turn it is.
    #[default]
    Turn,
    /// All.
    All,
}

/// The step's answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Output {
    /// Versions that were deleted.
    pub deleted: u64,
    /// Versions that nothing names, and that a lock keeps.
    pub locked: u64,
    /// Folders of which the catalog knows neither a point nor a job that made none: if there are any, the catalog may
    /// have lost records.
    pub unknown: u64,
    /// Instances that were not looked at, since time was up; they come first when it is their turn again.
    pub left: u64,
}

/// Deletes what nobody names.
///
/// # Errors
/// A store cannot be listed or read, or a record of the catalog cannot be decoded: nothing more is deleted then.
pub async fn handle(tools: &Tools, input: Input) -> Result<Output, Fault> {
    let deadline = Instant::now() + BUDGET;
    let now = tools.config.clock.time(input.now)?;
    let mut instances: BTreeSet<InstanceId> = tools.store.instances().await?.into_iter().collect();
    instances.extend(tools.archive.instances().await?);
    let mut output = Output::default();
    let in_turn: Vec<_> = instances
        .into_iter()
        .filter(|instance| input.scope == Scope::All || is_turn_of(*instance, now))
        .collect();
    // Another one comes first each day, so that none is always the last.
    let first = usize::try_from(now.as_second().div_euclid(86_400)).unwrap_or(0) % in_turn.len().max(1);
    for instance in in_turn.iter().cycle().skip(first).take(in_turn.len()) {
        if Instant::now() >= deadline {
            output.left += 1;
        } else {
            sweep(tools, *instance, now, &mut output).await?;
        }
    }
    if output.unknown > 0 {
        tracing::warn!(folders = output.unknown, "the stores hold folders that the catalog knows nothing of");
    }
    tracing::info!(deleted = output.deleted, locked = output.locked, left = output.left, "swept");
    Ok(output)
}

/// Whether `instance` is looked at in the hour of `now`.
fn is_turn_of(instance: InstanceId, now: Timestamp) -> bool {
    let hour = now.as_second().div_euclid(3_600).rem_euclid(TURNS);
    let sum = instance.to_string().bytes().fold(0_i64, |sum, byte| (sum * 31 + i64::from(byte)) % 1_000_003);
    sum % TURNS == hour
}

async fn sweep(
    tools: &Tools,
    instance: InstanceId,
    now: Timestamp,
    output: &mut Output,
) -> Result<(), Fault> {
    let old = now.saturating_sub(GRACE).unwrap_or(Timestamp::MIN);
    for folder in folders(tools, instance).await? {
        let orphans = orphans(tools, &folder, output).await?;
        for (store, found) in orphans.iter().filter(|(_, found)| found.written_at <= old) {
            let store = match store {
                Place::Backup => &tools.store,
                Place::Archive => &tools.archive,
            };
            delete(store, &folder.layout, &found.object, output).await?;
        }
    }
    Ok(())
}

/// What nobody names of a folder.
async fn orphans(tools: &Tools, folder: &Folder, output: &mut Output) -> Result<Vec<InStore>, Fault> {
    let (instance, id) = (folder.layout.instance(), folder.layout.point());
    match tools.catalog.point(instance, id).await.map_err(Fault::from) {
        Ok(point) => match point.state {
            PointState::Expired => Ok(folder.everything()),
            PointState::Archiving | PointState::Expiring | PointState::Damaged => Ok(Vec::new()),
            _ if folder.is_tidy(&point) => Ok(Vec::new()),
            _ => Ok(folder.unnamed(&PointObjects::of(tools, &point).await?)),
        },
        Err(fault) if fault.code == Code::RecoveryPointNotFound => {
            match tools.catalog.job_status(id.backup_job()).await.map_err(Fault::from) {
                Ok(JobStatus::Failed | JobStatus::Cancelled) => Ok(folder.everything()),
                Ok(status) if !status.has_ended() => Ok(Vec::new()),
                Ok(_) => Ok(unknown(output)),
                Err(fault) if fault.code == Code::JobNotFound => Ok(unknown(output)),
                Err(fault) => Err(fault),
            }
        }
        Err(fault) => Err(fault),
    }
}

/// Counts a folder of which the catalog does not know what it is; nothing of it goes.
fn unknown(output: &mut Output) -> Vec<InStore> {
    output.unknown += 1;
    Vec::new()
}

async fn delete(
    store: &Store,
    layout: &PointLayout,
    object: &ObjectVersion,
    output: &mut Output,
) -> Result<(), Fault> {
    match store.delete_version(layout, object).await {
        Ok(()) => {
            tracing::info!(
                key = layout.key(&object.key),
                version = object.version,
                "deleted what nobody names"
            );
            output.deleted += 1;
            Ok(())
        }
        Err(VaultError::Locked { .. }) => {
            output.locked += 1;
            Ok(())
        }
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_instance_has_its_turn_once_a_day() {
        let midnight = Timestamp::from_second(20_000 * 86_400).unwrap();
        for n in 0..50 {
            let instance = InstanceId::new(Timestamp::UNIX_EPOCH, n * 7_919);
            let turns = (0..24)
                .filter(|hour| is_turn_of(instance, midnight + SignedDuration::from_hours(*hour)))
                .count();
            assert_eq!(turns, 1, "{instance}");
        }
    }
}
