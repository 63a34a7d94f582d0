//! Archives of real pg_dump, given back byte for byte and restored by real pg_restore.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod support;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Stdio;

use permafrost_pgarchive::{
    ArchiveVersion, Compression, Desc, Entry, Format, Section, TableOfContents, Text,
};
use support::{Counting, Server, run, run_with_input};

const SCHEMA: &str = include_str!("support/varied_schema.sql");

/// A server with the varied database in it, called `source`.
fn server_with_source() -> Server {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE source");
    server.sql("source", SCHEMA);
    server
}

fn toc_through_a_pipe(server: &Server, database: &str) -> TableOfContents {
    let dump = server.output("pg_dump", ["-Fc", "-Z0", database]);
    TableOfContents::read(&mut dump.as_slice()).unwrap()
}

fn written(toc: &TableOfContents) -> Vec<u8> {
    let mut bytes = Vec::new();
    toc.write(&mut bytes).unwrap();
    bytes
}

fn entries(toc: &TableOfContents, kind: fn(&Desc) -> bool) -> impl Iterator<Item = &Entry> {
    toc.entries.iter().filter(move |entry| kind(&entry.desc))
}

#[test]
fn what_pg_dump_wrote_is_given_back_byte_for_byte() {
    let server = server_with_source();
    let scratch = server.scratch("archives");

    for compression in ["-Z0", "-Z6"] {
        let piped = server.output("pg_dump", ["-Fc", compression, "source"]);
        let mut input = Counting { inner: piped.as_slice(), taken: 0 };
        let toc = TableOfContents::read(&mut input).unwrap();
        assert_eq!(toc.header.format, Format::Custom);
        assert_eq!(toc.header.database, "source");
        let bytes = written(&toc);
        assert_eq!(input.taken, bytes.len(), "more or less was read than header and entries");
        assert!(piped.starts_with(&bytes), "custom format through a pipe, {compression}");
        assert!(piped.len() > bytes.len(), "there is data behind the table of contents");
    }

    // Into a file pg_dump goes back and fills in the offsets.
    let file = scratch.join("source.dump");
    server.output("pg_dump", ["-Fc", "source", "-f", file.to_str().unwrap()]);
    let whole = fs::read(&file).unwrap();
    let toc = TableOfContents::read(&mut whole.as_slice()).unwrap();
    assert!(whole.starts_with(&written(&toc)), "custom format in a file");

    for compression in ["-Z0", "-Z9"] {
        let directory = scratch.join(format!("source{compression}"));
        server.output("pg_dump", ["-Fd", compression, "source", "-f", directory.to_str().unwrap()]);
        let whole = fs::read(directory.join("toc.dat")).unwrap();
        let toc = TableOfContents::read(&mut whole.as_slice()).unwrap();
        assert_eq!(toc.header.format, Format::Directory);
        assert_eq!(written(&toc), whole, "directory format, {compression}");
    }
}

#[test]
fn names_outside_utf8_are_kept_as_bytes() {
    let server = Server::start();
    server.output("createdb", ["--encoding=LATIN1", "--template=template0", "latin"]);
    server.sql(
        "latin",
        "CREATE TABLE \"größe\" (\"länge\" integer, \"ÿ \"\"q\" text); INSERT INTO \"größe\" VALUES (1, 'ä')",
    );
    let dump = server.output("pg_dump", ["-Fc", "-Z0", "latin"]);
    let toc = TableOfContents::read(&mut dump.as_slice()).unwrap();
    assert!(dump.starts_with(&written(&toc)));
    let entry = entries(&toc, Desc::is_table_data).next().unwrap();
    assert_eq!(entry.tag.as_bytes(), b"gr\xf6\xdfe");
    assert!(entry.tag.to_str().is_err());
    let copy = entry.copy_statement().unwrap().unwrap();
    assert_eq!(copy.relation, entry.relation());
    let mut psql = server.client("psql");
    psql.env("PGCLIENTENCODING", "LATIN1").args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "latin"]);
    let statement = [copy.copy_to_stdout(&entry.relation()).as_bytes(), b";\n"].concat();
    assert_eq!(run_with_input(&mut psql, &statement).stdout, b"1\t\xe4\n");
}

#[test]
fn a_custom_toc_becomes_the_directory_toc_that_pg_dump_writes() {
    let server = server_with_source();
    let directory = server.scratch("archives").join("source");
    server.output("pg_dump", ["-Fd", "-Z0", "source", "-f", directory.to_str().unwrap()]);
    let theirs = fs::read(directory.join("toc.dat")).unwrap();

    let mut toc = toc_through_a_pipe(&server, "source");
    toc.header.created_at = TableOfContents::read(&mut theirs.as_slice()).unwrap().header.created_at;
    let mut ours = Vec::new();
    toc.write_directory(&mut ours).unwrap();
    assert_eq!(ours, theirs);
    for entry in &toc.entries {
        if let Some(name) = entry.file_name(toc.header.version) {
            assert!(directory.join(name.to_str().unwrap()).is_file(), "{name} of {}", entry.tag);
        }
    }
}

#[test]
fn pg_dump_can_be_ended_as_soon_as_the_toc_is_read() {
    let server = server_with_source();
    // More than any pipe holds, so pg_dump cannot have finished.
    server.sql("source", "CREATE TABLE large AS SELECT repeat('x', 500) FROM generate_series(1, 40000)");
    let mut dump =
        server.client("pg_dump").args(["-Fc", "-Z0", "source"]).stdout(Stdio::piped()).spawn().unwrap();
    let toc = TableOfContents::read(dump.stdout.as_mut().unwrap());
    assert_eq!(dump.try_wait().unwrap(), None, "pg_dump still wants to write data");
    dump.kill().unwrap();
    dump.wait().unwrap();
    let names: Vec<_> =
        entries(&toc.unwrap(), Desc::is_table_data).map(|entry| entry.relation().to_string()).collect();
    assert!(names.contains(&"public.large".to_owned()), "{names:?}");
}

/// The rows are copied by the statements that the table of contents holds, and laid beside a
/// converted `toc.dat`: real pg_restore makes an equal database of it.
#[test]
fn a_converted_archive_is_restored_equal_to_its_source() {
    let server = server_with_source();
    let archive = server.scratch("archive");
    let toc = toc_through_a_pipe(&server, "source");
    let mut bytes = Vec::new();
    toc.write_directory(&mut bytes).unwrap();
    fs::write(archive.join("toc.dat"), bytes).unwrap();
    for entry in entries(&toc, Desc::is_table_data) {
        let statement = entry.copy_statement().unwrap().unwrap();
        let sql = statement.copy_to_stdout(&entry.relation());
        let mut rows = server.output("psql", ["-X", "-d", "source", "-c", sql.to_str().unwrap()]);
        rows.extend(b"\\.\n\n\n");
        let name = entry.file_name(toc.header.version).unwrap();
        fs::write(archive.join(name.to_str().unwrap()), rows).unwrap();
    }
    lay_out_large_objects(&server, &toc, &archive);

    let through_root =
        entries(&toc, Desc::is_table_data).filter(|entry| entry.is_loaded_via_partition_root());
    let mut through_root: Vec<_> = through_root
        .map(|entry| (entry.relation(), entry.copy_statement().unwrap().unwrap().relation))
        .map(|(from, into)| format!("{from} into {into}"))
        .collect();
    through_root.sort();
    assert_eq!(through_root, ["app.moods_0 into app.moods", "app.moods_1 into app.moods"]);

    server.sql("postgres", "CREATE DATABASE target");
    server.output("pg_restore", ["--exit-on-error", "-d", "target", archive.to_str().unwrap()]);
    assert_same_databases(&server, "source", "target");
}

fn lay_out_large_objects(server: &Server, toc: &TableOfContents, archive: &Path) {
    let oids = server.sql("source", "SELECT oid FROM pg_largeobject_metadata ORDER BY oid");
    let mut list = String::new();
    for oid in oids.lines() {
        writeln!(list, "{oid} blob_{oid}.dat").unwrap();
        let path = archive.join(format!("blob_{oid}.dat"));
        server.output("psql", ["-X", "-d", "source", "-c", &format!("\\lo_export {oid} {}", path.display())]);
    }
    let lists: Vec<_> = entries(toc, Desc::is_blobs).collect();
    assert_eq!(lists.len(), 1, "two large objects of one owner are in one entry");
    fs::write(archive.join(lists[0].file_name(toc.header.version).unwrap().to_str().unwrap()), list).unwrap();
}

fn assert_same_databases(server: &Server, source: &str, target: &str) {
    let schema = |database| {
        let script = server.output("pg_dump", ["--schema-only", "--no-sync", database]);
        let script = String::from_utf8(script).unwrap();
        // These hold a key made up in each run.
        let is_key = |line: &&str| line.starts_with("\\restrict") || line.starts_with("\\unrestrict");
        script.lines().filter(|line| !is_key(line)).collect::<Vec<_>>().join("\n")
    };
    assert_eq!(schema(source), schema(target));
    for (what, query) in [
        ("accounts", "SELECT count(*), md5(string_agg(a::text, '|' ORDER BY id)) FROM app.accounts a"),
        (
            "quoted",
            r#"SELECT count(*), md5(string_agg(t::text, '|' ORDER BY "select")) FROM "Sch ema"."Tab.le ""x""" t"#,
        ),
        (
            "partitions",
            "SELECT tableoid::regclass, count(*), sum(id) FROM app.events GROUP BY 1 ORDER BY tableoid::regclass::text",
        ),
        ("moods", r#"SELECT m, count(*), sum("At") FROM app.moods GROUP BY 1 ORDER BY 1"#),
        ("inheritance", "SELECT tableoid::regclass, id, name FROM app.parent ORDER BY id"),
        ("no columns", "SELECT count(*) FROM public.no_columns"),
        ("materialized view", "SELECT * FROM app.totals ORDER BY feeling"),
        ("sequences", "SELECT last_value, is_called FROM app.ticket"),
        ("large objects", "SELECT loid, md5(lo_get(loid)) FROM pg_largeobject GROUP BY 1 ORDER BY 1"),
    ] {
        let expected = server.sql(source, query);
        assert!(!expected.trim().is_empty(), "{what} has rows");
        assert_eq!(server.sql(target, query), expected, "{what}");
    }
}

/// A statement put first in the post-data section is run there by real pg_restore, one connection
/// or several, before any index, constraint or trigger is made.
#[test]
fn a_pushed_statement_runs_before_all_other_post_data() {
    let server = server_with_source();
    let mut toc = toc_through_a_pipe(&server, "source");
    let post_data =
        |toc: &TableOfContents| toc.entries.iter().filter(|entry| entry.section == Section::PostData).count();
    let before = post_data(&toc);
    assert!(before > 5, "the source has indexes, constraints and triggers");
    let dump_id = toc
        .push_post_data_first(
            "restore 17",
            "PERMAFROST MARKER",
            "INSERT INTO public.marker SELECT count(*) FROM pg_catalog.pg_index AS i \
             JOIN pg_catalog.pg_class AS c ON c.oid = i.indrelid \
             WHERE c.relnamespace = 'app'::pg_catalog.regnamespace;",
        )
        .unwrap();
    assert_eq!(post_data(&toc), before + 1);
    assert_eq!(toc.entry(dump_id).unwrap().tag, "restore 17");

    for jobs in ["-j1", "-j3"] {
        let archive = server.scratch(&format!("archive{jobs}"));
        let mut bytes = Vec::new();
        toc.write_directory(&mut bytes).unwrap();
        fs::write(archive.join("toc.dat"), bytes).unwrap();
        let archive = archive.to_str().unwrap();

        let database = format!("target{jobs}");
        server.output("createdb", [&database]);
        let restore = |section: &str, jobs: &str| {
            server.output("pg_restore", ["--exit-on-error", jobs, section, "-d", &database, archive])
        };
        restore("--section=pre-data", "-j1");
        server.sql(&database, "CREATE TABLE public.marker (indexes_before bigint)");
        restore("--section=post-data", jobs);
        assert_eq!(server.sql(&database, "SELECT * FROM public.marker"), "0\n", "{jobs}");
        let indexes = server.sql(&database, "SELECT count(*) FROM pg_indexes WHERE schemaname = 'app'");
        assert!(indexes.trim().parse::<u32>().unwrap() > 5, "the rest of the section was run, {jobs}");
    }
}

/// pg_restore lists the same objects whichever version the same entries are written in.
#[test]
fn pg_restore_reads_every_version_that_it_knows() {
    let server = server_with_source();
    let scratch = server.scratch("archives");
    let mut toc = toc_through_a_pipe(&server, "source");
    let newest = toc.header.version;
    let mut lists = BTreeMap::new();
    for version in [
        ArchiveVersion::V1_12,
        ArchiveVersion::V1_13,
        ArchiveVersion::V1_14,
        ArchiveVersion::V1_15,
        ArchiveVersion::V1_16,
    ] {
        if version > newest {
            continue;
        }
        let mut older = toc.clone();
        older.header.version = version;
        for entry in &mut older.entries {
            entry.table_am.take_if(|_| version < ArchiveVersion::V1_14);
            entry.rel_kind.take_if(|_| version < ArchiveVersion::V1_16);
        }
        let custom = run_with_input(server.client("pg_restore").args(["--list"]), &written(&older)).stdout;
        let directory = scratch.join(version.to_string());
        fs::create_dir(&directory).unwrap();
        let mut bytes = Vec::new();
        older.write_directory(&mut bytes).unwrap();
        fs::write(directory.join("toc.dat"), bytes).unwrap();
        let listed = run(server.client("pg_restore").arg("--list").arg(&directory)).stdout;
        lists.insert((version, Format::Custom.to_string()), objects(&custom));
        lists.insert((version, Format::Directory.to_string()), objects(&listed));
    }
    let reference = lists.values().next().unwrap().clone();
    assert!(reference.len() > 50, "{reference:?}");
    for (which, list) in &lists {
        assert_eq!(list, &reference, "{which:?}");
    }

    toc.header.compression = Compression::Zstd;
    let outcome = toc.write(&mut Vec::new());
    assert_eq!(outcome.is_ok(), newest >= ArchiveVersion::V1_15, "zstd has a place from 1.15 on");
}

fn objects(list: &[u8]) -> Vec<Text> {
    list.split(|byte| *byte == b'\n').filter(|line| !line.starts_with(b";")).map(Text::from).collect()
}
