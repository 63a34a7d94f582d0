//! Policies as files: what is read, what is refused and where, and that what is written is read again.

use permafrost_domain::fault::{Code, Fault};
use permafrost_domain::policy::{PolicyProblems, PolicySpec};
use permafrost_domain::retention::{OnExpiry, Rule, RuleName};
use proptest::prelude::*;

use crate::arbitrary;

const WHOLE: &str = r#"# Ten years of Sundays.
schedule:
  every: week
  on: [sunday, wednesday]
  at: ["02:00", 14:30]
  time_zone: Europe/Berlin
  start_window: PT2H
retention:
  week_starts_on: sunday
  default: {backup_store: P10D}
  daily:
    criteria: first_successful
    backup_store: P2W
  weekly:
    criteria: {weekdays: sunday}
    backup_store: P3M
    on_expiry: archive
    archive_store: P1Y
    archive_class: deep_archive
  monthly:
    criteria: {days: [1, last]}
    backup_store: P6M
  yearly:
    criteria:
      months: [january, july]
      weeks: [first, last]
      weekdays: [sunday]
    backup_store: P1Y
    on_expiry: archive
    archive_store: P10Y
"#;

fn problems(text: &str) -> Vec<String> {
    PolicySpec::parse(text).unwrap_err().iter().map(ToString::to_string).collect()
}

#[test]
fn a_policy_with_everything_in_it() {
    let spec = PolicySpec::parse(WHOLE).unwrap();
    assert_eq!(
        spec.explain(),
        [
            "Backs up every week on wednesday and sunday at 02:00 and 14:30, by the clock of Europe/Berlin.",
            "Each database begins at its own moment of the 120 minutes that follow.",
            "Of the rules that a backup meets, the first of these alone decides:",
            "yearly: every backup of the first and last sunday of the month in january and july stays 1 year in \
             the backup store, then 10 years in the archive store (the vault's class), then it is deleted.",
            "monthly: every backup of day 1 and last of the month stays 6 months in the backup store, then it is \
             deleted.",
            "weekly: every backup of sunday stays 3 months in the backup store, then 1 year in the archive store \
             (deep_archive), then it is deleted.",
            "daily: the first successful backup of a day stays 2 weeks in the backup store, then it is deleted.",
            "default: every other backup stays 10 days in the backup store, then it is deleted.",
        ]
    );
    assert_eq!(
        spec.to_yaml(),
        r#"schedule:
  every: week
  on: [wednesday, sunday]
  at: ["02:00", "14:30"]
  time_zone: Europe/Berlin
  start_window: PT120M
retention:
  week_starts_on: sunday
  default:
    backup_store: P10D
  daily:
    criteria: first_successful
    backup_store: P2W
  weekly:
    criteria:
      weekdays: [sunday]
    backup_store: P3M
    on_expiry: archive
    archive_store: P1Y
    archive_class: deep_archive
  monthly:
    criteria:
      days: [1, last]
    backup_store: P6M
  yearly:
    criteria:
      weekdays: [sunday]
      weeks: [first, last]
      months: [january, july]
    backup_store: P1Y
    on_expiry: archive
    archive_store: P10Y
"#
    );
}

#[test]
fn what_a_policy_hardly_means_is_told() {
    let of = |text: &str| PolicySpec::parse(text).unwrap().cautions();
    assert_eq!(
        of(WHOLE),
        ["monthly keeps its points for less than weekly: a point that meets both goes by monthly alone."]
    );
    assert_eq!(of(&WHOLE.replace("P6M", "P2Y")), [""; 0]);
    assert_eq!(
        of("schedule: {every: month, on: [15, 30], at: ['02:00', '23:30']}
retention:
  weekly: {criteria: {weekdays: [monday]}, backup_store: P2Y}
  monthly: {criteria: {days: [31]}, backup_store: P1Y}
  yearly: {criteria: {days: [29, 30], months: [february, march]}, backup_store: P5Y}"),
        [
            "Runs at 23:30 may begin after midnight, 60 minutes later: yearly goes by the day on which a backup \
             reads its data.",
            "Not every month has a day 29, which yearly names: `last` is the last day of every month.",
            "No run of the schedule falls on a day that monthly chooses.",
            "Runs at 23:30 may begin after midnight, 60 minutes later: weekly goes by the day on which a backup \
             reads its data.",
            "Not every month has a day 30, which the schedule names: `last` is the last day of every month.",
            "monthly keeps its points for less than weekly: a point that meets both goes by monthly alone.",
        ]
    );
    assert_eq!(
        of("retention: {daily: {backup_store: P4M}}"),
        ["There is no schedule: rules apply only where a backup on demand asks for one by name."]
    );
}

#[test]
fn what_is_not_said_takes_its_default() {
    let spec = PolicySpec::parse("retention: {}").unwrap();
    assert_eq!(spec, PolicySpec::default());
    assert!(spec.schedule.is_none());
    assert_eq!(spec.retention.default_rule(), Rule::DEFAULT);
    assert_eq!(spec.explain()[0], "Backs up on demand only.");
    let spec = PolicySpec::parse("schedule: {every: day, at: '02:00'}").unwrap();
    let schedule = spec.schedule.unwrap();
    assert_eq!((schedule.time_zone.name(), schedule.start_window.minutes()), ("UTC", 60));
    let spec = PolicySpec::parse("retention: {weekly: {backup_store: P1M}}").unwrap();
    let weekly = spec.retention.rule(RuleName::Weekly).unwrap();
    assert_eq!(weekly.on_expiry, OnExpiry::Delete);
}

#[test]
fn json_is_read_like_yaml() {
    let json = r#"{
  "schedule": {"every": "hour", "interval": 6, "time_zone": "Asia/Kathmandu"},
  "retention": {"daily": {"criteria": {"weekdays": ["monday"]}, "backup_store": "P7D"}}
}"#;
    let yaml = "schedule: {every: hour, interval: 6, time_zone: Asia/Kathmandu}\n\
                retention:\n  daily:\n    criteria:\n      weekdays:\n      - monday\n    backup_store: P7D\n";
    let spec = PolicySpec::parse(json).unwrap();
    assert_eq!(spec, PolicySpec::parse(yaml).unwrap());
    assert_eq!(spec, serde_json::from_str(json).unwrap());
    assert_eq!(
        problems(&json.replace("6,", "5,")),
        ["line 2, column 45: schedule.interval: \"5\" is not allowed; expected 1, 2, 3, 4, 6, 8 or 12"]
    );
}

#[test]
fn all_problems_are_told_at_once_each_with_its_place_and_what_is_allowed() {
    let text = r#"schedule:
  every: week
  interval: 6
  on: [sunday, Montag, sunday]
  at: ["02:00", 25:00]
  time_zone: Europe/Bonn
  start_window: PT7H
retentions: {}
retention:
  weak_starts_on: monday
  default:
    criteria: first_successful
    backup_store: P6D
  weekly:
    criteria: {days: [1]}
    on_expiry: archive
    archive_class: glacier
  monthly:
    criteria: sometimes
    backup_store: P1M
    archive_store: P1Y
  yearly:
    criteria: {days: [32, first], weekdays: [sunday], weeks: []}
    backup_store: P11Y
    on_expiry: keep
"#;
    let expected = [
        "line 3, column 3: schedule.interval: says something only with `every: hour`",
        "line 4, column 16: schedule.on[1]: \"Montag\" is not allowed; expected monday, tuesday, wednesday, \
         thursday, friday, saturday or sunday",
        "line 4, column 24: schedule.on[2]: sunday stands here twice",
        "line 5, column 17: schedule.at[1]: \"25:00\" is not allowed; expected a time of day as \"HH:MM\", from \
         \"00:00\" to \"23:59\"",
        "line 6, column 14: schedule.time_zone: \"Europe/Bonn\" is not allowed; expected the name of a time zone \
         of the IANA database, for instance Europe/Berlin",
        "line 7, column 17: schedule.start_window: \"PT7H\" is not allowed; expected PT<n>M or PT<n>H, at most 6 \
         hours",
        "line 8, column 1: retentions: \"retentions\" is no field here; expected schedule or retention",
        "line 10, column 3: retention.weak_starts_on: \"weak_starts_on\" is no field here; expected \
         week_starts_on, default, yearly, monthly, weekly or daily",
        "line 12, column 5: retention.default.criteria: \"criteria\" is no field here; expected backup_store, \
         on_expiry, archive_store or archive_class",
        "line 13, column 19: retention.default.backup_store: \"P6D\" is not allowed; expected P<n>D, P<n>W, P<n>M \
         or P<n>Y from 7 days to 10 years",
        "line 15, column 5: retention.weekly.backup_store: is missing; expected P<n>D, P<n>W, P<n>M or P<n>Y from \
         7 days to 10 years",
        "line 15, column 5: retention.weekly.archive_store: is missing; expected P<n>D, P<n>W, P<n>M or P<n>Y \
         from 6 months to 10 years",
        "line 15, column 16: retention.weekly.criteria.days: \"days\" is no field here; expected weekdays",
        "line 17, column 20: retention.weekly.archive_class: \"glacier\" is not allowed; expected \
         flexible_retrieval or deep_archive",
        "line 19, column 15: retention.monthly.criteria: \"sometimes\" are no criteria; expected first_successful, \
         or a mapping of weekdays, weeks, days",
        "line 21, column 5: retention.monthly.archive_store: says something only with `on_expiry: archive`",
        "line 23, column 16: retention.yearly.criteria.days: chooses days of the month; weekdays choose others: \
         give `days`, or `weekdays` and `weeks`",
        "line 23, column 23: retention.yearly.criteria.days[0]: \"32\" is not allowed; expected a day from 1 to \
         31, or last",
        "line 23, column 27: retention.yearly.criteria.days[1]: \"first\" is not allowed; expected a day from 1 to \
         31, or last",
        "line 23, column 62: retention.yearly.criteria.weeks: the list is empty; expected at least one of first, \
         second, third, fourth or last",
        "line 24, column 19: retention.yearly.backup_store: \"P11Y\" is not allowed; expected P<n>D, P<n>W, P<n>M \
         or P<n>Y from 7 days to 10 years",
        "line 25, column 16: retention.yearly.on_expiry: \"keep\" is not allowed; expected delete or archive",
    ];
    let found = problems(text);
    assert_eq!(found, expected);
}

#[test]
fn what_loses_money_is_refused_with_the_reason() {
    let text = "retention:\n  default: {on_expiry: archive, archive_store: P5M, archive_class: deep_archive}";
    assert_eq!(
        problems(text),
        [
            "line 2, column 48: retention.default.archive_store: deep_archive charges for 180 days at least, and \
             P5M can be as little as 150: the rest would be paid for nothing",
            "line 2, column 48: retention.default.archive_store: P5M is too short for the archive store; expected \
             P<n>D, P<n>W, P<n>M or P<n>Y from 6 months to 10 years",
        ]
    );
    for good in ["P6M", "P184D", "P27W", "P1Y"] {
        assert!(PolicySpec::parse(&text.replace("P5M", good)).is_ok(), "{good}");
    }
    for bad in ["P183D", "P26W", "P11Y", "P121M", "P0M"] {
        assert!(PolicySpec::parse(&text.replace("P5M", bad)).is_err(), "{bad}");
    }
}

#[test]
fn what_is_no_policy_at_all() {
    for (text, expected) in [
        ("", "the text is empty"),
        ("# nothing\n", "the text is empty"),
        ("policy", "line 1, column 1: is a single value; expected a mapping of schedule, retention"),
        ("[]", "line 1, column 1: is a list; expected a mapping of schedule, retention"),
        (
            "schedule:\nretention: {}",
            "line 1, column 1: schedule: has no value; expected a mapping of every, interval, on, at, time_zone, start_window",
        ),
        ("retention: {}\nretention: {}", "line 2, column 1: retention: stands here twice; expected it once"),
        ("retention: {}\n---\nretention: {}", "line 2, column 1: the text holds more than one policy"),
        (
            "retention: &a {}",
            "line 1, column 12: a policy takes no YAML anchors and aliases; write the value out",
        ),
        ("retention: !x {}", "line 1, column 12: a policy takes no YAML tags; write the plain value"),
        (
            "retention: {default: {backup_store: [P1M]}}",
            "line 1, column 37: retention.default.backup_store: is a list; expected P<n>D, P<n>W, P<n>M or P<n>Y from 7 days to 10 years",
        ),
        ("? [a]\n: b", "line 1, column 3: a field's name is missing here"),
    ] {
        assert_eq!(problems(text), [expected], "{text:?}");
    }
    let broken = problems("retention: {default: [");
    assert!(
        broken[0].starts_with("line 2, column 1: ") && broken[0].contains("neither YAML nor JSON"),
        "{broken:?}"
    );
    let deep = "[".repeat(100) + &"]".repeat(100);
    assert!(problems(&deep)[0].ends_with("nested deeper than 16 levels"));
    assert!(problems(&" ".repeat(70_000))[0].contains("longer than 65536 bytes"));
}

#[test]
fn hourly_schedules_have_no_days_and_one_anchor() {
    let text = "schedule: {every: hour, interval: 4, on: [monday], at: ['01:00', '02:00']}";
    assert_eq!(
        problems(text),
        [
            "line 1, column 38: schedule.on: says something only with `every: week` or `every: month`",
            "line 1, column 56: schedule.at: an hourly schedule runs through one time of day; expected a time of \
             day as \"HH:MM\", from \"00:00\" to \"23:59\"",
        ]
    );
    assert_eq!(
        problems("schedule: {every: month, at: ['01:00']}"),
        ["line 1, column 11: schedule.on: is missing; expected a list of days: a day from 1 to 31, or last"]
    );
    assert_eq!(
        problems("schedule: {at: '01:00'}"),
        ["line 1, column 11: schedule.every: is missing; expected hour, day, week or month"]
    );
}

#[test]
fn problems_become_one_fault_and_travel_as_values() {
    let problems = PolicySpec::parse("retention: {default: {backup_store: P1D}, monthly: {}}").unwrap_err();
    let value = serde_json::to_value(&problems).unwrap();
    assert_eq!(value[0]["line"], 1);
    assert_eq!(value[0]["column"], 37);
    assert_eq!(value[1]["path"], "retention.monthly.backup_store");
    assert_eq!(serde_json::from_value::<PolicyProblems>(value).unwrap(), problems);
    let fault = Fault::from(problems);
    assert_eq!(fault.code, Code::InvalidPolicy);
    assert_eq!(fault.message.lines().count(), 2);
    // A value has no lines, but the same rules.
    let error = serde_json::from_str::<PolicySpec>(r#"{"retention": {"default": {"backup_store": "P1D"}}}"#)
        .unwrap_err()
        .to_string();
    assert!(error.starts_with("retention.default.backup_store: \"P1D\" is not allowed"), "{error}");
}

#[test]
fn a_policy_that_was_put_together_from_parts_keeps_the_same_rules() {
    let mut spec = PolicySpec::parse(WHOLE).unwrap();
    spec.validate().unwrap();
    if let Some(schedule) = &mut spec.schedule {
        schedule.recurrence = permafrost_domain::schedule::Recurrence::Daily { at: [].into() };
    }
    assert_eq!(
        spec.validate().unwrap_err().to_string(),
        "schedule.at: the list is empty; expected at least one of a time of day as \"HH:MM\", from \"00:00\" to \
         \"23:59\""
    );
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    /// What is written as YAML, and as a value, is read again as the same policy.
    #[test]
    fn what_is_written_is_read_again(spec in arbitrary::spec()) {
        let yaml = spec.to_yaml();
        prop_assert_eq!(PolicySpec::parse(&yaml), Ok(spec.clone()), "{}", yaml);
        let value = serde_json::to_value(&spec).unwrap();
        prop_assert_eq!(serde_json::from_value::<PolicySpec>(value.clone()).unwrap(), spec.clone());
        prop_assert_eq!(PolicySpec::parse(&value.to_string()), Ok(spec.clone()));
        prop_assert_eq!(spec.validate(), Ok(()));
        prop_assert!(!spec.explain().is_empty());
    }

    /// Whatever a text is, it is a policy or has at least one problem, and every problem of it has a place.
    #[test]
    fn any_text_is_read_or_refused(text in "[a-z\\[\\]{}:,\"'\n &*!?#|>~-]{0,80}") {
        if let Err(problems) = PolicySpec::parse(&text) {
            prop_assert!(problems.iter().count() > 0);
        }
    }

    /// A policy with any one word exchanged is refused in that line, or is another policy.
    #[test]
    fn a_word_that_is_wrong_is_found_in_its_line(line in 1_usize..=30, word in "[a-z]{1,4}") {
        let mut lines: Vec<String> = WHOLE.lines().map(str::to_owned).collect();
        let Some((key, _)) = lines[line - 1].clone().split_once(": ") .map(|(k, v)| (k.to_owned(), v.to_owned())) else {
            return Ok(());
        };
        lines[line - 1] = format!("{key}: {word}");
        if let Err(problems) = PolicySpec::parse(&lines.join("\n")) {
            let found: Vec<usize> = problems.iter().filter_map(|problem| problem.position).map(|at| at.line).collect();
            prop_assert!(found.contains(&line) , "{} in line {}: {}", word, line, problems);
        }
    }
}
