//! Ten years in minutes: an instance lives under a policy for ten years of weekly backups, on the real catalog and the
//! real stores, by the functions that a deployed stack has; the clock is their input. At every turn of the year, and to
//! the last object at the end, what is there is what the simulation of the policy foretells.
//!
//! For two years the lifecycle runs at every hour at which something is due; then only when a month begins, as if it were
//! down in between, which leaves it more to do at once than it may delete in one run.
//!
//! **The ten years are over.** S3 holds a lock by a clock of its own, which no test turns: what is locked into the future
//! could not be deleted when its simulated time has come. So simulated time ends before the machine's does; then
//! whatever may be deleted by the simulated clock may be by S3's, and that nothing goes *before* is seen to by the
//! functions, which hold each lock against their own clock. Locks that reach into the machine's future hold by both. (S3
//! itself refuses to lock anything until a time that is over. The emulator does not.)

#![allow(clippy::unwrap_used, reason = "a helper that cannot set a test up has failed it")]

mod backup;
mod foretold;
#[path = "../steps/mod.rs"]
mod steps;

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::date;
use jiff::tz::TimeZone;
use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, ToSpan, Unit};
use permafrost_domain::immutability::Immutability;
use permafrost_domain::policy::{Policy, PolicySpec};
use permafrost_domain::retention::{DeletionMargins, RuleName};
use permafrost_domain::simulate::{Course, Outcome, SimulatedPoint, Simulation, simulate};
use permafrost_domain::{PointId, PolicyId};

use backup::{Which, back_up, fail};
use permafrost_testing::Vault;
use steps::{carry_out, plan};

/// Rules for the year and the month with an archive of their own class each, one for the week, and the default, which
/// is left to the second of two backups of one week.
const POLICY: &str = r#"
schedule: {every: week, on: [sunday], at: ["02:00"], time_zone: Europe/Berlin}
retention:
  default: {backup_store: P2W}
  weekly: {criteria: first_successful, backup_store: P2M}
  monthly:
    {criteria: first_successful, backup_store: P3M, on_expiry: archive, archive_store: P9M,
     archive_class: flexible_retrieval}
  yearly:
    {criteria: first_successful, backup_store: P6M, on_expiry: archive, archive_store: P5Y,
     archive_class: deep_archive}
"#;

/// The first of the ten years.
const FIRST_YEAR: i16 = 2016;
/// The first year that is not simulated any more.
const END_YEAR: i16 = 2026;

/// The first year in which the lifecycle runs only when a month begins.
const FIRST_MONTHLY_YEAR: i16 = 2018;

/// After how long the lifecycle looks again at what was due and stayed.
const LOOKED_AT_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// How a backup goes.
const COURSE: Course = Course { late: Duration::from_mins(7), takes: Duration::from_mins(20) };
/// How the second of two goes.
const SECOND_COURSE: Course = Course { late: Duration::from_mins(9), takes: Duration::from_mins(31) };

/// Ten years of weekly backups leave the points, stores, locks and objects that the simulation foretells.
#[tokio::test]
async fn ten_years_leave_what_was_foretold() {
    let spec = PolicySpec::parse(POLICY).unwrap();
    let begin = new_year(FIRST_YEAR);
    let policy = Policy {
        id: PolicyId::new(begin, 1),
        name: "weekly".parse().unwrap(),
        revision: 1,
        spec: spec.clone(),
        created_at: begin,
        updated_at: begin,
    };
    let foretold = simulate(&spec, begin, new_year(END_YEAR), outcome);
    assert_tells_enough(&foretold);

    let vault = Vault::under(&policy, Immutability::Locked).await;
    let mut decade = Decade { vault: &vault, due: BTreeSet::new() };
    let schedule = spec.schedule.as_ref().unwrap();
    let mut years = FIRST_YEAR + 1..END_YEAR;
    let mut next_year = years.next();
    let runs = schedule.runs_after(begin).map(|run| run.at);
    for due in runs.take_while(|due| *due < new_year(END_YEAR)) {
        if let Some(year) = next_year.filter(|year| new_year(*year) <= due) {
            decade.live_until(new_year(year)).await;
            foretold::assert_points(&vault, &foretold, new_year(year)).await;
            next_year = years.next();
        }
        decade.live_until(due).await;
        decade.back_up(due).await;
    }
    assert_eq!(next_year, None, "every turn of the year was looked at");
    decade.live_until(new_year(END_YEAR)).await;
    let end = new_year(END_YEAR);
    let there = foretold::assert_points(&vault, &foretold, end).await;
    foretold::assert_objects(&vault, &there, end).await;
}

/// How the run that is due at `due` goes: most well, some not at all, some twice; and for four months none goes well,
/// which is longer than the newest point of then is stamped for.
fn outcome(due: Timestamp) -> Outcome {
    let week = due.duration_since(new_year(FIRST_YEAR)).as_hours() / (7 * 24);
    match week {
        230..248 => Outcome::Fails,
        _ if week % 29 == 11 => Outcome::Fails,
        _ if week % 31 == 7 => Outcome::Races(COURSE, SECOND_COURSE),
        _ => Outcome::Commits(COURSE),
    }
}

/// The simulation has all that the ten years are to show.
fn assert_tells_enough(foretold: &Simulation) {
    let count =
        |is: &dyn Fn(&SimulatedPoint) -> bool| foretold.points.iter().filter(|point| is(point)).count();
    for (rule, least) in
        [(RuleName::Yearly, 10), (RuleName::Monthly, 100), (RuleName::Weekly, 350), (RuleName::Default, 10)]
    {
        let points = count(&|point| point.rule() == rule);
        assert!(points >= least, "{points} points of the rule {rule}");
    }
    let end = new_year(END_YEAR);
    assert!(foretold.missed.len() > 30, "{} runs fail", foretold.missed.len());
    assert!(count(&|point| point.deleted_on.is_some_and(|on| on < end) && point.outlives_its_stamp()) > 0);
    let left_archive =
        |point: &SimulatedPoint| point.rule() == RuleName::Yearly && point.retention.deleted_on() < end;
    assert!(count(&left_archive) > 2, "no point leaves the deep archive");
}

/// Ten years of an instance.
struct Decade<'v> {
    vault: &'v Vault,
    /// When each of its points is looked at next.
    due: BTreeSet<(Timestamp, PointId)>,
}

impl Decade<'_> {
    /// Does what the run of the schedule that is due at `due` comes to.
    async fn back_up(&mut self, due: Timestamp) {
        let courses = match outcome(due) {
            Outcome::Fails => return fail(self.vault, due).await,
            Outcome::Commits(course) => vec![(Which::First, course)],
            Outcome::Races(first, second) => vec![(Which::First, first), (Which::Second, second)],
        };
        for (which, course) in courses {
            let point = back_up(self.vault, due, which, course).await;
            let (next, _) = point.next_due().expect("a point that was just committed is due some day");
            self.due.insert((next, point.id));
        }
    }

    /// Lets the lifecycle run until `moment`, whenever something is due.
    async fn live_until(&mut self, moment: Timestamp) {
        while let Some((due, _)) = self.due.first() {
            let now = run_for(*due);
            if now > moment {
                break;
            }
            self.live_through(now).await;
        }
    }

    /// Runs the lifecycle at `now`, and again a second later while a run may have left something for the next.
    async fn live_through(&mut self, mut now: Timestamp) {
        loop {
            let items = plan(self.vault, now).await.unwrap();
            for item in &items {
                carry_out(self.vault, item).await.unwrap();
            }
            if (items.len() as u64) < DeletionMargins::DEFAULT.at_least {
                break;
            }
            now += SignedDuration::from_secs(1);
        }
        while let Some((_, point)) = self.due.first().copied().filter(|(due, _)| *due <= now) {
            self.due.pop_first();
            match self.vault.point(point).await.next_due() {
                Some((next, _)) if next > now => self.due.insert((next, point)),
                // It is kept for now, as the newest that there is.
                Some(_) => self.due.insert((now + LOOKED_AT_AGAIN, point)),
                None => continue,
            };
        }
    }
}

/// When the lifecycle runs that finds what is due at `due`: in the hour after, or when the next month begins.
fn run_for(due: Timestamp) -> Timestamp {
    if due < new_year(FIRST_MONTHLY_YEAR) {
        return due.round(TimestampRound::new().smallest(Unit::Hour).mode(RoundMode::Ceil)).unwrap();
    }
    let month = due.to_zoned(TimeZone::UTC).first_of_month().unwrap().start_of_day().unwrap();
    month.checked_add(1.month()).unwrap().timestamp()
}

fn new_year(year: i16) -> Timestamp {
    date(year, 1, 1).to_zoned(TimeZone::UTC).unwrap().timestamp()
}
