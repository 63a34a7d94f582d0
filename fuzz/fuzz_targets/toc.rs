//! Any bytes: a table of contents is refused, or given back byte for byte, in both formats.

#![no_main]

use std::collections::BTreeMap;
use std::num::NonZeroU32;

use libfuzzer_sys::fuzz_target;
use permafrost_pgarchive::{
    Format, TableOfContents, large_object_groups, read_large_object_list, split_table_data,
};

fuzz_target!(|bytes: &[u8]| {
    let _ = read_large_object_list(bytes);
    let mut rest = bytes;
    let Ok(toc) = TableOfContents::read(&mut rest) else { return };
    let taken = &bytes[..bytes.len() - rest.len()];
    let mut written = Vec::with_capacity(taken.len());
    toc.write(&mut written).expect("what was read can be written");
    assert_eq!(written, taken, "what was read is given back byte for byte");

    // As a directory's toc.dat it is another archive, which has to be read as the same entries.
    // A name made of a dump id may be too long for integers narrower than any real archive has.
    let mut directory = Vec::with_capacity(taken.len());
    if toc.write_directory(&mut directory).is_err() {
        assert!(toc.header.int_width.get() < 4, "only a narrow integer can be too small");
        return;
    }
    let mut rest = directory.as_slice();
    let again = TableOfContents::read(&mut rest).expect("what was written as a directory can be read");
    assert!(rest.is_empty(), "nothing is left behind the entries");
    assert_eq!(again.header.format, Format::Directory);
    assert_eq!(again.entries.len(), toc.entries.len());
    let mut written = Vec::with_capacity(directory.len());
    again.write(&mut written).expect("what was read can be written");
    assert_eq!(written, directory, "a directory's toc.dat is given back byte for byte");

    // Questions about what was read never panic, whatever the answer.
    for entry in &toc.entries {
        let _ = entry.copy_statement();
        let _ = entry.relation().to_string();
        let _ = entry.is_loaded_via_partition_root();
    }
    let _ = toc.unused_dump_id();
    let _ = large_object_groups(&toc);
    let with_rows = toc.entries.iter().filter(|entry| entry.desc.is_table_data() && entry.had_dumper);
    let halves: BTreeMap<_, _> =
        with_rows.map(|entry| (entry.dump_id, NonZeroU32::MIN.saturating_add(1))).collect();
    let mut split = toc.clone();
    match split_table_data(&mut split, &halves) {
        Ok(parts) => assert!(split.entries.len() >= toc.entries.len() + parts.len()),
        Err(_) => assert_eq!(split, toc, "a failed split changes nothing"),
    }
});
