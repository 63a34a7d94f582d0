//! What a change of policy does: to the points that exist, if they are looked at again, and to those to come.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::Serialize;

use crate::ids::PointId;
use crate::immutability::Immutability;
use crate::policy::PolicySpec;
use crate::recovery_point::{PointState, RecoveryPoint};
use crate::retention::{PeriodClaim, Reason, StampedRetention, reevaluate};
use crate::simulate::{Outcome, SimulatedPoint, simulate_after};

/// What a change of policy does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyDiff {
    /// What becomes of the points that exist if they are looked at again, the oldest first. A change of policy leaves
    /// them alone otherwise.
    pub existing: Vec<ExistingChange>,
    /// The backups to come, in the order of their runs.
    pub coming: Vec<ComingBackup>,
}

/// What becomes of a point that exists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExistingChange {
    /// The point.
    pub point: PointId,
    /// The moment whose data it holds.
    pub time: Timestamp,
    /// In a word.
    pub effect: Effect,
    /// What was decided for it so far.
    pub before: StampedRetention,
    /// What the new policy makes of it.
    pub after: StampedRetention,
}

/// What becomes of a point that exists, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Effect {
    /// It is deleted later.
    Lengthened,
    /// It is deleted earlier.
    Shortened,
    /// It moves into the archive store, where it was to be deleted.
    ArchivedInstead,
    /// It moves into the archive store earlier or later, or stays in the backup store, for no other time in all.
    MovedOtherwise,
    /// The new policy asks for less, which the vault's immutability or a lock forbids.
    NotShortened,
    /// Nothing.
    Unchanged,
}

/// A backup to come: what either policy makes of the run that is due at a time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ComingBackup {
    /// When the run is due.
    pub due: Timestamp,
    /// The point under the old policy; none where that has no run then.
    pub before: Option<SimulatedPoint>,
    /// The point under the new policy; none where that has no run then.
    pub after: Option<SimulatedPoint>,
}

impl Effect {
    /// Every effect, what deserves attention first.
    pub const ALL: [Effect; 6] = [
        Self::Shortened,
        Self::NotShortened,
        Self::Lengthened,
        Self::ArchivedInstead,
        Self::MovedOtherwise,
        Self::Unchanged,
    ];

    /// What `after` means for a point that had `before`.
    fn of(before: &StampedRetention, after: &StampedRetention) -> Self {
        let refused = after.reasons.iter().any(|reason| matches!(reason, Reason::NotShortened { .. }));
        match after.deleted_on().cmp(&before.deleted_on()) {
            Ordering::Less => Self::Shortened,
            _ if before.archive.is_none() && after.archive.is_some() => Self::ArchivedInstead,
            Ordering::Greater => Self::Lengthened,
            Ordering::Equal if refused => Self::NotShortened,
            Ordering::Equal if before.backup_store_until != after.backup_store_until => Self::MovedOtherwise,
            Ordering::Equal => Self::Unchanged,
        }
    }
}

impl ComingBackup {
    /// Whether both policies do the same with it.
    pub fn is_unchanged(&self) -> bool {
        match (&self.before, &self.after) {
            (Some(before), Some(after)) => {
                let times = |point: &SimulatedPoint| {
                    (point.time, point.retention.backup_store_until, point.archive_until(), point.deleted_on)
                };
                before.rule() == after.rule() && times(before) == times(after)
            }
            (None, None) => true,
            _ => false,
        }
    }
}

/// What a change from `old` to `new` at `from` does to the points `existing` of an instance, and to the backups that
/// are due before `until`, all of which succeed.
///
/// Points that are deleted, or being deleted, are left out. Periods that existing points have used up stay used up.
pub fn diff(
    old: &PolicySpec,
    new: &PolicySpec,
    existing: &[RecoveryPoint],
    immutability: Immutability,
    from: Timestamp,
    until: Timestamp,
) -> PolicyDiff {
    let mut points: Vec<&RecoveryPoint> = existing
        .iter()
        .filter(|point| !matches!(point.state, PointState::Expiring | PointState::Expired))
        .collect();
    points.sort_by_key(|point| (point.consistent_at, point.committed_at));

    let taken_before: BTreeSet<PeriodClaim> =
        points.iter().flat_map(|point| claims(&point.retention.reasons)).collect();
    let mut taken = BTreeSet::new();
    let mut changes = Vec::new();
    for point in points {
        let verdict = reevaluate(point, new, immutability, &taken);
        taken.extend(verdict.claims);
        changes.push(ExistingChange {
            point: point.id,
            time: point.consistent_at,
            effect: Effect::of(&point.retention, &verdict.retention),
            before: point.retention.clone(),
            after: verdict.retention,
        });
    }
    taken.extend(&taken_before);
    PolicyDiff { existing: changes, coming: coming((old, taken_before), (new, taken), from, until) }
}

/// The periods that a point of these reasons has used up.
fn claims(reasons: &[Reason]) -> impl Iterator<Item = PeriodClaim> {
    reasons.iter().filter_map(|reason| match reason {
        Reason::FirstOfPeriod { period } => Some(*period),
        _ => None,
    })
}

fn coming(
    (old, taken_before): (&PolicySpec, BTreeSet<PeriodClaim>),
    (new, taken): (&PolicySpec, BTreeSet<PeriodClaim>),
    from: Timestamp,
    until: Timestamp,
) -> Vec<ComingBackup> {
    let mut runs: BTreeMap<Timestamp, ComingBackup> = BTreeMap::new();
    let on_time = |_| Outcome::ON_TIME;
    for point in simulate_after(old, taken_before, from, until, on_time).points {
        runs.insert(point.due, ComingBackup { due: point.due, before: Some(point), after: None });
    }
    for point in simulate_after(new, taken, from, until, on_time).points {
        let due = point.due;
        runs.entry(due).or_insert(ComingBackup { due, before: None, after: None }).after = Some(point);
    }
    runs.into_values().collect()
}
