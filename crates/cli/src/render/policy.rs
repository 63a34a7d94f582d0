//! Policies of a vault.

use jiff::Timestamp;
use permafrost_domain::instance::Instance;
use permafrost_domain::policy::Policy;
use permafrost_domain::retention::{OnExpiry, Rule};
use serde::Serialize;

use super::table::{Column, fields, table};
use super::units::time;

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
        Column::Figure("REVISION"),
        Column::Text("CHANGED"),
    ];
    let rows = policies.iter().map(|policy| {
        vec![policy.name.to_string(), schedule(policy), keeps(policy), policy.revision.to_string(), time(policy.updated_at)]
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
    let columns = [Column::Text("INSTANCE"), Column::Text("DATABASE"), Column::Text("STATUS"), Column::Text("LATEST RECOVERY POINT")];
    let rows = shown.instances.iter().map(|instance| {
        vec![
            instance.name.to_string(),
            instance.data_source.to_string(),
            instance.status.to_string(),
            instance.latest_consistent_at.map_or_else(|| "none yet".to_owned(), time),
        ]
    });
    let none = format!("No instance is under it: permafrost instance change-policy INSTANCE {}", shown.policy.name);
    format!("{}\n{}", policy(&shown.policy, now), table(&columns, rows.collect(), &none))
}

/// When it runs, in a few words: `week on sunday at 02:00 Europe/Berlin`.
fn schedule(policy: &Policy) -> String {
    policy.spec.schedule.as_ref().map_or_else(|| "on demand".to_owned(), ToString::to_string)
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
