//! Verdicts: which one rule sets a point's retention, and which periods it claims.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use jiff::Timestamp;
use jiff::civil::Date;
use permafrost_domain::PolicyId;
use permafrost_domain::calendar::{WeekOfMonth, WeekStart};
use permafrost_domain::policy::{Policy, PolicySpec};
use permafrost_domain::retention::{
    Asked, Criteria, PeriodClaim, Reason, RuleName, StampedRetention, Verdict, decide,
};
use proptest::prelude::*;
use serde_json::json;

use crate::arbitrary;

fn spec(text: &str) -> PolicySpec {
    PolicySpec::parse(text).unwrap()
}

fn claims(words: &[&str]) -> BTreeSet<PeriodClaim> {
    words.iter().map(|word| word.parse().unwrap()).collect()
}

fn scheduled(spec: &PolicySpec, at: &str, taken: &[&str]) -> Verdict {
    decide(spec, at.parse().unwrap(), Asked::Scheduled, &claims(taken)).unwrap()
}

fn words(verdict: &Verdict) -> Vec<String> {
    verdict.claims.iter().map(ToString::to_string).collect()
}

const ALL_FIRST: &str = "
schedule: {every: day, at: '02:00', time_zone: Europe/Berlin}
retention:
  default: {backup_store: P7D}
  daily: {backup_store: P2W}
  weekly: {backup_store: P2M}
  monthly: {backup_store: P6M, on_expiry: archive, archive_store: P1Y}
  yearly: {backup_store: P1Y, on_expiry: archive, archive_store: P9Y, archive_class: deep_archive}
";

#[test]
fn the_highest_rule_that_is_met_decides_and_every_free_period_is_claimed() {
    let spec = spec(ALL_FIRST);
    let all = ["yearly#2031", "monthly#2031-01", "weekly#2030-12-30", "daily#2031-01-01"];
    // Each row: what is taken, what decides, until when it stays in the backup store.
    for (taken, rule, until) in [
        (&all[..0], RuleName::Yearly, "2032-01-01T01:00:00Z"),
        (&all[..1], RuleName::Monthly, "2031-07-01T01:00:00Z"),
        (&all[..2], RuleName::Weekly, "2031-03-01T01:00:00Z"),
        (&all[..3], RuleName::Daily, "2031-01-15T01:00:00Z"),
        (&all[..4], RuleName::Default, "2031-01-08T01:00:00Z"),
    ] {
        let verdict = scheduled(&spec, "2031-01-01T01:00:00Z", taken);
        assert_eq!(verdict.rule, rule);
        assert_eq!(verdict.retention.backup_store_until.to_string(), until);
        let free: Vec<&str> = all.iter().copied().filter(|claim| !taken.contains(claim)).collect();
        assert_eq!(words(&verdict), free, "claims also the periods of rules that lose");
    }
}

#[test]
fn the_archives_time_counts_from_the_move() {
    let verdict = scheduled(&spec(ALL_FIRST), "2028-02-29T01:00:00Z", &[]);
    let stamp = &verdict.retention;
    assert_eq!(stamp.backup_store_until.to_string(), "2029-02-28T01:00:00Z");
    // Nine years from the 28th that it was moved on, not from the leap day.
    assert_eq!(stamp.deleted_on().to_string(), "2038-02-28T01:00:00Z");
}

#[test]
fn periods_are_those_of_the_policys_zone() {
    let text = |zone: &str| ALL_FIRST.replace("Europe/Berlin", zone);
    let at = "2030-12-31T23:30:00Z";
    for (zone, expected) in [
        ("Europe/Berlin", ["yearly#2031", "monthly#2031-01", "weekly#2030-12-30", "daily#2031-01-01"]),
        ("America/New_York", ["yearly#2030", "monthly#2030-12", "weekly#2030-12-30", "daily#2030-12-31"]),
        ("UTC", ["yearly#2030", "monthly#2030-12", "weekly#2030-12-30", "daily#2030-12-31"]),
        ("Pacific/Kiritimati", ["yearly#2031", "monthly#2031-01", "weekly#2030-12-30", "daily#2031-01-01"]),
    ] {
        assert_eq!(words(&scheduled(&spec(&text(zone)), at, &[])), expected, "{zone}");
    }
    // 5 January 2031 is a Sunday.
    let sundays = text("UTC").replace("retention:", "retention:\n  week_starts_on: sunday");
    let week = |at| words(&scheduled(&spec(&sundays), at, &[]))[2].clone();
    assert_eq!(week("2031-01-04T23:59:59Z"), "weekly#2030-12-29");
    assert_eq!(week("2031-01-05T00:00:00Z"), "weekly#2031-01-05");
}

#[test]
fn specific_criteria_take_every_backup_of_their_days_and_claim_nothing() {
    let spec = spec(
        "
schedule: {every: day, at: '02:00'}
retention:
  daily: {backup_store: P2W, criteria: {weekdays: [monday, tuesday]}}
  weekly: {backup_store: P2M, criteria: {weekdays: [sunday]}}
  monthly: {backup_store: P6M, criteria: {days: [1, last]}}
  yearly: {backup_store: P1Y, criteria: {weekdays: [sunday], weeks: [first, last], months: [february]}}
",
    );
    for (day, rule) in [
        ("2032-02-01", RuleName::Yearly), // the first Sunday, and the first of the month
        ("2032-02-29", RuleName::Yearly), // the last Sunday, and the last of the month: a leap day
        ("2032-02-08", RuleName::Weekly), // the second Sunday
        ("2032-02-28", RuleName::Default), // a Saturday that is not the last day in a leap year
        ("2031-02-28", RuleName::Monthly), // but is in others
        ("2032-03-01", RuleName::Monthly), // a Monday, and the first
        ("2032-03-02", RuleName::Daily),  // a Tuesday
        ("2032-03-03", RuleName::Default),
        ("2032-03-31", RuleName::Monthly),
        ("2032-04-30", RuleName::Monthly),
        ("2032-03-07", RuleName::Weekly), // the first Sunday of another month
    ] {
        for time in ["00:00:00", "23:59:59"] {
            let verdict = scheduled(&spec, &format!("{day}T{time}Z"), &[]);
            assert_eq!(verdict.rule, rule, "{day} {time}");
            assert!(verdict.claims.is_empty());
        }
    }
}

/// Each of the four rules absent, free, taken, chosen or not chosen: 625 policies on one day.
#[test]
fn every_combination_of_rules_and_criteria() {
    let (date, at) = ("2031-01-05", "2031-01-05T10:00:00Z"); // a Sunday, the first of its month
    let periods = [
        (RuleName::Yearly, "yearly#2031", "P4Y"),
        (RuleName::Monthly, "monthly#2031-01", "P3Y"),
        (RuleName::Weekly, "weekly#2030-12-30", "P2Y"),
        (RuleName::Daily, "daily#2031-01-05", "P1Y"),
    ];
    for combination in 0..5_usize.pow(4) {
        let mut text =
            "schedule: {every: day, at: '10:00'}\nretention:\n  default: {backup_store: P1M}\n".to_owned();
        let (mut taken, mut claims) = (Vec::new(), Vec::new());
        let mut expected = (RuleName::Default, "2031-02-05");
        for (index, (rule, claim, keep)) in periods.into_iter().enumerate().rev() {
            let (criteria, is_met) = match combination / 5_usize.pow(u32::try_from(index).unwrap()) % 5 {
                0 => continue,
                1 => ("first_successful", true),
                2 => ("first_successful", false),
                3 => ("{weekdays: [sunday]}", true),
                _ => ("{weekdays: [monday]}", false),
            };
            writeln!(text, "  {rule}: {{criteria: {criteria}, backup_store: {keep}}}").unwrap();
            match (criteria, is_met) {
                ("first_successful", true) => claims.insert(0, claim),
                ("first_successful", false) => taken.push(claim),
                _ => {}
            }
            if is_met {
                let until = ["2035-01-05", "2034-01-05", "2033-01-05", "2032-01-05"][index];
                expected = (rule, until);
            }
        }
        // A yearly rule takes weekdays of certain months.
        let text = text.replace("yearly: {criteria: {", "yearly: {criteria: {months: [january], ");
        let verdict = scheduled(&spec(&text), at, &taken);
        let until = verdict.retention.backup_store_until.to_string();
        assert_eq!((verdict.rule, &until[..10]), expected, "{date} {taken:?}\n{text}");
        assert_eq!(words(&verdict), claims, "{text}");
    }
}

#[test]
fn there_is_one_reason_for_each_rule() {
    let text = ALL_FIRST.replace("weekly: {", "weekly: {criteria: {weekdays: [sunday]}, ");
    let verdict = scheduled(&spec(&text), "2031-01-05T10:00:00Z", &["yearly#2031", "monthly#2031-01"]);
    let reasons: Vec<String> = verdict.reasons.iter().map(ToString::to_string).collect();
    assert_eq!(
        reasons,
        [
            "not yearly: 2031 has its backup",
            "not monthly: 2031-01 has its backup",
            "weekly: sunday 2031-01-05 is a chosen day",
            "daily: first successful backup of 2031-01-05",
            "default: takes every point",
        ]
    );
    assert_eq!(verdict.retention.reasons, verdict.reasons);
    let later = scheduled(&spec(&text), "2031-01-06T10:00:00Z", &["yearly#2031", "daily#2031-01-06"]);
    assert_eq!(later.reasons[2].to_string(), "not weekly: monday 2031-01-06 is no chosen day");
}

#[test]
fn a_caller_picks_a_rule_of_the_policy_and_uses_up_no_period() {
    let spec = spec("retention: {yearly: {backup_store: P1Y}}");
    let at = "2031-01-31T10:00:00Z".parse().unwrap();
    for rule in [RuleName::Yearly, RuleName::Default] {
        let verdict = decide(&spec, at, Asked::OnDemand(rule), &BTreeSet::new()).unwrap();
        assert_eq!((verdict.rule, verdict.claims.len()), (rule, 0));
        assert_eq!(verdict.reasons, [Reason::AskedFor { rule }]);
    }
    let refused = decide(&spec, at, Asked::OnDemand(RuleName::Weekly), &BTreeSet::new()).unwrap_err();
    assert_eq!(refused.to_string(), "the policy has no rule weekly; it has yearly, default");
}

#[test]
fn the_policy_is_stamped_with_its_revision() {
    let policy = Policy {
        id: PolicyId::new(Timestamp::UNIX_EPOCH, 1),
        name: "gold".parse().unwrap(),
        revision: 7,
        spec: spec(ALL_FIRST),
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    let verdict = policy.decide("2031-01-31T10:00:00Z".parse().unwrap(), Asked::Scheduled, &BTreeSet::new());
    assert_eq!(verdict.unwrap().retention.policy, Some(policy.stamp()));
    let value = serde_json::to_value(&policy).unwrap();
    assert_eq!(value["spec"]["retention"]["yearly"]["archive_store"], "P9Y");
    assert_eq!(serde_json::from_value::<Policy>(value).unwrap(), policy);
}

#[test]
fn claims_come_back_from_their_text() {
    for text in ["yearly#2031", "monthly#2031-02", "weekly#2031-02-10", "daily#2028-02-29"] {
        assert_eq!(text.parse::<PeriodClaim>().unwrap().to_string(), text);
    }
    for bad in [
        "",
        "yearly",
        "yearly#",
        "yearly#31",
        "yearly#2031-01-01",
        "monthly#2031-13",
        "monthly#2031-2",
        "daily#2031-02-29",
        "default#2031",
        "daily#20310228",
        "Yearly#2031",
        "weekly#2031-W07",
        "daily#2031-02-28T00:00",
    ] {
        assert!(bad.parse::<PeriodClaim>().is_err(), "{bad}");
    }
}

#[test]
fn a_stamp_of_the_first_release_is_read() {
    let value = json!({"rule": "default", "backup_store_until": "2027-02-22T08:00:00Z"});
    let stamp: StampedRetention = serde_json::from_value(value.clone()).unwrap();
    assert_eq!((stamp.archive, stamp.policy, stamp.reasons.len()), (None, None, 0));
    assert_eq!(serde_json::to_value(&stamp).unwrap(), value, "and is written as it was");
}

/// Whether a point of `date` meets `criteria` where the periods `taken` have their backup: told from the words of the
/// product, without the code's helpers.
fn meets(spec: &PolicySpec, rule: RuleName, date: Date, taken: &BTreeSet<PeriodClaim>) -> bool {
    let Some((criteria, _)) = spec.retention.periodic().find(|(_, found)| found.name == rule) else {
        return rule == RuleName::Default;
    };
    match criteria {
        Criteria::FirstSuccessful => !taken.contains(&period(spec, rule, date)),
        Criteria::Specific(chosen) => {
            let weekday = format!("{:?}", date.weekday()).to_lowercase();
            let last_day = date.last_of_month().day();
            let nth = usize::from((date.day().unsigned_abs() - 1) / 7);
            let week = WeekOfMonth::ALL.get(nth).copied().filter(|week| *week != WeekOfMonth::Last);
            let in_last_week = date.day() + 7 > last_day;
            let month = date.strftime("%B").to_string().to_lowercase();
            let in_set = |empty: bool, found: bool| empty || found;
            in_set(chosen.weekdays.is_empty(), chosen.weekdays.iter().any(|day| day.as_str() == weekday))
                && in_set(
                    chosen.weeks.is_empty(),
                    chosen.weeks.iter().any(|chosen| {
                        Some(*chosen) == week || (*chosen == WeekOfMonth::Last && in_last_week)
                    }),
                )
                && in_set(
                    chosen.days.is_empty(),
                    chosen.days.iter().any(|day| day.number().unwrap_or(last_day) == date.day()),
                )
                && in_set(chosen.months.is_empty(), chosen.months.iter().any(|found| found.as_str() == month))
        }
    }
}

fn period(spec: &PolicySpec, rule: RuleName, date: Date) -> PeriodClaim {
    let back = match spec.retention.week_starts_on() {
        WeekStart::Monday => date.weekday().to_monday_zero_offset(),
        WeekStart::Sunday => date.weekday().to_sunday_zero_offset(),
    };
    let week = date - jiff::Span::new().days(back);
    match rule {
        RuleName::Yearly => format!("yearly#{:04}", date.year()),
        RuleName::Monthly => format!("monthly#{:04}-{:02}", date.year(), date.month()),
        RuleName::Weekly => format!("weekly#{week}"),
        RuleName::Daily | RuleName::Default => format!("daily#{date}"),
    }
    .parse()
    .unwrap()
}

fn is_first(spec: &PolicySpec, rule: RuleName) -> bool {
    let mut rules = spec.retention.periodic();
    rules.any(|(criteria, found)| found.name == rule && *criteria == Criteria::FirstSuccessful)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Exactly one rule applies: the highest that is met. The claims are the free periods of rules that ask for the
    /// first successful backup, and of no others.
    #[test]
    fn exactly_one_rule_applies(spec in arbitrary::spec(), at in arbitrary::moment(), taken_bits in 0_usize..16) {
        let date = spec.zone().date(at);
        let taken: BTreeSet<PeriodClaim> = RuleName::PERIODIC
            .iter()
            .enumerate()
            .filter(|(index, _)| taken_bits & (1 << index) != 0)
            .map(|(_, rule)| period(&spec, *rule, date))
            .collect();
        let verdict = decide(&spec, at, Asked::Scheduled, &taken).unwrap();
        let met: Vec<RuleName> =
            RuleName::ALL.into_iter().filter(|rule| meets(&spec, *rule, date, &taken)).collect();
        prop_assert_eq!(verdict.rule, met[0]);
        let stamp = StampedRetention::new(spec.retention.rule(met[0]).unwrap(), at);
        prop_assert_eq!(verdict.retention.backup_store_until, stamp.backup_store_until);
        prop_assert_eq!(verdict.retention.archive, stamp.archive);
        prop_assert!(stamp.backup_store_until > at && stamp.deleted_on() >= stamp.backup_store_until);
        let free: Vec<PeriodClaim> = RuleName::PERIODIC
            .into_iter()
            .filter(|rule| is_first(&spec, *rule))
            .map(|rule| period(&spec, rule, date))
            .filter(|claim| !taken.contains(claim))
            .collect();
        prop_assert_eq!(&verdict.claims, &free);
        let (all, untouched) = (spec.periods(at), decide(&spec, at, Asked::Scheduled, &BTreeSet::new()).unwrap());
        prop_assert_eq!(all, untouched.claims);
        // One reason a rule, and those that are met are the ones that speak for it.
        let rules: Vec<RuleName> = spec.retention.rules().map(|rule| rule.name).collect();
        let reasons: Vec<RuleName> = verdict.reasons.iter().filter_map(Reason::rule).collect();
        prop_assert_eq!(reasons, rules);
        let spoken: Vec<RuleName> =
            verdict.reasons.iter().filter(|reason| reason.is_met()).filter_map(Reason::rule).collect();
        prop_assert_eq!(spoken, met);
        let value = serde_json::to_value(&verdict.retention).unwrap();
        prop_assert_eq!(serde_json::from_value::<StampedRetention>(value).unwrap(), verdict.retention);
    }

    /// A failed run never uses a period up: of the runs of a period that succeed, the first claims it, whatever failed
    /// before, and no other does.
    #[test]
    fn a_failed_run_never_uses_a_period_up(
        spec in arbitrary::spec(), from in arbitrary::moment(),
        gaps in prop::collection::vec((1_i64..20 * 24, any::<bool>()), 1..60),
    ) {
        let mut at = from;
        let mut taken = BTreeSet::new();
        let mut expected: BTreeMap<PeriodClaim, Timestamp> = BTreeMap::new();
        let mut found = BTreeMap::new();
        for (hours, succeeds) in gaps {
            at += jiff::SignedDuration::from_hours(hours);
            if !succeeds {
                continue;
            }
            let verdict = decide(&spec, at, Asked::Scheduled, &taken).unwrap();
            for claim in &verdict.claims {
                prop_assert_eq!(found.insert(*claim, at), None, "{} is claimed twice", claim);
            }
            for rule in RuleName::PERIODIC.into_iter().filter(|rule| is_first(&spec, *rule)) {
                expected.entry(period(&spec, rule, spec.zone().date(at))).or_insert(at);
            }
            taken.extend(verdict.claims);
        }
        prop_assert_eq!(found, expected);
    }
}
