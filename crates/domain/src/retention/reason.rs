//! Reasons: why a rule set a point's retention, or why not. People are shown them.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};

use crate::calendar::Weekday;
use crate::retention::claim::PeriodClaim;
use crate::retention::rules::RuleName;

/// What was found for one rule.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "reason", rename_all = "snake_case")]
pub enum Reason {
    /// The point is the first successful backup of the period.
    FirstOfPeriod {
        /// The period, which the point claims.
        period: PeriodClaim,
    },
    /// The period has its backup already.
    PeriodTaken {
        /// The period.
        period: PeriodClaim,
    },
    /// The rule's criteria choose the point's day.
    OnChosenDay {
        /// The rule.
        rule: RuleName,
        /// The point's day in the policy's time zone.
        #[schema(value_type = String, format = Date)]
        date: Date,
    },
    /// The rule's criteria choose other days.
    OnOtherDay {
        /// The rule.
        rule: RuleName,
        /// The point's day in the policy's time zone.
        #[schema(value_type = String, format = Date)]
        date: Date,
    },
    /// The default rule takes every point.
    EveryPoint,
    /// The caller of the backup asked for the rule.
    AskedFor {
        /// The rule.
        rule: RuleName,
    },
    /// The times were lengthened when the point was looked at again under another policy.
    Lengthened {
        /// When the point would have been deleted.
        #[schema(value_type = String, format = DateTime)]
        from: Timestamp,
    },
    /// The times were shortened when the point was looked at again under another policy.
    Shortened {
        /// When the point would have been deleted.
        #[schema(value_type = String, format = DateTime)]
        from: Timestamp,
    },
    /// The policy asked for less; an immutable vault's points are never shortened.
    NotShortened {
        /// What the policy asked for.
        #[schema(value_type = String, format = DateTime)]
        to: Timestamp,
    },
}

impl Reason {
    /// The rule that the reason speaks of.
    pub fn rule(&self) -> Option<RuleName> {
        match self {
            Self::FirstOfPeriod { period } | Self::PeriodTaken { period } => Some(period.rule()),
            Self::OnChosenDay { rule, .. } | Self::OnOtherDay { rule, .. } | Self::AskedFor { rule } => {
                Some(*rule)
            }
            Self::EveryPoint => Some(RuleName::Default),
            Self::Lengthened { .. } | Self::Shortened { .. } | Self::NotShortened { .. } => None,
        }
    }

    /// The period that the point claims by it.
    pub fn claim(&self) -> Option<PeriodClaim> {
        match self {
            Self::FirstOfPeriod { period } => Some(*period),
            _ => None,
        }
    }

    /// Whether the point meets the rule that the reason speaks of.
    pub fn is_met(&self) -> bool {
        matches!(
            self,
            Self::FirstOfPeriod { .. } | Self::OnChosenDay { .. } | Self::EveryPoint | Self::AskedFor { .. }
        )
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FirstOfPeriod { period } => {
                write!(f, "{}: first successful backup of {}", period.rule(), Period(*period))
            }
            Self::PeriodTaken { period } => {
                write!(f, "not {}: {} has its backup", period.rule(), Period(*period))
            }
            Self::OnChosenDay { rule, date } => write!(f, "{rule}: {} is a chosen day", Day(*date)),
            Self::OnOtherDay { rule, date } => write!(f, "not {rule}: {} is no chosen day", Day(*date)),
            Self::EveryPoint => f.write_str("default: takes every point"),
            Self::AskedFor { rule } => write!(f, "{rule}: asked for"),
            Self::Lengthened { from } => write!(f, "lengthened: would have been deleted on {from}"),
            Self::Shortened { from } => write!(f, "shortened: would have been deleted on {from}"),
            Self::NotShortened { to } => {
                write!(f, "not shortened: the policy would delete it on {to}, the vault is immutable")
            }
        }
    }
}

/// A period in words.
struct Period(PeriodClaim);

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.rule() {
            RuleName::Weekly => write!(f, "the week of {}", Day(self.0.begins())),
            _ => f.write_str(&self.0.period()),
        }
    }
}

/// A day in words.
struct Day(Date);

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", Weekday::of(self.0), self.0)
    }
}
