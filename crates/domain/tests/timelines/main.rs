//! Golden timelines: what policies lead to over ten years, as text that a person can check against a calendar.
//!
//! Each `*.txt` beside this file has a policy and how its runs go on top; what follows is made from them by the
//! simulation. After a change that is meant, run
//! `UPDATE_DOCS=1 cargo test -p permafrost-domain --test timelines` and read what changed.
//!
//! How to read them: `Y`, `M`, `W`, `D` are points of the rules yearly, monthly, weekly, daily, `.` is one of the
//! default rule, `x` a run that failed, `s` one that was skipped; `(M.)` are two backups of one run. Days are those
//! on which runs were due, by the policy's clock; all other times are UTC.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};

use permafrost_domain::simulate::simulate;

use crate::scenario::Scenario;

mod calendar;
mod page;
mod scenario;

/// Where the part begins that is made.
const MADE: &str = "\n--- backups\n";

#[test]
fn timelines_are_as_they_were_read_and_found_right() {
    let files = files();
    assert!(files.len() >= 12, "{files:?}");
    let mut stale = Vec::new();
    for file in files {
        let found = fs::read_to_string(&file).unwrap();
        let head = found.split_once(MADE).map_or(found.as_str(), |(head, _)| head).trim_end();
        let scenario = Scenario::parse(head);
        let simulation =
            simulate(&scenario.policy, scenario.from, scenario.until, |due| scenario.outcome(due));
        let expected = format!("{head}\n\n{}", page::of(&scenario, &simulation));
        if std::env::var_os("UPDATE_DOCS").is_some() {
            fs::write(&file, &expected).unwrap();
        } else if found != expected {
            stale.push(first_difference(&file, &found, &expected));
        }
    }
    assert!(
        stale.is_empty(),
        "{}\nrun UPDATE_DOCS=1 cargo test -p permafrost-domain --test timelines, and read what changed",
        stale.join("\n")
    );
}

fn files() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/timelines");
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "txt"))
        .collect();
    files.sort();
    files
}

fn first_difference(file: &Path, found: &str, expected: &str) -> String {
    let (mut found, mut expected) = (found.lines(), expected.lines());
    for number in 1.. {
        match (found.next(), expected.next()) {
            (one, other) if one == other && one.is_some() => {}
            (one, other) => {
                let name = file.file_name().unwrap_or_default().display();
                let line = |line: Option<&str>| line.unwrap_or("(the end)").to_owned();
                return format!("{name}, line {number}\n  file: {}\n  now:  {}", line(one), line(other));
            }
        }
    }
    unreachable!("lines are counted up")
}
