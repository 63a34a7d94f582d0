//! Tells in words what a policy does.

use std::fmt::Display;

use crate::policy::PolicySpec;
use crate::retention::{ChosenDays, Criteria, Lifetime, OnExpiry, Rule, RuleName};
use crate::schedule::{Recurrence, Schedule};

/// The lines of the explanation.
pub(super) fn lines(spec: &PolicySpec) -> Vec<String> {
    let mut lines = Vec::new();
    match &spec.schedule {
        Some(schedule) => {
            lines.push(format!("Backs up {}, by the clock of {}.", runs(schedule), schedule.time_zone));
            let window = schedule.start_window.minutes();
            if window > 0 {
                lines.push(format!(
                    "Each database begins at its own moment of the {window} minutes that follow."
                ));
            }
        }
        None => lines.push("Backs up on demand only.".to_owned()),
    }
    let periodic = spec.retention.periodic().count();
    if periodic > 0 {
        lines.push("Of the rules that a backup meets, the first of these alone decides:".to_owned());
    }
    for (criteria, rule) in spec.retention.periodic() {
        lines.push(format!("{}: {} {}", rule.name, points(criteria, rule.name, spec), stays(rule)));
    }
    let whom = if periodic == 0 { "every backup" } else { "every other backup" };
    lines.push(format!("default: {whom} {}", stays(spec.retention.default_rule())));
    lines
}

fn runs(schedule: &Schedule) -> String {
    match &schedule.recurrence {
        Recurrence::Hourly { interval, anchor } if interval.hours() == 1 => {
            format!("every hour, through {anchor}")
        }
        Recurrence::Hourly { interval, anchor } => {
            format!("every {} hours, through {anchor}", interval.hours())
        }
        Recurrence::Daily { at } => format!("every day at {}", and(at)),
        Recurrence::Weekly { on, at } => format!("every week on {} at {}", and(on), and(at)),
        Recurrence::Monthly { on, at } => format!("every month on day {} at {}", and(on), and(at)),
    }
}

/// Which points a rule takes.
fn points(criteria: &Criteria, name: RuleName, spec: &PolicySpec) -> String {
    match criteria {
        Criteria::FirstSuccessful => match name {
            RuleName::Yearly => "the first successful backup of a year".to_owned(),
            RuleName::Monthly => "the first successful backup of a month".to_owned(),
            RuleName::Weekly => format!(
                "the first successful backup of a week, which begins on {},",
                spec.retention.week_starts_on()
            ),
            RuleName::Daily => "the first successful backup of a day".to_owned(),
            RuleName::Default => "every backup".to_owned(),
        },
        Criteria::Specific(chosen) => format!("every backup of {}", days(chosen)),
    }
}

fn days(chosen: &ChosenDays) -> String {
    let mut parts = Vec::new();
    if !chosen.weekdays.is_empty() {
        let weeks =
            if chosen.weeks.is_empty() { String::new() } else { format!("the {} ", and(&chosen.weeks)) };
        let of_month = if chosen.weeks.is_empty() { "" } else { " of the month" };
        parts.push(format!("{weeks}{}{of_month}", and(&chosen.weekdays)));
    }
    if !chosen.days.is_empty() {
        parts.push(format!("day {} of the month", and(&chosen.days)));
    }
    if !chosen.months.is_empty() {
        parts.push(and(&chosen.months));
    }
    parts.join(" in ")
}

/// How long the points of a rule stay, and where.
fn stays(rule: Rule) -> String {
    let backup_store = in_words(rule.backup_store);
    match rule.on_expiry {
        OnExpiry::Delete => format!("stays {backup_store} in the backup store, then it is deleted."),
        OnExpiry::Archive { keep, class } => {
            let class = class.map_or_else(|| "the vault's class".to_owned(), |class| class.to_string());
            format!(
                "stays {backup_store} in the backup store, then {} in the archive store ({class}), \
                 then it is deleted.",
                in_words(keep.get())
            )
        }
    }
}

fn in_words(lifetime: Lifetime) -> String {
    let (count, unit) = lifetime.parts();
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}

/// `one`, `one and two`, `one, two and three`.
fn and<T: Display>(items: impl IntoIterator<Item = T>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
