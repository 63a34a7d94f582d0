//! What a change of policy does.

use std::collections::BTreeMap;

use jiff::Timestamp;
use permafrost_domain::schedule::Zone;
use permafrost_domain::simulate::{ComingBackup, Effect, ExistingChange, PolicyDiff, SimulatedPoint};

use super::policy::{Count, moments};
use super::table::{Column, table};
use super::units::{count, day};

/// The change as tables: existing points, coming backups, and how many points there are with either policy.
pub(crate) fn policy_diff(diff: &PolicyDiff, zone: &Zone, from: Timestamp, until: Timestamp) -> String {
    format!(
        "Points that exist, if they are looked at again (else the change leaves them alone):\n\n{}\n\n\
         Backups to come, from {} to {}:\n\n{}\n\n\
         Points of coming backups that exist (in the backup store + in the archive store):\n\n{}\n",
        existing(&diff.existing),
        zone.date(from),
        zone.date(until),
        coming(&diff.coming),
        census(&diff.coming, zone, from, until),
    )
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
