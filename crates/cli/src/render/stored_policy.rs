//! Policies of a vault.

use jiff::Timestamp;
use permafrost_domain::instance::Instance;
use permafrost_domain::policy::Policy;
use permafrost_domain::retention::{OnExpiry, Rule};
use permafrost_domain::schedule::Recurrence;
use serde::Serialize;

use super::table::{Column, fields, table};
use super::units::{day, time};

/// How many of the runs to come are shown.
const RUNS_SHOWN: usize = 3;

/// A policy with the instances under it.
#[derive(Debug, Serialize)]
pub(crate) struct PolicyShown {
    /// The policy.
    #[serde(flatten)]
    pub(crate) policy: Policy,
    /// The instances.
    pub(crate) instances: Vec<Instance>,
}

/// A list of policies.
pub(crate) fn policies(policies: &[Policy]) -> String {
    let columns = [
        Column::Text("NAME"),
        Column::Prose("SCHEDULE"),
        Column::Prose("KEEPS"),
        Column::Figure("REV"),
        Column::Text("CHANGED"),
    ];
    let rows = policies.iter().map(|policy| {
        vec![
            policy.name.to_string(),
            schedule(policy),
            keeps(policy),
            policy.revision.to_string(),
            day(policy.updated_at),
        ]
    });
    table(&columns, rows.collect(), "No policy yet: see `permafrost policy create --help`.")
}

/// One policy, at `now`.
pub(crate) fn policy(policy: &Policy, now: Timestamp) -> String {
    let runs = policy.spec.schedule.as_ref().map(|schedule| {
        let runs: Vec<String> = schedule.runs_after(now).take(RUNS_SHOWN).map(|run| time(run.at)).collect();
        runs.join("\n")
    });
    fields(&[
        ("Name", Some(policy.name.to_string())),
        ("Id", Some(policy.id.to_string())),
        ("Revision", Some(format!("{} of {}", policy.revision, time(policy.updated_at)))),
        ("Says", Some(policy.spec.explain().join("\n"))),
        ("Next runs", runs),
    ])
}

/// One policy with the instances under it, at `now`.
pub(crate) fn policy_shown(shown: &PolicyShown, now: Timestamp) -> String {
    let columns = [
        Column::Text("INSTANCE"),
        Column::Text("DATABASE"),
        Column::Text("STATUS"),
        Column::Text("LATEST RECOVERY POINT"),
    ];
    let rows = shown.instances.iter().map(|instance| {
        vec![
            instance.name.to_string(),
            instance.data_source.to_string(),
            instance.status.to_string(),
            instance.latest_consistent_at.map_or_else(|| "none yet".to_owned(), time),
        ]
    });
    let none =
        format!("No instance is under it: permafrost instance change-policy INSTANCE {}", shown.policy.name);
    format!("{}\n{}", policy(&shown.policy, now), table(&columns, rows.collect(), &none))
}

/// When it runs, in a few words: `sunday, wednesday at 02:00 (Europe/Berlin)`.
fn schedule(policy: &Policy) -> String {
    let Some(schedule) = &policy.spec.schedule else { return "on demand".to_owned() };
    let runs = match &schedule.recurrence {
        Recurrence::Hourly { interval, anchor } => format!("every {} h through {anchor}", interval.hours()),
        Recurrence::Daily { at } => format!("daily at {}", list(at)),
        Recurrence::Weekly { on, at } => format!("{} at {}", list(on), list(at)),
        Recurrence::Monthly { on, at } => format!("day {} at {}", list(on), list(at)),
    };
    format!("{runs} ({})", schedule.time_zone)
}

fn list<T: ToString>(items: impl IntoIterator<Item = T>) -> String {
    items.into_iter().map(|item| item.to_string()).collect::<Vec<_>>().join(", ")
}

/// How long points stay, rule by rule: `yearly P3M + P10Y archived, default P3M`.
fn keeps(policy: &Policy) -> String {
    let rules: Vec<String> = policy.spec.retention.rules().map(|rule| rule_in_words(&rule)).collect();
    rules.join(", ")
}

fn rule_in_words(rule: &Rule) -> String {
    match rule.on_expiry {
        OnExpiry::Delete => format!("{} {}", rule.name, rule.backup_store),
        OnExpiry::Archive { keep, .. } => format!("{} {} + {keep} archived", rule.name, rule.backup_store),
    }
}

#[cfg(test)]
mod tests {
    use permafrost_domain::policy::PolicySpec;

    use super::super::samples;
    use super::*;

    fn gold() -> Policy {
        let spec = "schedule: {every: week, on: [sunday, wednesday], at: ['02:00'], time_zone: Europe/Berlin}
retention:
  default: {backup_store: P1M}
  yearly: {criteria: first_successful, backup_store: P3M, on_expiry: archive, archive_store: P10Y}";
        Policy {
            id: "bp-01kb0000000000000000000009".parse().unwrap(),
            name: "gold".parse().unwrap(),
            revision: 3,
            spec: PolicySpec::parse(spec).unwrap(),
            created_at: "2026-11-01T08:00:00Z".parse().unwrap(),
            updated_at: "2026-11-02T08:00:00Z".parse().unwrap(),
        }
    }

    #[test]
    fn a_list_of_policies() {
        let by_hand = Policy { name: "by-hand".parse().unwrap(), spec: PolicySpec::default(), ..gold() };
        assert_eq!(
            policies(&[gold(), by_hand]),
            "\
NAME     SCHEDULE                      KEEPS                         REV  CHANGED
gold     wednesday, sunday at 02:00    yearly P3M + P10Y archived,     3  2026-11-02
         (Europe/Berlin)               default P1M
by-hand  on demand                     default P3M                     3  2026-11-02"
        );
    }

    #[test]
    fn a_policy_says_when_it_runs_next() {
        let shown = PolicyShown { policy: gold(), instances: vec![samples::instance()] };
        let text = policy_shown(&shown, "2026-11-22T08:00:00Z".parse().unwrap());
        for line in [
            "Name:      gold",
            "Revision:  3 of 2026-11-02T08:00:00Z",
            "Next runs: 2026-11-25T01:00:00Z",
            "           2026-11-29T01:00:00Z",
            "shop      db.example:5432/shop  Protected  2026-11-22T08:00:00Z",
        ] {
            assert!(text.contains(line), "{line}\nnot in\n{text}");
        }
    }
}
