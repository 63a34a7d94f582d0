//! `ApplyRetention`: decides what is done with every point that is due, writes it down, and answers with one item for
//! each point.
//!
//! Order of effects, for one instance after the other: the plan is stored; a job is opened for each of its actions; then
//! they are the state machine's. A run that is repeated plans for the same moment, finds the plan that it stored and
//! opens the same jobs. Nothing is moved or deleted here, but for one thing that is no more than a word of the catalog:
//! a point whose rehydration is over, or that nobody waits for any more, is called archived again.
//!
//! It reads what is due, and for each of their instances one record more: what is kept and not due is never read. An
//! instance of which an earlier run still moves or deletes points, or somebody restores one, is left to the next run.

mod due;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::{NextDue, PointChange};
use permafrost_domain::instance::Instance;
use permafrost_domain::job::{Job, JobStatus, Operation};
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::retention::{
    ActReason, DeletionMargins, DueAction, KeepReason, PlannedAction, RetentionPlan, plan_data_deletion,
    plan_retention,
};
use permafrost_domain::{Fault, InstanceId, JobId, PointId};
use permafrost_function::{Tools, clock};
use serde::{Deserialize, Serialize};

use crate::due::{busy_instances, deleted_instances, due_points, points_there};

/// The most points that one run acts on: the Map's items travel in a payload of 256 KB.
const MAX_ITEMS: usize = 600;

/// After how long a point is looked at again that is due and kept: each run begins with what has been due the longest,
/// and would come no further.
const UNTIL_LOOKED_AT_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// The step's input.
#[derive(Debug, Clone, Deserialize)]
pub struct Input {
    /// The ARN of the execution, which stands behind the jobs.
    pub execution: String,
    /// When the execution began: the moment that is planned for, so that a repeated run makes the same plan.
    pub started_at: Timestamp,
    /// What time it is, where the stack takes that from its inputs.
    #[serde(default)]
    pub now: Option<Timestamp>,
}

/// The step's answer.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Output {
    /// What is to be done.
    pub items: Vec<Item>,
}

/// What is to be done with one point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Item {
    /// What.
    pub action: DueAction,
    /// The job of it.
    pub job: JobId,
    /// The instance.
    pub instance: InstanceId,
    /// The point.
    pub point: PointId,
    /// Why a point is deleted.
    pub ground: Ground,
    /// What time it is, where the stack takes that from its inputs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub now: Option<Timestamp>,
}

/// Why a point is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// Its time is over.
    Retention,
    /// The data of its instance was deleted.
    DataDeletion,
}

/// Plans what is due.
///
/// # Errors
/// A record cannot be read or decoded: then nothing more is planned. The catalog does not answer.
/// `ImmutabilityCannotBeLowered`: nothing is planned by a configuration that takes locks back.
pub async fn handle(tools: &Tools, input: Input) -> Result<Output, Fault> {
    tools.catalog.check_immutability(tools.config.immutability).await?;
    let given = input.now.map(|now| tools.config.clock.time(Some(now))).transpose()?;
    let now = given.unwrap_or_else(|| input.started_at.min(clock::now()));
    let busy = busy_instances(tools, now).await?;
    let mut run = Run { tools, now, given, execution: &input.execution, items: Vec::new() };

    let deleted: BTreeSet<InstanceId> = deleted_instances(tools, now).await?;
    for instance in deleted.iter().filter(|instance| !busy.contains(instance)) {
        run.data_deletion(*instance).await?;
    }
    for (instance, due) in due_points(tools, now, MAX_ITEMS).await? {
        if !busy.contains(&instance) && !deleted.contains(&instance) {
            run.retention(instance, due).await?;
        }
    }
    tracing::info!(items = run.items.len(), busy = busy.len(), "planned what is due");
    Ok(Output { items: run.items })
}

/// One run.
struct Run<'a> {
    tools: &'a Tools,
    /// The moment that is planned for.
    now: Timestamp,
    /// What the input says that it is.
    given: Option<Timestamp>,
    execution: &'a str,
    items: Vec<Item>,
}

impl Run<'_> {
    /// Plans what is due of an instance.
    async fn retention(&mut self, instance: InstanceId, due: Vec<RecoveryPoint>) -> Result<(), Fault> {
        let (instance, facts) = self.tools.catalog.instance_with_facts(instance).await?;
        let mut finished = Vec::new();
        let mut others = Vec::new();
        for point in due {
            match self.what_is_left_over(&point) {
                Some(LeftOver::Rehydration) => self.end_rehydration(&point).await?,
                Some(LeftOver::OldSegments(action)) => finished.push(action),
                None => others.push(point),
            }
        }
        let mut plan = plan_retention(self.now, &facts, &others, DeletionMargins::DEFAULT);
        plan.actions.extend(finished);
        if !plan.actions.is_empty() {
            let stored = self.tools.catalog.store_retention_plan(&plan).await?;
            self.open_jobs(&instance, &stored).await?;
        }
        for (point, reason) in kept(&plan, &others) {
            self.postpone(point, reason).await?;
        }
        Ok(())
    }

    /// Plans what is left of an instance whose data was deleted; removes the instance when nothing is.
    async fn data_deletion(&mut self, instance: InstanceId) -> Result<(), Fault> {
        let (instance, facts) = self.tools.catalog.instance_with_facts(instance).await?;
        let points = points_there(self.tools, instance.id, MAX_ITEMS).await?;
        if points.is_empty() {
            tracing::info!(instance = %instance.id, "all data of the instance is gone");
            return Ok(self.tools.catalog.remove_instance(instance.id, self.now).await?);
        }
        for point in points.iter().filter(|point| point.state == PointState::Rehydrating) {
            self.end_rehydration(point).await?;
        }
        let plan = plan_data_deletion(self.now, &facts, &points);
        if !plan.actions.is_empty() {
            let stored = self.tools.catalog.store_retention_plan(&plan).await?;
            self.open_jobs(&instance, &stored).await?;
        }
        Ok(())
    }

    /// What an earlier run, or a rehydration, has left to do for a point for which nothing is due by its retention; or
    /// nothing can be done yet, since it is being rehydrated.
    fn what_is_left_over(&self, point: &RecoveryPoint) -> Option<LeftOver> {
        if point.state == PointState::Rehydrating {
            return Some(LeftOver::Rehydration);
        }
        let (due, _) = point.next_due().filter(|(due, _)| *due > self.now)?;
        match point.state {
            PointState::Rehydrated if point.rehydrated_until.is_some_and(|until| until <= self.now) => {
                Some(LeftOver::Rehydration)
            }
            // It stands among what is due until its segments in the backup store are gone.
            PointState::Archived if !point.legal_hold => Some(LeftOver::OldSegments(PlannedAction {
                point: point.id,
                action: DueAction::Archive,
                why: ActReason::Begun,
                consistent_at: point.consistent_at,
                rule: point.retention.rule,
                due: point.retention.backup_store_until.min(due),
            })),
            _ => None,
        }
    }

    /// Calls a point archived again whose copies are gone, or are being made for nobody: while a job waits for them, its
    /// instance is left alone. What is due for the point is the next run's: a job that was opened meanwhile asks anew.
    async fn end_rehydration(&self, point: &RecoveryPoint) -> Result<(), Fault> {
        // Whoever archived it may have died before its segments in the backup store went: the next run looks, and goes
        // on with that. Under legal hold they stay.
        let next_due = if point.legal_hold { NextDue::AsStamped } else { NextDue::At(self.now) };
        let change = PointChange { next_due, ..PointChange::default() };
        self.tools.catalog.move_point(point, PointState::Archived, &change).await?;
        Ok(())
    }

    /// Opens a job for each action, and makes it an item.
    async fn open_jobs(&mut self, instance: &Instance, plan: &RetentionPlan) -> Result<(), Fault> {
        let room = MAX_ITEMS.saturating_sub(self.items.len());
        for action in plan.actions.iter().take(room) {
            let operation = match action.action {
                DueAction::Archive => Operation::Tier,
                DueAction::Expire => Operation::Expire,
            };
            let id = JobId::of_point(action.point, self.now, operation);
            let mut job = Job::queued(id, operation, instance, self.now);
            job.status = JobStatus::InProgress;
            job.started_by = self.execution.to_owned();
            job.execution = Some(self.execution.to_owned());
            job.point = Some(action.point);
            self.tools.catalog.open_job(&job).await?;
            self.items.push(Item {
                action: action.action,
                job: id,
                instance: instance.id,
                point: action.point,
                ground: match action.why {
                    ActReason::DataDeleted => Ground::DataDeletion,
                    ActReason::TimeOver | ActReason::Begun => Ground::Retention,
                },
                now: self.given,
            });
        }
        Ok(())
    }

    /// Looks at a point again when it may be another thing, so that what is kept is not read every hour.
    async fn postpone(&self, point: &RecoveryPoint, reason: KeepReason) -> Result<(), Fault> {
        let until = match reason {
            KeepReason::Locked { until }
            | KeepReason::Rehydrated { until }
            | KeepReason::NotDue { due: until } => until,
            KeepReason::LegalHold
            | KeepReason::RetainedForever
            | KeepReason::SoftDeleted { .. }
            | KeepReason::DataNotDeleted
            | KeepReason::NewestGoodPoint
            | KeepReason::NoGoodPointKnown => {
                self.now.saturating_add(UNTIL_LOOKED_AT_AGAIN).unwrap_or(Timestamp::MAX)
            }
            KeepReason::OfAnotherInstance
            | KeepReason::Deleted
            | KeepReason::Rehydrating
            | KeepReason::Archiving
            | KeepReason::LimitReached { .. } => return Ok(()),
        };
        Ok(self.tools.catalog.postpone_point(point, until).await?)
    }
}

/// What is left to do for a point, whatever its retention says.
enum LeftOver {
    /// Its readable copy is gone, or nobody waits for it.
    Rehydration,
    /// It is archived, and its segments may be in the backup store as well.
    OldSegments(PlannedAction),
}

/// The points that the plan leaves alone, with why.
fn kept<'p>(plan: &RetentionPlan, points: &'p [RecoveryPoint]) -> Vec<(&'p RecoveryPoint, KeepReason)> {
    let of = |id: PointId| points.iter().find(|point| point.id == id);
    plan.kept.iter().filter_map(|kept| Some((of(kept.point)?, kept.reason))).collect()
}
