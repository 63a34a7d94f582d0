//! The plan: what a run of retention does with the points of one instance that are due, and why it leaves others
//! alone. A plan is a value: it is written down and shown before it is carried out, and carrying it out makes no
//! choices.
//!
//! What never happens by a plan: a point goes before its stamped time; a point goes that is under legal hold or
//! locked; the newest good point goes; anything goes while nobody could say which point that is; more goes in one
//! run than the margins allow. Where backups stop, deletion therefore stops at the newest point.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::{InstanceId, PlanId, PointId};
use crate::protection::{SoftDeletion, StopMode};
use crate::recovery_point::{PointState, RecoveryPoint};
use crate::retention::rules::RuleName;
use crate::retention::stamp::DueAction;

/// How many points of an instance one run deletes at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DeletionMargins {
    /// A share of the instance's points, in hundredths.
    pub share_percent: u8,
    /// So many in any case: else a handful of points would never end.
    pub at_least: u64,
}

impl DeletionMargins {
    /// The margins unless said otherwise: 20 in a hundred, at least 5.
    pub const DEFAULT: DeletionMargins = DeletionMargins { share_percent: 20, at_least: 5 };

    /// How many of `points` one run deletes at most.
    pub fn limit(self, points: u64) -> u64 {
        let share = u128::from(points) * u128::from(self.share_percent.min(100)) / 100;
        u64::try_from(share).unwrap_or(u64::MAX).max(self.at_least)
    }
}

impl Default for DeletionMargins {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What a plan needs to know of an instance, read before its points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceFacts {
    /// The instance.
    pub instance: InstanceId,
    /// How many points it has that are neither deleted nor being deleted.
    pub points: u64,
    /// Its newest point that can be restored, at once or after rehydration. None where there is none, or where it
    /// could not be read: then nothing is deleted.
    pub newest_good: Option<NewestGoodPoint>,
    /// How its protection was stopped, where it was.
    pub stopped: Option<StopMode>,
    /// The deletion of its data, where somebody asked for it.
    pub deletion: Option<SoftDeletion>,
}

/// The newest point that can be restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NewestGoodPoint {
    /// The point.
    pub id: PointId,
    /// The moment whose data it holds.
    pub consistent_at: Timestamp,
}

/// What a run of retention does with the points of one instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct RetentionPlan {
    /// Its id: that of the run and the instance.
    pub id: PlanId,
    /// The instance.
    pub instance: InstanceId,
    /// The time that it was made for.
    #[schema(value_type = String, format = DateTime)]
    pub made_at: Timestamp,
    /// How many points it could delete at most.
    pub deletion_limit: u64,
    /// What is done, the oldest point first.
    pub actions: Vec<PlannedAction>,
    /// What was due, or said to be, and is left alone, the oldest point first.
    pub kept: Vec<KeptPoint>,
}

/// What is done with one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PlannedAction {
    /// The point.
    pub point: PointId,
    /// What is done.
    pub action: DueAction,
    /// Why.
    pub why: ActReason,
    /// The moment whose data it holds.
    #[schema(value_type = String, format = DateTime)]
    pub consistent_at: Timestamp,
    /// The rule that set its retention.
    pub rule: RuleName,
    /// Since when it is due.
    #[schema(value_type = String, format = DateTime)]
    pub due: Timestamp,
}

/// Why something is done with a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ActReason {
    /// Its stamped time is over.
    TimeOver,
    /// An earlier run began it.
    Begun,
    /// Somebody deleted the instance's data, and the time for taking that back is over.
    DataDeleted,
}

/// A point that is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct KeptPoint {
    /// The point.
    pub point: PointId,
    /// The moment whose data it holds.
    #[schema(value_type = String, format = DateTime)]
    pub consistent_at: Timestamp,
    /// Why.
    #[serde(flatten)]
    pub reason: KeepReason,
}

/// Why a point is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum KeepReason {
    /// It belongs to another instance.
    OfAnotherInstance,
    /// It is deleted already.
    Deleted,
    /// Its time is not over.
    NotDue {
        /// When it is.
        #[schema(value_type = String, format = DateTime)]
        due: Timestamp,
    },
    /// It is under legal hold.
    LegalHold,
    /// Its objects are locked.
    Locked {
        /// Until when.
        #[schema(value_type = String, format = DateTime)]
        until: Timestamp,
    },
    /// It is being rehydrated.
    Rehydrating,
    /// It was rehydrated, and somebody may be reading it.
    Rehydrated {
        /// Until when.
        #[schema(value_type = String, format = DateTime)]
        until: Timestamp,
    },
    /// It is on its way into the archive store.
    Archiving,
    /// Protection was stopped, and everything is retained.
    RetainedForever,
    /// The instance's data goes as a whole, unless that is taken back.
    SoftDeleted {
        /// When it goes.
        #[schema(value_type = String, format = DateTime)]
        until: Timestamp,
    },
    /// Nobody asked for the deletion of the instance's data.
    DataNotDeleted,
    /// It is the newest good point of its instance, or newer.
    NewestGoodPoint,
    /// The instance has no good point, or none that could be read.
    NoGoodPointKnown,
    /// The run deletes as many points of the instance as it may; the next run goes on.
    LimitReached {
        /// How many it deletes.
        limit: u64,
    },
}

impl fmt::Display for ActReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::TimeOver => "its time is over",
            Self::Begun => "an earlier run began it",
            Self::DataDeleted => "the instance's data was deleted",
        })
    }
}

impl fmt::Display for KeepReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OfAnotherInstance => f.write_str("belongs to another instance"),
            Self::Deleted => f.write_str("is deleted already"),
            Self::NotDue { due } => write!(f, "not due before {due}"),
            Self::LegalHold => f.write_str("under legal hold"),
            Self::Locked { until } => write!(f, "locked until {until}"),
            Self::Rehydrating => f.write_str("being rehydrated"),
            Self::Rehydrated { until } => write!(f, "rehydrated until {until}"),
            Self::Archiving => f.write_str("on its way into the archive store"),
            Self::RetainedForever => f.write_str("protection is stopped, everything is retained"),
            Self::SoftDeleted { until } => write!(f, "goes with all data of its instance on {until}"),
            Self::DataNotDeleted => f.write_str("nobody asked for the deletion of the instance's data"),
            Self::NewestGoodPoint => f.write_str("the newest good point"),
            Self::NoGoodPointKnown => f.write_str("no good point of the instance is known"),
            Self::LimitReached { limit } => write!(f, "a run deletes no more than {limit} points"),
        }
    }
}

/// What a run at `now` does with those of an instance's points that are due.
///
/// The order of `due`, and points given twice, make no difference: the same facts make the same plan. Moves come
/// without limit, since they delete nothing; what an earlier run began is finished outside the limit, since it was
/// counted then.
pub fn plan_retention(
    now: Timestamp,
    facts: &InstanceFacts,
    due: &[RecoveryPoint],
    margins: DeletionMargins,
) -> RetentionPlan {
    let mut plan = RetentionPlan::new(now, facts, margins.limit(facts.points));
    let mut left = plan.deletion_limit;
    for point in oldest_first(due) {
        let verdict = act_or_keep(now, facts, point).and_then(|(action, why, due)| {
            let counted = action == DueAction::Expire && why == ActReason::TimeOver;
            if counted && left == 0 {
                return Err(KeepReason::LimitReached { limit: plan.deletion_limit });
            }
            left -= u64::from(counted);
            Ok((action, why, due))
        });
        plan.push(point, verdict);
    }
    plan
}

/// What a run at `now` does with an instance's points after its data was deleted: once the time for taking that
/// back is over, all go that are neither held nor locked nor on their way between the stores. No margin applies,
/// and the newest goes as well: a person has asked for it by the instance's name, and had time to take it back.
pub fn plan_data_deletion(now: Timestamp, facts: &InstanceFacts, points: &[RecoveryPoint]) -> RetentionPlan {
    let mut plan = RetentionPlan::new(now, facts, facts.points);
    for point in oldest_first(points) {
        let verdict = act_of_data_deletion(now, facts, point);
        plan.push(point, verdict);
    }
    plan
}

type ActOrKeep = Result<(DueAction, ActReason, Timestamp), KeepReason>;

impl RetentionPlan {
    fn new(now: Timestamp, facts: &InstanceFacts, deletion_limit: u64) -> Self {
        Self {
            id: PlanId::of_run(now, facts.instance),
            instance: facts.instance,
            made_at: now,
            deletion_limit,
            actions: Vec::new(),
            kept: Vec::new(),
        }
    }

    fn push(&mut self, point: &RecoveryPoint, verdict: ActOrKeep) {
        let (id, consistent_at) = (point.id, point.consistent_at);
        match verdict {
            Ok((action, why, due)) => self.actions.push(PlannedAction {
                point: id,
                action,
                why,
                consistent_at,
                rule: point.retention.rule,
                due,
            }),
            Err(reason) => self.kept.push(KeptPoint { point: id, consistent_at, reason }),
        }
    }
}

/// The points without repetition, the oldest first.
fn oldest_first(points: &[RecoveryPoint]) -> impl Iterator<Item = &RecoveryPoint> {
    let sorted: BTreeMap<_, _> =
        points.iter().map(|point| ((point.consistent_at, point.id), point)).collect();
    sorted.into_values()
}

/// What is due for `point`, leaving margins aside.
fn act_or_keep(now: Timestamp, facts: &InstanceFacts, point: &RecoveryPoint) -> ActOrKeep {
    if point.instance != facts.instance {
        return Err(KeepReason::OfAnotherInstance);
    }
    let (due, action) = point.next_due().ok_or(KeepReason::Deleted)?;
    keep_held(now, point)?;
    if matches!(point.state, PointState::Archiving | PointState::Expiring) {
        return Ok((action, ActReason::Begun, due));
    }
    if due > now {
        return Err(KeepReason::NotDue { due });
    }
    keep_busy(now, point)?;
    if let Some(deletion) = &facts.deletion {
        return Err(KeepReason::SoftDeleted { until: deletion.until });
    }
    match facts.stopped {
        Some(StopMode::RetainForever) => return Err(KeepReason::RetainedForever),
        // Without its deletion the record is not whole: nothing goes.
        Some(StopMode::DeleteData) => return Err(KeepReason::DataNotDeleted),
        Some(StopMode::RetainAsPerPolicy) | None => {}
    }
    if action == DueAction::Expire {
        keep_newest_good(facts, point)?;
    }
    Ok((action, ActReason::TimeOver, due))
}

fn act_of_data_deletion(now: Timestamp, facts: &InstanceFacts, point: &RecoveryPoint) -> ActOrKeep {
    if point.instance != facts.instance {
        return Err(KeepReason::OfAnotherInstance);
    }
    let deletion = facts.deletion.as_ref().ok_or(KeepReason::DataNotDeleted)?;
    if point.state == PointState::Expired {
        return Err(KeepReason::Deleted);
    }
    keep_held(now, point)?;
    if point.state == PointState::Expiring {
        return Ok((DueAction::Expire, ActReason::Begun, deletion.until));
    }
    if deletion.until > now {
        return Err(KeepReason::SoftDeleted { until: deletion.until });
    }
    match point.state {
        PointState::Archiving => Err(KeepReason::Archiving),
        PointState::Rehydrating => Err(KeepReason::Rehydrating),
        _ => Ok((DueAction::Expire, ActReason::DataDeleted, deletion.until)),
    }
}

/// Keeps what nobody may touch: a move, too, ends in deleting the objects that were moved.
fn keep_held(now: Timestamp, point: &RecoveryPoint) -> Result<(), KeepReason> {
    match point.locked_until {
        _ if point.legal_hold => Err(KeepReason::LegalHold),
        Some(until) if until > now => Err(KeepReason::Locked { until }),
        _ => Ok(()),
    }
}

/// Keeps what is on its way back from the archive store, or may be read.
fn keep_busy(now: Timestamp, point: &RecoveryPoint) -> Result<(), KeepReason> {
    match (point.state, point.rehydrated_until) {
        (PointState::Rehydrating, _) => Err(KeepReason::Rehydrating),
        (PointState::Rehydrated, Some(until)) if until > now => Err(KeepReason::Rehydrated { until }),
        _ => Ok(()),
    }
}

/// Keeps the newest good point, and all where nobody could say which that is. A good point that is newer than the
/// facts say was committed after they were read.
fn keep_newest_good(facts: &InstanceFacts, point: &RecoveryPoint) -> Result<(), KeepReason> {
    let newest = facts.newest_good.ok_or(KeepReason::NoGoodPointKnown)?;
    let is_newest = point.id == newest.id
        || (point.state.is_good() && (point.consistent_at, point.id) >= (newest.consistent_at, newest.id));
    if is_newest { Err(KeepReason::NewestGoodPoint) } else { Ok(()) }
}
