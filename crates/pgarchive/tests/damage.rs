//! Damaged input is refused with its place, never by a panic, and never after allocating what a
//! wrong length asks for.

#![allow(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

use permafrost_pgarchive::{ReadError, TableOfContents};
use proptest::prelude::*;
use proptest::sample::{Index, select};

const FROZEN: [&[u8]; 4] = [
    include_bytes!("data/1.14-custom-pipe.toc"),
    include_bytes!("data/1.15-directory.toc"),
    include_bytes!("data/1.16-custom-file.toc"),
    include_bytes!("data/1.16-directory.toc"),
];

/// Reads anything: what is accepted must be given back byte for byte.
fn read_or_refuse(bytes: &[u8]) -> Result<TableOfContents, ReadError> {
    let mut rest = bytes;
    let toc = TableOfContents::read(&mut rest)?;
    let mut written = Vec::new();
    toc.write(&mut written).unwrap();
    assert_eq!(written, bytes[..bytes.len() - rest.len()]);
    Ok(toc)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn random_bytes_are_refused(bytes in any::<Vec<u8>>()) {
        prop_assert!(read_or_refuse(&bytes).is_err());
    }

    #[test]
    fn random_bytes_behind_a_good_beginning_are_refused_or_given_back(
        frozen in select(&FROZEN[..]),
        keep in any::<Index>(),
        bytes in any::<Vec<u8>>(),
    ) {
        let mut damaged = frozen[..keep.index(frozen.len())].to_vec();
        damaged.extend(bytes);
        let _ = read_or_refuse(&damaged);
    }

    #[test]
    fn changed_bytes_are_refused_or_given_back(
        frozen in select(&FROZEN[..]),
        changes in prop::collection::vec((any::<Index>(), any::<u8>()), 1..4),
    ) {
        let mut damaged = frozen.to_vec();
        for (place, byte) in changes {
            let place = place.index(damaged.len());
            damaged[place] = byte;
        }
        let _ = read_or_refuse(&damaged);
    }

    #[test]
    fn a_lost_or_doubled_piece_is_refused_or_given_back(
        frozen in select(&FROZEN[..]),
        from in any::<Index>(),
        to in any::<Index>(),
    ) {
        let (from, to) = (from.index(frozen.len()), to.index(frozen.len()));
        let damaged = [&frozen[..from], &frozen[to..]].concat();
        let _ = read_or_refuse(&damaged);
    }
}

#[test]
fn every_cut_of_a_real_archive_is_refused_where_it_ends() {
    let whole = FROZEN[0];
    // Every byte of header, settings and the first objects, then every so many.
    for length in (0..1500).chain((1500..whole.len()).step_by(61)) {
        let error = read_or_refuse(&whole[..length]).unwrap_err();
        assert!(
            matches!(error, ReadError::Ended { offset, .. } if offset == length as u64),
            "{length}: {error}"
        );
    }
}

#[test]
fn errors_name_the_byte_and_what_was_expected() {
    let changed = |place: usize, byte: u8| {
        let mut damaged = FROZEN[3].to_vec();
        damaged[place] = byte;
        read_or_refuse(&damaged).unwrap_err().to_string()
    };
    for (place, byte, message) in [
        (
            0,
            b'X',
            "expected the letters PGDMP, with which every archive begins, at byte 0 of the archive, \
             found the bytes XGDMP",
        ),
        (6, 11, "archive version 1.11 at byte 5 is not supported, expected 1.12 to 1.16"),
        (6, 17, "archive version 1.17 at byte 5 is not supported, expected 1.12 to 1.16"),
        (8, 0, "expected an integer width of 1 to 8 bytes at byte 8 of the archive, found 0"),
        (9, 9, "expected an offset width of 1 to 8 bytes at byte 9 of the archive, found 9"),
        (10, 5, "expected archive format 1 (custom) or 3 (directory) at byte 10 of the archive, found 5"),
        (
            11,
            4,
            "expected compression algorithm 0 (none), 1 (gzip), 2 (lz4) or 3 (zstd) at byte 11 of the \
             archive, found 4",
        ),
        (47, 1, "expected the database's name at byte 47 of the archive, found a text of length -6"),
        (12, 7, "expected the creation time's second at byte 12 of the archive, found the bytes "),
    ] {
        let found = changed(place, byte);
        assert!(found.starts_with(message), "{found}");
    }
}

#[test]
fn a_reader_that_fails_is_told_with_its_place() {
    struct Failing<'b>(&'b [u8]);
    impl std::io::Read for Failing<'_> {
        fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
            if self.0.is_empty() { Err(std::io::Error::other("gone")) } else { self.0.read(buffer) }
        }
    }
    let error = TableOfContents::read(&mut Failing(&FROZEN[0][..1000])).unwrap_err();
    assert_eq!(error.to_string(), "could not read the archive at byte 1000");
    assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "gone");
}

/// A length of a gibibyte and two thousand million entries, announced and not there, must not be
/// believed: the address space of this process hardly grows.
#[test]
fn an_announced_length_is_not_allocated() {
    const MEBIBYTE_IN_KIB: u64 = 1024;
    let header = &FROZEN[3][..47];
    let gibibyte_of_text = [header, &[0, 0, 0, 0, 0x40], b"source"].concat();
    let texts = b"\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let many_entries = [header, texts, &[0, 0xff, 0xff, 0xff, 0x7f]].concat();
    let before = peak_address_space_kib();
    for damaged in [&gibibyte_of_text, &many_entries] {
        let error = read_or_refuse(damaged).unwrap_err();
        assert!(
            matches!(error, ReadError::Ended { offset, .. } if offset == damaged.len() as u64),
            "{error}"
        );
    }
    let grown = peak_address_space_kib() - before;
    assert!(grown < 256 * MEBIBYTE_IN_KIB, "grew by {grown} KiB");
}

fn peak_address_space_kib() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}
