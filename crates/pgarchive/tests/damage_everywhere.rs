//! Every place of a small archive is damaged in turn, in every version and format: what comes is
//! refused with its place and what was expected there, or given back byte for byte.
//!
//! `damage.rs` damages whole archives at random.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use std::collections::BTreeSet;

use permafrost_pgarchive::{ArchiveVersion, Compression, Desc, Format, ReadError, TableOfContents};

const VERSIONS: [ArchiveVersion; 5] = [
    ArchiveVersion::V1_12,
    ArchiveVersion::V1_13,
    ArchiveVersion::V1_14,
    ArchiveVersion::V1_15,
    ArchiveVersion::V1_16,
];

/// Entries with and without data, owners, dependencies and `COPY` statements.
const KINDS: [&str; 5] = ["ENCODING", "TABLE", "TABLE DATA", "BLOB METADATA", "BLOBS"];

/// A real archive with one entry of each of some kinds, as each version and format has it.
fn small_archives() -> Vec<(String, Vec<u8>)> {
    let bytes = include_bytes!("data/1.16-custom-file.toc");
    let mut toc = TableOfContents::read(&mut &bytes[..]).unwrap();
    let mut wanted = BTreeSet::from(KINDS.map(Desc::from));
    toc.entries.retain(|entry| wanted.remove(&entry.desc));
    assert_eq!(toc.entries.len(), KINDS.len());
    toc.header.compression = Compression::None;
    let mut archives = Vec::new();
    for version in VERSIONS {
        toc.header.version = version;
        let mut of_version = toc.clone();
        for entry in &mut of_version.entries {
            entry.table_am.take_if(|_| version < ArchiveVersion::V1_14);
            entry.rel_kind.take_if(|_| version < ArchiveVersion::V1_16);
        }
        for format in [Format::Custom, Format::Directory] {
            let mut bytes = Vec::new();
            match format {
                Format::Custom => of_version.write(&mut bytes).unwrap(),
                Format::Directory => of_version.write_directory(&mut bytes).unwrap(),
            }
            let read = TableOfContents::read(&mut bytes.as_slice()).unwrap();
            assert_eq!((read.header.version, read.header.format), (version, format));
            archives.push((format!("{version} {format}"), bytes));
        }
    }
    archives
}

/// Reads damaged bytes; an error names its place, which is one of the input.
fn read_or_refuse(name: &str, bytes: &[u8]) -> Result<(), (u64, ReadError)> {
    let mut rest = bytes;
    let error = match TableOfContents::read(&mut rest) {
        Ok(toc) => {
            let mut written = Vec::new();
            toc.write(&mut written).unwrap();
            assert!(written == bytes[..bytes.len() - rest.len()], "{name} is not given back");
            return Ok(());
        }
        Err(error) => error,
    };
    let offset = match &error {
        ReadError::Ended { offset, .. }
        | ReadError::Unexpected { offset, .. }
        | ReadError::UnsupportedVersion { offset, .. }
        | ReadError::TooLong { offset, .. } => *offset,
        other => panic!("{name}: {other}"),
    };
    let message = error.to_string();
    assert!(offset <= bytes.len() as u64, "{name}: {message}");
    assert!(
        message.contains("expected ") && message.contains(&format!("byte {offset}")),
        "{name}: {message}"
    );
    Err((offset, error))
}

#[test]
fn every_cut_is_refused_where_it_ends() {
    for (name, bytes) in small_archives() {
        for length in 0..bytes.len() {
            let (offset, error) = read_or_refuse(&name, &bytes[..length]).unwrap_err();
            assert!(matches!(error, ReadError::Ended { .. }), "{name} of {length} bytes: {error}");
            assert_eq!(offset, length as u64, "{name}");
        }
    }
}

#[test]
fn every_changed_bit_is_refused_behind_what_was_sound_or_given_back() {
    let mut refused = 0_u64;
    for (name, bytes) in small_archives() {
        let values = value_starts(&bytes);
        let mut damaged = bytes.clone();
        for place in 0..bytes.len() {
            // The value that holds this byte, or a later one, is what the error must name.
            let value = values.range(..=place as u64).next_back().copied().unwrap_or_default();
            for bit in 0..8 {
                damaged[place] ^= 1 << bit;
                if let Err((offset, error)) = read_or_refuse(&name, &damaged) {
                    assert!(offset >= value, "{name}, bit {bit} of byte {place}: {error}");
                    refused += 1;
                }
                damaged[place] = bytes[place];
            }
        }
    }
    assert!(refused > 10_000, "lengths, flags and numbers are refused: {refused}");
}

/// Where values begin, as far as cutting the archive tells: a text that is cut off names its end, so
/// these are the places at which the name of what is expected changes.
fn value_starts(bytes: &[u8]) -> BTreeSet<u64> {
    let mut starts = BTreeSet::new();
    let mut last = "";
    for length in 0..bytes.len() {
        let Err(ReadError::Ended { expected, .. }) = TableOfContents::read(&mut &bytes[..length]) else {
            panic!("a cut archive is refused where it ends");
        };
        if expected != last {
            starts.insert(length as u64);
            last = expected;
        }
    }
    starts
}

/// Numbers that pg_dump could have written, in place of whatever is there: each length of a text is
/// among the places, and is announced as far too long, one too long, null, and negative.
#[test]
fn every_number_put_anywhere_is_refused_or_given_back_without_believing_it() {
    const MEBIBYTE_IN_KIB: u64 = 1024;
    const NUMBERS: [[u8; 5]; 6] = [
        [0, 0xff, 0xff, 0xff, 0x7f],
        [0, 1, 0, 0, 0x40],
        [0, 0, 0, 0, 0x40],
        [0, 0, 0, 0, 0],
        [1, 1, 0, 0, 0],
        [1, 0, 0, 0, 0x80],
    ];
    let before = peak_address_space_kib();
    for (name, bytes) in small_archives() {
        let mut damaged = bytes.clone();
        for place in 0..bytes.len() - 5 {
            let there = &bytes[place..place + 5];
            let one_more = [there[0], there[1].wrapping_add(1), there[2], there[3], there[4]];
            for number in NUMBERS.iter().chain([&one_more]) {
                damaged[place..place + 5].copy_from_slice(number);
                let _ = read_or_refuse(&name, &damaged);
            }
            damaged[place..place + 5].copy_from_slice(there);
        }
    }
    let grown = peak_address_space_kib() - before;
    assert!(grown < 256 * MEBIBYTE_IN_KIB, "grew by {grown} KiB");
}

fn peak_address_space_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
