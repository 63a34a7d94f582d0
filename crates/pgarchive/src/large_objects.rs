//! Large objects: which of them each data entry of an archive holds, and a directory's lists of them.
//!
//! Up to version 1.15 (pg_dump 16 and older) an archive has a `BLOB` entry for each object and one
//! `BLOBS` entry for the contents of all. From 1.16 on (pg_dump 17) objects of one owner with the
//! same grants share a `BLOB METADATA` entry, a thousand at most, and each of those has a `BLOBS`
//! entry of its own, which depends on it.
//!
//! In a directory the file of a `BLOBS` entry is a list, one line `<oid> blob_<oid>.dat` per object,
//! that pg_dump never compresses. The file named there holds the object's bytes as they are; it may
//! be compressed, and then has the suffix beside the name. pg_restore looks for the list of an
//! archive before 1.16 as `blobs.toc` only, whatever name the entry tells.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;

use crate::dump_id::DumpId;
use crate::entry::Entry;
use crate::header::ArchiveVersion;
use crate::source::parse_decimal;
use crate::text::Text;
use crate::toc::TableOfContents;

/// The large objects whose contents are the data of one entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LargeObjectGroup {
    /// The `BLOBS` entry.
    pub data: DumpId,
    /// The objects, ascending.
    pub oids: Vec<u32>,
    /// The `BLOB` or `BLOB METADATA` entries that create them, in the archive's order.
    pub metadata: Vec<DumpId>,
}

/// What makes an archive's large objects contradict each other.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LargeObjectsError {
    /// Before version 1.16 all objects are in one list, which cannot belong to two entries.
    #[error("entries {first} and {second} both hold the archive's large objects")]
    SeveralDataEntries {
        /// The first `BLOBS` entry.
        first: DumpId,
        /// Another one.
        second: DumpId,
    },

    /// Nothing tells which objects an entry holds: what creates them was left out of the archive.
    #[error("no entry tells which large objects entry {data} holds")]
    NoMetadata {
        /// The `BLOBS` entry.
        data: DumpId,
    },

    /// An entry that should name large objects names something else.
    #[error("entry {metadata} names {found:?}, expected the oid of a large object")]
    NotAnOid {
        /// The `BLOB` or `BLOB METADATA` entry.
        metadata: DumpId,
        /// What stands in place of an oid.
        found: Text,
    },

    /// Two entries create the same object, and their contents would be one file.
    #[error("large object {oid} is created twice, by entry {metadata} for the second time")]
    Duplicate {
        /// The object.
        oid: u32,
        /// The second entry to create it.
        metadata: DumpId,
    },
}

/// Every data entry of large objects with the objects that belong to it, in the archive's order.
///
/// Objects that are created without contents (`pg_dump --binary-upgrade`) are in no group.
///
/// # Errors
/// The entries do not tell which objects belong to which of them.
pub fn large_object_groups(toc: &TableOfContents) -> Result<Vec<LargeObjectGroup>, LargeObjectsError> {
    let groups = if toc.header.version >= ArchiveVersion::V1_16 {
        groups_by_dependency(toc)?
    } else {
        one_group(toc)?.into_iter().collect()
    };
    if let Some(group) = groups.iter().find(|group| group.oids.is_empty()) {
        return Err(LargeObjectsError::NoMetadata { data: group.data });
    }
    Ok(groups)
}

fn one_group(toc: &TableOfContents) -> Result<Option<LargeObjectGroup>, LargeObjectsError> {
    let mut contents = toc.entries.iter().filter(|entry| entry.desc.is_blobs());
    let Some(first) = contents.next() else { return Ok(None) };
    if let Some(second) = contents.next() {
        return Err(LargeObjectsError::SeveralDataEntries { first: first.dump_id, second: second.dump_id });
    }
    let mut objects = BTreeSet::new();
    let mut metadata = Vec::new();
    for entry in toc.entries.iter().filter(|entry| entry.desc.is_blob()) {
        let oid = oid_in(entry, &entry.tag)?;
        if !objects.insert(oid) {
            return Err(LargeObjectsError::Duplicate { oid, metadata: entry.dump_id });
        }
        metadata.push(entry.dump_id);
    }
    Ok(Some(LargeObjectGroup { data: first.dump_id, oids: objects.into_iter().collect(), metadata }))
}

fn groups_by_dependency(toc: &TableOfContents) -> Result<Vec<LargeObjectGroup>, LargeObjectsError> {
    let mut seen = BTreeSet::new();
    let mut created_by = BTreeMap::new();
    for entry in toc.entries.iter().filter(|entry| entry.desc.is_blob_metadata()) {
        let oids = listed_oids(entry)?;
        if let Some(&oid) = oids.iter().find(|oid| !seen.insert(**oid)) {
            return Err(LargeObjectsError::Duplicate { oid, metadata: entry.dump_id });
        }
        created_by.insert(entry.dump_id, oids);
    }
    let group = |entry: &Entry| {
        let metadata: Vec<_> =
            entry.dependencies.iter().copied().filter(|id| created_by.contains_key(id)).collect();
        let mut oids: Vec<u32> = metadata.iter().flat_map(|id| &created_by[id]).copied().collect();
        oids.sort_unstable();
        LargeObjectGroup { data: entry.dump_id, oids, metadata }
    };
    Ok(toc.entries.iter().filter(|entry| entry.desc.is_blobs()).map(group).collect())
}

/// The definition of `BLOB METADATA`: oids, a line each.
fn listed_oids(entry: &Entry) -> Result<Vec<u32>, LargeObjectsError> {
    let lines = entry.defn.as_ref().map_or(&[][..], Text::as_bytes).split(|byte| *byte == b'\n');
    lines.filter(|line| !line.is_empty()).map(|line| oid_in(entry, &Text::from(line))).collect()
}

fn oid_in(entry: &Entry, text: &Text) -> Result<u32, LargeObjectsError> {
    parse_decimal::<u32>(text.as_bytes())
        .filter(|oid| *oid != 0)
        .ok_or_else(|| LargeObjectsError::NotAnOid { metadata: entry.dump_id, found: text.clone() })
}

/// The name of the list that belongs to a `BLOBS` entry, as pg_restore looks for it in a directory;
/// `None` if the entry has no data.
///
/// [`Entry::file_name`] is the name that the entry tells, which some old pg_dump wrote wrongly.
pub fn large_object_list_file_name(contents: &Entry, version: ArchiveVersion) -> Option<Text> {
    let told = contents.file_name(version)?;
    Some(if version >= ArchiveVersion::V1_16 { told } else { "blobs.toc".into() })
}

/// The name, without a compression suffix, of the file with a large object's bytes in a directory.
pub fn large_object_file_name(oid: u32) -> String {
    format!("blob_{oid}.dat")
}

/// A directory's list of large objects as pg_dump writes it, the objects in the order given.
///
/// The file belongs under the name that [`large_object_list_file_name`] gives.
pub fn write_large_object_list(oids: impl IntoIterator<Item = u32>) -> String {
    oids.into_iter().fold(String::new(), |mut list, oid| {
        // Writing to a string cannot fail.
        let _ = writeln!(list, "{oid} {}", large_object_file_name(oid));
        list
    })
}

/// One line of a directory's list of large objects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedLargeObject {
    /// The object.
    pub oid: u32,
    /// The file with its bytes, beside the list; without a compression suffix.
    pub file_name: String,
}

/// A line of a list of large objects is none that pg_dump writes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of a list of large objects is {found:?}, expected an oid and a file name")]
pub struct LargeObjectListError {
    /// Which line, from 1 on.
    pub line: usize,
    /// What it is; a long one is cut.
    pub found: Text,
}

/// The objects that a directory's list names, in its order.
///
/// # Errors
/// A line is not `<oid> <file name>` and an end of line. A name with a slash in it is refused: no
/// archive has one, and it would lead out of the directory.
pub fn read_large_object_list(list: &[u8]) -> Result<Vec<ListedLargeObject>, LargeObjectListError> {
    const SHOWN_BYTES: usize = 40;
    let lines = list.split_inclusive(|byte| *byte == b'\n').zip(1..);
    lines
        .map(|(bytes, line)| {
            listed_object(bytes).ok_or_else(|| LargeObjectListError {
                line,
                found: Text::from(&bytes[..bytes.len().min(SHOWN_BYTES)]),
            })
        })
        .collect()
}

fn listed_object(line: &[u8]) -> Option<ListedLargeObject> {
    // Without its end the line may be half a line: `47 blob_47.dat` of `47 blob_47.data`.
    let line = std::str::from_utf8(line).ok()?.strip_suffix('\n')?;
    let (oid, file_name) = line.split_once(' ')?;
    let is_plain = !file_name.is_empty() && !file_name.contains(['/', '\0']) && !file_name.contains(' ');
    let oid = parse_decimal::<u32>(oid.as_bytes()).filter(|oid| *oid != 0 && is_plain)?;
    Some(ListedLargeObject { oid, file_name: file_name.to_owned() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::desc::Desc;
    use crate::entry::{DataLocation, Section};

    fn id(number: i32) -> DumpId {
        DumpId::new(number).unwrap()
    }

    fn entry(number: i32, desc: &str, tag: &str, defn: &str, needs: &[i32]) -> Entry {
        let mut entry = Entry::new(id(number), Section::Data, desc, tag, defn);
        entry.dependencies = needs.iter().copied().map(id).collect();
        entry
    }

    fn archive(version: ArchiveVersion, entries: Vec<Entry>) -> TableOfContents {
        let bytes = include_bytes!("../tests/data/1.14-directory.toc");
        let mut header = TableOfContents::read(&mut &bytes[..]).unwrap().header;
        header.version = version;
        TableOfContents { header, entries }
    }

    fn failure(version: ArchiveVersion, entries: Vec<Entry>) -> String {
        large_object_groups(&archive(version, entries)).unwrap_err().to_string()
    }

    #[test]
    fn before_1_16_one_entry_holds_every_object() {
        let toc = archive(
            ArchiveVersion::V1_15,
            vec![
                entry(7, Desc::BLOB, "4000000000", "SELECT pg_catalog.lo_create('4000000000');\n", &[]),
                entry(5, Desc::BLOB, "17", "SELECT pg_catalog.lo_create('17');\n", &[]),
                entry(9, Desc::BLOBS, "BLOBS", "", &[]),
            ],
        );
        let group =
            LargeObjectGroup { data: id(9), oids: vec![17, 4_000_000_000], metadata: vec![id(7), id(5)] };
        assert_eq!(large_object_groups(&toc).unwrap(), [group]);
    }

    #[test]
    fn from_1_16_on_an_entry_holds_the_objects_of_what_it_depends_on() {
        let toc = archive(
            ArchiveVersion::V1_16,
            vec![
                entry(5, Desc::BLOB_METADATA, "1..3", "1\n3\n", &[]),
                entry(6, Desc::BLOBS, "1..3", "", &[5, 2]),
                entry(7, Desc::BLOB_METADATA, "2", "2\n", &[]),
                entry(8, Desc::BLOBS, "2", "", &[7]),
                entry(9, Desc::BLOB_METADATA, "4", "4\n", &[]),
            ],
        );
        let group = |data, oids: &[u32], metadata| LargeObjectGroup {
            data: id(data),
            oids: oids.to_vec(),
            metadata: vec![id(metadata)],
        };
        assert_eq!(large_object_groups(&toc).unwrap(), [group(6, &[1, 3], 5), group(8, &[2], 7)]);
    }

    #[test]
    fn objects_without_contents_are_in_no_group() {
        for (version, desc) in
            [(ArchiveVersion::V1_14, Desc::BLOB), (ArchiveVersion::V1_16, Desc::BLOB_METADATA)]
        {
            let toc = archive(version, vec![entry(1, desc, "17", "17\n", &[])]);
            assert_eq!(large_object_groups(&toc).unwrap(), [], "{version}");
        }
    }

    #[test]
    fn contradictions_are_refused() {
        let blob = |number, tag| entry(number, Desc::BLOB, tag, "", &[]);
        let metadata = |number, defn| entry(number, Desc::BLOB_METADATA, "", defn, &[]);
        let contents = |number, needs| entry(number, Desc::BLOBS, "BLOBS", "", needs);
        let old = |entries| failure(ArchiveVersion::V1_12, entries);
        let new = |entries| failure(ArchiveVersion::V1_16, entries);

        assert_eq!(
            old(vec![blob(1, "17"), contents(2, &[]), contents(3, &[])]),
            "entries 2 and 3 both hold the archive's large objects"
        );
        assert_eq!(old(vec![contents(2, &[])]), "no entry tells which large objects entry 2 holds");
        assert_eq!(
            old(vec![blob(1, "17"), blob(4, "17"), contents(2, &[])]),
            "large object 17 is created twice, by entry 4 for the second time"
        );
        assert_eq!(
            old(vec![blob(1, "0"), contents(2, &[])]),
            "entry 1 names \"0\", expected the oid of a large object"
        );
        assert_eq!(
            new(vec![metadata(1, "17\n"), contents(2, &[])]),
            "no entry tells which large objects entry 2 holds"
        );
        assert_eq!(
            new(vec![metadata(1, "17\n"), metadata(2, "16\n17\n")]),
            "large object 17 is created twice, by entry 2 for the second time"
        );
        assert_eq!(
            new(vec![metadata(1, "17\n4294967296\n")]),
            "entry 1 names \"4294967296\", expected the oid of a large object"
        );
    }

    #[test]
    fn a_list_is_read_as_it_was_written() {
        let list = write_large_object_list([17, u32::MAX]);
        assert_eq!(list, "17 blob_17.dat\n4294967295 blob_4294967295.dat\n");
        let objects = read_large_object_list(list.as_bytes()).unwrap();
        let listed: Vec<_> = objects.iter().map(|object| (object.oid, object.file_name.as_str())).collect();
        assert_eq!(listed, [(17, "blob_17.dat"), (u32::MAX, "blob_4294967295.dat")]);
        assert_eq!(read_large_object_list(b"").unwrap(), []);
    }

    #[test]
    fn a_line_that_pg_dump_does_not_write_is_refused() {
        for line in
            ["17 blob_17.dat", "17\n", "\n", "x blob\n", "0 blob_0.dat\n", "017 a\n", "1 ../a\n", "1 a b\n"]
        {
            let list = format!("5 blob_5.dat\n{line}");
            let error = read_large_object_list(list.as_bytes()).unwrap_err();
            assert_eq!((error.line, error.found), (2, line.into()));
        }
    }

    #[test]
    fn the_list_before_1_16_has_one_name_whatever_the_entry_tells() {
        let mut contents = entry(9, Desc::BLOBS, "BLOBS", "", &[]);
        contents.data = DataLocation::File("9.dat".into());
        let name = |version| large_object_list_file_name(&contents, version).unwrap();
        assert_eq!(name(ArchiveVersion::V1_15), "blobs.toc");
        assert_eq!(name(ArchiveVersion::V1_16), "9.dat");
        contents.data = DataLocation::File(Text::default());
        assert_eq!(large_object_list_file_name(&contents, ArchiveVersion::V1_15), None);
    }
}
