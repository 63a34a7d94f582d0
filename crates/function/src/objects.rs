//! The objects of a committed point, by what the catalog, the manifest and `archive.json` say of them.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use permafrost_domain::Fault;
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_vault::{Erasure, Manifest, ObjectVersion, PointLayout, Store, VaultError};

use crate::point::{OpenPoint, manifest_ref};
use crate::tools::Tools;

/// Requests to a store at one time.
pub const AT_ONCE: usize = 16;

/// Every object of a point, by exact version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PointObjects {
    /// The manifest.
    pub manifest: ObjectVersion,
    /// What describes the point and stays in a hot class: table of contents, globals, plan, results of tasks, and
    /// `archive.json` where the point is archived.
    pub descriptions: Vec<ObjectVersion>,
    /// The segments in the backup store; of a point that is archived they are gone, or going.
    pub segments: Vec<ObjectVersion>,
    /// The segments in the archive store.
    pub archived: Vec<ObjectVersion>,
}

impl PointObjects {
    /// The objects of `point`.
    ///
    /// # Errors
    /// Manifest or `archive.json` cannot be read: nothing is known then.
    pub async fn of(tools: &Tools, point: &RecoveryPoint) -> Result<Self, Fault> {
        let open = OpenPoint::open(tools, point).await?;
        let manifest = manifest_ref(point)?;
        let plan = tools.store.current_version(&open.layout, PointLayout::PLAN).await?;
        let mut objects = Self::committed(&open.manifest, ObjectVersion::from(&manifest), plan);
        if let (Some(reference), Some(archive)) = (&point.archive, &open.archive) {
            let (key, version) = (reference.key.clone(), reference.version.clone());
            objects.descriptions.push(ObjectVersion { key, version });
            objects.archived = archive.segments.iter().map(ObjectVersion::from).collect();
        }
        Ok(objects)
    }

    /// The objects of a point in the backup store. The plan is needed by nobody who reads the point, and may be gone.
    pub fn committed(manifest: &Manifest, written: ObjectVersion, plan: Option<ObjectVersion>) -> Self {
        let mut descriptions: Vec<_> = manifest.descriptions().map(ObjectVersion::from).collect();
        descriptions.extend(plan);
        let segments = manifest.segments().map(ObjectVersion::from).collect();
        Self { manifest: written, descriptions, segments, archived: Vec::new() }
    }

    /// The list of all of them, for deleting.
    pub fn erasure(&self, layout: &PointLayout) -> Erasure {
        let backup = self.segments.iter().chain(&self.descriptions).cloned().collect();
        Erasure::new(layout, self.manifest.clone(), backup, self.archived.clone())
    }

    /// What stays in the backup store as long as the point is there.
    pub fn hot(&self) -> impl Iterator<Item = &ObjectVersion> {
        std::iter::once(&self.manifest).chain(&self.descriptions)
    }
}

/// Does the same with every object of a list in `store`, some at a time, until one fails.
///
/// # Errors
/// The first failure.
pub async fn for_each<'a>(
    store: &'a Store,
    objects: impl IntoIterator<Item = &'a ObjectVersion>,
    act: impl AsyncFn(&'a Store, &'a ObjectVersion) -> Result<(), VaultError>,
) -> Result<(), VaultError> {
    let act = &act;
    stream::iter(objects)
        .map(|object| async move { act(store, object).await })
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
}
