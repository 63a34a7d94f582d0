//! Simulation: which points a policy makes, in which store each one is when, and why.
//!
//! The same verdict as at a commit ([`decide`]) is asked for every run of the schedule, one after
//! the other, with the periods that earlier points have used up. How each run goes is the caller's to say. The
//! newest point is never deleted, however old it is; the margins that bound how much one run of the retention
//! deletes are left out: they delay deletions by hours.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::{Span, Timestamp};
use serde::ser::SerializeStruct;
use serde::{Serialize, Serializer};

use crate::policy::PolicySpec;
use crate::retention::{Asked, PeriodClaim, RuleName, StampedRetention, decide};

pub use crate::simulate::diff::{ComingBackup, Effect, ExistingChange, PolicyDiff, diff};

mod diff;
mod record;

/// How far past the end the simulation looks for the backup that frees the last points: a schedule runs at least
/// once in two months.
const AHEAD_DAYS: i64 = 366;

/// How one backup goes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Course {
    /// From the time of the run to the moment whose data the point holds.
    pub late: Duration,
    /// From there to the commit.
    pub takes: Duration,
}

/// What becomes of a run of the schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It commits a point.
    Commits(Course),
    /// It leaves no point.
    Fails,
    /// It was started twice, and both backups commit a point.
    Races(Course, Course),
}

impl Outcome {
    /// It commits a point of the very time when it is due.
    pub const ON_TIME: Self = Self::Commits(Course { late: Duration::ZERO, takes: Duration::ZERO });
}

/// What a policy leads to over a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Simulation {
    /// The points, the oldest first.
    pub points: Vec<SimulatedPoint>,
    /// The runs that made none, the oldest first.
    pub missed: Vec<MissedRun>,
}

/// A run that made no point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MissedRun {
    /// When it was due.
    pub due: Timestamp,
    /// Why.
    pub cause: MissCause,
}

/// Why a run made no point.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissCause {
    /// It failed.
    Failed,
    /// The one before still ran.
    Skipped,
}

/// A point that a simulation made.
///
/// As JSON: `time`, `rule`, `backup_store_until`, `archive_until` (or null), `deleted_on` (null where it never is),
/// `reasons`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SimulatedPoint {
    /// When the run was due that made it.
    pub due: Timestamp,
    /// The moment whose data it holds.
    pub time: Timestamp,
    /// When it was committed.
    pub committed_at: Timestamp,
    /// What was decided then.
    pub retention: StampedRetention,
    /// The periods that it used up.
    pub claims: Vec<PeriodClaim>,
    /// When it is deleted: when its stamped time is over and a newer point is there. Never where no newer one comes.
    pub deleted_on: Option<Timestamp>,
}

/// A store that a point is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum StoreKind {
    /// The backup store.
    Backup,
    /// The archive store.
    Archive,
}

impl SimulatedPoint {
    /// The one rule that set its retention.
    pub fn rule(&self) -> RuleName {
        self.retention.rule
    }

    /// When its time in the archive store ends, where it has one.
    pub fn archive_until(&self) -> Option<Timestamp> {
        self.retention.archive.map(|archive| archive.until)
    }

    /// The store that it is in at `moment`; none before its commit and from its deletion on.
    pub fn store_at(&self, moment: Timestamp) -> Option<StoreKind> {
        if moment < self.committed_at || self.deleted_on.is_some_and(|deleted_on| deleted_on <= moment) {
            None
        } else if self.retention.archive.is_some() && self.retention.backup_store_until <= moment {
            Some(StoreKind::Archive)
        } else {
            Some(StoreKind::Backup)
        }
    }

    /// Whether it outlives its stamped time because it is the newest.
    pub fn outlives_its_stamp(&self) -> bool {
        self.deleted_on.is_none_or(|deleted_on| deleted_on > self.retention.deleted_on())
    }
}

impl Serialize for SimulatedPoint {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut point = serializer.serialize_struct("SimulatedPoint", 6)?;
        point.serialize_field("time", &self.time)?;
        point.serialize_field("rule", &self.retention.rule)?;
        point.serialize_field("backup_store_until", &self.retention.backup_store_until)?;
        point.serialize_field("archive_until", &self.archive_until())?;
        point.serialize_field("deleted_on", &self.deleted_on)?;
        point.serialize_field("reasons", &self.retention.reasons)?;
        point.end()
    }
}

impl Simulation {
    /// The points that exist at `moment`, the oldest first, and the store that each is in.
    pub fn at(&self, moment: Timestamp) -> impl Iterator<Item = (&SimulatedPoint, StoreKind)> {
        self.points.iter().filter_map(move |point| point.store_at(moment).map(|store| (point, store)))
    }
}

/// What `spec` leads to for the runs that are due from `from` on and before `until`. `outcome` is asked for each
/// run that is not skipped, in order, by the time when it is due.
///
/// It is also asked for the runs of a year after `until`, up to the first that makes a point: that point is not
/// part of the result, but until it is there the newest one stays.
pub fn simulate(
    spec: &PolicySpec,
    from: Timestamp,
    until: Timestamp,
    outcome: impl FnMut(Timestamp) -> Outcome,
) -> Simulation {
    simulate_after(spec, BTreeSet::new(), from, until, outcome)
}

/// As [`simulate`], where points from before `from` have used up the periods `taken`.
pub fn simulate_after(
    spec: &PolicySpec,
    taken: BTreeSet<PeriodClaim>,
    from: Timestamp,
    until: Timestamp,
    mut outcome: impl FnMut(Timestamp) -> Outcome,
) -> Simulation {
    let Some(schedule) = &spec.schedule else { return Simulation::default() };
    let end = until.saturating_add(Span::new().hours(AHEAD_DAYS * 24)).unwrap_or(Timestamp::MAX);
    let mut simulation = Simulation::default();
    let mut clerk = Clerk { spec, taken, busy_until: None };
    let mut newer = None;
    // A run that is due at the very beginning belongs to the time.
    let before = from.saturating_sub(Span::new().nanoseconds(1)).unwrap_or(Timestamp::MIN);
    for due in schedule.runs_after(before).map(|run| run.at).take_while(|due| *due < end) {
        let points = match clerk.run(due, &mut outcome) {
            Ok(points) => points,
            Err(cause) if due < until => {
                simulation.missed.push(MissedRun { due, cause });
                continue;
            }
            Err(_) => continue,
        };
        if due < until {
            simulation.points.extend(points);
        } else {
            newer = points.iter().map(|point| point.committed_at).min();
            break;
        }
    }
    simulation.points.sort_by_key(|point| (point.time, point.committed_at));
    keep_the_newest(&mut simulation.points, newer);
    simulation
}

/// Runs backups one after the other and remembers which periods are used up.
struct Clerk<'a> {
    spec: &'a PolicySpec,
    taken: BTreeSet<PeriodClaim>,
    busy_until: Option<Timestamp>,
}

impl Clerk<'_> {
    /// The points of the run that is due at `due`, as they commit.
    fn run(
        &mut self,
        due: Timestamp,
        outcome: &mut impl FnMut(Timestamp) -> Outcome,
    ) -> Result<Vec<SimulatedPoint>, MissCause> {
        if self.busy_until.is_some_and(|busy_until| due < busy_until) {
            return Err(MissCause::Skipped);
        }
        let mut commits = match outcome(due) {
            Outcome::Fails => return Err(MissCause::Failed),
            Outcome::Commits(course) => vec![times(due, course)],
            Outcome::Races(one, other) => vec![times(due, one), times(due, other)],
        };
        commits.sort_by_key(|(_, committed_at)| *committed_at);
        self.busy_until = commits.last().map(|(_, committed_at)| *committed_at);
        Ok(commits.into_iter().map(|(time, committed_at)| self.commit(due, time, committed_at)).collect())
    }

    fn commit(&mut self, due: Timestamp, time: Timestamp, committed_at: Timestamp) -> SimulatedPoint {
        let verdict = decide(self.spec, time, Asked::Scheduled, &self.taken)
            .unwrap_or_else(|_| unreachable!("only who asks on demand names a rule"));
        self.taken.extend(&verdict.claims);
        let (retention, claims) = (verdict.retention, verdict.claims);
        SimulatedPoint { due, time, committed_at, retention, claims, deleted_on: None }
    }
}

/// The moment whose data a backup holds, and that of its commit. The end of time where the calendar ends first.
fn times(due: Timestamp, course: Course) -> (Timestamp, Timestamp) {
    let after = |time: Timestamp, wait: Duration| time.checked_add(wait).unwrap_or(Timestamp::MAX);
    let time = after(due, course.late);
    (time, after(time, course.takes))
}

/// Says when each of `points`, the oldest first, is deleted: no point before one that holds newer data is there.
fn keep_the_newest(points: &mut [SimulatedPoint], mut newer: Option<Timestamp>) {
    for point in points.iter_mut().rev() {
        point.deleted_on = newer.map(|newer| newer.max(point.retention.deleted_on()));
        newer = Some(newer.map_or(point.committed_at, |newer| newer.min(point.committed_at)));
    }
}
