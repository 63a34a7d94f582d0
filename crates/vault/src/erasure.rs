//! Deleting: by exact version, from a list that was written first.
//!
//! A point is erased in the order catalog, manifest, segments, so that nobody finds half a point. Whoever goes on
//! where another was killed could then not read from the manifest what is left. So the list is made of the manifest
//! and written, create-only, before the point enters the state `Expiring`, and is deleted last: a point in that state
//! that has no list has nothing left. Everything in between may be repeated; a version that is gone counts as deleted.

use permafrost_domain::{InstanceId, PointId};
use serde::{Deserialize, Serialize};

use crate::FORMAT;
use crate::error::VaultError;
use crate::layout::PointLayout;
use crate::store::{ObjectRef, Store};

/// A version of an object of a point.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ObjectVersion {
    /// Its name within the point's folder.
    pub key: String,
    /// The version.
    pub version: String,
}

impl From<&ObjectRef> for ObjectVersion {
    fn from(object: &ObjectRef) -> Self {
        Self { key: object.key.clone(), version: object.version.clone() }
    }
}

/// What is to be deleted of a point: the document `expiry.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Erasure {
    /// The format's version.
    pub format: u32,
    /// The instance.
    pub instance: InstanceId,
    /// The point.
    pub point: PointId,
    /// The manifest, which goes first.
    pub manifest: ObjectVersion,
    /// The other objects in the backup store.
    pub backup: Vec<ObjectVersion>,
    /// The objects in the archive store.
    pub archive: Vec<ObjectVersion>,
}

impl Erasure {
    /// The list for the point at `layout`.
    pub fn new(
        layout: &PointLayout,
        manifest: ObjectVersion,
        backup: Vec<ObjectVersion>,
        archive: Vec<ObjectVersion>,
    ) -> Self {
        Self { format: FORMAT, instance: layout.instance(), point: layout.point(), manifest, backup, archive }
    }
}

impl Store {
    /// Deletes a version. One that is not there counts as deleted.
    ///
    /// # Errors
    /// [`VaultError::Locked`] where a lock or a legal hold keeps it; those of the store. Then it is still there, or
    /// nobody knows.
    pub async fn delete_version(
        &self,
        layout: &PointLayout,
        object: &ObjectVersion,
    ) -> Result<(), VaultError> {
        let key = layout.key(&object.key);
        let request = self.client.delete_object().bucket(&self.bucket).key(&key).version_id(&object.version);
        match request.send().await.map_err(|error| VaultError::from_sdk(&key, &error)) {
            Ok(_) | Err(VaultError::Missing { .. }) => Ok(()),
            Err(refused @ VaultError::AccessDenied { .. }) => {
                // S3 says "access denied" for a locked version, too.
                let lock = self.lock(layout, object).await?;
                let is_locked = lock != crate::object_lock::ObjectLock::default();
                Err(if is_locked { VaultError::Locked { key, lock } } else { refused })
            }
            Err(error) => Err(error),
        }
    }
}
