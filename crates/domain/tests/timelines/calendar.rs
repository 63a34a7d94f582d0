//! The calendar of a timeline: a letter for each run, where it stands on a calendar.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use permafrost_domain::retention::RuleName;
use permafrost_domain::schedule::Recurrence;
use permafrost_domain::simulate::{MissCause, Simulation};

use crate::scenario::Scenario;

const MONTHS: [&str; 12] =
    ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];

/// Days with the letters of their runs.
type Days = BTreeMap<Date, Vec<String>>;

/// The lines of the calendar: a row for each year where there are few runs, else one for each month.
pub(crate) fn lines(scenario: &Scenario, simulation: &Simulation) -> Vec<String> {
    let days = days(scenario, simulation);
    match &scenario.policy.schedule.as_ref().expect("a schedule").recurrence {
        Recurrence::Weekly { on, at } if on.len() == 1 && at.len() == 1 => years(&days, |of_month| {
            let first = of_month.first().map_or(0, |(date, _)| date.day());
            format!("{first:02} {}", of_month.iter().map(|(_, letters)| letters.concat()).collect::<String>())
        }),
        Recurrence::Monthly { .. } => years(&days, |of_month| {
            let day =
                |(date, letters): &(Date, Vec<String>)| format!("{:02}{}", date.day(), letters.concat());
            of_month.iter().map(day).collect::<Vec<_>>().join(" ")
        }),
        _ => months(&days),
    }
}

/// The letter of a rule.
pub(crate) fn letter(rule: RuleName) -> char {
    match rule {
        RuleName::Yearly => 'Y',
        RuleName::Monthly => 'M',
        RuleName::Weekly => 'W',
        RuleName::Daily => 'D',
        RuleName::Default => '.',
    }
}

fn days(scenario: &Scenario, simulation: &Simulation) -> Days {
    let mut runs: BTreeMap<Timestamp, Vec<&_>> = BTreeMap::new();
    for point in &simulation.points {
        runs.entry(point.due).or_default().push(point);
    }
    let mut letters: BTreeMap<Timestamp, String> = runs
        .into_iter()
        .map(|(due, points)| {
            let letters: String = points.iter().map(|point| letter(point.rule())).collect();
            (due, if points.len() == 1 { letters } else { format!("({letters})") })
        })
        .collect();
    for missed in &simulation.missed {
        let letter = match missed.cause {
            MissCause::Failed => "x",
            MissCause::Skipped => "s",
        };
        letters.insert(missed.due, letter.to_owned());
    }
    let zone = scenario.policy.zone();
    let mut days = Days::new();
    for (due, letters) in letters {
        days.entry(zone.date(due)).or_default().push(letters);
    }
    days
}

fn years(days: &Days, cell: impl Fn(&[(Date, Vec<String>)]) -> String) -> Vec<String> {
    let mut table = vec![std::iter::once(String::new()).chain(MONTHS.map(str::to_owned)).collect::<Vec<_>>()];
    let all = days.keys().map(|date| date.year());
    for year in all.clone().min().unwrap_or(0)..=all.max().unwrap_or(-1) {
        let cells = (1..=12).map(|month| {
            let of_month: Vec<_> = days
                .iter()
                .filter(|(date, _)| (date.year(), date.month()) == (year, month))
                .map(|(date, letters)| (*date, letters.clone()))
                .collect();
            if of_month.is_empty() { String::new() } else { cell(&of_month) }
        });
        table.push(std::iter::once(year.to_string()).chain(cells).collect());
    }
    let width = |column: usize| table.iter().map(|row| row[column].len()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..13).map(width).collect();
    table
        .iter()
        .map(|row| {
            let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}"));
            cells.collect::<Vec<_>>().join("  ").trim_end().to_owned()
        })
        .collect()
}

fn months(days: &Days) -> Vec<String> {
    let width = days.values().map(|letters| letters.concat().len()).max().unwrap_or(1);
    let (name, between): (fn(i8) -> String, _) =
        if width == 1 { (|day| (day % 10).to_string(), "") } else { (|day| format!("{day:02}"), " ") };
    let row = |cells: &mut dyn Iterator<Item = String>| {
        cells.map(|cell| format!("{cell:width$}")).collect::<Vec<_>>().join(between).trim_end().to_owned()
    };
    let mut lines = vec![format!("{:9}{}", "", row(&mut (1..=31).map(name)))];
    let mut months: Vec<Date> = days.keys().map(|date| date.first_of_month()).collect();
    months.dedup();
    for month in months {
        let letters = |day: i8| {
            let date = Date::new(month.year(), month.month(), day).ok()?;
            days.get(&date).map(|letters| letters.concat())
        };
        let row = row(&mut (1..=31).map(|day| letters(day).unwrap_or_default()));
        lines.push(format!("{}  {row}", month.strftime("%Y-%m")));
    }
    lines
}
