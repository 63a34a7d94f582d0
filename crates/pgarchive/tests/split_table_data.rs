//! A table whose data is split into several entries is restored by stock pg_restore, whatever it is
//! asked for: every row exactly once, indexes and foreign keys made when all rows are there.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[allow(dead_code, reason = "each test uses a part of it")]
mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::num::NonZeroU32;
use std::path::{Path, PathBuf};

use permafrost_pgarchive::{DumpId, Entry, Section, TableOfContents, split_table_data};
use support::{Server, run};

const SCHEMA: &str = "
    CREATE TABLE owners (id integer PRIMARY KEY, name text UNIQUE);
    CREATE TABLE big (id integer PRIMARY KEY, owner integer NOT NULL REFERENCES owners, note text);
    CREATE INDEX big_owner ON big (owner);
    CREATE INDEX big_note ON big (note);
    CREATE TABLE lines (big integer NOT NULL REFERENCES big, n integer, PRIMARY KEY (big, n));
    CREATE TABLE small (id integer PRIMARY KEY, big integer REFERENCES big);
    CREATE MATERIALIZED VIEW totals AS SELECT owner, count(*) FROM big GROUP BY owner;
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS
        $$BEGIN RAISE EXCEPTION 'a restored row fires no trigger'; END$$;
    INSERT INTO owners SELECT n, 'owner ' || n FROM generate_series(1, 100) AS n;
    INSERT INTO big SELECT n, 1 + n % 100, repeat('note ', n % 50) || n FROM generate_series(1, 20000) AS n;
    INSERT INTO lines SELECT 1 + n / 3, n % 3 FROM generate_series(1, 30000) AS n;
    INSERT INTO small SELECT n, n FROM generate_series(1, 10) AS n;
    CREATE TRIGGER refuse BEFORE INSERT ON big FOR EACH ROW EXECUTE FUNCTION refuse();
    CREATE TABLE readings (at integer NOT NULL, what text) PARTITION BY RANGE (at);
    CREATE TABLE readings_1 PARTITION OF readings FOR VALUES FROM (0) TO (1000);
    CREATE TABLE readings_2 PARTITION OF readings FOR VALUES FROM (1000) TO (5000);
    ALTER TABLE readings ADD PRIMARY KEY (at);
    INSERT INTO readings SELECT n, 'reading ' || n FROM generate_series(0, 4999) AS n;
    REFRESH MATERIALIZED VIEW totals;";

/// How many rows of what content each table has.
const ROWS: &str = "
    SELECT 'owners', count(*), md5(string_agg(t::text, '|' ORDER BY id)) FROM owners AS t UNION ALL
    SELECT 'big', count(*), md5(string_agg(t::text, '|' ORDER BY id)) FROM big AS t UNION ALL
    SELECT 'lines', count(*), md5(string_agg(t::text, '|' ORDER BY big, n)) FROM lines AS t UNION ALL
    SELECT 'small', count(*), md5(string_agg(t::text, '|' ORDER BY id)) FROM small AS t UNION ALL
    SELECT 'readings', count(*), md5(string_agg(t::text, '|' ORDER BY at)) FROM readings AS t
    ORDER BY 1";

/// What was made behind the data.
const POST_DATA: &str = "
    SELECT (SELECT count(*) FROM pg_index WHERE indrelid > 16383 AND indisvalid),
           (SELECT count(*) FROM pg_constraint WHERE contype = 'f' AND convalidated),
           (SELECT count(*) FROM pg_trigger WHERE NOT tgisinternal),
           (SELECT count(*) FROM totals)";

struct Split {
    server: Server,
    archive: PathBuf,
    toc: TableOfContents,
    parts: BTreeMap<DumpId, Vec<DumpId>>,
}

/// A directory archive of pg_dump's own in which the larger tables are split into unlike parts.
fn split_archive(options: &[&str]) -> Split {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE source");
    server.sql("source", SCHEMA);
    let archive = server.scratch("archives").join("split");
    let into = ["-Fd", "-Z0", "source", "-f", archive.to_str().unwrap()];
    server.output("pg_dump", options.iter().chain(&into));
    let bytes = fs::read(archive.join("toc.dat")).unwrap();
    let mut toc = TableOfContents::read(&mut bytes.as_slice()).unwrap();

    let wanted = [("big", 4), ("lines", 2), ("readings_2", 3), ("small", 1)];
    let counts = wanted.map(|(table, count)| {
        let is_its_data = |entry: &&Entry| entry.desc.is_table_data() && entry.tag == table;
        let entry = toc.entries.iter().find(is_its_data);
        (entry.unwrap().dump_id, NonZeroU32::new(count).unwrap())
    });
    let parts = split_table_data(&mut toc, &BTreeMap::from(counts)).unwrap();
    for ids in parts.values() {
        split_file(&archive, ids);
    }
    let mut bytes = Vec::new();
    toc.write_directory(&mut bytes).unwrap();
    fs::write(archive.join("toc.dat"), bytes).unwrap();
    Split { server, archive, toc, parts }
}

/// Half of the rows are in the first part, half of the rest in the second, and so on.
fn split_file(archive: &Path, ids: &[DumpId]) {
    const END: &[u8] = b"\\.\n\n\n";
    let file = |id: &DumpId| archive.join(format!("{id}.dat"));
    let whole = fs::read(file(&ids[0])).unwrap();
    let rows = whole.strip_suffix(END).unwrap();
    let mut rows: Vec<&[u8]> = rows.split_inclusive(|byte| *byte == b'\n').collect();
    for (place, id) in ids.iter().enumerate() {
        let is_last = place + 1 == ids.len();
        let rest = rows.split_off(if is_last { rows.len() } else { rows.len() / 2 });
        fs::write(file(id), [&rows.concat(), END].concat()).unwrap();
        rows = rest;
    }
}

impl Split {
    fn target(&self, name: &str) -> String {
        let database = format!("target{}", name.replace([' ', '-', '='], "_"));
        self.server.output("createdb", [&database]);
        database
    }

    /// Runs pg_restore and gives what it told about its doings.
    fn restore(&self, database: &str, options: &str) -> String {
        let mut command = self.server.client("pg_restore");
        command.args(["--exit-on-error", "--verbose", "-d", database]);
        command.args(options.split_whitespace()).arg(&self.archive);
        String::from_utf8(run(&mut command).stderr).unwrap()
    }

    fn assert_same(&self, database: &str, query: &str, how: &str) {
        let expected = self.server.sql("source", query);
        assert_eq!(self.server.sql(database, query), expected, "{how}");
    }

    /// No post-data entry of a table was begun before the last part of its data was done.
    fn assert_post_data_came_last(&self, log: &str) {
        let place = |what: &str, id: DumpId| {
            let start = format!("{what} item {id} ");
            log.lines().position(|line| line.contains(&start)).unwrap_or_else(|| panic!("{start}:\n{log}"))
        };
        let mut checked = 0;
        for entry in self.toc.entries.iter().filter(|entry| entry.section == Section::PostData) {
            let needed: BTreeSet<_> = entry.dependencies.iter().collect();
            for ids in self.parts.values().filter(|ids| ids.len() > 1 && needed.contains(&ids[0])) {
                for id in ids {
                    assert!(needed.contains(id), "{} {} needs every part", entry.desc, entry.tag);
                    assert!(
                        place("finished", *id) < place("launching", entry.dump_id),
                        "{} {} was begun before part {id} was done:\n{log}",
                        entry.desc,
                        entry.tag
                    );
                    checked += 1;
                }
            }
        }
        assert!(checked > 20, "indexes, keys and a materialized view need the parts: {checked}");
    }
}

#[test]
fn every_row_is_restored_once_with_indexes_and_foreign_keys() {
    let split = split_archive(&[]);
    for options in ["", "-1", "-j1", "-j2", "-j5", "-j2 --no-owner --clean --if-exists"] {
        let target = split.target(&format!("whole {options}"));
        let log = split.restore(&target, options);
        split.assert_same(&target, ROWS, options);
        split.assert_same(&target, POST_DATA, options);
        if options.starts_with("-j2") || options.starts_with("-j5") {
            split.assert_post_data_came_last(&log);
        }
    }
}

#[test]
fn data_alone_is_restored_once() {
    let split = split_archive(&[]);
    for options in ["", "-1", "-j2", "-j4"] {
        let target = split.target(&format!("data {options}"));
        split.restore(&target, "--section=pre-data");
        split.restore(&target, &format!("--data-only {options}"));
        split.assert_same(&target, ROWS, options);
        split.restore(&target, &format!("--section=post-data {options}"));
        split.assert_same(&target, ROWS, options);
        split.assert_same(&target, POST_DATA, options);
    }
    // With all constraints there, and triggers that refuse every row.
    let target = split.target("triggers");
    split.restore(&target, "--schema-only");
    split.restore(&target, "--data-only --disable-triggers");
    split.assert_same(&target, ROWS, "one connection, triggers disabled");
}

/// What takes the place of `--disable-triggers` with several connections.
#[test]
fn as_a_replica_no_trigger_fires_while_parts_are_loaded_at_once() {
    let split = split_archive(&[]);
    let target = split.target("replica");
    split.restore(&target, "--schema-only");
    let mut command = split.server.client("pg_restore");
    command.env("PGOPTIONS", "-c session_replication_role=replica");
    command.args(["--exit-on-error", "--data-only", "-j4", "-d", &target]);
    run(command.arg(&split.archive));
    split.assert_same(&target, ROWS, "as a replica");
}

#[test]
fn one_table_is_restored_with_all_its_parts() {
    const BIG: &str = "SELECT count(*), md5(string_agg(t::text, '|' ORDER BY id)) FROM big AS t";
    let split = split_archive(&[]);
    for options in ["", "-1", "-j3"] {
        let target = split.target(&format!("table {options}"));
        split.restore(&target, &format!("-t big {options}"));
        split.assert_same(&target, BIG, options);
        let tables =
            split.server.sql(&target, "SELECT relname FROM pg_class WHERE relkind = 'r' AND oid > 16383");
        assert_eq!(tables, "big\n", "{options}");
        // Once more, over what is there: no data entry empties a table that it did not make.
        split.restore(&target, &format!("--data-only -t big {options}"));
        let count = split.server.sql(&target, "SELECT count(*), count(DISTINCT id) FROM big");
        assert_eq!(count, "40000|20000\n", "{options}");
    }
}

/// `pg_dump --data-only` leaves the tables out, and data entries depend on what is not there.
#[test]
fn an_archive_of_data_alone_is_restored_once() {
    let split = split_archive(&["--data-only"]);
    let schema = split.server.output("pg_dump", ["--section=pre-data", "source"]);
    for options in ["", "-j3"] {
        let target = split.target(&format!("rows {options}"));
        split.server.sql(&target, &String::from_utf8(schema.clone()).unwrap());
        split.restore(&target, options);
        split.assert_same(&target, ROWS, options);
    }
}
