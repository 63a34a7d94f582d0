//! The archive store: a bucket whose objects lie in a Glacier class.
//!
//! Only segments move; what describes them stays in the backup store. `archive.json` there names the copies, so the
//! manifest stays as it was written. It is written when every copy has been found with its size, checksum and class;
//! what moves a point deletes nothing before. A copy that was made twice, since its answer was lost, meets itself.

use std::collections::BTreeSet;

use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ServerSideEncryption, StorageClass};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use permafrost_domain::tiering::ArchiveClass;
use permafrost_domain::{InstanceId, PointId};
use serde::{Deserialize, Serialize};

use crate::FORMAT;
use crate::error::VaultError;
use crate::layout::PointLayout;
use crate::manifest::Manifest;
use crate::store::{ObjectRef, Place, Store};

/// Where the segments of an archived point are: the document `archive.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Archive {
    /// The format's version.
    pub format: u32,
    /// The instance.
    pub instance: InstanceId,
    /// The point.
    pub point: PointId,
    /// The class that the copies lie in.
    pub class: ArchiveClass,
    /// All segments of the point, in the order of the manifest; the versions are those of the archive store.
    pub segments: Vec<ObjectRef>,
}

impl Archive {
    /// The document that names `segments`, copies in the archive store.
    pub fn new(layout: &PointLayout, class: ArchiveClass, segments: Vec<ObjectRef>) -> Self {
        Self { format: FORMAT, instance: layout.instance(), point: layout.point(), class, segments }
    }

    /// Makes sure that this names a copy of every segment that `manifest` names, and of the same point.
    ///
    /// # Errors
    /// [`VaultError::Document`] naming the first segment that it does not name as the manifest does.
    pub fn check(&self, manifest: &Manifest) -> Result<(), VaultError> {
        let layout = PointLayout::new(self.instance, self.point);
        let differs = |reason: String| VaultError::Document { key: layout.key(PointLayout::ARCHIVE), reason };
        let belonging = &manifest.belonging;
        if (self.instance, self.point) != (belonging.instance, belonging.point) {
            return Err(differs(format!("it is of the point {}", self.point)));
        }
        let identity = |segment: &ObjectRef| (segment.key.clone(), segment.bytes, *segment.sha256.as_bytes());
        let named: BTreeSet<_> = self.segments.iter().map(identity).collect();
        match manifest.segments().find(|segment| !named.contains(&identity(segment))) {
            Some(missing) => Err(differs(format!("it names no copy of {}", missing.key))),
            None => Ok(()),
        }
    }
}

impl Store {
    /// Makes a copy of an object of the store `from` in this one, in `class`, or finds the one that an earlier try
    /// made; its size, its checksum and its class are those that they must be.
    ///
    /// S3 copies up to 5 GiB at once; a segment has 64 MiB or holds a single row.
    ///
    /// # Errors
    /// [`VaultError::Missing`] where the object is not in `from`, [`VaultError::Size`] or [`VaultError::Checksum`] where
    /// something else has its key here; nothing is overwritten.
    pub async fn copy_from(
        &self,
        from: &Store,
        layout: &PointLayout,
        object: &ObjectRef,
        class: ArchiveClass,
    ) -> Result<ObjectRef, VaultError> {
        if let Some(copy) = self.copy_of(layout, object, class).await? {
            return Ok(copy);
        }
        let key = layout.key(&object.key);
        let copied = self
            .client
            .copy_object()
            .bucket(&self.bucket)
            .key(&key)
            .copy_source(from.copy_source(layout, object))
            .if_none_match("*")
            .storage_class(StorageClass::from(class.storage_class()))
            .checksum_algorithm(ChecksumAlgorithm::Sha256)
            .server_side_encryption(ServerSideEncryption::AwsKms)
            .ssekms_key_id(&self.kms_key)
            .send()
            .await;
        match copied.map_err(|error| VaultError::from_sdk(&key, &error)) {
            // Another try, whose answer was lost, came first.
            Ok(_) | Err(VaultError::AlreadyExists { .. }) => {}
            Err(error) => return Err(error),
        }
        self.copy_of(layout, object, class).await?.ok_or(VaultError::Missing { key })
    }

    /// The copy of `object` in this store, by what S3 says of it; `None` where there is none.
    async fn copy_of(
        &self,
        layout: &PointLayout,
        object: &ObjectRef,
        class: ArchiveClass,
    ) -> Result<Option<ObjectRef>, VaultError> {
        let key = layout.key(&object.key);
        let head = self.client.head_object().bucket(&self.bucket).key(&key);
        let head = head.checksum_mode(ChecksumMode::Enabled).send().await;
        let head = match head.map_err(|error| VaultError::from_sdk(&key, &error)) {
            Err(VaultError::Missing { .. }) => return Ok(None),
            other => other?,
        };
        let found = u64::try_from(head.content_length.unwrap_or_default()).unwrap_or_default();
        if found != object.bytes {
            return Err(VaultError::Size { key, expected: object.bytes, found });
        }
        let found = head.checksum_sha256.unwrap_or_else(|| "none".to_owned());
        if found != BASE64_STANDARD.encode(object.sha256.as_bytes()) {
            return Err(VaultError::Checksum { key, expected: object.sha256, found });
        }
        let refused = |reason: String| VaultError::Refused { key: key.clone(), reason };
        // S3 does not name the class STANDARD.
        let found = head.storage_class.as_ref().map_or("STANDARD", StorageClass::as_str);
        if found != class.storage_class() {
            return Err(refused(format!("the copy is of the class {found}, not {}", class.storage_class())));
        }
        let version = head.version_id.ok_or_else(|| refused("the store keeps no versions".to_owned()))?;
        Ok(Some(ObjectRef { version, ..object.clone() }))
    }

    /// An object as the source of a copy: bucket, key and version.
    pub(crate) fn copy_source(&self, layout: &PointLayout, object: &ObjectRef) -> String {
        let Place { bucket, key, version } = self.place(layout, object);
        // Keys of the vault hold nothing that a URL would have to quote; versions may.
        let version: String = version.bytes().map(url_byte).collect();
        format!("{bucket}/{key}?versionId={version}")
    }
}

/// A byte as it stands in a URL's query.
fn url_byte(byte: u8) -> String {
    if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
        char::from(byte).to_string()
    } else {
        format!("%{byte:02X}")
    }
}
