//! Laws that hold for every policy, however its runs go.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use permafrost_domain::immutability::Immutability;
use permafrost_domain::policy::PolicySpec;
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::retention::{
    Criteria, DeletionMargins, DueAction, InstanceFacts, NewestGoodPoint, PeriodClaim, Reason, plan_retention,
};
use permafrost_domain::simulate::{
    ComingBackup, Course, Outcome, Simulation, StoreKind, diff, simulate, simulate_after,
};
use proptest::prelude::*;

/// The time that is simulated: it has a leap day, and weeks that cross a year.
const FROM: &str = "2027-06-01T00:00:00Z";
const UNTIL: &str = "2028-09-01T00:00:00Z";

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn parse(text: &str) -> PolicySpec {
    PolicySpec::parse(text).unwrap_or_else(|problems| panic!("{problems}\n{text}"))
}

fn schedule() -> impl Strategy<Value = String> {
    let recurrence = prop::sample::select(vec![
        "every: week, on: [sunday], at: [\"02:00\"]",
        "every: week, on: [monday, thursday], at: [\"23:30\"]",
        "every: month, on: [1, 15, last], at: [\"00:15\"]",
        "every: day, at: [\"02:30\"]",
        "every: day, at: [\"01:45\", \"13:00\"]",
        "every: hour, interval: 12, at: [\"06:00\"]",
    ]);
    let zone = prop::sample::select(vec![
        "UTC",
        "Europe/Berlin",
        "America/Los_Angeles",
        "Pacific/Auckland",
        "Australia/Lord_Howe",
        "Asia/Kolkata",
    ]);
    (recurrence, zone)
        .prop_map(|(recurrence, zone)| format!("schedule: {{{recurrence}, time_zone: {zone}}}\n"))
}

fn rule(name: &'static str, specific: &'static str) -> impl Strategy<Value = String> {
    let criteria =
        prop::sample::select(vec![String::new(), "first_successful".to_owned(), specific.to_owned()]);
    (criteria, stay()).prop_map(move |(criteria, stay)| match criteria.as_str() {
        "" => String::new(),
        criteria => format!("  {name}: {{criteria: {criteria}, {stay}}}\n"),
    })
}

fn stay() -> impl Strategy<Value = &'static str> {
    prop::sample::select(vec![
        "backup_store: P7D",
        "backup_store: P5W",
        "backup_store: P3M",
        "backup_store: P2Y",
        "backup_store: P1M, on_expiry: archive, archive_store: P1Y",
        "backup_store: P200D, on_expiry: archive, archive_store: P7Y, archive_class: flexible_retrieval",
    ])
}

fn policy() -> impl Strategy<Value = PolicySpec> {
    let rules = (
        rule("yearly", "{months: [january, july], days: [1, last]}"),
        rule("monthly", "{weekdays: [sunday, monday], weeks: [first, last]}"),
        rule("weekly", "{weekdays: [monday, saturday, sunday]}"),
        rule("daily", "{weekdays: [thursday]}"),
    );
    let week = prop::sample::select(vec!["monday", "sunday"]);
    (schedule(), rules, week, stay()).prop_map(|(schedule, (yearly, monthly, weekly, daily), week, stay)| {
        parse(&format!(
            "{schedule}retention:\n  week_starts_on: {week}\n  default: {{{stay}}}\n{yearly}{monthly}{weekly}{daily}"
        ))
    })
}

fn outcome() -> impl Strategy<Value = Outcome> {
    let course = || {
        (0_u64..30 * 60, 0_u64..20 * 60).prop_map(|(late, takes)| Course {
            late: Duration::from_secs(late * 60),
            takes: Duration::from_secs(takes * 60),
        })
    };
    prop_oneof![
        6 => Just(Outcome::ON_TIME),
        3 => Just(Outcome::Fails),
        2 => course().prop_map(Outcome::Commits),
        1 => (course(), course()).prop_map(|(one, other)| Outcome::Races(one, other)),
    ]
}

/// How runs go, one after the other and over again.
fn outcomes() -> impl Strategy<Value = Vec<Outcome>> {
    prop::collection::vec(outcome(), 1..40)
}

fn run(spec: &PolicySpec, outcomes: &[Outcome]) -> Simulation {
    let mut next = outcomes.iter().cycle();
    simulate(spec, moment(FROM), moment(UNTIL), |_| *next.next().unwrap())
}

/// Records of all points that are committed at `now`, also of those that were deleted, as they were before: in the
/// backup store, or in the archive store once their time for that has come.
fn records(simulation: &Simulation, now: Timestamp) -> Vec<RecoveryPoint> {
    let mut undeleted = simulation.clone();
    undeleted.points.iter_mut().for_each(|point| point.deleted_on = None);
    undeleted.records_at(now)
}

fn facts(points: &[RecoveryPoint]) -> Option<InstanceFacts> {
    let newest = points.last()?;
    Some(InstanceFacts {
        instance: newest.instance,
        points: points.len() as u64,
        newest_good: Some(NewestGoodPoint { id: newest.id, consistent_at: newest.consistent_at }),
        stopped: None,
        deletion: None,
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_newest_point_always_survives(spec in policy(), outcomes in outcomes(), share in 0.0_f64..1.0) {
        let simulation = run(&spec, &outcomes);
        let span = moment(UNTIL).duration_since(moment(FROM)).as_secs_f64();
        let now = moment(FROM) + SignedDuration::from_secs_f64(span * share);
        let newest = simulation.points.iter().rfind(|point| point.committed_at <= now);
        if let Some(newest) = newest {
            prop_assert!(newest.store_at(now).is_some(), "{newest:?}");
        }
    }

    #[test]
    fn exactly_one_rule_applies_the_highest_that_is_met(spec in policy(), outcomes in outcomes()) {
        let rules: Vec<_> = spec.retention.rules().collect();
        for point in run(&spec, &outcomes).points {
            let reasons = &point.retention.reasons;
            let told: Vec<_> = reasons.iter().filter_map(Reason::rule).collect();
            let names: Vec<_> = rules.iter().map(|rule| rule.name).collect();
            prop_assert_eq!(told, names, "a reason for each rule");
            let highest = reasons.iter().find(|reason| reason.is_met()).and_then(Reason::rule);
            prop_assert_eq!(highest, Some(point.rule()));
            let rule = rules.iter().find(|rule| rule.name == point.rule()).unwrap();
            prop_assert_eq!(point.retention.backup_store_until, rule.backup_store.end(point.time));
        }
    }

    #[test]
    fn a_period_belongs_to_the_first_commit_in_it_and_a_failed_run_never_uses_it_up(
        spec in policy(), outcomes in outcomes(),
    ) {
        let simulation = run(&spec, &outcomes);
        let mut commits: Vec<_> = simulation.points.iter().collect();
        commits.sort_by_key(|point| (point.committed_at, point.time));
        let mut owners: BTreeMap<PeriodClaim, Timestamp> = BTreeMap::new();
        for point in &commits {
            for claim in &point.claims {
                prop_assert!(owners.insert(*claim, point.committed_at).is_none(), "{} twice", claim);
            }
        }
        let mut of_points = BTreeSet::new();
        for point in commits {
            for period in spec.periods(point.time) {
                of_points.insert(period);
                let owner = owners.get(&period);
                prop_assert!(owner.is_some_and(|owner| *owner <= point.committed_at), "{} of {:?}", period, owner);
            }
        }
        prop_assert!(owners.keys().all(|claim| of_points.contains(claim)), "no period without a point");
        let first = |rule| spec.retention.periodic().any(|(criteria, of)| of.name == rule && matches!(criteria, Criteria::FirstSuccessful));
        prop_assert!(owners.keys().all(|claim| first(claim.rule())), "only rules of first backups have periods");
    }

    #[test]
    fn nothing_is_deleted_before_its_stamped_time(spec in policy(), outcomes in outcomes()) {
        for point in run(&spec, &outcomes).points {
            prop_assert!(point.deleted_on.is_none_or(|deleted_on| deleted_on >= point.retention.deleted_on()));
            prop_assert!(point.committed_at >= point.time && point.time >= point.due);
        }
    }

    #[test]
    fn where_backups_stop_deletion_stops_at_the_newest_point(
        spec in policy(), outcomes in outcomes(), days in 20_i64..400,
    ) {
        let stop = moment(FROM) + SignedDuration::from_hours(days * 24);
        let mut next = outcomes.iter().cycle();
        let simulation = simulate(&spec, moment(FROM), moment(UNTIL), |due| {
            if due < stop { *next.next().unwrap() } else { Outcome::Fails }
        });
        if let Some((newest, older)) = simulation.points.split_last() {
            prop_assert_eq!(newest.deleted_on, None);
            prop_assert!(older.iter().all(|point| point.deleted_on.is_some()));
        }
    }

    #[test]
    fn the_plan_of_retention_does_what_the_simulation_says(
        spec in policy(), outcomes in outcomes(), share in 0.0_f64..1.0,
    ) {
        let simulation = run(&spec, &outcomes);
        let span = moment(UNTIL).duration_since(moment(FROM)).as_secs_f64();
        let now = moment(FROM) + SignedDuration::from_secs_f64(span * share);
        let points = records(&simulation, now);
        let Some(facts) = facts(&points) else { return Ok(()) };
        let unlimited = DeletionMargins { share_percent: 100, at_least: u64::MAX };
        let plan = plan_retention(now, &facts, &points, unlimited);
        prop_assert_eq!(&plan, &plan_retention(now, &facts, &points, unlimited), "planned twice");
        let existing: BTreeMap<Timestamp, StoreKind> =
            simulation.at(now).map(|(point, store)| (point.time, store)).collect();
        for point in &points {
            let deleted = plan.actions.iter().any(|act| act.point == point.id && act.action == DueAction::Expire);
            match existing.get(&point.consistent_at) {
                // Of points of one moment, which only a race makes, all but one may be gone.
                Some(_) if points.iter().filter(|other| other.consistent_at == point.consistent_at).count() > 1 => {}
                Some(store) => {
                    prop_assert!(!deleted, "{:?} at {}", point, now);
                    let archived = point.state == PointState::Archived;
                    prop_assert_eq!(archived, *store == StoreKind::Archive);
                }
                None => prop_assert!(deleted, "{:?} at {}", point, now),
            }
        }
    }

    #[test]
    fn a_simulation_goes_on_where_another_ended(spec in policy(), days in 20_i64..400) {
        let middle = moment(FROM) + SignedDuration::from_hours(days * 24);
        let on_time = |_| Outcome::ON_TIME;
        let whole = simulate(&spec, moment(FROM), moment(UNTIL), on_time);
        let mut halves = simulate(&spec, moment(FROM), middle, on_time).points;
        let taken = halves.iter().flat_map(|point| point.claims.clone()).collect();
        halves.extend(simulate_after(&spec, taken, middle, moment(UNTIL), on_time).points);
        prop_assert_eq!(whole.points, halves);
    }

    #[test]
    fn no_change_of_policy_shortens_a_point_of_an_immutable_vault(
        old in policy(), new in policy(), outcomes in outcomes(), locked in any::<bool>(),
    ) {
        let from = moment(UNTIL);
        let mut existing = run(&old, &outcomes).records_at(from - SignedDuration::from_hours(1));
        // A lock of a point forbids it also where the vault's immutability does not.
        let immutability = if locked { Immutability::Disabled } else { Immutability::Enabled };
        for point in existing.iter_mut().filter(|_| locked) {
            point.locked_until = Some(point.retention.backup_store_until);
        }
        let until = from + SignedDuration::from_hours(40 * 24);
        let changes = diff(&old, &new, &existing, immutability, from, until).existing;
        prop_assert_eq!(changes.len(), existing.len());
        for change in changes {
            prop_assert!(change.after.deleted_on() >= change.before.deleted_on(), "{change:?}");
            prop_assert!(change.after.backup_store_until >= change.before.backup_store_until, "{change:?}");
        }
    }

    #[test]
    fn a_policy_that_does_not_change_changes_nothing(spec in policy()) {
        let (from, until) = (moment(UNTIL), moment(UNTIL) + SignedDuration::from_hours(60 * 24));
        let past = simulate(&spec, moment(FROM), from, |_| Outcome::ON_TIME);
        let mut existing = past.records_at(from);
        // Only where the periods' first points still exist can the same verdict be found again.
        existing.retain(|point| {
            past.points.iter().find(|past| past.time == point.consistent_at).is_some_and(|past| {
                spec.periods(past.time).iter().all(|period| past.claims.contains(period))
            })
        });
        let diff = diff(&spec, &spec, &existing, Immutability::Disabled, from, until);
        prop_assert!(diff.coming.iter().all(ComingBackup::is_unchanged));
        for change in diff.existing {
            prop_assert_eq!(change.before, change.after);
        }
    }
}
