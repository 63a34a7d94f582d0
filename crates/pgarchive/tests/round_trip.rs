//! Whatever can be written is read back the same, in every version and format.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::num::NonZeroU8;

use permafrost_pgarchive::{
    ArchiveVersion, ByteWidth, Compression, CreationTime, DataLocation, DumpId, Entry, Format, Header,
    OffsetState, RelKind, Section, TableOfContents, Text,
};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use proptest::sample::select;

fn text() -> impl Strategy<Value = Text> {
    prop_oneof![any::<String>().prop_map(Text::from), vec(any::<u8>(), 0..40).prop_map(Text::from)]
}

fn dump_id() -> impl Strategy<Value = DumpId> {
    (1..=i32::MAX).prop_map(|number| DumpId::new(number).unwrap())
}

fn version() -> impl Strategy<Value = ArchiveVersion> {
    let minor = ArchiveVersion::OLDEST.minor..=ArchiveVersion::NEWEST.minor;
    (minor, prop_oneof![4 => Just(0), 1 => any::<u8>()]).prop_map(|(minor, revision)| ArchiveVersion {
        major: 1,
        minor,
        revision,
    })
}

fn compression(version: ArchiveVersion) -> impl Strategy<Value = Compression> {
    let level = (1..=u8::MAX).prop_map(|level| Compression::Gzip { level: NonZeroU8::new(level) });
    let no_level = Compression::Gzip { level: None };
    if version >= ArchiveVersion::V1_15 {
        select(vec![Compression::None, no_level, Compression::Lz4, Compression::Zstd]).boxed()
    } else {
        prop_oneof![Just(Compression::None), Just(no_level), level].boxed()
    }
}

prop_compose! {
    fn creation_time()(
        second in any::<i32>(),
        minute in any::<i32>(),
        hour in any::<i32>(),
        day in any::<i32>(),
        months_since_january in any::<i32>(),
        years_since_1900 in any::<i32>(),
        daylight_saving in any::<i32>(),
    ) -> CreationTime {
        CreationTime {
            second, minute, hour, day, months_since_january, years_since_1900, daylight_saving,
        }
    }
}

fn header() -> impl Strategy<Value = Header> {
    let width = |from| (from..=8).prop_map(|bytes| ByteWidth::new(bytes).unwrap());
    version().prop_flat_map(move |version| {
        (
            // Narrower integers could not hold every number made here.
            (width(4u8), width(1u8), select(vec![Format::Custom, Format::Directory])),
            (compression(version), creation_time()),
            (text(), text(), text()),
        )
            .prop_map(move |(layout, made, texts)| Header {
                version,
                int_width: layout.0,
                offset_width: layout.1,
                format: layout.2,
                compression: made.0,
                created_at: made.1,
                database: texts.0,
                server_version: texts.1,
                pg_dump_version: texts.2,
            })
    })
}

fn location(header: &Header) -> BoxedStrategy<DataLocation> {
    if header.format == Format::Directory {
        return text().prop_map(DataLocation::File).boxed();
    }
    let largest = u64::MAX >> (64 - 8 * u32::from(header.offset_width.get()));
    (select(vec![OffsetState::NotSet, OffsetState::Set, OffsetState::NoData]), 0..=largest)
        .prop_map(|(state, offset)| DataLocation::Block { state, offset })
        .boxed()
}

fn entry(header: &Header) -> impl Strategy<Value = Entry> + use<> {
    let version = header.version;
    let section = select(vec![Section::None, Section::PreData, Section::Data, Section::PostData]);
    let kind = prop_oneof![text(), select(vec!["TABLE DATA", "BLOBS", "TABLE"]).prop_map(Text::from)];
    let rel_kind = option::of((1..=u8::MAX).prop_map(|letter| RelKind::new(letter).unwrap()));
    (
        (dump_id(), any::<bool>(), any::<u32>(), any::<u32>(), any::<bool>()),
        (text(), kind, section),
        (option::of(text()), option::of(text()), option::of(text())),
        (option::of(text()), option::of(text()), option::of(text()), option::of(text())),
        (rel_kind, vec(dump_id(), 0..5), location(header)),
    )
        .prop_map(move |(numbers, names, statements, places, rest)| Entry {
            dump_id: numbers.0,
            had_dumper: numbers.1,
            table_oid: numbers.2,
            oid: numbers.3,
            with_oids: numbers.4,
            tag: names.0,
            desc: names.1.into(),
            section: names.2,
            defn: statements.0,
            drop_stmt: statements.1,
            copy_stmt: statements.2,
            namespace: places.0,
            tablespace: places.1,
            table_am: places.2.filter(|_| version >= ArchiveVersion::V1_14),
            owner: places.3,
            rel_kind: rest.0.filter(|_| version >= ArchiveVersion::V1_16),
            dependencies: rest.1,
            data: rest.2,
        })
}

fn toc() -> impl Strategy<Value = TableOfContents> {
    header().prop_flat_map(|header| {
        vec(entry(&header), 0..6).prop_map(move |entries| TableOfContents { header: header.clone(), entries })
    })
}

fn written(toc: &TableOfContents) -> Vec<u8> {
    let mut bytes = Vec::new();
    toc.write(&mut bytes).unwrap();
    bytes
}

proptest! {
    #[test]
    fn what_is_written_is_read_back(toc in toc(), behind in vec(any::<u8>(), 0..20)) {
        let mut bytes = written(&toc);
        bytes.extend(&behind);
        let mut rest = bytes.as_slice();
        prop_assert_eq!(TableOfContents::read(&mut rest).unwrap(), toc);
        prop_assert_eq!(rest, behind.as_slice(), "nothing behind the entries is taken");
    }

    #[test]
    fn every_shorter_input_ends_too_early(toc in toc(), cut in any::<prop::sample::Index>()) {
        let bytes = written(&toc);
        let length = cut.index(bytes.len());
        let error = TableOfContents::read(&mut &bytes[..length]).unwrap_err();
        let named = format!("archive ended at byte {length}, expected ");
        prop_assert!(error.to_string().starts_with(&named), "{}", error);
    }

    #[test]
    fn written_as_a_directory_it_differs_in_the_places_of_data_only(toc in toc()) {
        let mut bytes = Vec::new();
        toc.write_directory(&mut bytes).unwrap();
        let mut converted = TableOfContents::read(&mut bytes.as_slice()).unwrap();
        prop_assert_eq!(converted.header.format, Format::Directory);
        for (was, is) in toc.entries.iter().zip(&mut converted.entries) {
            let name = was.file_name(toc.header.version).unwrap_or_default();
            prop_assert_eq!(&is.data, &DataLocation::File(name));
            is.data = was.data.clone();
        }
        converted.header.format = toc.header.format;
        prop_assert_eq!(converted, toc);
    }

    #[test]
    fn a_pushed_statement_is_the_first_of_post_data(mut toc in toc()) {
        let before = toc.clone();
        let largest = before.entries.iter().flat_map(|entry| [&[entry.dump_id], &entry.dependencies[..]].concat()).max();
        let pushed = toc.push_post_data_first("tag", "KIND", "SELECT 1;");
        if largest.is_some_and(|id| id.get() == i32::MAX) {
            prop_assert!(pushed.is_err());
            prop_assert_eq!(toc, before);
            return Ok(());
        }
        let dump_id = pushed.unwrap();
        prop_assert!(Some(dump_id) > largest);
        let place = toc.entries.iter().position(|entry| entry.section == Section::PostData).unwrap();
        let entry = toc.entries.remove(place);
        prop_assert_eq!(entry, Entry::new(dump_id, Section::PostData, "KIND", "tag", "SELECT 1;"));
        for entry in toc.entries.iter_mut().filter(|entry| entry.section == Section::PostData) {
            prop_assert_eq!(entry.dependencies.pop(), Some(dump_id));
        }
        prop_assert_eq!(toc, before);
    }
}

#[test]
fn an_entry_made_here_is_written_as_pg_dump_would() {
    let header = |format, version| Header {
        version,
        int_width: ByteWidth::FOUR,
        offset_width: ByteWidth::EIGHT,
        format,
        compression: Compression::None,
        created_at: CreationTime {
            second: 59,
            minute: 58,
            hour: 23,
            day: 31,
            months_since_january: 11,
            years_since_1900: 131,
            daylight_saving: 0,
        },
        database: "db".into(),
        server_version: "15.6".into(),
        pg_dump_version: "15.6".into(),
    };
    let id = |number| DumpId::new(number).unwrap();
    let made = |number, desc, had_dumper| {
        let mut entry = Entry::new(id(number), Section::Data, desc, "tag", "");
        entry.had_dumper = had_dumper;
        entry
    };
    let entries = vec![made(1, "TABLE DATA", true), made(2, "BLOBS", true), made(3, "SEQUENCE SET", false)];
    let places = |format, version| {
        let toc = TableOfContents { header: header(format, version), entries: entries.clone() };
        let read = TableOfContents::read(&mut written(&toc).as_slice()).unwrap();
        read.entries.into_iter().map(|entry| entry.data).collect::<Vec<_>>()
    };
    let block = |state| DataLocation::Block { state, offset: 0 };
    assert_eq!(
        places(Format::Custom, ArchiveVersion::V1_16),
        [block(OffsetState::NotSet), block(OffsetState::NotSet), block(OffsetState::NoData)]
    );
    let files = |names: [&str; 3]| names.map(|name| DataLocation::File(name.into()));
    assert_eq!(places(Format::Directory, ArchiveVersion::V1_15), files(["1.dat", "blobs.toc", ""]));
    assert_eq!(places(Format::Directory, ArchiveVersion::V1_16), files(["1.dat", "blobs_2.toc", ""]));
}

#[test]
fn what_a_version_has_no_place_for_is_refused() {
    let toc = TableOfContents::read(&mut &include_bytes!("data/1.16-directory.toc")[..]).unwrap();
    for (version, compression, message) in [
        (ArchiveVersion::V1_15, Compression::None, "archive version 1.15 cannot hold a relation kind"),
        (ArchiveVersion::V1_14, Compression::Zstd, "archive version 1.14 cannot hold zstd compression"),
        (
            ArchiveVersion::V1_16,
            Compression::Gzip { level: NonZeroU8::new(6) },
            "archive version 1.16 cannot hold a compression level",
        ),
        (
            ArchiveVersion { major: 1, minor: 17, revision: 0 },
            Compression::None,
            "archive version 1.17 cannot be written in directory format",
        ),
    ] {
        let mut toc = toc.clone();
        toc.header.version = version;
        toc.header.compression = compression;
        assert_eq!(toc.write(&mut Vec::new()).unwrap_err().to_string(), message);
    }
}
