//! The documents' copy of the numbers: JSON as measured, a plot of each part, and one page with all tables.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use crate::error::BenchError;
use crate::plot;
use crate::report::{self, Report};

/// The page that holds the tables.
const PAGE: &str = "results.md";
const HEAD: &str = "# Results\n\nWritten by `permafrost-bench report` from the JSON beside it; what is measured and how: \
                    [benchmarks.md](../benchmarks.md).\n";

/// Copies the reports in `out` to `documents`, with plots and tables.
pub(crate) fn write(out: &Path, documents: &Path) -> Result<(), BenchError> {
    fs::create_dir_all(documents).map_err(BenchError::io(format!("make {}", documents.display())))?;
    let mut page = HEAD.to_owned();
    for report in reports(out)? {
        report::write(&report, documents)?;
        let plot = format!("{}.svg", report.part);
        write_file(&documents.join(&plot), &plot::svg(&report))?;
        let (table, verdicts) = (report.table(), report.verdicts());
        let (title, place, part) = (report.title(), report.place(), &report.part);
        // Writing to a String cannot fail.
        let _ = write!(page, "\n## {title}\n\n{place}\n\n![{part}]({plot})\n\n{table}\n{verdicts}");
    }
    write_file(&documents.join(PAGE), &page)
}

/// The reports in a folder, by name.
fn reports(folder: &Path) -> Result<Vec<Report>, BenchError> {
    let doing = format!("read {}", folder.display());
    let mut files: Vec<_> = fs::read_dir(folder)
        .map_err(BenchError::io(doing))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|extension| extension == "json"))
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(BenchError::Missing(format!(
            "{} holds no results; run `make bench` first",
            folder.display()
        )));
    }
    files
        .iter()
        .map(|file| {
            let text =
                fs::read_to_string(file).map_err(BenchError::io(format!("read {}", file.display())))?;
            serde_json::from_str(&text).map_err(BenchError::json("a report"))
        })
        .collect()
}

fn write_file(file: &Path, text: &str) -> Result<(), BenchError> {
    fs::write(file, text).map_err(BenchError::io(format!("write {}", file.display())))
}
