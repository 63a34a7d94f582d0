//! Tables of contents of real pg_dump, frozen: every version stays readable and is given back byte
//! for byte. See `data/README.md`.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use permafrost_pgarchive::{
    ArchiveVersion, Compression, DataLocation, Desc, Entry, Format, OffsetState, RelKind, Section,
    TableOfContents,
};

struct Frozen {
    name: &'static str,
    bytes: &'static [u8],
    version: ArchiveVersion,
    format: Format,
    entries: usize,
}

macro_rules! frozen {
    ($name:literal, $version:ident, $format:ident, $entries:literal) => {
        Frozen {
            name: $name,
            bytes: include_bytes!(concat!("data/", $name, ".toc")),
            version: ArchiveVersion::$version,
            format: Format::$format,
            entries: $entries,
        }
    };
}

const FROZEN: [Frozen; 7] = [
    frozen!("1.14-custom-pipe", V1_14, Custom, 78),
    frozen!("1.14-directory", V1_14, Directory, 78),
    frozen!("1.15-custom-pipe", V1_15, Custom, 78),
    frozen!("1.15-directory", V1_15, Directory, 78),
    frozen!("1.16-custom-pipe", V1_16, Custom, 77),
    frozen!("1.16-custom-file", V1_16, Custom, 77),
    frozen!("1.16-directory", V1_16, Directory, 77),
];

fn read(frozen: &Frozen) -> TableOfContents {
    let mut rest = frozen.bytes;
    let toc = TableOfContents::read(&mut rest).unwrap_or_else(|error| panic!("{}: {error}", frozen.name));
    assert!(rest.is_empty(), "{}: {} bytes were left", frozen.name, rest.len());
    toc
}

fn find<'t>(toc: &'t TableOfContents, desc: &str, tag: &str) -> &'t Entry {
    toc.entries
        .iter()
        .find(|entry| entry.desc == desc && entry.tag == tag)
        .unwrap_or_else(|| panic!("there is no {desc} {tag}"))
}

#[test]
fn every_frozen_toc_is_given_back_byte_for_byte() {
    for frozen in &FROZEN {
        let toc = read(frozen);
        let mut written = Vec::new();
        toc.write(&mut written).unwrap();
        assert_eq!(written, frozen.bytes, "{}", frozen.name);
        assert_eq!(toc.header.version, frozen.version, "{}", frozen.name);
        assert_eq!(toc.header.format, frozen.format, "{}", frozen.name);
        assert_eq!(toc.entries.len(), frozen.entries, "{}", frozen.name);
        assert_eq!(toc.header.database, "source", "{}", frozen.name);
    }
}

#[test]
fn custom_becomes_what_pg_dump_wrote_as_a_directory() {
    for pair in [
        ("1.14-custom-pipe", "1.14-directory"),
        ("1.15-custom-pipe", "1.15-directory"),
        ("1.16-custom-pipe", "1.16-directory"),
        ("1.16-custom-file", "1.16-directory"),
    ] {
        let named = |name| FROZEN.iter().find(|frozen| frozen.name == name).unwrap();
        let theirs = named(pair.1);
        let mut toc = read(named(pair.0));
        // Two runs of pg_dump: another time and, as it was asked for, another compression.
        toc.header.created_at = read(theirs).header.created_at;
        toc.header.compression = Compression::None;
        let mut written = Vec::new();
        toc.write_directory(&mut written).unwrap();
        assert_eq!(written, theirs.bytes, "{pair:?}");
    }
}

#[test]
fn the_fields_are_those_of_the_database() {
    for frozen in &FROZEN {
        let toc = read(frozen);
        assert!(toc.entries.iter().take(3).all(|entry| entry.desc.is_session_setting()), "{}", frozen.name);

        let table = find(&toc, "TABLE", "accounts");
        assert_eq!(table.section, Section::PreData);
        assert_eq!(table.owner.as_ref().unwrap(), "postgres");
        assert_eq!(table.table_am.as_ref().unwrap(), "heap");
        let rel_kind = RelKind::new(b'r').filter(|_| frozen.version >= ArchiveVersion::V1_16);
        assert_eq!(table.rel_kind, rel_kind, "{}", frozen.name);

        let data = find(&toc, "TABLE DATA", "Tab.le \"x\"");
        let copy = data.copy_statement().unwrap().unwrap();
        assert_eq!(data.section, Section::Data);
        assert!(data.had_dumper);
        assert_eq!(copy.relation, data.relation());
        assert_eq!(copy.relation.to_string(), "Sch ema.Tab.le \"x\"");
        assert_eq!(copy.columns.unwrap(), r#""select", "B ""x", "größe, (m)", account"#);
        let parent = toc.entry(data.dependencies[0]).unwrap();
        assert_eq!((&parent.desc, &parent.tag), (&Desc::from("TABLE"), &data.tag));

        let bare = find(&toc, "TABLE DATA", "no_columns").copy_statement().unwrap().unwrap();
        assert_eq!(bare.columns, None);
        let leaf = find(&toc, "TABLE DATA", "moods_1");
        assert!(leaf.is_loaded_via_partition_root());
        assert_eq!(leaf.copy_statement().unwrap().unwrap().relation.to_string(), "app.moods");
        assert!(!data.is_loaded_via_partition_root());

        assert!(find(&toc, "SEQUENCE SET", "ticket").desc.is_sequence_set());
        assert!(find(&toc, "MATERIALIZED VIEW DATA", "totals").desc.is_materialized_view_data());
        assert_eq!(find(&toc, "INDEX", "accounts_owner").section, Section::PostData);
        let comment = find(&toc, "COMMENT", "TABLE accounts").defn.as_ref().unwrap();
        assert!(comment.to_str().unwrap().ends_with("größe';\n"), "{comment}");
    }
}

#[test]
fn large_objects_are_one_entry_each_or_one_for_many() {
    for frozen in &FROZEN {
        let toc = read(frozen);
        let count = |kind: fn(&Desc) -> bool| toc.entries.iter().filter(|entry| kind(&entry.desc)).count();
        let counts = (count(Desc::is_blob), count(Desc::is_blob_metadata), count(Desc::is_blobs));
        let contents = toc.entries.iter().find(|entry| entry.desc.is_blobs()).unwrap();
        let file = contents.file_name(frozen.version).unwrap();
        if frozen.version >= ArchiveVersion::V1_16 {
            assert_eq!(counts, (0, 1, 1), "{}", frozen.name);
            assert_eq!(file, format!("blobs_{}.toc", contents.dump_id).as_str(), "{}", frozen.name);
        } else {
            assert_eq!(counts, (2, 0, 1), "{}", frozen.name);
            assert_eq!(file, "blobs.toc", "{}", frozen.name);
        }
    }
}

#[test]
fn places_of_data_are_told_as_the_format_does() {
    for frozen in &FROZEN {
        let toc = read(frozen);
        let data = find(&toc, "TABLE DATA", "accounts");
        let none = find(&toc, "SCHEMA", "app");
        let no_data = DataLocation::Block { state: OffsetState::NoData, offset: 0 };
        match (frozen.format, frozen.name.ends_with("file")) {
            (Format::Custom, false) => {
                assert_eq!(data.data, DataLocation::Block { state: OffsetState::NotSet, offset: 0 });
                assert_eq!(none.data, no_data);
            }
            (Format::Custom, true) => {
                assert!(matches!(data.data, DataLocation::Block { state: OffsetState::Set, offset }
                    if offset >= frozen.bytes.len() as u64));
                assert_eq!(none.data, no_data);
            }
            (Format::Directory, _) => {
                let name = format!("{}.dat", data.dump_id);
                assert_eq!(data.data, DataLocation::File(name.as_str().into()));
                assert_eq!(none.data, DataLocation::File("".into()));
                assert_eq!(none.file_name(frozen.version), None);
            }
        }
    }
}
