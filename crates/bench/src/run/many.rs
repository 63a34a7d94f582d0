//! Very many small tables: time and memory must grow with their number, not with its square.

use super::measure::Role;
use super::{Bench, Subject, Work};
use crate::args::{Destination, Part};
use crate::databases::Database;
use crate::error::BenchError;
use crate::report::{Expectation, Report, Results};

/// What the names of the databases begin with that the restores make.
const TARGETS: &str = "bench_target";
/// How much more a table may take among `N` tables than among a quarter of them. Quadratic growth would make it 4.
const GROWTH: f64 = 1.3;

impl Bench {
    /// Measures dumps and restores of a quarter, a half and all of `count` tables.
    pub(crate) async fn many_tables(&self, count: u64) -> Result<Report, BenchError> {
        let sizes = [count / 4, count / 2, count];
        let mut subjects = Vec::new();
        for size in sizes {
            let database = Database::tables(size);
            database.make(&self.server).await?;
            let name = database.name.clone();
            let restore = Work::RestoreBeside(TARGETS.to_owned(), self.seed(&name).await?);
            let ours = [(DUMP, Work::Dump(name, Destination::S3)), (RESTORE, restore)];
            subjects.extend(ours.map(|(what, work)| Subject {
                name: of(what, size),
                role: Role::Ours,
                work,
            }));
        }
        let results = Results::new(&subjects, self.measure_all(&subjects).await?);
        for database in self.databases(TARGETS).await? {
            self.drop_database(&database).await?;
        }
        let mut expectations = Vec::new();
        for what in [DUMP, RESTORE] {
            let (few, all) = (results.median(&of(what, sizes[0])), results.median(&of(what, sizes[2])));
            #[expect(clippy::cast_precision_loss, reason = "numbers of tables are far below 2^52")]
            let times = sizes[2] as f64 / sizes[0] as f64;
            let expected = few.map(|few| few * times);
            let title = format!("{what}: time of a table among {} / among {}", sizes[2], sizes[0]);
            expectations.extend(Expectation::at_most(&title, all, expected, GROWTH));
            let peak = results.peak_mb(&[&of(what, sizes[2])]);
            expectations.extend(
                peak.map(|peak| Expectation::bound(&format!("{what}: memory of a task, MB"), peak, 256.0)),
            );
        }
        self.report(Part::Tables, &Database::tables(count), results, expectations).await
    }
}

const DUMP: &str = "Permafrost, dump";
const RESTORE: &str = "Permafrost, restore";

fn of(what: &str, tables: u64) -> String {
    format!("{what}, {tables} tables")
}
