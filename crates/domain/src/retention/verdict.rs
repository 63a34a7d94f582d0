//! The verdict: which one rule sets a point's retention, and which periods the point claims.
//!
//! Priority is strict: of the rules that a point meets, the highest alone sets both times. There is no union and
//! no maximum. A point claims every free period that it is the first successful backup of, also those of rules
//! that lose to a higher one: the first backup of a year is the first of its month, and the month has its backup.

use std::collections::BTreeSet;

use jiff::Timestamp;
use jiff::civil::Date;

use crate::policy::PolicySpec;
use crate::retention::claim::PeriodClaim;
use crate::retention::criteria::Criteria;
use crate::retention::reason::Reason;
use crate::retention::rules::{RetentionRules, Rule, RuleName, RuleNotInPolicy};
use crate::retention::stamp::StampedRetention;

/// How a backup was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Asked {
    /// By the policy's schedule: the rules decide.
    Scheduled,
    /// By a caller who chose the rule. It uses up no period.
    OnDemand(RuleName),
}

/// What was decided for a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The one rule that applies.
    pub rule: RuleName,
    /// What it means for the point; its policy is for the caller to stamp ([`crate::policy::Policy::decide`]).
    pub retention: StampedRetention,
    /// The periods to claim with the point's commit, the highest priority first.
    pub claims: Vec<PeriodClaim>,
    /// One reason for each rule, the highest priority first; also stamped.
    pub reasons: Vec<Reason>,
}

/// The verdict on a successful backup that is consistent at `consistent_at`, where the periods `taken` have their
/// backup already.
///
/// # Errors
/// [`RuleNotInPolicy`] where a caller chose a rule that the policy lacks.
pub fn decide(
    spec: &PolicySpec,
    consistent_at: Timestamp,
    asked: Asked,
    taken: &BTreeSet<PeriodClaim>,
) -> Result<Verdict, RuleNotInPolicy> {
    match asked {
        Asked::Scheduled => Ok(by_rules(spec, consistent_at, taken)),
        Asked::OnDemand(name) => spec.retention.require(name).map(|rule| on_demand(rule, consistent_at)),
    }
}

/// The verdict where a caller chose `rule`.
pub(super) fn on_demand(rule: Rule, consistent_at: Timestamp) -> Verdict {
    verdict(rule, consistent_at, Vec::new(), vec![Reason::AskedFor { rule: rule.name }])
}

/// The verdict where the rules decide: the first one that is met applies, and the default is met by every point.
pub(super) fn by_rules(
    spec: &PolicySpec,
    consistent_at: Timestamp,
    taken: &BTreeSet<PeriodClaim>,
) -> Verdict {
    let rules = &spec.retention;
    let date = spec.zone().date(consistent_at);
    let mut applies = None;
    let mut reasons = Vec::new();
    for (criteria, rule) in rules.periodic() {
        let reason = look_at(rules, criteria, rule.name, date, taken);
        if applies.is_none() && reason.is_met() {
            applies = Some(rule);
        }
        reasons.push(reason);
    }
    reasons.push(Reason::EveryPoint);
    let claims = reasons.iter().filter_map(Reason::claim).collect();
    verdict(applies.unwrap_or(rules.default_rule()), consistent_at, claims, reasons)
}

/// Whether a point of the day `date` meets the criteria of the rule `name`.
fn look_at(
    rules: &RetentionRules,
    criteria: &Criteria,
    name: RuleName,
    date: Date,
    taken: &BTreeSet<PeriodClaim>,
) -> Reason {
    match criteria {
        Criteria::Specific(days) if days.contains(date) => Reason::OnChosenDay { rule: name, date },
        Criteria::Specific(_) => Reason::OnOtherDay { rule: name, date },
        Criteria::FirstSuccessful => match PeriodClaim::of(name, date, rules.week_starts_on()) {
            Some(period) if taken.contains(&period) => Reason::PeriodTaken { period },
            Some(period) => Reason::FirstOfPeriod { period },
            None => Reason::EveryPoint,
        },
    }
}

fn verdict(rule: Rule, consistent_at: Timestamp, claims: Vec<PeriodClaim>, reasons: Vec<Reason>) -> Verdict {
    let retention =
        StampedRetention { reasons: reasons.clone(), ..StampedRetention::new(rule, consistent_at) };
    Verdict { rule: rule.name, retention, claims, reasons }
}
