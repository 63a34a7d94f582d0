//! A policy from options: the file that they stand for, which is then read as any other, so that both are held to
//! the same rules.

use permafrost_domain::policy::{PolicyProblem, PolicySpec};
use permafrost_domain::{Code, Fault};
use serde_json::{Map, Value, json};

use crate::args::stored_policy::{Every, RuleArgs, ScheduleArgs};

/// How long a point stays that no other rule keeps, where nothing is said.
const KEEP: &str = "P3M";

/// The policy that the options describe.
///
/// # Errors
/// `InvalidPolicy` with everything that is against the rules.
pub(super) fn spec_of_options(schedule: &ScheduleArgs, rules: &RuleArgs) -> Result<PolicySpec, Fault> {
    let mut file = Map::new();
    if let Some(every) = schedule.every {
        file.insert("schedule".to_owned(), schedule_file(every, schedule));
    }
    file.insert("retention".to_owned(), retention_file(rules));
    let text = Value::Object(file).to_string();
    PolicySpec::parse(&text).map_err(|problems| {
        // Lines and columns are those of a text that nobody has seen.
        let said =
            problems.iter().map(|problem| PolicyProblem { position: None, ..problem.clone() }.to_string());
        let said: Vec<String> = said.collect();
        Fault::new(Code::InvalidPolicy, said.join("; "))
            .hint("See --help for what the options take; a file can say more: permafrost policy check FILE.")
    })
}

fn schedule_file(every: Every, args: &ScheduleArgs) -> Value {
    let mut file = Map::new();
    let every = match every {
        Every::Hour => "hour",
        Every::Day => "day",
        Every::Week => "week",
        Every::Month => "month",
    };
    file.insert("every".to_owned(), json!(every));
    if let Some(interval) = args.interval {
        file.insert("interval".to_owned(), json!(interval));
    }
    if !args.on.is_empty() {
        file.insert("on".to_owned(), args.on.iter().map(|day| day_file(day)).collect());
    }
    if !args.at.is_empty() {
        file.insert("at".to_owned(), json!(args.at));
    }
    for (key, value) in [("time_zone", &args.time_zone), ("start_window", &args.start_window)] {
        if let Some(value) = value {
            file.insert(key.to_owned(), json!(value));
        }
    }
    Value::Object(file)
}

/// A day of the month is a number in a file, a weekday and `last` are words.
fn day_file(day: &str) -> Value {
    day.parse::<u8>().map_or_else(|_| json!(day), |day| json!(day))
}

fn retention_file(rules: &RuleArgs) -> Value {
    let mut file = Map::new();
    file.insert("default".to_owned(), rule_file(rules.keep.as_deref().unwrap_or(KEEP), None));
    let named = [
        ("daily", &rules.daily),
        ("weekly", &rules.weekly),
        ("monthly", &rules.monthly),
        ("yearly", &rules.yearly),
    ];
    for (name, rule) in named {
        if let Some(rule) = rule {
            file.insert(name.to_owned(), rule_file(rule, Some("first_successful")));
        }
    }
    Value::Object(file)
}

/// A rule as a file has it: `P3M`, or `P3M:P10Y` for so long in the archive store behind it.
fn rule_file(text: &str, criteria: Option<&str>) -> Value {
    let mut file = Map::new();
    if let Some(criteria) = criteria {
        file.insert("criteria".to_owned(), json!(criteria));
    }
    match text.split_once(':') {
        None => {
            file.insert("backup_store".to_owned(), json!(text));
        }
        Some((backup, archive)) => {
            file.insert("backup_store".to_owned(), json!(backup));
            file.insert("on_expiry".to_owned(), json!("archive"));
            file.insert("archive_store".to_owned(), json!(archive));
        }
    }
    Value::Object(file)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::policy::{PolicyCommand, StoredPolicyCommand};
    use crate::args::{Cli, Command};

    fn spec(options: &str) -> Result<PolicySpec, Fault> {
        let line = format!("permafrost policy create gold {options}");
        let cli = Cli::try_parse_from(line.split_whitespace()).unwrap();
        let Command::Policy(PolicyCommand::Stored(StoredPolicyCommand::Create(args))) = cli.command else {
            panic!("no policy is created")
        };
        spec_of_options(&args.schedule, &args.rules)
    }

    fn file(text: &str) -> PolicySpec {
        PolicySpec::parse(text).unwrap()
    }

    #[test]
    fn options_say_what_a_file_says() {
        assert_eq!(spec("").unwrap(), file("retention: {default: {backup_store: P3M}}"));
        assert_eq!(
            spec(
                "--every week --on sunday --on wednesday --at 02:00 --at 14:30 --time-zone Europe/Berlin \
                 --keep P1M --weekly P3M --monthly P1Y --yearly P3M:P10Y"
            )
            .unwrap(),
            file(
                "schedule: {every: week, on: [sunday, wednesday], at: ['02:00', '14:30'], time_zone: Europe/Berlin}
retention:
  default: {backup_store: P1M}
  weekly: {criteria: first_successful, backup_store: P3M}
  monthly: {criteria: first_successful, backup_store: P1Y}
  yearly: {criteria: first_successful, backup_store: P3M, on_expiry: archive, archive_store: P10Y}"
            )
        );
        assert_eq!(
            spec("--every month --on 1 --on last --at 23:30 --time-zone UTC --start-window PT10M").unwrap(),
            file(
                "schedule: {every: month, on: [1, last], at: ['23:30'], time_zone: UTC, start_window: PT10M}
retention: {default: {backup_store: P3M}}"
            )
        );
    }

    #[test]
    fn everything_that_is_wrong_is_said() {
        let fault = spec("--every day --at 25:00 --time-zone Mars/Olympus --keep P1D").unwrap_err();
        assert_eq!(fault.code, Code::InvalidPolicy);
        for word in ["25:00", "Mars/Olympus", "P1D"] {
            assert!(fault.message.contains(word), "{word} not in {}", fault.message);
        }
    }
}
