//! Reading a recovery point: its manifest and table of contents, by what the catalog says of it.
//!
//! Here, and nowhere else, it is decided from which store its segments are read.

use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::{Code, Fault, InstanceId, PointId};
use permafrost_engine::EngineError;
use permafrost_pgarchive::TableOfContents;
use permafrost_vault::store::parse_document;
use permafrost_vault::{Archive, Manifest, ObjectRef, PointLayout, Store};

use crate::clock;
use crate::tools::Tools;

/// A point that can be read.
#[derive(Debug)]
pub struct OpenPoint {
    /// Where its objects are.
    pub layout: PointLayout,
    /// Its manifest.
    pub manifest: Manifest,
    /// Where its segments are, if they are in the archive store.
    pub archive: Option<Archive>,
    /// Where its objects are read from: the segments of an archived point from the archive store.
    pub store: Store,
}

impl OpenPoint {
    /// Finds a point whose descriptions are to be read, and opens it: they are in a hot class as long as it is there.
    ///
    /// # Errors
    /// There is no such point, it is deleted or damaged, or those of [`OpenPoint::open`].
    pub async fn to_describe(tools: &Tools, instance: InstanceId, id: PointId) -> Result<Self, Fault> {
        let point = tools.catalog.point(instance, id).await?;
        if matches!(point.state, PointState::Expiring | PointState::Expired | PointState::Damaged) {
            return Err(not_available(&point));
        }
        Self::open(tools, &point).await
    }

    /// Finds a point that is to be restored, and opens it.
    ///
    /// # Errors
    /// There is no such point, it cannot be read in its state, or those of [`OpenPoint::open`].
    pub async fn to_restore(tools: &Tools, instance: InstanceId, id: PointId) -> Result<Self, Fault> {
        let point = tools.catalog.point(instance, id).await?;
        if !point.state.is_readable() {
            return Err(not_available(&point));
        }
        if let Some(until) = point.rehydrated_until.filter(|until| *until <= clock::now()) {
            let message = format!("the recovery point was rehydrated until {until}");
            return Err(
                Fault::new(Code::RecoveryPointArchived, message).on(format!("recovery point {}", point.id))
            );
        }
        Self::open(tools, &point).await
    }

    /// Reads and checks the manifest of `point`, and where its segments are.
    ///
    /// # Errors
    /// Manifest or `archive.json` is not there, or not the one that the catalog names, or they contradict each other.
    pub async fn open(tools: &Tools, point: &RecoveryPoint) -> Result<Self, Fault> {
        let layout = PointLayout::new(point.instance, point.id);
        let body = tools.store.get(&layout, &manifest_ref(point)?).await?;
        let manifest: Manifest = parse_document(&layout.key(PointLayout::MANIFEST), &body)?;
        let archive = match &point.archive {
            None => None,
            Some(archive) => {
                let object = object_ref(point, &archive.key, &archive.version, &archive.sha256)?;
                let body = tools.store.get(&layout, &object).await?;
                let archive: Archive = parse_document(&layout.key(PointLayout::ARCHIVE), &body)?;
                archive.check(&manifest)?;
                Some(archive)
            }
        };
        let store = match &archive {
            None => tools.store.clone(),
            Some(archive) => tools.store.reading_archived(&tools.archive, archive),
        };
        Ok(Self { layout, manifest, archive, store })
    }

    /// Reads and checks the table of contents.
    ///
    /// # Errors
    /// It is not there, or not the one that was written.
    pub async fn table_of_contents(&self, tools: &Tools) -> Result<TableOfContents, Fault> {
        let body = tools.store.get(&self.layout, &self.manifest.toc).await?;
        Ok(TableOfContents::read(&mut body.as_ref()).map_err(EngineError::Toc)?)
    }
}

fn not_available(point: &RecoveryPoint) -> Fault {
    let message = format!("the recovery point is {:?}", point.state);
    Fault::new(Code::RecoveryPointNotAvailable, message).on(format!("recovery point {}", point.id))
}

/// The manifest of `point`, as documents name it; its size is not known.
///
/// # Errors
/// The catalog's record names it by something that is no checksum.
pub fn manifest_ref(point: &RecoveryPoint) -> Result<ObjectRef, Fault> {
    object_ref(point, &point.manifest.key, &point.manifest.version, &point.manifest.sha256)
}

fn object_ref(point: &RecoveryPoint, key: &str, version: &str, sha256: &str) -> Result<ObjectRef, Fault> {
    let sha256 = sha256.parse().map_err(|error| {
        Fault::new(Code::CatalogRecordInvalid, format!("its {key}: {error}"))
            .on(format!("recovery point {}", point.id))
    })?;
    Ok(ObjectRef { key: key.to_owned(), version: version.to_owned(), bytes: 0, sha256 })
}
