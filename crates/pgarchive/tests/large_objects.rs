//! The large objects of real archives, old and new.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

#[allow(dead_code, reason = "each test uses a part of it")]
mod support;

use std::fs;

use permafrost_pgarchive::{
    ArchiveVersion, TableOfContents, large_object_groups, large_object_list_file_name,
    read_large_object_list, write_large_object_list,
};
use support::Server;

/// More objects than pg_dump puts into one entry, of two owners, one with grants of its own.
const SCHEMA: &str = "
    CREATE ROLE other;
    CREATE ROLE reader;
    SELECT lo_from_bytea(n::oid, n::text::bytea) FROM generate_series(3000000000, 3000001100) AS n;
    SELECT lo_create(n) FROM generate_series(17001, 17003) AS n;
    ALTER LARGE OBJECT 17001 OWNER TO other;
    ALTER LARGE OBJECT 17003 OWNER TO other;
    GRANT SELECT ON LARGE OBJECT 17002 TO reader;
    COMMENT ON LARGE OBJECT 17001 IS 'the first'";

#[test]
fn the_groups_are_the_lists_that_pg_dump_writes() {
    let server = Server::start();
    server.sql("postgres", "CREATE DATABASE source");
    server.sql("source", SCHEMA);
    let scratch = server.scratch("archives");
    for (name, options) in [("whole", &[][..]), ("data", &["--data-only"])] {
        let archive = scratch.join(name);
        let into = ["-Fd", "-Z0", "source", "-f", archive.to_str().unwrap()];
        server.output("pg_dump", options.iter().chain(&into));
        let bytes = fs::read(archive.join("toc.dat")).unwrap();
        let toc = TableOfContents::read(&mut bytes.as_slice()).unwrap();
        let groups = large_object_groups(&toc).unwrap();

        let is_new = toc.header.version >= ArchiveVersion::V1_16;
        assert_eq!(
            groups.len(),
            if is_new { 4 } else { 1 },
            "{name}: at most a thousand of one owner and grants"
        );
        let mut all = Vec::new();
        for group in &groups {
            let contents = toc.entry(group.data).unwrap();
            let list = large_object_list_file_name(contents, toc.header.version).unwrap();
            let list = fs::read(archive.join(list.to_str().unwrap())).unwrap();
            let listed = read_large_object_list(&list).unwrap();
            let oids: Vec<u32> = listed.iter().map(|object| object.oid).collect();
            assert_eq!(write_large_object_list(oids.iter().copied()).as_bytes(), list, "{name}");
            assert_eq!(oids, group.oids, "{name}: pg_dump lists them ascending");
            assert_eq!(group.metadata.len(), if is_new { 1 } else { group.oids.len() });
            for object in listed {
                assert!(archive.join(object.file_name).is_file());
            }
            all.extend(oids);
        }
        all.sort_unstable();
        let there = server.sql("source", "SELECT oid FROM pg_largeobject_metadata ORDER BY oid");
        let there: Vec<u32> = there.lines().map(|oid| oid.parse().unwrap()).collect();
        assert_eq!(all, there, "{name}");

        let piped = server.output("pg_dump", options.iter().chain(&["-Fc", "-Z0", "source"]));
        let piped = TableOfContents::read(&mut piped.as_slice()).unwrap();
        assert_eq!(large_object_groups(&piped).unwrap(), groups, "{name}, custom format");
    }
}

#[test]
fn the_groups_of_every_frozen_archive_are_found() {
    for bytes in [
        &include_bytes!("data/1.14-custom-pipe.toc")[..],
        include_bytes!("data/1.14-directory.toc"),
        include_bytes!("data/1.15-custom-pipe.toc"),
        include_bytes!("data/1.15-directory.toc"),
        include_bytes!("data/1.16-custom-file.toc"),
        include_bytes!("data/1.16-directory.toc"),
    ] {
        let toc = TableOfContents::read(&mut &bytes[..]).unwrap();
        let groups = large_object_groups(&toc).unwrap();
        assert_eq!(groups.len(), 1, "{}", toc.header.version);
        assert_eq!(groups[0].oids, [4711, 4712], "{}", toc.header.version);
        assert!(toc.entry(groups[0].data).unwrap().desc.is_blobs());
    }
}
