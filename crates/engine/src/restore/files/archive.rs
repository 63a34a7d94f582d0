//! The directory archive that is to be: its table of contents, and the names of its files.

use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroU32;

use permafrost_pgarchive::{
    DumpId, Entry, LargeObjectGroup, TableOfContents, large_object_groups, large_object_list_file_name,
    split_table_data, write_large_object_list,
};
use permafrost_vault::Manifest;

use super::encoding::Encoding;
use crate::error::EngineError;

/// A directory archive, without its data.
#[derive(Debug)]
pub(super) struct DirectoryArchive {
    /// Its table of contents, in which each part of a table is an entry of its own.
    pub(super) toc: TableOfContents,
    /// The files of each table's parts, by the number of its entry.
    names: HashMap<i32, Vec<String>>,
    /// The lists of large objects, by their file names.
    pub(super) lists: Vec<(String, String)>,
}

impl DirectoryArchive {
    /// The archive of a backup.
    ///
    /// # Errors
    /// Table of contents and manifest contradict each other.
    pub(super) fn of(
        stored: &TableOfContents,
        manifest: &Manifest,
        encoding: Encoding,
    ) -> Result<Self, EngineError> {
        check(stored, manifest)?;
        let mut toc = stored.clone();
        let mut parts = BTreeMap::new();
        for table in &manifest.tables {
            let count = u32::try_from(table.parts.len()).ok().and_then(NonZeroU32::new);
            let what = || contradiction(format!("table {}.{}", table.schema, table.name));
            parts.insert(DumpId::new(table.dump_id).map_err(|_| what())?, count.ok_or_else(what)?);
        }
        let split = split_table_data(&mut toc, &parts).map_err(|error| contradiction(error.to_string()))?;
        encoding.tell(&mut toc.header);
        let version = toc.header.version;
        let entries: HashMap<DumpId, &Entry> =
            toc.entries.iter().map(|entry| (entry.dump_id, entry)).collect();
        let name_of = |id: &DumpId| {
            let name = entries.get(id).and_then(|entry| entry.file_name(version));
            let name = name.ok_or_else(|| contradiction(format!("no file for entry {id}")))?;
            Ok(format!("{}{}", name.to_string_lossy(), encoding.suffix()))
        };
        let mut names = HashMap::with_capacity(split.len());
        for (id, ids) in &split {
            names.insert(id.get(), ids.iter().map(name_of).collect::<Result<_, EngineError>>()?);
        }
        let mut lists = Vec::new();
        for group in groups(&toc)? {
            let name = entries.get(&group.data).and_then(|entry| large_object_list_file_name(entry, version));
            let name = name.ok_or_else(|| contradiction(format!("no list for entry {}", group.data)))?;
            lists.push((name.to_string_lossy().into_owned(), write_large_object_list(group.oids)));
        }
        Ok(Self { toc, names, lists })
    }

    /// The name of the file with the rows of a part of a table.
    pub(super) fn rows_file(&self, dump_id: i32, part: u32) -> Result<&str, EngineError> {
        let name = self.names.get(&dump_id).and_then(|names| names.get(part as usize));
        name.map(String::as_str)
            .ok_or_else(|| contradiction(format!("part {part} of the data of entry {dump_id}")))
    }
}

/// The large objects of each entry that holds some.
pub(super) fn groups(toc: &TableOfContents) -> Result<Vec<LargeObjectGroup>, EngineError> {
    large_object_groups(toc).map_err(|error| contradiction(error.to_string()))
}

/// Makes sure that everything the table of contents has data for is in the backup.
///
/// # Errors
/// It is not: `pg_restore` would look for files that are not there.
pub(super) fn check(toc: &TableOfContents, manifest: &Manifest) -> Result<(), EngineError> {
    let mut found: HashMap<i32, bool> = manifest.tables.iter().map(|table| (table.dump_id, false)).collect();
    for entry in toc.entries.iter().filter(|entry| entry.had_dumper && !entry.desc.is_blobs()) {
        let known = found.get_mut(&entry.dump_id.get()).filter(|_| entry.desc.is_table_data());
        *known.ok_or_else(|| contradiction(format!("data of {} {}", entry.desc, entry.tag)))? = true;
    }
    if let Some((id, _)) = found.iter().find(|(_, found)| !**found) {
        return Err(contradiction(format!("no entry {id}, which the backup has rows of")));
    }
    let objects: u64 = groups(toc)?.iter().map(|group| group.oids.len() as u64).sum();
    if objects != manifest.totals.large_objects {
        let held = manifest.totals.large_objects;
        return Err(contradiction(format!("{objects} large objects, the backup has {held}")));
    }
    Ok(())
}

pub(super) fn contradiction(what: String) -> EngineError {
    EngineError::TocContents { what }
}
