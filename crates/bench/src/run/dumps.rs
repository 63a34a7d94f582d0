//! Dumps: the floor, stock programs, Permafrost.

use super::measure::Role;
use super::{Bench, Subject, Work};
use crate::args::{Destination, Part};
use crate::databases::Database;
use crate::error::BenchError;
use crate::peers::{self, Invocation};
use crate::report::{Expectation, Report, Results};
use crate::say;

/// Names of subjects, by which expectations refer to them.
const FLOOR_1: &str = "COPY to nowhere, 1 connection";
const FLOOR_2: &str = "COPY to nowhere, 2 connections";
const PSQL_1: &str = "psql COPY > /dev/null, 1 connection";
const PSQL_2: &str = "psql COPY > /dev/null, 2 connections";
const CUSTOM: &str = "pg_dump -Fc";
const DIRECTORY: &str = "pg_dump -Fd -j2";
const DIRECTORY_1: &str = "pg_dump -Fd -j2 -Z1";
const UPLOADED: &str = "pg_dump -Fc -Z0 | zstd -1 -T2 | upload";
const NULL: &str = "Permafrost, null sink";
const S3: &str = "Permafrost, S3";

impl Bench {
    /// Measures the dumps of a database.
    pub(crate) async fn dumps(&self, part: Part, database: &Database) -> Result<Report, BenchError> {
        database.make(&self.server).await?;
        let whole = self.copies(&database.name, 1).await?;
        let halves = self.copies(&database.name, 2).await?;
        let name = database.name.as_str();
        let mut subjects = vec![
            self.copy_to_nothing(FLOOR_1, name, 1, &whole),
            self.copy_to_nothing(FLOOR_2, name, 2, &halves),
            self.psql(PSQL_1, name, 1, &whole),
            self.psql(PSQL_2, name, 2, &halves),
            pg_dump(CUSTOM, Work::Piped(vec![self.stock("pg_dump", ["-Fc", name])])),
            pg_dump(DIRECTORY, Work::IntoFolder(self.stock("pg_dump", ["-Fd", "-j2", name, "-f"]))),
            pg_dump(DIRECTORY_1, Work::IntoFolder(self.stock("pg_dump", ["-Fd", "-j2", "-Z1", name, "-f"]))),
        ];
        if let Some((program, major)) = self.zstd_pg_dump() {
            let invocation = Invocation::new(program, ["-Fd", "-j2", "-Z", "zstd:1", name, "-f"]);
            subjects
                .push(pg_dump(&format!("pg_dump {major} -Fd -j2 -Z zstd:1"), Work::IntoFolder(invocation)));
        }
        match peers::on_path("zstd") {
            Some(zstd) => subjects.push(pg_dump(
                UPLOADED,
                Work::Uploaded(vec![
                    self.stock("pg_dump", ["-Fc", "-Z0", name]),
                    Invocation::new(zstd, ["-1", "-T2", "-q", "-c"]),
                ]),
            )),
            None => say::line("there is no zstd here: `pg_dump | zstd | upload` is left out"),
        }
        for (title, destination) in [(NULL, Destination::Null), (S3, Destination::S3)] {
            let work = Work::Dump(name.to_owned(), destination);
            subjects.push(Subject { name: title.to_owned(), role: Role::Ours, work });
        }
        subjects.retain(|subject| self.wants(&subject.name));
        let samples = self.measure_all(&subjects).await?;
        self.empty_folder()?;
        let results = Results::new(&subjects, samples);
        let expectations = expectations(part, &results);
        self.report(part, database, results, expectations).await
    }

    /// The statements that read all tables, the largest first; a single table is cut into `parts` by pages.
    async fn copies(&self, database: &str, parts: u64) -> Result<Vec<String>, BenchError> {
        let tables = self
            .server
            .query(
                database,
                "SELECT oid::regclass::text, relpages FROM pg_class \
                 WHERE relkind = 'r' AND relnamespace = 'public'::regnamespace ORDER BY pg_table_size(oid) DESC, oid",
            )
            .await?;
        let [table] = tables.as_slice() else {
            return Ok(tables.iter().map(|table| format!("COPY {} TO STDOUT", table[0])).collect());
        };
        let pages: u64 = table[1].parse().map_err(|_| BenchError::Wrong(format!("{table:?}")))?;
        let copy = |part: u64| {
            let (first, next) = (pages * part / parts, pages * (part + 1) / parts);
            format!(
                "COPY (SELECT * FROM {} WHERE ctid >= '({first},0)' AND ctid < '({next},0)') TO STDOUT",
                table[0]
            )
        };
        Ok(if parts == 1 {
            vec![format!("COPY {} TO STDOUT", table[0])]
        } else {
            (0..parts).map(copy).collect()
        })
    }

    fn copy_to_nothing(
        &self,
        name: &str,
        database: &str,
        connections: usize,
        statements: &[String],
    ) -> Subject {
        let (port, connections) = (self.server.port.to_string(), connections.to_string());
        let mut args =
            ["copy-to-nothing", "--port", &port, "--database", database, "--connections", &connections]
                .map(str::to_owned)
                .to_vec();
        args.extend_from_slice(statements);
        let work = Work::Piped(vec![Invocation::new(&self.own, args)]);
        Subject { name: name.to_owned(), role: Role::Floor, work }
    }

    fn psql(&self, name: &str, database: &str, connections: usize, statements: &[String]) -> Subject {
        let psql = |statement: &String| self.stock("psql", ["-X", "-q", "-d", database, "-c", statement]);
        let work = Work::Queued(statements.iter().map(psql).collect(), connections);
        Subject { name: name.to_owned(), role: Role::Floor, work }
    }

    /// A program of the server's own version.
    pub(crate) fn stock<const N: usize>(&self, program: &str, args: [&str; N]) -> Invocation {
        Invocation::new(self.server.bin.join(program), args)
    }
}

fn pg_dump(name: &str, work: Work) -> Subject {
    Subject { name: name.to_owned(), role: Role::Peer, work }
}

/// What is expected of dumps (issue 3).
fn expectations(part: Part, results: &Results) -> Vec<Expectation> {
    let floor = results.best(&[FLOOR_2, PSQL_2]);
    let directory = results.best_where(|name| name.contains("-Fd -j2"));
    let (null, s3, custom) = (results.median(NULL), results.median(S3), results.median(CUSTOM));
    let (of_floor, of_custom, of_directory) = match part {
        Part::DumpGiant => (1.15, 1.8, 1.2),
        _ => (1.25, 5.0, 1.0),
    };
    [
        Expectation::at_most("null sink / two-connection COPY floor", null, floor, of_floor),
        Expectation::at_least("pg_dump -Fc / null sink", custom, null, of_custom),
        Expectation::at_least("best pg_dump -Fd -j2 / null sink", directory, null, of_directory),
        Expectation::at_most("with upload / null sink", s3, null, 1.15),
    ]
    .into_iter()
    .chain([results.peak_mb(&[NULL, S3]).map(|peak| Expectation::bound("memory of a task, MB", peak, 256.0))])
    .flatten()
    .collect()
}
