//! What a change of policy does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use permafrost_domain::InstanceId;
use permafrost_domain::instance::InstanceName;
use permafrost_domain::retention::StampedRetention;
use permafrost_domain::schedule::Zone;
use permafrost_domain::simulate::{ComingBackup, Effect, ExistingChange, PolicyDiff, SimulatedPoint};
use serde::Serialize;

use super::policy::{Count, moments};
use super::table::{Column, table};
use super::units::{count, day};

/// What a change does to the points of an instance under the policy.
#[derive(Serialize)]
pub(crate) struct InstanceDiff {
    /// The instance.
    pub(crate) instance: InstanceId,
    /// Its name.
    pub(crate) instance_name: InstanceName,
    /// What the change does.
    #[serde(flatten)]
    pub(crate) diff: PolicyDiff,
}

/// The change as tables: what becomes of each point of each instance, and what comes. Where that is another for every
/// instance, since they have used up other periods, it is told for each.
pub(crate) fn policy_diffs(diffs: &[InstanceDiff], zone: &Zone, from: Timestamp, until: Timestamp) -> String {
    let Some(first) = diffs.first() else { return "No instance is under the policy.\n".to_owned() };
    let are_alike = diffs.iter().all(|other| other.diff.coming == first.diff.coming);
    let mut parts = vec![
        "Points that exist, if they are looked at again (else the change leaves them alone):\n".to_owned(),
    ];
    for InstanceDiff { instance_name, diff, .. } in diffs {
        parts.push(format!("Instance {instance_name}:\n\n{}\n", points(&diff.existing)));
        if !are_alike {
            parts.push(to_come(diff, zone, from, until));
        }
    }
    if are_alike {
        parts.push(to_come(&first.diff, zone, from, until));
    }
    parts.join("\n")
}

/// The change as tables: existing points, coming backups, and how many points there are with either policy.
pub(crate) fn policy_diff(diff: &PolicyDiff, zone: &Zone, from: Timestamp, until: Timestamp) -> String {
    format!(
        "Points that exist, if they are looked at again (else the change leaves them alone):\n\n{}\n\n{}",
        existing(&diff.existing),
        to_come(diff, zone, from, until),
    )
}

fn to_come(diff: &PolicyDiff, zone: &Zone, from: Timestamp, until: Timestamp) -> String {
    format!(
        "Backups to come, from {} to {}:\n\n{}\n\n\
         Points of coming backups that exist (in the backup store + in the archive store):\n\n{}\n",
        zone.date(from),
        zone.date(until),
        coming(&diff.coming),
        census(&diff.coming, zone, from, until),
    )
}

/// A line for each point: until when it is in which store.
fn points(changes: &[ExistingChange]) -> String {
    let columns = [
        Column::Text("BACKUP OF"),
        Column::Text("EFFECT"),
        Column::Text("BACKUP STORE UNTIL"),
        Column::Text("ARCHIVE UNTIL"),
        Column::Text("DELETED ON"),
    ];
    let rows = changes.iter().map(|change| {
        let ExistingChange { before, after, .. } = change;
        let archive = |stamped: &StampedRetention| {
            stamped.archive.as_ref().map_or_else(|| "-".to_owned(), |archive| day(archive.until))
        };
        vec![
            day(change.time),
            effect(change.effect).to_owned(),
            arrow(&day(before.backup_store_until), &day(after.backup_store_until)),
            arrow(&archive(before), &archive(after)),
            arrow(&day(before.deleted_on()), &day(after.deleted_on())),
        ]
    });
    table(&columns, rows.collect(), "No point exists.")
}

fn existing(changes: &[ExistingChange]) -> String {
    let mut groups: BTreeMap<(usize, String), Vec<&ExistingChange>> = BTreeMap::new();
    for change in changes {
        let rank =
            Effect::ALL.iter().position(|effect| *effect == change.effect).unwrap_or(Effect::ALL.len());
        groups.entry((rank, rules(change))).or_default().push(change);
    }
    let columns = [
        Column::Text("EFFECT"),
        Column::Figure("POINTS"),
        Column::Text("RULE"),
        Column::Text("BACKUPS OF"),
        Column::Text("DELETED ON (THE FIRST)"),
    ];
    let rows = groups.into_iter().map(|((_, rules), changes)| {
        let (first, last) = (changes[0], changes[changes.len() - 1]);
        vec![
            effect(first.effect).to_owned(),
            count(changes.len() as u64),
            rules,
            span(&day(first.time), &day(last.time)),
            arrow(&day(first.before.deleted_on()), &day(first.after.deleted_on())),
        ]
    });
    table(&columns, rows.collect(), "No point exists.")
}

fn coming(backups: &[ComingBackup]) -> String {
    let mut groups: BTreeMap<(bool, String), Vec<&ComingBackup>> = BTreeMap::new();
    for backup in backups {
        let rule = |point: &Option<SimulatedPoint>| {
            point.as_ref().map_or("no backup".to_owned(), |point| point.rule().to_string())
        };
        let rules = arrow(&rule(&backup.before), &rule(&backup.after));
        groups.entry((backup.is_unchanged(), rules)).or_default().push(backup);
    }
    let columns = [
        Column::Text("EFFECT"),
        Column::Figure("BACKUPS"),
        Column::Text("RULE"),
        Column::Text("DUE"),
        Column::Text("DELETED ON (THE FIRST)"),
    ];
    let rows = groups.into_iter().map(|((unchanged, rules), backups)| {
        let (first, last) = (backups[0], backups[backups.len() - 1]);
        let deleted = |point: &Option<SimulatedPoint>| match point {
            Some(point) => point.deleted_on.map_or("never".to_owned(), day),
            None => "-".to_owned(),
        };
        vec![
            if unchanged { "unchanged" } else { kind(first) }.to_owned(),
            count(backups.len() as u64),
            rules,
            span(&day(first.due), &day(last.due)),
            arrow(&deleted(&first.before), &deleted(&first.after)),
        ]
    });
    table(&columns, rows.collect(), "No backup comes: neither policy has a run in this time.")
}

fn kind(backup: &ComingBackup) -> &'static str {
    match (&backup.before, &backup.after) {
        (None, _) => "new",
        (_, None) => "gone",
        _ => "changed",
    }
}

fn census(backups: &[ComingBackup], zone: &Zone, from: Timestamp, until: Timestamp) -> String {
    let columns = [Column::Text("ON"), Column::Figure("OLD POLICY"), Column::Figure("NEW POLICY")];
    let rows = moments(zone, from, until).into_iter().map(|(name, moment)| {
        let number = |of: fn(&ComingBackup) -> Option<&SimulatedPoint>| {
            let mut number = Count::default();
            backups
                .iter()
                .filter_map(of)
                .filter_map(|point| point.store_at(moment))
                .for_each(|store| number.add(store));
            number.to_string()
        };
        vec![name, number(|backup| backup.before.as_ref()), number(|backup| backup.after.as_ref())]
    });
    table(&columns, rows.collect(), "")
}

fn effect(effect: Effect) -> &'static str {
    match effect {
        Effect::Lengthened => "lengthened",
        Effect::Shortened => "shortened",
        Effect::ArchivedInstead => "archived instead",
        Effect::MovedOtherwise => "moved otherwise",
        Effect::NotShortened => "not shortened",
        Effect::Unchanged => "unchanged",
    }
}

fn rules(change: &ExistingChange) -> String {
    arrow(change.before.rule.as_str(), change.after.rule.as_str())
}

fn arrow(before: &str, after: &str) -> String {
    if before == after { before.to_owned() } else { format!("{before} → {after}") }
}

fn span(first: &str, last: &str) -> String {
    if first == last { first.to_owned() } else { format!("{first} … {last}") }
}
