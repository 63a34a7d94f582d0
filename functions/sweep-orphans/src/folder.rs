//! The folders of an instance's points, as the stores list them.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::{Fault, InstanceId, PointId};
use permafrost_function::Tools;
use permafrost_function::objects::PointObjects;
use permafrost_vault::{ObjectVersion, PointLayout};

/// One of the two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Place {
    Backup,
    Archive,
}

/// A version that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Found {
    pub(crate) object: ObjectVersion,
    pub(crate) written_at: Timestamp,
}

/// A version that was found, and where.
pub(crate) type InStore = (Place, Found);

/// All versions in the folder of one point, in both stores.
#[derive(Debug)]
pub(crate) struct Folder {
    pub(crate) layout: PointLayout,
    found: Vec<InStore>,
}

/// The folders of an instance.
pub(crate) async fn folders(tools: &Tools, instance: InstanceId) -> Result<Vec<Folder>, Fault> {
    let mut folders: BTreeMap<PointId, Folder> = BTreeMap::new();
    for (place, store) in [(Place::Backup, &tools.store), (Place::Archive, &tools.archive)] {
        let mut next = None;
        loop {
            let listed = store.versions(instance, next.as_ref()).await?;
            for version in listed.versions {
                // What is not named as the vault names things is not the vault's.
                let Some((layout, name)) = PointLayout::parse(&version.key) else { continue };
                let object = ObjectVersion { key: name.to_owned(), version: version.version };
                let folder =
                    folders.entry(layout.point()).or_insert_with(|| Folder { layout, found: Vec::new() });
                folder.found.push((place, Found { object, written_at: version.written_at }));
            }
            next = listed.next;
            if next.is_none() {
                break;
            }
        }
    }
    Ok(folders.into_values().collect())
}

impl Folder {
    /// Every version in it.
    pub(crate) fn everything(&self) -> Vec<InStore> {
        self.found.clone()
    }

    /// Whether it holds one version of each object, as many segments as the point has, all in one store, and nothing
    /// that is not of a point: then nothing in it is unnamed, and the manifest need not be read.
    pub(crate) fn is_tidy(&self, point: &RecoveryPoint) -> bool {
        let segments = |place| {
            let of_place = self.found.iter().filter(|(found_in, _)| *found_in == place);
            of_place.filter(|(_, found)| PointLayout::is_segment(&found.object.key)).count() as u64
        };
        let names: BTreeSet<_> = self.found.iter().map(|(place, found)| (place, &found.object.key)).collect();
        let expected = if point.archive.is_some() { (0, point.segments) } else { (point.segments, 0) };
        let is_known = |place: Place, name: &str| {
            PointLayout::is_segment(name)
                || place == Place::Backup
                    && (name.starts_with("tasks/")
                        || [PointLayout::MANIFEST, PointLayout::TOC, PointLayout::GLOBALS, PointLayout::PLAN]
                            .contains(&name)
                        || name == PointLayout::ARCHIVE && point.archive.is_some())
        };
        names.len() == self.found.len()
            && (segments(Place::Backup), segments(Place::Archive)) == expected
            && self.found.iter().all(|(place, found)| is_known(*place, &found.object.key))
    }

    /// What is not among the objects of its point. A list of what is to be deleted is not among them either, but belongs
    /// to whoever deletes the point, and may be about to.
    pub(crate) fn unnamed(&self, named: &PointObjects) -> Vec<InStore> {
        let in_backup: BTreeSet<&ObjectVersion> = named.hot().chain(&named.segments).collect();
        let in_archive: BTreeSet<&ObjectVersion> = named.archived.iter().collect();
        let is_named = |(place, found): &&InStore| match place {
            Place::Backup => found.object.key == PointLayout::EXPIRY || in_backup.contains(&found.object),
            Place::Archive => in_archive.contains(&found.object),
        };
        self.found.iter().filter(|found| !is_named(found)).cloned().collect()
    }
}
