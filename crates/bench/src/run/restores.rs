//! Restores: stock programs and Permafrost, each into a new database of the same server.

use super::measure::Role;
use super::{Bench, Subject, Work};
use crate::args::Part;
use crate::databases::Database;
use crate::error::BenchError;
use crate::peers::{self, Invocation};
use crate::report::{Expectation, Report, Results};
use crate::say;

const STOCK: &str = "pg_restore -j2 of pg_dump -Fc";
const STOCK_ANALYZED: &str = "pg_restore -j2, then vacuumdb -j2 --analyze-only";
const COPYDB: &str = "pgcopydb copy table-data, 2 jobs, server to server";
const OURS: &str = "Permafrost, S3";
/// The database that every run makes.
const TARGET: &str = "bench_target";

impl Bench {
    /// Measures the restores of a database.
    pub(crate) async fn restores(&self, part: Part, database: &Database) -> Result<Report, BenchError> {
        database.make(&self.server).await?;
        let name = database.name.as_str();
        let archive = self.scratch.join("stock.dump").display().to_string();
        say::line(&format!("dumping {name} with pg_dump, to be restored"));
        peers::run_piped(&[self.stock("pg_dump", ["-Fc", "-f", &archive, name])], self.server.port)?;
        let restore = self.stock("pg_restore", ["-j2", "--exit-on-error", "-d", TARGET, &archive]);
        let analyze = self.stock("vacuumdb", ["-j2", "--analyze-only", "--quiet", TARGET]);
        let peers = [(STOCK, vec![restore.clone()]), (STOCK_ANALYZED, vec![restore, analyze])];
        let subjects = peers.map(|(title, programs)| Subject {
            name: title.to_owned(),
            role: Role::Peer,
            work: Work::IntoDatabase(programs, TARGET.to_owned()),
        });
        let mut subjects = Vec::from(subjects);
        match peers::on_path("pgcopydb") {
            Some(program) => subjects.push(Subject {
                name: COPYDB.to_owned(),
                role: Role::Peer,
                work: Work::BetweenDatabases(
                    self.pgcopydb(program, name),
                    name.to_owned(),
                    TARGET.to_owned(),
                ),
            }),
            None => say::line("there is no pgcopydb here (Debian's package pgcopydb): left out"),
        }
        let ours = Work::Restore(TARGET.to_owned(), self.seed(name).await?);
        subjects.push(Subject { name: OURS.to_owned(), role: Role::Ours, work: ours });
        subjects.retain(|subject| self.wants(&subject.name));

        let results = Results::new(&subjects, self.measure_all(&subjects).await?);
        self.drop_database(TARGET).await?;
        std::fs::remove_file(&archive).map_err(BenchError::io(format!("remove {archive}")))?;
        let bound = if part == Part::RestoreGiant { 1.2 } else { 1.0 };
        let (stock, ours) = (results.median(STOCK), results.median(OURS));
        let analyzed = results.median(STOCK_ANALYZED);
        let expectations = [
            Expectation::at_least("pg_restore -j2 / Permafrost", stock, ours, bound),
            Expectation::at_least("pg_restore -j2, then vacuumdb / Permafrost", analyzed, ours, bound),
            results.peak_mb(&[OURS]).map(|peak| Expectation::bound("memory of a task, MB", peak, 256.0)),
        ];
        self.report(part, database, results, expectations.into_iter().flatten().collect()).await
    }

    fn pgcopydb(&self, program: std::path::PathBuf, source: &str) -> Invocation {
        let uri = |database: &str| format!("postgres://postgres@127.0.0.1:{}/{database}", self.server.port);
        let work_folder = self.scratch.join("pgcopydb").display().to_string();
        let (source, target) = (uri(source), uri(TARGET));
        let args = [
            "copy",
            "table-data",
            "--restart",
            "--not-consistent",
            "--quiet",
            "--table-jobs",
            "2",
            "--dir",
            &work_folder,
            "--source",
            &source,
            "--target",
            &target,
        ];
        Invocation::new(program, args)
    }
}
