//! Reports: what was measured, as JSON and as a table.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;
use std::process::Command;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::args::Part;
use crate::databases::Database;
use crate::error::BenchError;
use crate::run::{Bench, CatalogReads, Role, Sample, Subject};

/// One part of a run.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Report {
    /// The part's name, and its file's.
    pub(crate) part: String,
    /// When it ended.
    pub(crate) date: Timestamp,
    /// The commit that was measured; with a plus where the work tree differed from it.
    pub(crate) commit: String,
    /// Where it ran.
    pub(crate) machine: Machine,
    /// The server's version.
    pub(crate) server: String,
    /// What was dumped or restored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) database: Option<DatabaseSize>,
    /// The subjects, in the order in which they ran.
    pub(crate) results: Vec<Measured>,
    /// What was expected.
    pub(crate) expectations: Vec<Expectation>,
}

/// Where a run took place.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Machine {
    cpu: String,
    cores: usize,
    memory_mb: u64,
    system: String,
}

/// What was dumped or restored.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct DatabaseSize {
    name: String,
    tables: u64,
    table_bytes: u64,
}

/// A subject with its numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Measured {
    pub(crate) name: String,
    pub(crate) role: Role,
    pub(crate) unit: String,
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
    /// The median as a multiple of each other subject's.
    pub(crate) ratio_to: BTreeMap<String, f64>,
    pub(crate) samples: Vec<Sample>,
}

/// Something that is expected of the numbers.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Expectation {
    pub(crate) what: String,
    pub(crate) found: f64,
    pub(crate) bound: f64,
    pub(crate) sense: Sense,
    pub(crate) holds: bool,
}

/// On which side of its bound a number should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sense {
    AtMost,
    AtLeast,
}

impl Expectation {
    /// A ratio of two medians that should not be more than `bound`; `None` where one was not measured.
    pub(crate) fn at_most(what: &str, number: Option<f64>, of: Option<f64>, bound: f64) -> Option<Self> {
        Some(Self::new(what, number? / of?, bound, Sense::AtMost))
    }

    /// A ratio of two medians that should not be less than `bound`; `None` where one was not measured.
    pub(crate) fn at_least(what: &str, number: Option<f64>, of: Option<f64>, bound: f64) -> Option<Self> {
        Some(Self::new(what, number? / of?, bound, Sense::AtLeast))
    }

    /// A number that should not be more than `bound`.
    pub(crate) fn bound(what: &str, number: f64, bound: f64) -> Self {
        Self::new(what, number, bound, Sense::AtMost)
    }

    fn new(what: &str, found: f64, bound: f64, sense: Sense) -> Self {
        let holds = match sense {
            Sense::AtMost => found <= bound,
            Sense::AtLeast => found >= bound,
        };
        Self { what: what.to_owned(), found, bound, sense, holds }
    }

    /// As a line.
    pub(crate) fn line(&self) -> String {
        let (verdict, sense) = (
            if self.holds { "pass" } else { "FAIL" },
            if self.sense == Sense::AtMost { "at most" } else { "at least" },
        );
        format!("{verdict}  {}: {:.2}, expected {sense} {:.2}", self.what, self.found, self.bound)
    }
}

/// The numbers of all subjects.
#[derive(Debug, Clone)]
pub(crate) struct Results(Vec<Measured>);

impl Results {
    /// Of the samples of `subjects`.
    pub(crate) fn new(subjects: &[Subject], mut samples: BTreeMap<String, Vec<Sample>>) -> Self {
        let mut results: Vec<Measured> = subjects
            .iter()
            .filter_map(|subject| {
                let samples = samples.remove(&subject.name)?;
                Measured::new(subject.name.clone(), subject.role, samples)
            })
            .collect();
        compare(&mut results);
        Self(results)
    }

    /// The median of a subject, where it was measured.
    pub(crate) fn median(&self, name: &str) -> Option<f64> {
        self.best(&[name])
    }

    /// The least median of these subjects.
    pub(crate) fn best(&self, names: &[&str]) -> Option<f64> {
        self.best_where(|name| names.contains(&name))
    }

    /// The least median of the subjects whose name `matches`.
    pub(crate) fn best_where(&self, matches: impl Fn(&str) -> bool) -> Option<f64> {
        self.0
            .iter()
            .filter(|result| matches(&result.name))
            .map(|result| result.median)
            .min_by(f64::total_cmp)
    }

    /// The most memory of a worker of these subjects, in MB.
    pub(crate) fn peak_mb(&self, names: &[&str]) -> Option<f64> {
        self.0
            .iter()
            .filter(|result| names.contains(&result.name.as_str()))
            .flat_map(|result| &result.samples)
            .filter_map(|sample| Some(mb(sample.outcome.as_ref()?.worker_peak_kib)))
            .max_by(f64::total_cmp)
    }
}

impl Measured {
    /// The numbers of a subject; `None` where there are no samples.
    pub(crate) fn new(name: String, role: Role, samples: Vec<Sample>) -> Option<Self> {
        let mut seconds: Vec<f64> = samples.iter().map(|sample| sample.seconds).collect();
        seconds.sort_by(f64::total_cmp);
        let (min, max) = (*seconds.first()?, *seconds.last()?);
        let (unit, median) = ("s".to_owned(), median(&seconds));
        Some(Self { name, role, unit, median, min, max, ratio_to: BTreeMap::new(), samples })
    }
}

/// Sets each median against every other.
pub(crate) fn compare(results: &mut [Measured]) {
    let medians: Vec<(String, f64)> =
        results.iter().map(|result| (result.name.clone(), result.median)).collect();
    for result in results {
        let others = medians.iter().filter(|(name, _)| *name != result.name);
        result.ratio_to = others.map(|(name, median)| (name.clone(), result.median / median)).collect();
    }
}

impl Bench {
    /// The report of a part.
    pub(crate) async fn report(
        &self,
        part: Part,
        database: &Database,
        results: Results,
        expectations: Vec<Expectation>,
    ) -> Result<Report, BenchError> {
        let rows = self
            .server
            .query(
                &database.name,
                "SELECT count(*), sum(pg_table_size(oid))::int8, current_setting('server_version') FROM pg_class \
                 WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace",
            )
            .await?;
        let row = rows.first().ok_or_else(|| BenchError::Wrong("no row".to_owned()))?;
        let number =
            |text: &str| text.parse().map_err(|_| BenchError::Wrong(format!("{text:?} is no number")));
        let size = DatabaseSize {
            name: database.name.clone(),
            tables: number(&row[0])?,
            table_bytes: number(&row[1])?,
        };
        let report = Report::new(part, format!("PostgreSQL {}", row[2]), results.0, expectations)?;
        Ok(Report { database: Some(size), ..report })
    }
}

impl Report {
    /// The report of a part that was measured here and now, on `server`.
    pub(crate) fn new(
        part: Part,
        server: String,
        results: Vec<Measured>,
        expectations: Vec<Expectation>,
    ) -> Result<Self, BenchError> {
        Ok(Self {
            part: clap::ValueEnum::to_possible_value(&part)
                .map_or_else(String::new, |value| value.get_name().to_owned()),
            date: crate::clock::now(),
            commit: commit(),
            machine: machine()?,
            server,
            database: None,
            results,
            expectations,
        })
    }

    /// What was measured, as a heading.
    pub(crate) fn title(&self) -> String {
        let megabytes = self.database.as_ref().map_or(0, |database| database.table_bytes / 1024 / 1024);
        let tables = self.database.as_ref().map_or(0, |database| database.tables);
        let size = format!("{megabytes} MB on disk, {tables} tables");
        match self.part.as_str() {
            "dump-giant" => format!("Dump of one giant table ({megabytes} MB on disk)"),
            "dump-mixed" => format!("Dump of mixed tables ({size})"),
            "restore-giant" => format!("Restore of one giant table ({megabytes} MB on disk)"),
            "restore-mixed" => format!("Restore of mixed tables ({size})"),
            "retention" => "Planning what is due of very many recovery points".to_owned(),
            _ => "Dump and restore of very many small tables".to_owned(),
        }
    }

    /// Where and when it was measured.
    pub(crate) fn place(&self) -> String {
        format!(
            "{}; {}, {} cores, {} MB of memory, Linux {}; commit `{}`, {}; {} runs of each.",
            self.server,
            self.machine.cpu,
            self.machine.cores,
            self.machine.memory_mb,
            self.machine.system,
            self.commit,
            self.date.strftime("%Y-%m-%d"),
            self.results.iter().map(|result| result.samples.len()).min().unwrap_or_default(),
        )
    }

    /// The expectations as a Markdown list.
    pub(crate) fn verdicts(&self) -> String {
        self.expectations
            .iter()
            .flat_map(|expectation| ["- ".to_owned(), expectation.line(), "\n".to_owned()])
            .collect()
    }

    /// The numbers as a Markdown table.
    pub(crate) fn table(&self) -> String {
        let counted = |result: &Measured| result.samples.iter().any(|sample| sample.catalog.is_some());
        if self.results.iter().any(counted) { self.table_of_reads() } else { self.table_of_times() }
    }

    /// What was read of the catalog, a row for each sample.
    fn table_of_reads(&self) -> String {
        let mut text = "| | points planned | items read | read capacity units | requests | s |\n\
             |---|---|---|---|---|---|\n"
            .to_owned();
        let samples = self.results.iter().flat_map(|result| result.samples.iter().map(|s| (&result.name, s)));
        for (name, sample) in samples {
            let Some(CatalogReads { planned, requests, items, units }) = sample.catalog else { continue };
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {name} | {planned} | {items} | {units} | {requests} | {:.1} |",
                sample.seconds
            );
        }
        text
    }

    fn table_of_times(&self) -> String {
        let floor = self
            .results
            .iter()
            .filter(|result| result.role == Role::Floor)
            .map(|result| result.median)
            .min_by(f64::total_cmp);
        let mut text = "| | median, s | min to max | x floor | CPU of clients, s | of the server, s | memory of a worker, MB |\n\
             |---|---|---|---|---|---|---|\n"
            .to_owned();
        for result in &self.results {
            let of = |read: fn(&Sample) -> f64| {
                let mut numbers: Vec<f64> = result.samples.iter().map(read).collect();
                numbers.sort_by(f64::total_cmp);
                median(&numbers)
            };
            let peak = result
                .samples
                .iter()
                .filter_map(|s| Some(mb(s.outcome.as_ref()?.worker_peak_kib)))
                .max_by(f64::total_cmp);
            // Writing to a String cannot fail.
            let _ = writeln!(
                text,
                "| {} | {:.2} | {:.2} to {:.2} | {} | {:.1} | {:.1} | {} |",
                // A pipe between programs is none between cells.
                result.name.replace('|', "\\|"),
                result.median,
                result.min,
                result.max,
                floor.map_or_else(String::new, |floor| format!("{:.2}", result.median / floor)),
                of(|sample| sample.client_cpu_seconds),
                of(|sample| sample.server_cpu_seconds),
                peak.map_or_else(String::new, |peak| format!("{peak:.0}")),
            );
        }
        text
    }
}

/// Writes a report as `<out>/<part>.json`.
pub(crate) fn write(report: &Report, out: &Path) -> Result<(), BenchError> {
    std::fs::create_dir_all(out).map_err(BenchError::io(format!("make {}", out.display())))?;
    let file = out.join(format!("{}.json", report.part));
    let mut text = serde_json::to_string_pretty(report).map_err(BenchError::json("a report"))?;
    text.push('\n');
    std::fs::write(&file, text).map_err(BenchError::io(format!("write {}", file.display())))
}

/// The median of numbers in order.
fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    match sorted {
        [] => f64::NAN,
        _ if sorted.len() % 2 == 1 => sorted[middle],
        _ => f64::midpoint(sorted[middle - 1], sorted[middle]),
    }
}

#[expect(clippy::cast_precision_loss, reason = "memory is far below 2^52 KiB")]
fn mb(kib: u64) -> f64 {
    kib as f64 / 1024.0
}

fn commit() -> String {
    let git = |args: &[&str]| {
        let output = Command::new("git").args(args).output().ok().filter(|output| output.status.success())?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let Some(commit) = git(&["rev-parse", "--short", "HEAD"]) else { return "unknown".to_owned() };
    let clean =
        git(&["status", "--porcelain", "--untracked-files=no"]).is_some_and(|changes| changes.is_empty());
    if clean { commit } else { format!("{commit}+") }
}

fn machine() -> Result<Machine, BenchError> {
    let read = |file: &str| std::fs::read_to_string(file).map_err(BenchError::io(format!("read {file}")));
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name))?;
        Some(line.split_once(':')?.1.trim().to_owned())
    };
    let memory = field(&read("/proc/meminfo")?, "MemTotal").unwrap_or_default();
    let memory_kib: u64 = memory.trim_end_matches(" kB").parse().unwrap_or_default();
    Ok(Machine {
        cpu: field(&read("/proc/cpuinfo")?, "model name").unwrap_or_default(),
        cores: std::thread::available_parallelism().map_or(1, std::num::NonZero::get),
        memory_mb: memory_kib / 1024,
        system: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_median_is_in_the_middle() {
        assert!((median(&[1.0, 2.0, 9.0]) - 2.0).abs() < 1e-9);
        assert!((median(&[1.0, 2.0, 4.0, 9.0]) - 3.0).abs() < 1e-9);
        assert!(median(&[]).is_nan());
    }

    #[test]
    fn an_expectation_that_cannot_be_judged_is_none() {
        assert!(Expectation::at_most("x", Some(1.0), None, 2.0).is_none());
        assert!(Expectation::at_most("x", Some(3.0), Some(2.0), 1.5).unwrap().holds);
        assert!(!Expectation::at_least("x", Some(3.0), Some(2.0), 1.6).unwrap().holds);
        assert!(!Expectation::bound("x", 2.0, 1.0).holds);
    }
}
