//! Criteria: which points a rule takes.

use std::collections::BTreeSet;

use jiff::civil::Date;

use crate::calendar::{Month, MonthDay, WeekOfMonth, Weekday};
use crate::retention::rules::RuleName;

/// Which points a rule takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Criteria {
    /// The first successful backup of the rule's period. A failed one never uses a period up.
    FirstSuccessful,
    /// Every backup of certain days.
    Specific(ChosenDays),
}

/// The days that specific criteria choose: those that lie in every set that is not empty.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChosenDays {
    /// Days of the week.
    pub weekdays: BTreeSet<Weekday>,
    /// Which of these weekdays in their month.
    pub weeks: BTreeSet<WeekOfMonth>,
    /// Days of the month.
    pub days: BTreeSet<MonthDay>,
    /// Months of the year.
    pub months: BTreeSet<Month>,
}

/// A field of specific criteria.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CriteriaField {
    /// Days of the week.
    Weekdays,
    /// Which of these weekdays in their month.
    Weeks,
    /// Days of the month.
    Days,
    /// Months of the year.
    Months,
}

impl CriteriaField {
    /// The word, as policies write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Weekdays => "weekdays",
            Self::Weeks => "weeks",
            Self::Days => "days",
            Self::Months => "months",
        }
    }

    /// The fields that the specific criteria of `rule` take: what a day is chosen by within the rule's period.
    pub fn of_rule(rule: RuleName) -> &'static [CriteriaField] {
        match rule {
            RuleName::Yearly => &[Self::Weekdays, Self::Weeks, Self::Days, Self::Months],
            RuleName::Monthly => &[Self::Weekdays, Self::Weeks, Self::Days],
            RuleName::Weekly | RuleName::Daily => &[Self::Weekdays],
            RuleName::Default => &[],
        }
    }
}

impl ChosenDays {
    /// Whether `date` is one of the days.
    pub fn contains(&self, date: Date) -> bool {
        (self.weekdays.is_empty() || self.weekdays.contains(&Weekday::of(date)))
            && (self.weeks.is_empty() || self.weeks.iter().any(|week| week.contains(date)))
            && (self.days.is_empty() || self.days.iter().any(|day| day.matches(date)))
            && (self.months.is_empty() || self.months.contains(&Month::of(date)))
    }
}
