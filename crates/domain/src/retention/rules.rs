//! Retention rules: one default and any of yearly, monthly, weekly and daily, in that order of priority.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::calendar::WeekStart;
use crate::retention::claim::PeriodClaim;
use crate::retention::criteria::Criteria;
use crate::retention::lifetime::{ArchiveLifetime, Lifetime};
use crate::schedule::Zone;
use crate::tiering::ArchiveClass;

/// The kind of a retention rule, in the order of priority: of the rules that a point meets, the first one here
/// sets its retention.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum RuleName {
    /// Points of a year.
    Yearly,
    /// Points of a month.
    Monthly,
    /// Points of a week.
    Weekly,
    /// Points of a day.
    Daily,
    /// Points that meet no other rule.
    Default,
}

/// A text that names no retention rule.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no retention rule: expected yearly, monthly, weekly, daily or default")]
pub struct InvalidRuleName(String);

impl RuleName {
    /// Every rule, the highest priority first.
    pub const ALL: [RuleName; 5] = [Self::Yearly, Self::Monthly, Self::Weekly, Self::Daily, Self::Default];

    /// The rules that have criteria, the highest priority first.
    pub const PERIODIC: [RuleName; 4] = [Self::Yearly, Self::Monthly, Self::Weekly, Self::Daily];

    /// The word, as policies write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Yearly => "yearly",
            Self::Monthly => "monthly",
            Self::Weekly => "weekly",
            Self::Daily => "daily",
            Self::Default => "default",
        }
    }
}

impl fmt::Display for RuleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl FromStr for RuleName {
    type Err = InvalidRuleName;
    fn from_str(text: &str) -> Result<Self, InvalidRuleName> {
        Self::ALL
            .into_iter()
            .find(|name| name.as_str() == text)
            .ok_or_else(|| InvalidRuleName(text.chars().take(80).collect()))
    }
}

/// A retention rule: how long a point stays in the backup store, and what becomes of it then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rule {
    /// Its kind.
    pub name: RuleName,
    /// How long a point stays in the backup store.
    pub backup_store: Lifetime,
    /// What becomes of it then.
    pub on_expiry: OnExpiry,
}

impl Rule {
    /// The default rule where nothing else is said: three months in the backup store.
    pub const DEFAULT: Rule =
        Rule { name: RuleName::Default, backup_store: Lifetime::THREE_MONTHS, on_expiry: OnExpiry::Delete };
}

/// What becomes of a point when its time in the backup store ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnExpiry {
    /// It is deleted.
    Delete,
    /// It moves into the archive store.
    Archive {
        /// How long it stays there, counted from the move.
        keep: ArchiveLifetime,
        /// The class it is kept in; the vault's unless said otherwise.
        class: Option<ArchiveClass>,
    },
}

/// The retention rules of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetentionRules {
    week_starts_on: WeekStart,
    default: Rule,
    periodic: BTreeMap<RuleName, (Criteria, Rule)>,
}

/// A rule that was asked for and that the policy does not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the policy has no rule {rule}; it has {}", list(.has))]
pub struct RuleNotInPolicy {
    /// What was asked for.
    pub rule: RuleName,
    /// What the policy has.
    pub has: Vec<RuleName>,
}

fn list(rules: &[RuleName]) -> String {
    rules.iter().map(|rule| rule.as_str()).collect::<Vec<_>>().join(", ")
}

impl RetentionRules {
    /// Rules with nothing but the default: `backup_store`, then `on_expiry`.
    pub fn new(week_starts_on: WeekStart, backup_store: Lifetime, on_expiry: OnExpiry) -> Self {
        let default = Rule { name: RuleName::Default, backup_store, on_expiry };
        Self { week_starts_on, default, periodic: BTreeMap::new() }
    }

    /// The same rules with `rule` for the points that meet `criteria`, in place of any other of its name. The
    /// default rule has no criteria: given as `rule`, it takes the default's place and `criteria` say nothing.
    #[must_use]
    pub fn with(mut self, criteria: Criteria, rule: Rule) -> Self {
        match rule.name {
            RuleName::Default => self.default = rule,
            name => {
                self.periodic.insert(name, (criteria, rule));
            }
        }
        self
    }

    /// The day that weeks begin on.
    pub fn week_starts_on(&self) -> WeekStart {
        self.week_starts_on
    }

    /// The default rule.
    pub fn default_rule(&self) -> Rule {
        self.default
    }

    /// The rule of this name, where the policy has it.
    pub fn rule(&self, name: RuleName) -> Option<Rule> {
        match name {
            RuleName::Default => Some(self.default),
            name => self.periodic.get(&name).map(|(_, rule)| *rule),
        }
    }

    /// The rules with criteria, the highest priority first.
    pub fn periodic(&self) -> impl Iterator<Item = (&Criteria, Rule)> {
        self.periodic.values().map(|(criteria, rule)| (criteria, *rule))
    }

    /// Every rule, the highest priority first; the default is the last.
    pub fn rules(&self) -> impl Iterator<Item = Rule> {
        self.periodic.values().map(|(_, rule)| *rule).chain([self.default])
    }

    /// The rule that a caller asks for by name.
    ///
    /// # Errors
    /// [`RuleNotInPolicy`] where the policy lacks it.
    pub fn require(&self, name: RuleName) -> Result<Rule, RuleNotInPolicy> {
        self.rule(name)
            .ok_or_else(|| RuleNotInPolicy { rule: name, has: self.rules().map(|rule| rule.name).collect() })
    }

    /// The periods that a scheduled point of `consistent_at` would claim if all were free: one for each rule
    /// whose criteria are the first successful backup, the highest priority first.
    pub fn periods(&self, zone: &Zone, consistent_at: Timestamp) -> Vec<PeriodClaim> {
        let date = zone.date(consistent_at);
        self.periodic()
            .filter(|(criteria, _)| matches!(criteria, Criteria::FirstSuccessful))
            .filter_map(|(_, rule)| PeriodClaim::of(rule.name, date, self.week_starts_on))
            .collect()
    }
}

impl Default for RetentionRules {
    /// Three months in the backup store, weeks beginning on Monday.
    fn default() -> Self {
        Self { week_starts_on: WeekStart::Monday, default: Rule::DEFAULT, periodic: BTreeMap::new() }
    }
}
