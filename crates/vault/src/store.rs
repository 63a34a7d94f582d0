//! A store: one bucket, read and written object by object.
//!
//! Writes are create-only and carry their SHA-256, which S3 checks and keeps. Reads name the exact version and
//! check what arrives. A write that was repeated after its answer was lost meets its own object and succeeds.
//!
//! The segments of an archived point lie in another bucket under versions of their own. A store that knows of them
//! ([`Store::reading_archived`]) finds them there, so that readers need not know where a point is.

use std::collections::BTreeMap;
use std::sync::Arc;

use aws_sdk_s3::Client;
use aws_sdk_s3::operation::get_object::builders::GetObjectFluentBuilder;
use aws_sdk_s3::types::{ChecksumMode, ServerSideEncryption};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::FORMAT;
use crate::archive::Archive;
use crate::checksum::Sha256;
use crate::erasure::ObjectVersion;
use crate::error::VaultError;
use crate::layout::PointLayout;
use crate::segment_buffers::SegmentBuffers;

/// An object as documents name it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectRef {
    /// Its name within its point's folder.
    pub key: String,
    /// The version that was written.
    pub version: String,
    /// Its size.
    pub bytes: u64,
    /// Its checksum.
    pub sha256: Sha256,
}

/// What a write of a document that may be there already found.
#[derive(Debug)]
pub enum Written {
    /// It was written now.
    New(ObjectRef),
    /// An earlier try had written it; what it holds is what counts.
    Existing(ObjectRef, Bytes),
}

/// What a read brought.
struct Fetched {
    version: String,
    body: Bytes,
    /// Whether it is the range that was asked for, and not the whole object.
    partial: bool,
}

/// One bucket and the key that encrypts it.
#[derive(Debug, Clone)]
pub struct Store {
    pub(crate) client: Client,
    pub(crate) bucket: String,
    pub(crate) kms_key: String,
    pub(crate) buffers: SegmentBuffers,
    archived: Option<Arc<Archived>>,
}

/// The segments of one point that are in the archive store.
#[derive(Debug)]
struct Archived {
    layout: PointLayout,
    bucket: String,
    /// By the segments' names.
    versions: BTreeMap<String, String>,
}

/// Where the bytes of an object are.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place<'a> {
    pub(crate) bucket: &'a str,
    pub(crate) key: String,
    pub(crate) version: &'a str,
}

impl Store {
    /// The store in `bucket`, whose new objects are encrypted with the KMS key `kms_key` (an ARN).
    pub fn new(client: Client, bucket: impl Into<String>, kms_key: impl Into<String>) -> Self {
        let (bucket, kms_key) = (bucket.into(), kms_key.into());
        Self { client, bucket, kms_key, buffers: SegmentBuffers::default(), archived: None }
    }

    /// This store, reading the segments that `archived` names from the store `archive`.
    #[must_use]
    pub fn reading_archived(&self, archive: &Store, archived: &Archive) -> Self {
        let versions =
            archived.segments.iter().map(|segment| (segment.key.clone(), segment.version.clone())).collect();
        let layout = PointLayout::new(archived.instance, archived.point);
        let archived = Archived { layout, bucket: archive.bucket.clone(), versions };
        Self { archived: Some(Arc::new(archived)), ..self.clone() }
    }

    /// Where the bytes of an object are.
    pub(crate) fn place<'a>(&'a self, layout: &PointLayout, object: &'a ObjectRef) -> Place<'a> {
        let key = layout.key(&object.key);
        let archived = self.archived.as_ref().filter(|archived| archived.layout == *layout);
        match archived.and_then(|archived| Some((archived, archived.versions.get(&object.key)?))) {
            Some((archived, version)) => Place { bucket: &archived.bucket, key, version },
            None => Place { bucket: &self.bucket, key, version: &object.version },
        }
    }

    /// The bucket's name.
    pub fn bucket(&self) -> &str {
        &self.bucket
    }

    /// Writes a new object of a point and returns how documents name it.
    ///
    /// # Errors
    /// [`VaultError::AlreadyExists`] where the key is taken by other bytes; nothing is overwritten.
    pub async fn put_new(
        &self,
        layout: &PointLayout,
        name: &str,
        body: Bytes,
    ) -> Result<ObjectRef, VaultError> {
        let sha256 = Sha256::of(&body);
        self.put_summed(layout, name, body, sha256).await
    }

    /// Like [`Store::put_new`], of bytes whose checksum is known.
    pub(crate) async fn put_summed(
        &self,
        layout: &PointLayout,
        name: &str,
        body: Bytes,
        sha256: Sha256,
    ) -> Result<ObjectRef, VaultError> {
        let bytes = body.len() as u64;
        let key = layout.key(name);
        let version = match self.put_key(&key, body, sha256).await {
            Err(error @ VaultError::AlreadyExists { .. }) => {
                self.version_of_same(&key, bytes, sha256).await?.ok_or(error)?
            }
            other => other?,
        };
        Ok(ObjectRef { key: name.to_owned(), version, bytes, sha256 })
    }

    /// The current version of `key` where it holds these very bytes: the write whose answer was lost.
    async fn version_of_same(
        &self,
        key: &str,
        bytes: u64,
        sha256: Sha256,
    ) -> Result<Option<String>, VaultError> {
        let answer = self
            .client
            .head_object()
            .bucket(&self.bucket)
            .key(key)
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .map_err(|error| VaultError::from_sdk(key, &error))?;
        let same = answer.checksum_sha256.as_deref() == Some(&BASE64_STANDARD.encode(sha256.as_bytes()))
            && answer.content_length.and_then(|length| u64::try_from(length).ok()) == Some(bytes);
        Ok(answer.version_id.filter(|_| same))
    }

    /// Writes an object of a point, or finds the one that an earlier try wrote.
    ///
    /// # Errors
    /// Those of writing and of reading.
    pub async fn put_or_get(
        &self,
        layout: &PointLayout,
        name: &str,
        body: Bytes,
    ) -> Result<Written, VaultError> {
        match self.put_new(layout, name, body).await {
            Ok(object) => Ok(Written::New(object)),
            Err(VaultError::AlreadyExists { .. }) => {
                let (object, body) = self.get_current(layout, name).await?;
                Ok(Written::Existing(object, body))
            }
            Err(error) => Err(error),
        }
    }

    /// Writes an object outside of any point, if its key is free. Returns whether it was.
    ///
    /// # Errors
    /// Those of writing.
    pub async fn put_if_absent(&self, key: &str, body: Bytes) -> Result<bool, VaultError> {
        let sha256 = Sha256::of(&body);
        match self.put_key(key, body, sha256).await {
            Ok(_) => Ok(true),
            Err(VaultError::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    async fn put_key(&self, key: &str, body: Bytes, sha256: Sha256) -> Result<String, VaultError> {
        let answer = self
            .client
            .put_object()
            .bucket(&self.bucket)
            .key(key)
            .if_none_match("*")
            .checksum_sha256(BASE64_STANDARD.encode(sha256.as_bytes()))
            .server_side_encryption(ServerSideEncryption::AwsKms)
            .ssekms_key_id(&self.kms_key)
            .body(body.into())
            // The checksum is among the signed headers, and S3 holds the body against it: signing the body itself
            // would hash every byte a second time.
            .customize()
            .disable_payload_signing()
            .send()
            .await
            .map_err(|error| VaultError::from_sdk(key, &error))?;
        answer.version_id.ok_or_else(|| VaultError::Refused {
            key: key.to_owned(),
            reason: "the store keeps no versions".to_owned(),
        })
    }

    /// The current version of an object of a point: for documents whose version nothing names yet.
    ///
    /// # Errors
    /// [`VaultError::Missing`] where it is not there.
    pub async fn get_current(
        &self,
        layout: &PointLayout,
        name: &str,
    ) -> Result<(ObjectRef, Bytes), VaultError> {
        let key = layout.key(name);
        let request = self.client.get_object().bucket(&self.bucket).key(&key);
        let Fetched { version, body, .. } = fetch(&key, request).await?;
        let object =
            ObjectRef { key: name.to_owned(), version, bytes: body.len() as u64, sha256: Sha256::of(&body) };
        Ok((object, body))
    }

    /// The current version of an object of a point, or `None` where it is not there: for documents whose version
    /// nothing names.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn current_version(
        &self,
        layout: &PointLayout,
        name: &str,
    ) -> Result<Option<ObjectVersion>, VaultError> {
        let key = layout.key(name);
        let head = self.client.head_object().bucket(&self.bucket).key(&key).send().await;
        match head.map_err(|error| VaultError::from_sdk(&key, &error)) {
            Ok(head) => match head.version_id {
                Some(version) => Ok(Some(ObjectVersion { key: name.to_owned(), version })),
                None => Err(VaultError::Refused { key, reason: "the store keeps no versions".to_owned() }),
            },
            Err(VaultError::Missing { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The whole object, checked.
    ///
    /// # Errors
    /// [`VaultError::Checksum`] where its bytes are not those that were written.
    pub async fn get(&self, layout: &PointLayout, object: &ObjectRef) -> Result<Bytes, VaultError> {
        let Place { bucket, key, version } = self.place(layout, object);
        let request = self.client.get_object().bucket(bucket).key(&key).version_id(version);
        let Fetched { body, .. } = fetch(&key, request).await?;
        let found = Sha256::of(&body);
        if found == object.sha256 {
            Ok(body)
        } else {
            Err(VaultError::Checksum { key, expected: object.sha256, found: found.to_string() })
        }
    }

    /// `length` bytes of an object from `offset`. The caller checks them: frames have checksums of their own.
    ///
    /// # Errors
    /// [`VaultError::Size`] where the object ends before.
    pub async fn get_range(
        &self,
        layout: &PointLayout,
        object: &ObjectRef,
        offset: u64,
        length: u64,
    ) -> Result<Bytes, VaultError> {
        let Place { bucket, key, version } = self.place(layout, object);
        let range = format!("bytes={offset}-{}", offset + length - 1);
        let request = self.client.get_object().bucket(bucket).key(&key).version_id(version).range(range);
        let Fetched { body, partial, .. } = fetch(&key, request).await?;
        // HTTP lets a server ignore a range and send everything.
        let first = if partial { 0 } else { usize::try_from(offset).unwrap_or(usize::MAX) };
        let end = usize::try_from(length).ok().and_then(|length| first.checked_add(length));
        match end.filter(|end| *end <= body.len()) {
            Some(end) => Ok(body.slice(first..end)),
            None => Err(VaultError::Size { key, expected: offset + length, found: body.len() as u64 }),
        }
    }

    /// Checks that the object is in the store, with its size and the checksum that S3 computed at the write.
    ///
    /// # Errors
    /// [`VaultError::Missing`], [`VaultError::Size`] or [`VaultError::Checksum`].
    pub async fn check(&self, layout: &PointLayout, object: &ObjectRef) -> Result<(), VaultError> {
        let Place { bucket, key, version } = self.place(layout, object);
        let answer = self
            .client
            .head_object()
            .bucket(bucket)
            .key(&key)
            .version_id(version)
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .map_err(|error| VaultError::from_sdk(&key, &error))?;
        let found = u64::try_from(answer.content_length.unwrap_or_default()).unwrap_or_default();
        if found != object.bytes {
            return Err(VaultError::Size { key, expected: object.bytes, found });
        }
        let found = answer.checksum_sha256.unwrap_or_else(|| "none".to_owned());
        if found != BASE64_STANDARD.encode(object.sha256.as_bytes()) {
            return Err(VaultError::Checksum { key, expected: object.sha256, found });
        }
        Ok(())
    }
}

async fn fetch(key: &str, request: GetObjectFluentBuilder) -> Result<Fetched, VaultError> {
    let answer = request.send().await.map_err(|error| VaultError::from_sdk(key, &error))?;
    let (version, partial) = (answer.version_id.unwrap_or_default(), answer.content_range.is_some());
    match answer.body.collect().await {
        Ok(body) => Ok(Fetched { version, body: body.into_bytes(), partial }),
        Err(error) => Err(VaultError::Unavailable { key: key.to_owned(), reason: error.to_string() }),
    }
}

/// Reads a document of the vault: its `format` first, then the rest.
///
/// # Errors
/// [`VaultError::Format`] where it is of another version, [`VaultError::Document`] where it is not what it
/// should be; both name `key`.
pub fn parse_document<T: DeserializeOwned>(key: &str, body: &[u8]) -> Result<T, VaultError> {
    #[derive(Deserialize)]
    struct Head {
        format: u32,
    }
    let unreadable =
        |error: serde_json::Error| VaultError::Document { key: key.to_owned(), reason: error.to_string() };
    let head: Head = serde_json::from_slice(body).map_err(unreadable)?;
    if head.format != FORMAT {
        return Err(VaultError::Format { key: key.to_owned(), found: head.format });
    }
    serde_json::from_slice(body).map_err(unreadable)
}

/// A document of the vault in its stored form.
pub fn write_document<T: Serialize>(document: &T) -> Bytes {
    Bytes::from(serde_json::to_vec(document).expect("documents hold strings, numbers and lists alone"))
}
