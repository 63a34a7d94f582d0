//! Any policy: what the laws are tried on.

use std::collections::BTreeSet;

use jiff::Timestamp;
use permafrost_domain::calendar::{Month, MonthDay, TimeOfDay, WeekOfMonth, WeekStart, Weekday};
use permafrost_domain::policy::PolicySpec;
use permafrost_domain::retention::{
    ArchiveLifetime, ChosenDays, Criteria, Lifetime, OnExpiry, RetentionRules, Rule, RuleName,
};
use permafrost_domain::schedule::{HourInterval, Recurrence, Schedule, StartWindow, Zone};
use permafrost_domain::tiering::ArchiveClass;
use proptest::prelude::*;
use proptest::sample::{select, subsequence};

/// East and west of UTC, of both hemispheres, with shifts of an hour and of half an hour, with a clock that is set
/// forward at midnight (Santiago), before 2020 as well (São Paulo), and without daylight saving.
pub(crate) const ZONES: [&str; 9] = [
    "Europe/Berlin",
    "Australia/Sydney",
    "Australia/Lord_Howe",
    "America/Santiago",
    "America/Sao_Paulo",
    "America/New_York",
    "Pacific/Kiritimati",
    "Asia/Kathmandu",
    "UTC",
];

pub(crate) fn zone() -> impl Strategy<Value = Zone> {
    select(&ZONES[..]).prop_map(|name| name.parse().unwrap())
}

/// A moment of the years 2018 to 2040.
pub(crate) fn moment() -> impl Strategy<Value = Timestamp> {
    (1_514_764_800_i64..2_208_988_800).prop_map(|second| Timestamp::from_second(second).unwrap())
}

fn set<T: Ord + Clone + std::fmt::Debug + 'static>(of: Vec<T>) -> impl Strategy<Value = BTreeSet<T>> {
    let most = of.len().min(4);
    subsequence(of, 1..=most).prop_map(BTreeSet::from_iter)
}

fn weekdays() -> impl Strategy<Value = BTreeSet<Weekday>> {
    set(Weekday::ALL.to_vec())
}

fn month_days() -> impl Strategy<Value = BTreeSet<MonthDay>> {
    set((1..=31).filter_map(MonthDay::new).chain([MonthDay::Last]).collect())
}

fn times() -> impl Strategy<Value = BTreeSet<TimeOfDay>> {
    // Half of them by night, when clocks are set.
    let time = prop_oneof![0_u16..4 * 60, 0_u16..24 * 60];
    prop::collection::btree_set(time.prop_map(|minutes| TimeOfDay::from_minutes(minutes).unwrap()), 1..4)
}

pub(crate) fn recurrence() -> impl Strategy<Value = Recurrence> {
    let anchor = (0_u16..24 * 60).prop_map(|minutes| TimeOfDay::from_minutes(minutes).unwrap());
    prop_oneof![
        (select(&HourInterval::ALL[..]), anchor)
            .prop_map(|(interval, anchor)| Recurrence::Hourly { interval, anchor }),
        times().prop_map(|at| Recurrence::Daily { at }),
        (weekdays(), times()).prop_map(|(on, at)| Recurrence::Weekly { on, at }),
        (month_days(), times()).prop_map(|(on, at)| Recurrence::Monthly { on, at }),
    ]
}

pub(crate) fn schedule() -> impl Strategy<Value = Schedule> {
    (recurrence(), zone(), 0_u16..=360).prop_map(|(recurrence, time_zone, minutes)| Schedule {
        recurrence,
        time_zone,
        start_window: StartWindow::from_minutes(minutes).unwrap(),
    })
}

fn lifetime() -> impl Strategy<Value = Lifetime> {
    prop_oneof![
        (7_u16..=3_653).prop_map(|count| format!("P{count}D")),
        (1_u16..=521).prop_map(|count| format!("P{count}W")),
        (1_u16..=120).prop_map(|count| format!("P{count}M")),
        (1_u16..=10).prop_map(|count| format!("P{count}Y")),
    ]
    .prop_map(|text| text.parse().unwrap())
}

fn on_expiry() -> impl Strategy<Value = OnExpiry> {
    let class = prop::option::of(select(&ArchiveClass::ALL[..]));
    let archive = (lifetime(), class).prop_filter_map("too short for the archive store", |(keep, class)| {
        Some(OnExpiry::Archive { keep: ArchiveLifetime::new(keep)?, class })
    });
    prop_oneof![Just(OnExpiry::Delete), archive]
}

fn of_week() -> BoxedStrategy<ChosenDays> {
    weekdays().prop_map(|weekdays| ChosenDays { weekdays, ..ChosenDays::default() }).boxed()
}

fn of_month() -> BoxedStrategy<ChosenDays> {
    let by_week = (of_week(), set(WeekOfMonth::ALL.to_vec()))
        .prop_map(|(chosen, weeks)| ChosenDays { weeks, ..chosen });
    let by_day = month_days().prop_map(|days| ChosenDays { days, ..ChosenDays::default() });
    prop_oneof![of_week(), by_week, by_day].boxed()
}

fn of_year() -> BoxedStrategy<ChosenDays> {
    (prop_oneof![Just(ChosenDays::default()), of_month()], set(Month::ALL.to_vec()))
        .prop_map(|(chosen, months)| ChosenDays { months, ..chosen })
        .boxed()
}

fn criteria(rule: RuleName) -> BoxedStrategy<Criteria> {
    let days = match rule {
        RuleName::Yearly => of_year(),
        RuleName::Monthly => of_month(),
        RuleName::Weekly | RuleName::Daily | RuleName::Default => of_week(),
    };
    prop_oneof![Just(Criteria::FirstSuccessful), days.prop_map(Criteria::Specific)].boxed()
}

fn periodic(name: RuleName) -> impl Strategy<Value = Option<(Criteria, Rule)>> {
    let rule =
        (criteria(name), lifetime(), on_expiry()).prop_map(move |(criteria, backup_store, on_expiry)| {
            (criteria, Rule { name, backup_store, on_expiry })
        });
    prop::option::of(rule)
}

pub(crate) fn rules() -> impl Strategy<Value = RetentionRules> {
    (
        select(&WeekStart::ALL[..]),
        lifetime(),
        on_expiry(),
        periodic(RuleName::Yearly),
        periodic(RuleName::Monthly),
        periodic(RuleName::Weekly),
        periodic(RuleName::Daily),
    )
        .prop_map(|(week, backup_store, on_expiry, yearly, monthly, weekly, daily)| {
            let rules = RetentionRules::new(week, backup_store, on_expiry);
            [yearly, monthly, weekly, daily]
                .into_iter()
                .flatten()
                .fold(rules, |rules, (criteria, rule)| rules.with(criteria, rule))
        })
}

pub(crate) fn spec() -> impl Strategy<Value = PolicySpec> {
    (prop::option::of(schedule()), rules())
        .prop_map(|(schedule, retention)| PolicySpec { schedule, retention })
}
