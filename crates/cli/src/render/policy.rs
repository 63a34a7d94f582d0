//! Policies and what they lead to.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use jiff::Timestamp;
use jiff::civil::{Time, date};
use permafrost_domain::policy::PolicySpec;
use permafrost_domain::retention::{Lifetime, OnExpiry, Reason, RuleName};
use permafrost_domain::schedule::Zone;
use permafrost_domain::simulate::{SimulatedPoint, Simulation, StoreKind};

use super::table::{Column, MAX_COLUMNS, table};
use super::timeline::{Caption, timeline};
use super::units::{count, day, time};

/// What the table says where a schedule makes no point.
const NOTHING: &str = "The policy makes no point in this time: it has no schedule, or no run of it is due.";

/// What a policy's file says, in words, what it hardly means, and its next runs.
pub(crate) fn policy_explained(
    file: &str,
    explanation: &[String],
    cautions: &[String],
    next_runs: &[Timestamp],
    zone: &Zone,
) -> String {
    let mut text = format!("{file} is a valid policy.\n\n");
    for line in explanation {
        text.push_str(&wrapped(line, ""));
    }
    if !cautions.is_empty() {
        text.push_str("\nIs this meant?\n");
    }
    for caution in cautions {
        text.push_str(&wrapped(caution, "- "));
    }
    if !next_runs.is_empty() {
        text.push_str("\nThe next runs:\n");
    }
    for run in next_runs {
        let clock = zone.rules().to_datetime(*run).strftime("%A %Y-%m-%d %H:%M");
        let _ = writeln!(text, "  {clock} in {zone}, {}", time(*run));
    }
    text
}

/// A sentence behind `mark`, in lines that fit a terminal; all but the first are indented.
fn wrapped(sentence: &str, mark: &str) -> String {
    let mut text = mark.to_owned();
    let mut width = mark.chars().count();
    for (index, word) in sentence.split(' ').enumerate() {
        let length = word.chars().count();
        if index > 0 && width + 1 + length > usize::from(MAX_COLUMNS) {
            text.push_str("\n  ");
            width = 2;
        } else if index > 0 {
            text.push(' ');
            width += 1;
        }
        text.push_str(word);
        width += length;
    }
    text.push('\n');
    text
}

/// A simulation in brief: a line for each rule, then how many points there are when years begin.
pub(crate) fn policy_simulation(
    policy: &PolicySpec,
    simulation: &Simulation,
    from: Timestamp,
    until: Timestamp,
) -> String {
    if simulation.points.is_empty() {
        return NOTHING.to_owned();
    }
    let points = simulation.points.len() as u64;
    format!(
        "From {} to {}: {} points.\n\n{}\n\nHow many points exist (in the backup store + in the archive store):\n\n{}\n{}",
        date_in(&policy.zone(), from),
        date_in(&policy.zone(), until),
        count(points),
        rules(policy, simulation),
        census(policy, simulation, from, until),
        longer_than_stamped(simulation),
    )
}

/// Every point of a simulation on a line of its own.
pub(crate) fn policy_points(simulation: &Simulation) -> String {
    let columns = [
        Column::Text("BACKUP OF"),
        Column::Text("RULE"),
        Column::Text("BACKUP STORE UNTIL"),
        Column::Text("ARCHIVE UNTIL"),
        Column::Text("DELETED ON"),
        Column::Text("WHY"),
    ];
    let rows = simulation.points.iter().map(|point| {
        vec![
            point.time.strftime("%Y-%m-%d %H:%MZ").to_string(),
            point.rule().to_string(),
            day(point.retention.backup_store_until),
            point.archive_until().map_or("-".to_owned(), day),
            point.deleted_on.map_or("never".to_owned(), day),
            why(point),
        ]
    });
    table(&columns, rows.collect(), NOTHING)
}

/// The picture of a simulation.
pub(crate) fn policy_timeline(
    file: &str,
    policy: &PolicySpec,
    simulation: &Simulation,
    from: Timestamp,
    until: Timestamp,
) -> String {
    let zone = policy.zone();
    let name = Path::new(file).file_name().map_or(file.into(), |name| name.to_string_lossy());
    let title = format!("{name}: recovery points from {} to {}", date_in(&zone, from), date_in(&zone, until));
    let explanation = policy.explain();
    let caption = Caption {
        title: &title,
        subtitle: explanation.first().map_or("", String::as_str),
        rule: &|rule| match kept(policy, rule).as_slice() {
            [backup, archive] => format!("{backup}, then {archive}"),
            kept => kept.concat(),
        },
    };
    timeline(&caption, simulation, from, until)
}

fn rules(policy: &PolicySpec, simulation: &Simulation) -> String {
    let columns = [
        Column::Text("RULE"),
        Column::Figure("POINTS"),
        Column::Text("FIRST"),
        Column::Text("LAST"),
        Column::Text("BACKUP STORE"),
        Column::Text("ARCHIVE STORE"),
        Column::Text("LAST DELETED"),
        Column::Text("WHY THE FIRST"),
    ];
    let zone = policy.zone();
    let rows = policy.retention.rules().map(|rule| {
        let points: Vec<_> = simulation.points.iter().filter(|point| point.rule() == rule.name).collect();
        let mut kept = kept(policy, rule.name).into_iter();
        let edge = |point: Option<&&SimulatedPoint>| {
            point.map_or("-".to_owned(), |point| date_in(&zone, point.time))
        };
        let deleted = points
            .iter()
            .map(|point| point.deleted_on)
            .max_by_key(|deleted| deleted.unwrap_or(Timestamp::MAX));
        vec![
            rule.name.to_string(),
            count(points.len() as u64),
            edge(points.first()),
            edge(points.last()),
            kept.next().unwrap_or_default(),
            kept.next().unwrap_or("-".to_owned()),
            deleted.map_or("-".to_owned(), |deleted| deleted.map_or("never".to_owned(), day)),
            points.first().map_or("-".to_owned(), |point| why(point)),
        ]
    });
    table(&columns, rows.collect(), NOTHING)
}

/// How long a rule keeps points in the backup store and then, where it does, in the archive store.
fn kept(policy: &PolicySpec, rule: RuleName) -> Vec<String> {
    let Some(rule) = policy.retention.rule(rule) else { return Vec::new() };
    let mut kept = vec![in_words(rule.backup_store)];
    if let OnExpiry::Archive { keep, .. } = rule.on_expiry {
        kept.push(in_words(keep.get()));
    }
    kept
}

/// A lifetime as people say it: `3 months`.
fn in_words(lifetime: Lifetime) -> String {
    let (count, unit) = lifetime.parts();
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// The date of a moment by the clock of a zone.
fn date_in(zone: &Zone, moment: Timestamp) -> String {
    zone.date(moment).to_string()
}

/// Why its rule took a point, in a few words.
fn why(point: &SimulatedPoint) -> String {
    let of_its_rule = |reason: &&Reason| reason.is_met() && reason.rule() == Some(point.rule());
    match point.retention.reasons.iter().find(of_its_rule) {
        Some(Reason::FirstOfPeriod { period }) if period.rule() == RuleName::Weekly => {
            format!("first of week {}", period.period())
        }
        Some(Reason::FirstOfPeriod { period }) => format!("first of {}", period.period()),
        Some(Reason::OnChosenDay { date, .. }) => format!("chosen: {}", date.strftime("%a %Y-%m-%d")),
        Some(Reason::EveryPoint) => "no other rule".to_owned(),
        Some(other) => other.to_string(),
        None => "-".to_owned(),
    }
}

/// How many points there are of each rule when years begin, and at the end.
fn census(policy: &PolicySpec, simulation: &Simulation, from: Timestamp, until: Timestamp) -> String {
    let rules: Vec<_> = policy.retention.rules().map(|rule| rule.name).collect();
    let mut columns = vec![Column::Text("ON")];
    columns.extend(rules.iter().map(|rule| {
        Column::Figure(match rule {
            RuleName::Yearly => "YEARLY",
            RuleName::Monthly => "MONTHLY",
            RuleName::Weekly => "WEEKLY",
            RuleName::Daily => "DAILY",
            RuleName::Default => "DEFAULT",
        })
    }));
    columns.push(Column::Figure("ALL"));
    let rows = moments(&policy.zone(), from, until).into_iter().map(|(name, moment)| {
        let mut numbers: BTreeMap<RuleName, Count> = BTreeMap::new();
        let mut all = Count::default();
        for (point, store) in simulation.at(moment) {
            numbers.entry(point.rule()).or_default().add(store);
            all.add(store);
        }
        let mut row = vec![name];
        row.extend(rules.iter().map(|rule| numbers.get(rule).copied().unwrap_or_default().to_string()));
        row.push(all.to_string());
        row
    });
    table(&columns, rows.collect(), NOTHING)
}

/// How many points there are in each store.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Count {
    backup: u64,
    archive: u64,
}

impl Count {
    pub(super) fn add(&mut self, store: StoreKind) {
        match store {
            StoreKind::Backup => self.backup += 1,
            StoreKind::Archive => self.archive += 1,
        }
    }
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.archive {
            0 => f.pad(&count(self.backup)),
            archive => f.pad(&format!("{} + {}", count(self.backup), count(archive))),
        }
    }
}

/// The moments at which points are counted, with their names: the beginnings of years, and the end.
pub(super) fn moments(zone: &Zone, from: Timestamp, until: Timestamp) -> Vec<(String, Timestamp)> {
    let (first, last) = (zone.date(from).year(), zone.date(until).year());
    let mut moments: Vec<_> = (first..=last)
        .map(|year| date(year, 1, 1))
        .map(|new_year| (new_year.to_string(), zone.first_instant(new_year, Time::midnight())))
        .filter(|(_, moment)| (from..until).contains(moment) && *moment > from)
        .collect();
    moments.push((zone.date(until).to_string(), until));
    moments
}

/// Says which points outlive their time because no newer one is there.
fn longer_than_stamped(simulation: &Simulation) -> String {
    let number = simulation.points.iter().filter(|point| point.outlives_its_stamp()).count();
    match number {
        0 => String::new(),
        1 => "\nOne point stays longer than its rule says: until a newer one is there, none is deleted.\n"
            .to_owned(),
        number => format!(
            "\n{} points stay longer than their rules say: until a newer one is there, none is deleted.\n",
            count(number as u64)
        ),
    }
}
