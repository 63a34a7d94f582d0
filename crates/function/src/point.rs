//! Reading a recovery point: its manifest and table of contents, by what the catalog says of it.

use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::{Code, Fault, InstanceId, PointId};
use permafrost_engine::EngineError;
use permafrost_pgarchive::TableOfContents;
use permafrost_vault::store::parse_document;
use permafrost_vault::{Manifest, ObjectRef, PointLayout};

use crate::tools::Tools;

/// A point that can be read.
#[derive(Debug)]
pub struct OpenPoint {
    /// Where its objects are.
    pub layout: PointLayout,
    /// Its manifest.
    pub manifest: Manifest,
}

impl OpenPoint {
    /// Finds a point that is to be restored, and opens it.
    ///
    /// # Errors
    /// There is no such point, it cannot be read in its state, or those of [`OpenPoint::open`].
    pub async fn to_restore(tools: &Tools, instance: InstanceId, id: PointId) -> Result<Self, Fault> {
        let point = tools.catalog.point(instance, id).await?;
        if !point.state.is_readable() {
            let message = format!("the recovery point is {:?}", point.state);
            return Err(Fault::new(Code::ObjectMissing, message).on(format!("recovery point {}", point.id)));
        }
        Self::open(tools, &point).await
    }

    /// Reads and checks the manifest of `point`.
    ///
    /// # Errors
    /// The manifest is not there, or not the one that was committed.
    pub async fn open(tools: &Tools, point: &RecoveryPoint) -> Result<Self, Fault> {
        let layout = PointLayout::new(point.instance, point.id);
        let damaged = |reason: String| {
            Fault::new(Code::CatalogRecordInvalid, reason).on(format!("recovery point {}", point.id))
        };
        let sha256 =
            point.manifest.sha256.parse().map_err(|error| damaged(format!("its manifest: {error}")))?;
        let (key, version) = (point.manifest.key.clone(), point.manifest.version.clone());
        let body = tools.store.get(&layout, &ObjectRef { key, version, bytes: 0, sha256 }).await?;
        let manifest = parse_document(&layout.key(PointLayout::MANIFEST), &body)?;
        Ok(Self { layout, manifest })
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
