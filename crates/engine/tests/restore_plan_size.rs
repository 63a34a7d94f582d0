//! The plan of a restore for a database of many tables: its time grows as their number.

#![allow(clippy::unwrap_used, reason = "a helper that fails has failed the test")]

use std::time::{Duration, Instant};

use permafrost_domain::restore_options::RestoreOptions;
use permafrost_engine::restore::restore_plan;
use permafrost_pgarchive::{DumpId, Entry, Section, TableOfContents};

/// An archive to begin with: its header.
const ARCHIVE: &[u8] = include_bytes!("../../pgarchive/tests/data/1.14-custom-pipe.toc");

/// An archive of as many tables, each with rows, a key, an index and a grant.
fn archive(tables: i32) -> TableOfContents {
    let mut toc = TableOfContents::read(&mut &*ARCHIVE).unwrap();
    toc.entries.clear();
    let id = |number: i32| DumpId::new(number + 1).unwrap();
    for section in [Section::PreData, Section::Data, Section::PostData, Section::None] {
        for table in 0..tables {
            let name = format!("t{table}");
            let place = table * 5;
            let mut push = |number: i32, desc: &str, defn: String, needed: i32| {
                let mut entry = Entry::new(id(place + number), section, desc, name.as_str(), defn.as_str());
                entry.namespace = Some("app".into());
                entry.owner = Some("owner".into());
                entry.dependencies = if number == 0 { Vec::new() } else { vec![id(place + needed)] };
                toc.entries.push(entry);
            };
            match section {
                Section::PreData => push(0, "TABLE", format!("CREATE TABLE app.{name} (id integer);"), 0),
                Section::Data => push(1, "TABLE DATA", String::new(), 0),
                Section::PostData => {
                    push(2, "CONSTRAINT", format!("ALTER TABLE ONLY app.{name} ADD PRIMARY KEY (id);"), 0);
                    push(3, "INDEX", format!("CREATE INDEX ON app.{name} (id);"), 0);
                }
                Section::None => push(4, "ACL", format!("GRANT SELECT ON TABLE app.{name} TO reader;"), 0),
            }
        }
    }
    toc
}

fn time(tables: i32, options: &RestoreOptions) -> Duration {
    let toc = archive(tables);
    let measured = (0..3).map(|_| {
        let toc = toc.clone();
        let (entries, begun) = (toc.entries.len(), Instant::now());
        let plan = restore_plan(toc, options).unwrap();
        let units = plan.index().unwrap().units().unwrap();
        assert!(units.len() >= 3 && plan.toc.entries.len() == entries);
        begun.elapsed()
    });
    measured.min().unwrap()
}

/// Four times as many tables take about four times as long, and not sixteen times.
#[test]
fn twenty_thousand_tables_are_planned_in_linear_time() {
    let whole = RestoreOptions::default();
    let by_schema = RestoreOptions { schemas: vec!["app".parse().unwrap()], ..RestoreOptions::default() };
    for options in [whole, by_schema] {
        let (few, many) = (time(5_000, &options), time(20_000, &options));
        assert!(many < few * 9, "5,000 tables took {few:?}, 20,000 {many:?}");
    }
}
