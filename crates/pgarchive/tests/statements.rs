//! The statements and the order of a restore, held against those of real pg_restore.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};

use permafrost_pgarchive::{
    Entry, Ownership, Privileges, StatementsError, TableOfContents, TablespaceMap, Text, TocIndex,
    TransactionUse,
};
use support::Server;

const MANY_KINDS: &str = include_str!("support/many_kinds.sql");
const SPACES: &str = include_str!("support/many_kinds_spaces.sql");

struct Source {
    server: Server,
    directory: PathBuf,
    dump: PathBuf,
}

/// A server with the database of many kinds, called `source`, and its archive.
fn source() -> Source {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE source");
    server.sql("source", MANY_KINDS);
    server.sql("source", "SET allow_in_place_tablespaces = on; CREATE TABLESPACE \"ta ble\" LOCATION ''");
    server.sql("source", SPACES);
    let directory = server.scratch("archive");
    let dump = directory.join("dump");
    server.output("pg_dump", ["-Fc", "-Z0", "source", "-f", path(&dump)]);
    Source { server, directory, dump }
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

impl Source {
    fn toc(&self) -> TableOfContents {
        TableOfContents::read(&mut fs::read(&self.dump).unwrap().as_slice()).unwrap()
    }

    /// What pg_restore would send for this entry alone.
    fn pg_restore(&self, entry: &Entry, options: &[&str]) -> String {
        let list = self.directory.join("list");
        fs::write(&list, format!("{};\n", entry.dump_id)).unwrap();
        let fixed = ["-f", "-", "-L", path(&list), path(&self.dump)];
        let sql = self.server.output("pg_restore", options.iter().copied().chain(fixed));
        String::from_utf8(sql).unwrap()
    }
}

/// The lines without comments, empty ones, and settings that are the same for all entries; names
/// without quotes that they can do without, and settings of the session as of a transaction.
fn comparable(sql: &str) -> Vec<String> {
    let is_own = |line: &&str| {
        let is_setting = line.starts_with("SET ")
            && !["SET SESSION AUTHORIZATION", "SET default_table"].iter().any(|own| line.starts_with(own));
        let is_other = ["--", "\\", "SELECT pg_catalog.set_config('search_path'"];
        !line.is_empty() && !is_setting && !is_other.iter().any(|other| line.starts_with(other))
    };
    let sql = sql.replace("SET LOCAL ", "SET ");
    sql.lines().map(str::trim_end).filter(is_own).map(unquoted).collect()
}

fn unquoted(line: &str) -> String {
    let is_plain = |name: &str| {
        !name.is_empty()
            && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let parts: Vec<&str> = line.split('"').collect();
    let mut result = parts[0].to_owned();
    for (number, part) in parts.iter().enumerate().skip(1) {
        let is_name = |number: usize| number % 2 == 1 && is_plain(parts[number]);
        if !is_name(number) && !is_name(number - 1) {
            result.push('"');
        }
        result.push_str(part);
    }
    result
}

fn is_data(error: &StatementsError) -> bool {
    matches!(error, StatementsError::IsData { .. })
}

#[test]
fn statements_are_those_of_pg_restore() {
    let source = source();
    let toc = source.toc();
    let index = TocIndex::new(&toc).unwrap();
    let mut compared = 0;
    for entry in &toc.entries {
        let ours = match index.statements(entry) {
            Ok(ours) => ours,
            Err(error) if is_data(&error) => continue,
            Err(error) => panic!("{error}"),
        };
        // Without --create pg_restore leaves out the database, and with it pg_dump's own settings
        // are not told from the archive's.
        if entry.desc == "DATABASE" {
            assert_eq!(ours.transaction, TransactionUse::Outside);
            continue;
        }
        assert_eq!(ours.transaction, TransactionUse::Inside, "{} {}", entry.desc, entry.tag);
        let mut theirs = comparable(&source.pg_restore(entry, &[]));
        // Up to version 15 some are altered as if they were tables, which comes to the same.
        for line in &mut theirs {
            for kind in ["SEQUENCE", "VIEW", "MATERIALIZED VIEW"] {
                if entry.desc == kind && line.contains(" OWNER TO ") {
                    *line = line.replace("ALTER TABLE ", &format!("ALTER {kind} "));
                }
            }
        }
        let ours = comparable(ours.text().to_str().unwrap());
        assert_eq!(ours, theirs, "{} {}", entry.desc, entry.tag);
        compared += usize::from(!entry.desc.is_session_setting());
    }
    assert!(compared > 120, "{compared} entries");
}

#[test]
fn the_post_data_section_is_that_of_pg_restore() {
    let source = source();
    let toc = source.toc();
    let list = source.server.output("pg_restore", ["-l", "--section=post-data", path(&source.dump)]);
    let list = String::from_utf8(list).unwrap();
    let is_object = |line: &&str| !line.starts_with(';');
    let theirs: Vec<&str> =
        list.lines().filter(is_object).map(|line| line.split(';').next().unwrap()).collect();
    let index = TocIndex::new(&toc).unwrap();
    let ours: Vec<String> = index.post_data().map(|entry| entry.dump_id.to_string()).collect();
    assert!(ours.len() > 60, "{ours:?}");
    // pg_restore lists the settings with every section.
    let theirs: Vec<&str> = theirs
        .into_iter()
        .filter(|id| !index.entry(id.parse().unwrap()).unwrap().desc.is_session_setting())
        .collect();
    assert_eq!(ours, theirs);
}

fn schema(server: &Server, database: &str, options: &[&str]) -> String {
    let fixed = ["--schema-only", "--no-sync", "--no-subscriptions", database];
    let script = String::from_utf8(server.output("pg_dump", options.iter().copied().chain(fixed))).unwrap();
    // These hold a key made up in each run.
    let is_key = |line: &&str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
    script.lines().filter(|line| !is_key(line)).collect::<Vec<_>>().join("\n")
}

/// Each entry in a transaction of its own, level by level, makes the database that was dumped.
fn run_post_data(server: &Server, database: &str, toc: &TableOfContents) {
    let index = TocIndex::new(toc).unwrap();
    let mut script = b"SET check_function_bodies = false; SET client_min_messages = warning;\n\
        SELECT pg_catalog.set_config('search_path', '', false);\n"
        .to_vec();
    for unit in index.units().unwrap().iter().flat_map(|level| &level.units) {
        for id in &unit.entries {
            let statements = index.statements(index.entry(*id).unwrap()).unwrap();
            script.extend([b"BEGIN;\n", statements.text().as_bytes(), b"\nCOMMIT;\n"].concat());
        }
    }
    server.sql(database, std::str::from_utf8(&script).unwrap());
}

#[test]
fn levels_of_statements_restore_the_database() {
    let source = source();
    let server = &source.server;
    server.sql("postgres", "CREATE DATABASE target");
    server.output(
        "pg_restore",
        ["--exit-on-error", "--section=pre-data", "--section=data", "-d", "target", path(&source.dump)],
    );
    run_post_data(server, "target", &source.toc());
    assert_eq!(schema(server, "source", &[]), schema(server, "target", &[]));
    let totals = "SELECT count(*), sum(n) FROM shop.totals";
    assert_eq!(server.sql("target", totals), server.sql("source", totals));
}

/// Other owners, grantees and tablespaces: what is restored is what pg_dump says of the source,
/// with other names.
#[test]
fn mapped_roles_and_tablespaces_are_restored() {
    let source = source();
    let server = &source.server;
    server.sql(
        "postgres",
        "CREATE ROLE \"new Own\"; CREATE ROLE reader2; CREATE ROLE w2; CREATE ROLE g2; CREATE DATABASE mapped",
    );
    let mut toc = source.toc();
    let roles: Vec<String> = toc.roles().unwrap().keys().map(Text::to_string).collect();
    assert_eq!(roles, ["Own er", "grantor", "postgres", "reader", "wri\"ter"]);
    let names = [("Own er", "new Own"), ("reader", "reader2"), ("wri\"ter", "w2"), ("grantor", "g2")];
    let map = names.iter().map(|(old, new)| (Text::from(*old), Text::from(*new))).collect();
    toc.set_ownership(&Ownership::Map(map), Privileges::Keep).unwrap();
    toc.map_tablespaces(&TablespaceMap::ToDefault);
    let roles: Vec<String> = toc.roles().unwrap().keys().map(Text::to_string).collect();
    assert_eq!(roles, ["g2", "new Own", "postgres", "reader2", "w2"]);

    let archive = server.scratch("mapped");
    let mut bytes = Vec::new();
    toc.write_directory(&mut bytes).unwrap();
    fs::write(archive.join("toc.dat"), bytes).unwrap();
    server.output("pg_restore", ["--exit-on-error", "--schema-only", "-d", "mapped", path(&archive)]);
    let mut expected = schema(server, "source", &["--no-tablespaces"]);
    for (old, new) in [
        ("\"Own er\"", "\"new Own\""),
        ("Owner: Own er", "Owner: new Own"),
        ("reader", "reader2"),
        ("\"wri\"\"ter\"", "w2"),
        ("MAPPING wri\"ter", "MAPPING w2"),
        ("Owner: wri\"ter", "Owner: w2"),
        ("TO grantor", "TO g2"),
        // Strings stay.
        ("FOR reader2'", "FOR reader'"),
        ("TO reader2'", "TO reader'"),
    ] {
        expected = expected.replace(old, new);
    }
    let sorted = |script: &str| {
        // Mappings and grants come in the order of the roles' names and oids.
        let mut lines: Vec<String> = script.lines().map(str::to_owned).collect();
        lines.sort();
        lines
    };
    assert_eq!(sorted(&schema(server, "mapped", &["--no-tablespaces"])), sorted(&expected));
}

#[test]
fn flattened_and_without_privileges_is_what_pg_restore_makes() {
    let source = source();
    let mut toc = source.toc();
    toc.set_ownership(&Ownership::Flatten, Privileges::Drop).unwrap();
    let kept: Vec<_> = toc.entries.iter().map(|entry| entry.dump_id).collect();
    let index = TocIndex::new(&toc).unwrap();
    let all = source.toc();
    let mut dropped = 0;
    for entry in &all.entries {
        let ours = index.entry(entry.dump_id).map(|entry| index.statements(entry));
        let ours = match ours {
            Some(Ok(ours)) => comparable(ours.text().to_str().unwrap()),
            Some(Err(error)) if is_data(&error) => continue,
            Some(Err(error)) => panic!("{error}"),
            None => Vec::new(),
        };
        dropped += usize::from(!kept.contains(&entry.dump_id));
        if entry.desc != "DATABASE" {
            let theirs = comparable(&source.pg_restore(entry, &["--no-owner", "--no-privileges"]));
            assert_eq!(ours, theirs, "{} {}", entry.desc, entry.tag);
        }
    }
    assert!(dropped > 20, "{dropped} grants");
}
