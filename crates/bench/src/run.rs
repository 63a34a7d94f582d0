//! A run: the server, the databases, the parts, the verdict.

mod dumps;
mod many;
mod measure;
mod restores;
mod store;

use std::path::PathBuf;

use crate::args::{Part, RunOptions};
use crate::databases::Database;
use crate::error::BenchError;
use crate::report::{self, Report};
use crate::server::{self, Server};
use crate::{peers, retention, say};

pub(crate) use measure::{CatalogReads, Role, Sample, Subject, Work};

/// Whether the expectations hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// All do, or nobody asked.
    Holds,
    /// Some do not.
    Misses,
}

/// What every part of a run works with.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) server: Server,
    /// Where stock programs write.
    pub(crate) scratch: PathBuf,
    /// PostgreSQL's programs as the engine expects them: `<dir>/<major>/bin`.
    pub(crate) programs: PathBuf,
    /// This program.
    pub(crate) own: PathBuf,
    pub(crate) options: RunOptions,
}

/// Measures what is asked for.
pub(crate) async fn run(options: &RunOptions) -> Result<Verdict, BenchError> {
    let wanted = |part: &Part| options.only.is_empty() || options.only.contains(part);
    let mut reports: Vec<Report> = Vec::new();
    if wanted(&Part::Retention) {
        reports.push(write(retention::measure(options).await?, options)?);
    }
    if OF_DATABASES.iter().any(wanted) {
        let bench = Bench::start(options)?;
        for part in OF_DATABASES.iter().filter(|part| wanted(part)) {
            reports.push(write(bench.part(*part).await?, options)?);
        }
    }
    let missed = |report: &Report| report.expectations.iter().any(|expectation| !expectation.holds);
    Ok(if options.check && reports.iter().any(missed) { Verdict::Misses } else { Verdict::Holds })
}

/// The parts that need a server with databases.
const OF_DATABASES: [Part; 5] =
    [Part::DumpGiant, Part::DumpMixed, Part::RestoreGiant, Part::RestoreMixed, Part::Tables];

/// Writes a report as soon as it is there: a part that fails later takes none with it.
fn write(report: Report, options: &RunOptions) -> Result<Report, BenchError> {
    report::write(&report, &options.out)?;
    say::line(&format!(
        "{}\n{}\n\n{}\n{}",
        report.title(),
        report.place(),
        report.table(),
        report.verdicts()
    ));
    Ok(report)
}

impl Bench {
    fn start(options: &RunOptions) -> Result<Self, BenchError> {
        let bin = options.pg_bin.clone().map_or_else(server::newest_installed, Ok)?;
        let scratch =
            options.scratch.clone().unwrap_or_else(|| std::env::temp_dir().join("permafrost-bench"));
        let server = Server::start(&bin, &scratch)?;
        say::line(&format!("PostgreSQL {} on 127.0.0.1:{}", server.major, server.port));
        let programs = scratch.join("programs");
        let folder = programs.join(server.major.to_string());
        std::fs::create_dir_all(&folder).map_err(BenchError::io(format!("make {}", folder.display())))?;
        let link = folder.join("bin");
        if std::fs::read_link(&link).ok().as_deref() != Some(bin.as_path()) {
            // Whatever it was, it is made again; that it was not there is no failure.
            let _ = std::fs::remove_file(&link);
            std::os::unix::fs::symlink(&bin, &link)
                .map_err(BenchError::io(format!("link {}", link.display())))?;
        }
        let own = std::env::current_exe().map_err(BenchError::io("find this program"))?;
        Ok(Self { server, scratch, programs, own, options: options.clone() })
    }

    /// Measures a part of those that need databases.
    async fn part(&self, part: Part) -> Result<Report, BenchError> {
        let (giant, mixed) = (Database::giant(self.options.giant_mb), Database::mixed(self.options.mixed_mb));
        match part {
            Part::DumpGiant => self.dumps(part, &giant).await,
            Part::DumpMixed => self.dumps(part, &mixed).await,
            Part::RestoreGiant => self.restores(part, &giant).await,
            Part::RestoreMixed => self.restores(part, &mixed).await,
            Part::Tables => self.many_tables(self.options.tables).await,
            Part::Retention => retention::measure(&self.options).await,
        }
    }

    /// The pg_dump that compresses with zstd, with a notice where there is none.
    pub(crate) fn zstd_pg_dump(&self) -> Option<(PathBuf, u32)> {
        let found = peers::zstd_pg_dump(&self.options.clients, self.server.port);
        if found.is_none() {
            say::line("no pg_dump here compresses with zstd (16 and newer can): left out");
        }
        found
    }

    /// Whether a subject of this name is to be measured.
    pub(crate) fn wants(&self, name: &str) -> bool {
        self.options.subjects.is_empty() || self.options.subjects.iter().any(|wanted| wanted == name)
    }
}
