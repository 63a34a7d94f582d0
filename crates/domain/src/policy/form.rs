//! The form that a policy has as a file and as a value: written here, read by `read`.

use serde::Serialize;

use crate::calendar::MonthDay;
use crate::policy::PolicySpec;
use crate::retention::{Criteria, OnExpiry, RetentionRules, Rule, RuleName};
use crate::schedule::{Recurrence, Schedule};
use crate::tiering::ArchiveClass;

/// A policy: a schedule and retention rules.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[schema(as = PolicySpec)]
pub(super) struct PolicyForm {
    /// When backups run; without it, only on demand.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) schedule: Option<ScheduleForm>,
    /// How long they stay.
    pub(super) retention: RetentionForm,
}

/// When backups run.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct ScheduleForm {
    /// What runs come back with: `hour`, `day`, `week` or `month`.
    pub(super) every: &'static str,
    /// With `hour`: every so many of them; 1, 2, 3, 4, 6, 8 or 12.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) interval: Option<u8>,
    /// With `week`: days of the week. With `month`: days from 1 to 31, and `last`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) on: Vec<DayForm>,
    /// Times of day, `HH:MM`; with `hour`, one through which they run.
    pub(super) at: Vec<String>,
    /// The IANA time zone whose clock shows these times; UTC unless said otherwise.
    pub(super) time_zone: String,
    /// How long after its time a run may begin, `PT60M` unless said otherwise.
    pub(super) start_window: String,
}

/// A day by its number or by its word.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(super) enum DayForm {
    /// By its number.
    Number(i8),
    /// By its word.
    Word(String),
}

/// How long backups stay.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RetentionForm {
    /// The day that weeks begin on: `monday` or `sunday`.
    pub(super) week_starts_on: &'static str,
    /// The rule for points that meet no other.
    pub(super) default: RuleForm,
    /// The rule for points of a year.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) yearly: Option<RuleForm>,
    /// The rule for points of a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) monthly: Option<RuleForm>,
    /// The rule for points of a week.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) weekly: Option<RuleForm>,
    /// The rule for points of a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) daily: Option<RuleForm>,
}

/// A retention rule.
#[derive(Debug, Serialize, utoipa::ToSchema)]
pub(super) struct RuleForm {
    /// Which points it takes; the default rule has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) criteria: Option<CriteriaForm>,
    /// How long a point stays in the backup store: 7 days to 10 years, for instance `P3M`.
    pub(super) backup_store: String,
    /// What becomes of it then: `delete` (the default) or `archive`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) on_expiry: Option<&'static str>,
    /// With `archive`: how long it stays in the archive store, 6 months to 10 years.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) archive_store: Option<String>,
    /// With `archive`: `flexible_retrieval` or `deep_archive`; the vault's unless said otherwise.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) archive_class: Option<&'static str>,
}

/// Which points a rule takes.
#[derive(Debug, Serialize, utoipa::ToSchema)]
#[serde(untagged)]
pub(super) enum CriteriaForm {
    /// `first_successful`: the first successful backup of the period.
    Word(&'static str),
    /// Every backup of the days that lie in all that is given.
    Days {
        /// Days of the week.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        weekdays: Vec<String>,
        /// Which of these weekdays in their month: `first` to `fourth`, `last`.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        weeks: Vec<String>,
        /// Days of the month: 1 to 31, and `last`.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        days: Vec<DayForm>,
        /// Months of the year.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        months: Vec<String>,
    },
}

impl From<&PolicySpec> for PolicyForm {
    fn from(spec: &PolicySpec) -> Self {
        Self {
            schedule: spec.schedule.as_ref().map(ScheduleForm::from),
            retention: RetentionForm::from(&spec.retention),
        }
    }
}

impl From<&Schedule> for ScheduleForm {
    fn from(schedule: &Schedule) -> Self {
        let (every, interval, on, at) = match &schedule.recurrence {
            Recurrence::Hourly { interval, anchor } => {
                ("hour", Some(interval.hours()), Vec::new(), words([anchor]))
            }
            Recurrence::Daily { at } => ("day", None, Vec::new(), words(at)),
            Recurrence::Weekly { on, at } => {
                ("week", None, on.iter().map(|day| DayForm::Word(day.to_string())).collect(), words(at))
            }
            Recurrence::Monthly { on, at } => {
                ("month", None, on.iter().copied().map(DayForm::from).collect(), words(at))
            }
        };
        Self {
            every,
            interval,
            on,
            at,
            time_zone: schedule.time_zone.to_string(),
            start_window: schedule.start_window.to_string(),
        }
    }
}

impl From<MonthDay> for DayForm {
    fn from(day: MonthDay) -> Self {
        day.number().map_or_else(|| Self::Word(day.to_string()), Self::Number)
    }
}

impl From<&RetentionRules> for RetentionForm {
    fn from(rules: &RetentionRules) -> Self {
        let form = |name: RuleName| {
            let found = rules.periodic().find(|(_, rule)| rule.name == name);
            found.map(|(criteria, rule)| RuleForm::new(Some(criteria), rule))
        };
        Self {
            week_starts_on: rules.week_starts_on().as_str(),
            default: RuleForm::new(None, rules.default_rule()),
            yearly: form(RuleName::Yearly),
            monthly: form(RuleName::Monthly),
            weekly: form(RuleName::Weekly),
            daily: form(RuleName::Daily),
        }
    }
}

impl RuleForm {
    fn new(criteria: Option<&Criteria>, rule: Rule) -> Self {
        let (on_expiry, archive_store, archive_class) = match rule.on_expiry {
            OnExpiry::Delete => (None, None, None),
            OnExpiry::Archive { keep, class } => {
                (Some("archive"), Some(keep.to_string()), class.map(ArchiveClass::as_str))
            }
        };
        Self {
            criteria: criteria.map(CriteriaForm::from),
            backup_store: rule.backup_store.to_string(),
            on_expiry,
            archive_store,
            archive_class,
        }
    }
}

impl From<&Criteria> for CriteriaForm {
    fn from(criteria: &Criteria) -> Self {
        match criteria {
            Criteria::FirstSuccessful => Self::Word("first_successful"),
            Criteria::Specific(chosen) => Self::Days {
                weekdays: words(&chosen.weekdays),
                weeks: words(&chosen.weeks),
                days: chosen.days.iter().copied().map(DayForm::from).collect(),
                months: words(&chosen.months),
            },
        }
    }
}

fn words<T: ToString>(items: impl IntoIterator<Item = T>) -> Vec<String> {
    items.into_iter().map(|item| item.to_string()).collect()
}
