//! Writes a policy as YAML: mappings in blocks, lists in one line.

use std::fmt::{self, Display};

use crate::policy::form::{CriteriaForm, DayForm, PolicyForm, RuleForm, ScheduleForm};

/// A policy whose text is YAML.
pub(super) struct Yaml<'a>(pub(super) &'a PolicyForm);

impl Display for Yaml<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self(PolicyForm { schedule, retention }) = self;
        if let Some(schedule) = schedule {
            write_schedule(f, schedule)?;
        }
        writeln!(f, "retention:")?;
        writeln!(f, "  week_starts_on: {}", retention.week_starts_on)?;
        write_rule(f, "default", &retention.default)?;
        let rules = [
            ("daily", &retention.daily),
            ("weekly", &retention.weekly),
            ("monthly", &retention.monthly),
            ("yearly", &retention.yearly),
        ];
        for (name, rule) in rules {
            if let Some(rule) = rule {
                write_rule(f, name, rule)?;
            }
        }
        Ok(())
    }
}

fn write_schedule(out: &mut fmt::Formatter<'_>, schedule: &ScheduleForm) -> fmt::Result {
    writeln!(out, "schedule:")?;
    writeln!(out, "  every: {}", schedule.every)?;
    if let Some(interval) = schedule.interval {
        writeln!(out, "  interval: {interval}")?;
    }
    if !schedule.on.is_empty() {
        writeln!(out, "  on: {}", List(&schedule.on))?;
    }
    // Quoted: readers of YAML 1.1 take 02:00 for a number.
    let times: Vec<String> = schedule.at.iter().map(|time| format!("\"{time}\"")).collect();
    writeln!(out, "  at: {}", List(&times))?;
    writeln!(out, "  time_zone: {}", schedule.time_zone)?;
    writeln!(out, "  start_window: {}", schedule.start_window)
}

fn write_rule(out: &mut fmt::Formatter<'_>, name: &str, rule: &RuleForm) -> fmt::Result {
    writeln!(out, "  {name}:")?;
    match &rule.criteria {
        None => {}
        Some(CriteriaForm::Word(word)) => writeln!(out, "    criteria: {word}")?,
        Some(CriteriaForm::Days { weekdays, weeks, days, months }) => {
            writeln!(out, "    criteria:")?;
            write_list(out, "weekdays", weekdays)?;
            write_list(out, "weeks", weeks)?;
            write_list(out, "days", days)?;
            write_list(out, "months", months)?;
        }
    }
    writeln!(out, "    backup_store: {}", rule.backup_store)?;
    if let Some(on_expiry) = rule.on_expiry {
        writeln!(out, "    on_expiry: {on_expiry}")?;
    }
    if let Some(archive_store) = &rule.archive_store {
        writeln!(out, "    archive_store: {archive_store}")?;
    }
    if let Some(archive_class) = rule.archive_class {
        writeln!(out, "    archive_class: {archive_class}")?;
    }
    Ok(())
}

fn write_list<T: Display>(out: &mut fmt::Formatter<'_>, name: &str, items: &[T]) -> fmt::Result {
    if items.is_empty() { Ok(()) } else { writeln!(out, "      {name}: {}", List(items)) }
}

/// A list in one line.
struct List<'a, T>(&'a [T]);

impl<T: Display> Display for List<'_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[")?;
        for (index, item) in self.0.iter().enumerate() {
            let comma = if index == 0 { "" } else { ", " };
            write!(f, "{comma}{item}")?;
        }
        f.write_str("]")
    }
}

impl Display for DayForm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(day) => write!(f, "{day}"),
            Self::Word(word) => f.write_str(word),
        }
    }
}
