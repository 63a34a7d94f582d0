//! What a change of policy does to points, case by case, expected by hand.
#![allow(clippy::unwrap_used, reason = "tests")]

use jiff::Timestamp;
use permafrost_domain::immutability::Immutability::{self, Disabled, Enabled, Locked};
use permafrost_domain::policy::PolicySpec;
use permafrost_domain::recovery_point::{BackupKind, PointState, RecoveryPoint};
use permafrost_domain::retention::RuleName;
use permafrost_domain::simulate::{Effect, Outcome, PolicyDiff, SimulatedPoint, diff, simulate};

const SUNDAYS: &str = "schedule: {every: week, on: [sunday], at: [\"02:00\"]}\n";
/// A Friday; the Sundays before it are 6, 13, 20 and 27 December.
const FROM: &str = "2027-01-01T00:00:00Z";

fn moment(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn policy(retention: &str) -> PolicySpec {
    PolicySpec::parse(&format!("{SUNDAYS}retention: {{{retention}}}\n"))
        .unwrap_or_else(|problems| panic!("{problems}"))
}

/// The points of the four Sundays of December 2026 under a policy.
fn december(spec: &PolicySpec) -> Vec<RecoveryPoint> {
    let from = moment("2026-12-01T00:00:00Z");
    simulate(spec, from, moment(FROM), |_| Outcome::ON_TIME).records_at(moment(FROM))
}

fn change(
    old: &PolicySpec,
    new: &PolicySpec,
    points: &[RecoveryPoint],
    immutability: Immutability,
) -> PolicyDiff {
    diff(old, new, points, immutability, moment(FROM), moment("2027-03-01T00:00:00Z"))
}

/// Rule, effect and time of deletion of each point after a change.
fn after(old: &str, new: &str, immutability: Immutability) -> Vec<(RuleName, Effect, String)> {
    let (old, new) = (policy(old), policy(new));
    let changes = change(&old, &new, &december(&old), immutability).existing;
    let day = |moment: Timestamp| moment.strftime("%Y-%m-%d").to_string();
    changes
        .into_iter()
        .map(|change| (change.after.rule, change.effect, day(change.after.deleted_on())))
        .collect()
}

const THREE_MONTHS: &str = "default: {backup_store: P3M}";

#[test]
fn a_longer_rule_lengthens() {
    let expected = ["2027-06-06", "2027-06-13", "2027-06-20", "2027-06-27"]
        .map(|day| (RuleName::Default, Effect::Lengthened, day.to_owned()));
    for immutability in [Disabled, Enabled, Locked] {
        assert_eq!(after(THREE_MONTHS, "default: {backup_store: P6M}", immutability), expected);
    }
}

#[test]
fn a_shorter_rule_shortens_only_where_nothing_is_locked() {
    let shorter = "default: {backup_store: P2M}";
    let short = ["2027-02-06", "2027-02-13", "2027-02-20", "2027-02-27"];
    let long = ["2027-03-06", "2027-03-13", "2027-03-20", "2027-03-27"];
    let points = |days: [&str; 4], effect| days.map(|day| (RuleName::Default, effect, day.to_owned()));
    assert_eq!(after(THREE_MONTHS, shorter, Disabled), points(short, Effect::Shortened));
    for immutability in [Enabled, Locked] {
        assert_eq!(after(THREE_MONTHS, shorter, immutability), points(long, Effect::NotShortened));
    }
}

#[test]
fn points_that_were_to_be_deleted_are_archived_instead() {
    let archive = "default: {backup_store: P3M, on_expiry: archive, archive_store: P1Y}";
    let expected = ["2028-03-06", "2028-03-13", "2028-03-20", "2028-03-27"]
        .map(|day| (RuleName::Default, Effect::ArchivedInstead, day.to_owned()));
    assert_eq!(after(THREE_MONTHS, archive, Enabled), expected);
}

#[test]
fn a_new_rule_takes_the_first_point_of_each_period_that_exists() {
    let monthly = "default: {backup_store: P3M}, monthly: {criteria: first_successful, backup_store: P1Y}";
    let unchanged = |day: &str| (RuleName::Default, Effect::Unchanged, day.to_owned());
    assert_eq!(
        after(THREE_MONTHS, monthly, Enabled),
        [
            (RuleName::Monthly, Effect::Lengthened, "2027-12-06".to_owned()),
            unchanged("2027-03-13"),
            unchanged("2027-03-20"),
            unchanged("2027-03-27"),
        ]
    );
}

#[test]
fn an_earlier_move_into_the_archive_with_the_same_end_is_no_shortening() {
    // 12 months and 12 come to the same as 6 and 18.
    let late = "default: {backup_store: P12M, on_expiry: archive, archive_store: P12M}";
    let early = "default: {backup_store: P6M, on_expiry: archive, archive_store: P18M}";
    let effects = |immutability| after(late, early, immutability).into_iter().map(|(_, effect, _)| effect);
    assert!(effects(Disabled).all(|effect| effect == Effect::MovedOtherwise));
    // Locked objects cannot leave the backup store before their time.
    let (old, new) = (policy(late), policy(early));
    for change in change(&old, &new, &december(&old), Locked).existing {
        assert_eq!(change.before.backup_store_until, change.after.backup_store_until);
        assert_eq!(change.effect, Effect::Unchanged);
    }
}

#[test]
fn a_point_on_demand_keeps_its_rule() {
    let old = policy("monthly: {backup_store: P1Y}");
    let mut points = december(&old);
    points.truncate(1);
    points[0].kind = BackupKind::OnDemand;
    let new = policy("monthly: {criteria: {days: [31]}, backup_store: P2Y}");
    let lengthened = change(&old, &new, &points, Enabled).existing;
    assert_eq!((lengthened[0].after.rule, lengthened[0].effect), (RuleName::Monthly, Effect::Lengthened));
}

#[test]
fn points_that_are_being_deleted_are_left_out() {
    let spec = policy(THREE_MONTHS);
    let mut points = december(&spec);
    points[0].state = PointState::Expired;
    points[1].state = PointState::Expiring;
    assert_eq!(change(&spec, &spec, &points, Enabled).existing.len(), 2);
}

#[test]
fn coming_backups_are_compared_run_by_run() {
    let old = policy("default: {backup_store: P3M}, monthly: {backup_store: P1Y}");
    let new = "schedule: {every: week, on: [sunday, wednesday], at: [\"02:00\"]}\n\
               retention: {default: {backup_store: P3M}, monthly: {backup_store: P1Y}}\n";
    let new = PolicySpec::parse(new).unwrap();
    let coming = change(&old, &new, &december(&old), Enabled).coming;
    let rules: Vec<(String, Option<RuleName>, Option<RuleName>)> = coming
        .iter()
        .take_while(|backup| backup.due < moment("2027-02-08T00:00:00Z"))
        .map(|backup| {
            let rule = |point: &Option<SimulatedPoint>| point.as_ref().map(SimulatedPoint::rule);
            (backup.due.strftime("%m-%d").to_string(), rule(&backup.before), rule(&backup.after))
        })
        .collect();
    let (monthly, default) = (Some(RuleName::Monthly), Some(RuleName::Default));
    let expected = [
        ("01-03", monthly, monthly),
        ("01-06", None, default),
        ("01-10", default, default),
        ("01-13", None, default),
        ("01-17", default, default),
        ("01-20", None, default),
        ("01-24", default, default),
        ("01-27", None, default),
        ("01-31", default, default),
        ("02-03", None, monthly),
        ("02-07", monthly, default),
    ];
    assert_eq!(rules, expected.map(|(day, before, after)| (day.to_owned(), before, after)));
    assert!(coming[0].is_unchanged() && !coming[1].is_unchanged());
}
