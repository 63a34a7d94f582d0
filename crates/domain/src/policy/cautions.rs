//! What a policy is allowed to say, but hardly means: told to whoever checks it, refused to nobody.

use jiff::civil::{Date, date};

use crate::calendar::{MonthDay, TimeOfDay};
use crate::policy::PolicySpec;
use crate::retention::{ChosenDays, Criteria, OnExpiry, Rule};
use crate::schedule::{Recurrence, Schedule};

/// The days of 28 years, after which weekdays and leap days come back in the same order.
const CYCLE: (Date, Date) = (date(2028, 1, 1), date(2055, 12, 31));

/// The cautions, each a sentence.
pub(super) fn cautions(spec: &PolicySpec) -> Vec<String> {
    let mut cautions = Vec::new();
    if let Some(schedule) = &spec.schedule {
        for (criteria, rule) in spec.retention.periodic() {
            if let Criteria::Specific(chosen) = criteria {
                cautions.extend(of_chosen_days(schedule, chosen, rule));
            }
        }
        if let Recurrence::Monthly { on, .. } = &schedule.recurrence {
            cautions.extend(on.iter().find_map(|day| of_missing_day("the schedule", *day)));
        }
    } else if spec.retention.periodic().count() > 0 {
        let sentence =
            "There is no schedule: rules apply only where a backup on demand asks for one by name.";
        cautions.push(sentence.to_owned());
    }
    cautions.extend(of_order(spec));
    cautions
}

/// Cautions about a rule whose criteria choose days.
fn of_chosen_days(schedule: &Schedule, chosen: &ChosenDays, rule: Rule) -> Vec<String> {
    let days = std::iter::successors(Some(CYCLE.0), |date| date.tomorrow().ok())
        .take_while(|date| *date <= CYCLE.1)
        .filter(|date| schedule.recurrence.runs_on(*date));
    if !days.into_iter().any(|date| chosen.contains(date)) {
        return vec![format!("No run of the schedule falls on a day that {} chooses.", rule.name)];
    }
    let late = schedule.recurrence.times().last().copied().unwrap_or(TimeOfDay::MIDNIGHT);
    let passes_midnight = late.minutes() + schedule.start_window.minutes() >= 24 * 60;
    let midnight = passes_midnight.then(|| {
        format!(
            "Runs at {late} may begin after midnight, {} minutes later: {} goes by the day on which a backup \
             reads its data.",
            schedule.start_window.minutes(),
            rule.name
        )
    });
    let missing = chosen.days.iter().find_map(|day| of_missing_day(rule.name.as_str(), *day));
    midnight.into_iter().chain(missing).collect()
}

/// A caution about a day that not every month has.
fn of_missing_day(whose: &str, day: MonthDay) -> Option<String> {
    let number = day.number().filter(|number| *number > 28)?;
    Some(format!(
        "Not every month has a day {number}, which {whose} names: `last` is the last day of every month."
    ))
}

/// Cautions about rules that keep their points for less than a lower one: a point that meets both goes earlier for
/// meeting the higher.
fn of_order(spec: &PolicySpec) -> Vec<String> {
    let rules: Vec<Rule> = spec.retention.rules().collect();
    let shorter = |(index, rule): (usize, &Rule)| {
        let longer = rules[index + 1..].iter().find(|lower| kept_days(*rule) < kept_days(**lower))?;
        let (higher, lower) = (rule.name, longer.name);
        Some(format!(
            "{higher} keeps its points for less than {lower}: a point that meets both goes by {higher} alone."
        ))
    };
    rules.iter().enumerate().filter_map(shorter).collect()
}

/// The days that a point of `rule` is kept in both stores, about.
fn kept_days(rule: Rule) -> u32 {
    let archive = match rule.on_expiry {
        OnExpiry::Delete => 0,
        OnExpiry::Archive { keep, .. } => keep.get().at_least_days(),
    };
    rule.backup_store.at_least_days() + archive
}
