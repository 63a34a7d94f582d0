//! Writes a policy as YAML: mappings in blocks, lists in one line.

use std::fmt::{self, Display, Write};

use crate::policy::form::{CriteriaForm, DayForm, PolicyForm, RuleForm};

/// The text of a policy.
pub(super) fn text(policy: &PolicyForm) -> String {
    let mut text = String::new();
    // Writing into a string does not fail.
    let _ = write(&mut text, policy);
    text
}

fn write(out: &mut String, policy: &PolicyForm) -> fmt::Result {
    if let Some(schedule) = &policy.schedule {
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
        writeln!(out, "  start_window: {}", schedule.start_window)?;
    }
    let retention = &policy.retention;
    writeln!(out, "retention:")?;
    writeln!(out, "  week_starts_on: {}", retention.week_starts_on)?;
    write_rule(out, "default", &retention.default)?;
    let rules = [
        ("daily", &retention.daily),
        ("weekly", &retention.weekly),
        ("monthly", &retention.monthly),
        ("yearly", &retention.yearly),
    ];
    for (name, rule) in rules {
        if let Some(rule) = rule {
            write_rule(out, name, rule)?;
        }
    }
    Ok(())
}

fn write_rule(out: &mut String, name: &str, rule: &RuleForm) -> fmt::Result {
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

fn write_list<T: Display>(out: &mut String, name: &str, items: &[T]) -> fmt::Result {
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
