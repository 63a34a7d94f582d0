//! The lower part of a timeline.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::Offset;
use permafrost_domain::retention::{OnExpiry, Rule, RuleName};
use permafrost_domain::simulate::{MissCause, SimulatedPoint, Simulation, StoreKind};

use crate::calendar;
use crate::scenario::Scenario;

pub(crate) fn of(scenario: &Scenario, simulation: &Simulation) -> String {
    let mut lines = vec!["--- backups".to_owned()];
    lines.extend(calendar::lines(scenario, simulation));
    section(&mut lines, "runs of days on which the clock is set", clock_changes(scenario));
    section(&mut lines, "out of the ordinary", out_of_the_ordinary(scenario, simulation));
    section(&mut lines, "kept", kept(scenario, simulation));
    section(&mut lines, "kept longer, as the newest", kept_longer(simulation));
    section(&mut lines, "what exists", what_exists(scenario, simulation));
    lines.join("\n") + "\n"
}

fn section(lines: &mut Vec<String>, title: &str, body: Vec<String>) {
    if !body.is_empty() {
        lines.extend([String::new(), format!("--- {title}")]);
        lines.extend(body);
    }
}

/// The instants of the runs that are due on days whose clock is set forward or back.
fn clock_changes(scenario: &Scenario) -> Vec<String> {
    let zone = scenario.policy.zone();
    let offset_at_midnight = |day: Date| zone.rules().to_offset(zone.first_instant(day, Time::midnight()));
    let mut days: BTreeMap<Date, Vec<String>> = BTreeMap::new();
    let schedule = scenario.policy.schedule.as_ref().expect("a schedule");
    for run in schedule.run_due(scenario.from, scenario.until) {
        let day = zone.date(run.at);
        if offset_at_midnight(day) != offset_at_midnight(day.tomorrow().expect("a day")) {
            days.entry(day).or_default().push(utc(run.at));
        }
    }
    days.into_iter().map(|(day, runs)| format!("{day}  {}", runs.join("  "))).collect()
}

/// Runs that the scenario says something of or that were skipped, except those that fail.
fn out_of_the_ordinary(scenario: &Scenario, simulation: &Simulation) -> Vec<String> {
    let zone = scenario.policy.zone();
    let clock = |due: Timestamp| zone.rules().to_datetime(due).strftime("%Y-%m-%dT%H:%M").to_string();
    let mut notes: Vec<(Timestamp, Vec<String>)> = Vec::new();
    for missed in simulation.missed.iter().filter(|missed| missed.cause == MissCause::Skipped) {
        notes.push((missed.due, vec![format!("{} skipped", clock(missed.due))]));
    }
    for point in &simulation.points {
        let Some(words) = scenario.words(point.due) else { continue };
        let line = format!(
            "    {}: consistent {}, committed {}",
            point.rule(),
            utc(point.time),
            utc(point.committed_at)
        );
        match notes.iter_mut().find(|(due, _)| *due == point.due) {
            Some((_, lines)) => lines.push(line),
            None => notes.push((point.due, vec![format!("{} {words}", clock(point.due)), line])),
        }
    }
    notes.sort_by_key(|(due, _)| *due);
    notes.into_iter().flat_map(|(_, lines)| lines).collect()
}

/// For each rule its points: those in a row whose ends lie equally far from their beginnings as one line. A point
/// whose end was brought forward to the end of a shorter month has a line of its own.
fn kept(scenario: &Scenario, simulation: &Simulation) -> Vec<String> {
    let mut lines = Vec::new();
    for rule in scenario.policy.retention.rules() {
        let points: Vec<_> = simulation.points.iter().filter(|point| point.rule() == rule.name).collect();
        let archive = match rule.on_expiry {
            OnExpiry::Delete => String::new(),
            OnExpiry::Archive { keep, .. } => format!(", then {keep} in the archive store"),
        };
        let count = points.len();
        lines.push(format!(
            "{}: {} in the backup store{archive}, {count} points",
            rule.name, rule.backup_store
        ));
        for alike in points.chunk_by(|one, other| {
            distances(rule, one)
                .is_some_and(|distances_of_one| distances(rule, other) == Some(distances_of_one))
        }) {
            let (first, last) = (alike[0], alike[alike.len() - 1]);
            let span = |of: fn(&SimulatedPoint) -> Timestamp| {
                if alike.len() == 1 {
                    utc(of(first))
                } else {
                    format!("{} .. {}", utc(of(first)), utc(of(last)))
                }
            };
            let times = span(|point| point.time);
            let until = span(|point| point.retention.backup_store_until);
            let archived = match first.archive_until() {
                Some(_) => format!(", in the archive until {}", span(|point| point.retention.deleted_on())),
                None => String::new(),
            };
            lines.push(format!("  {times:38}  {:5}  until {until}{archived}", alike.len()));
        }
    }
    lines
}

/// How far the ends of a point's times lie from their beginnings, in the unit of the rule; none where a month was
/// too short.
fn distances(rule: Rule, point: &SimulatedPoint) -> Option<Vec<i64>> {
    let until = point.retention.backup_store_until;
    let mut stages = vec![(point.time, until, rule.backup_store.to_string())];
    if let (OnExpiry::Archive { keep, .. }, Some(archived)) = (rule.on_expiry, point.archive_until()) {
        stages.push((until, archived, keep.to_string()));
    }
    stages
        .into_iter()
        .map(|(begin, end, lifetime)| {
            let (begin_clock, end_clock) = (Offset::UTC.to_datetime(begin), Offset::UTC.to_datetime(end));
            if lifetime.ends_with(['D', 'W']) {
                Some(end.as_second() - begin.as_second())
            } else if (begin_clock.day(), begin_clock.time()) == (end_clock.day(), end_clock.time()) {
                let months = |date: Date| i64::from(date.year()) * 12 + i64::from(date.month());
                Some(months(end_clock.date()) - months(begin_clock.date()))
            } else {
                None
            }
        })
        .collect()
}

fn kept_longer(simulation: &Simulation) -> Vec<String> {
    let line = |point: &SimulatedPoint| {
        let deleted = point.deleted_on.map_or("never".to_owned(), utc);
        format!("  {}  ended {}, deleted {deleted}", utc(point.time), utc(point.retention.deleted_on()))
    };
    simulation.points.iter().filter(|point| point.outlives_its_stamp()).map(line).collect()
}

/// How many points of each rule are in each store when a year begins by the policy's clock.
fn what_exists(scenario: &Scenario, simulation: &Simulation) -> Vec<String> {
    let archived = |rule: RuleName| {
        simulation.points.iter().any(|point| point.rule() == rule && point.archive_until().is_some())
    };
    let made = |rule: RuleName| simulation.points.iter().any(|point| point.rule() == rule);
    let backup = RuleName::ALL.into_iter().filter(|rule| made(*rule)).map(|rule| (StoreKind::Backup, rule));
    let archive =
        RuleName::ALL.into_iter().filter(|rule| archived(*rule)).map(|rule| (StoreKind::Archive, rule));
    let columns: Vec<(StoreKind, RuleName)> = backup.chain(archive).collect();
    let width = |rule: RuleName| (rule.as_str().len() + 2).max(9);

    let mut stores = String::new();
    let mut rules = format!("{:10}", "");
    let mut last = None;
    for (store, rule) in &columns {
        if last.replace(*store) != Some(*store) {
            let name = match store {
                StoreKind::Backup => "backup store",
                StoreKind::Archive => "archive store",
            };
            stores = format!("{stores:width$}{name}", width = rules.len() + 2);
        }
        rules = format!("{rules}{:>width$}", rule.as_str(), width = width(*rule));
    }
    let mut lines = vec![stores, rules];

    let zone = scenario.policy.zone();
    let first = zone.date(scenario.from).year() + 1;
    for year in first.. {
        let day = jiff::civil::date(year, 1, 1);
        let moment = zone.first_instant(day, Time::midnight());
        if moment > scenario.until {
            break;
        }
        let mut line = day.to_string();
        for (store, rule) in &columns {
            let here = |(point, at): &(&SimulatedPoint, StoreKind)| at == store && point.rule() == *rule;
            let count = simulation.at(moment).filter(here).count();
            line = format!("{line}{count:>width$}", width = width(*rule));
        }
        lines.push(line);
    }
    lines
}

/// A moment in UTC to the minute.
fn utc(moment: Timestamp) -> String {
    moment.strftime("%Y-%m-%d %H:%MZ").to_string()
}
