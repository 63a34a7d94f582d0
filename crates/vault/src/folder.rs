//! A folder in somebody's bucket, into which a restore writes files.
//!
//! It is not the vault: its files are written again, over themselves, when a step is repeated, and each time they
//! are the same. What others have put into the folder is neither read nor written; nothing is deleted.
//!
//! A multipart upload that a step cannot finish is aborted. One whose function was killed stays behind, invisible;
//! buckets have a lifecycle rule against that (`AbortIncompleteMultipartUpload`).

use aws_sdk_s3::Client;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use permafrost_domain::files::FilesTarget;
use serde::{Deserialize, Serialize};

use crate::checksum::Sha256;
use crate::error::VaultError;
use crate::layout::PointLayout;
use crate::store::{ObjectRef, Store};

/// A folder in a bucket.
#[derive(Debug, Clone)]
pub struct Folder {
    client: Client,
    bucket: String,
    prefix: String,
}

/// A file that was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenFile {
    /// Its name in the folder.
    pub name: String,
    /// Its size.
    pub bytes: u64,
    /// Its checksum; absent where S3 has copied the bytes by itself.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<Sha256>,
}

/// A multipart upload that has begun.
#[derive(Debug, Clone)]
pub struct Upload {
    folder: Folder,
    key: String,
    id: String,
}

/// A part that has arrived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivedPart {
    number: i32,
    etag: Option<String>,
}

impl Folder {
    /// The folder at `target`.
    pub fn new(client: Client, target: &FilesTarget) -> Self {
        Self { client, bucket: target.bucket.to_string(), prefix: target.prefix.to_string() }
    }

    /// Where the file `name` is, for people: `s3://bucket/key`.
    pub fn url(&self, name: &str) -> String {
        format!("s3://{}/{}", self.bucket, self.key(name))
    }

    fn key(&self, name: &str) -> String {
        format!("{}/{name}", self.prefix)
    }

    /// A file's contents, or `None` where there is no such file.
    ///
    /// # Errors
    /// Those of reading.
    pub async fn get(&self, name: &str) -> Result<Option<Bytes>, VaultError> {
        let key = self.key(name);
        let answer = self.client.get_object().bucket(&self.bucket).key(&key).send().await;
        let answer = match answer.map_err(|error| VaultError::from_sdk(&self.url(name), &error)) {
            Err(VaultError::Missing { .. }) => return Ok(None),
            other => other?,
        };
        match answer.body.collect().await {
            Ok(body) => Ok(Some(body.into_bytes())),
            Err(error) => Err(VaultError::Unavailable { key: self.url(name), reason: error.to_string() }),
        }
    }

    /// The name of some file in the folder, or `None` where it is empty.
    ///
    /// # Errors
    /// The bucket is not there or may not be listed.
    pub async fn any_file(&self) -> Result<Option<String>, VaultError> {
        let folder = self.key("");
        let listed = self.client.list_objects_v2().bucket(&self.bucket).prefix(&folder).max_keys(1);
        let listed = listed.send().await.map_err(|error| VaultError::from_sdk(&self.url(""), &error))?;
        let name = |key: &str| key.strip_prefix(&folder).unwrap_or(key).to_owned();
        Ok(listed.contents().first().and_then(|object| object.key()).map(name))
    }

    /// Writes a file at once.
    ///
    /// # Errors
    /// Those of writing.
    pub async fn put(&self, name: &str, body: Bytes) -> Result<WrittenFile, VaultError> {
        let sha256 = Sha256::of(&body);
        let bytes = body.len() as u64;
        self.client
            .put_object()
            .bucket(&self.bucket)
            .key(self.key(name))
            .checksum_sha256(BASE64_STANDARD.encode(sha256.as_bytes()))
            .body(body.into())
            .send()
            .await
            .map_err(|error| VaultError::from_sdk(&self.url(name), &error))?;
        Ok(WrittenFile { name: name.to_owned(), bytes, sha256: Some(sha256) })
    }

    /// Writes a file if there is none of its name. Returns whether there was none.
    ///
    /// # Errors
    /// Those of writing.
    pub async fn put_if_absent(&self, name: &str, body: Bytes) -> Result<bool, VaultError> {
        let request = self.client.put_object().bucket(&self.bucket).key(self.key(name)).if_none_match("*");
        let put = request.body(body.into()).send().await;
        match put.map_err(|error| VaultError::from_sdk(&self.url(name), &error)) {
            Ok(_) => Ok(true),
            Err(VaultError::AlreadyExists { .. }) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Begins to write a file in parts.
    ///
    /// # Errors
    /// Those of writing.
    pub async fn begin(&self, name: &str) -> Result<Upload, VaultError> {
        let key = self.key(name);
        let begun = self.client.create_multipart_upload().bucket(&self.bucket).key(&key).send().await;
        let begun = begun.map_err(|error| VaultError::from_sdk(&self.url(name), &error))?;
        let id = begun.upload_id.ok_or_else(|| VaultError::Refused {
            key: self.url(name),
            reason: "the upload has no id".to_owned(),
        })?;
        Ok(Upload { folder: self.clone(), key, id })
    }
}

impl Upload {
    fn failed<E>(
        &self,
        error: &aws_sdk_s3::error::SdkError<E, aws_smithy_runtime_api::client::orchestrator::HttpResponse>,
    ) -> VaultError
    where
        E: aws_sdk_s3::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        VaultError::from_sdk(&format!("s3://{}/{}", self.folder.bucket, self.key), error)
    }

    /// Writes a part; `number` counts from 1 in the order of the file.
    ///
    /// # Errors
    /// Those of writing.
    pub async fn part(&self, number: i32, body: Bytes) -> Result<ArrivedPart, VaultError> {
        let request = self.folder.client.upload_part().bucket(&self.folder.bucket).key(&self.key);
        let request = request.upload_id(&self.id).part_number(number).body(body.into());
        let arrived = request.send().await.map_err(|error| self.failed(&error))?;
        Ok(ArrivedPart { number, etag: arrived.e_tag })
    }

    /// Lets S3 copy `length` bytes of a point's object from `offset` on as a part.
    ///
    /// # Errors
    /// Those of reading and of writing.
    pub async fn copy(
        &self,
        number: i32,
        store: &Store,
        layout: &PointLayout,
        object: &ObjectRef,
        (offset, length): (u64, u64),
    ) -> Result<ArrivedPart, VaultError> {
        store.check_readable(layout, object).await?;
        let source = store.copy_source(layout, object);
        let request = self.folder.client.upload_part_copy().bucket(&self.folder.bucket).key(&self.key);
        let request = request.upload_id(&self.id).part_number(number).copy_source(source);
        let request = request.copy_source_range(format!("bytes={offset}-{}", offset + length - 1));
        let arrived = request.send().await.map_err(|error| self.failed(&error))?;
        let etag = arrived.copy_part_result.and_then(|result| result.e_tag);
        Ok(ArrivedPart { number, etag })
    }

    /// Makes the parts a file, and makes sure that it has `bytes` bytes.
    ///
    /// # Errors
    /// [`VaultError::Size`] where it has another size; those of writing.
    pub async fn complete(&self, mut parts: Vec<ArrivedPart>, bytes: u64) -> Result<(), VaultError> {
        parts.sort_by_key(|part| part.number);
        let completed = parts
            .into_iter()
            .map(|part| CompletedPart::builder().part_number(part.number).set_e_tag(part.etag).build());
        let parts = CompletedMultipartUpload::builder().set_parts(Some(completed.collect())).build();
        let (client, bucket) = (&self.folder.client, &self.folder.bucket);
        let request = client.complete_multipart_upload().bucket(bucket).key(&self.key).upload_id(&self.id);
        request.multipart_upload(parts).send().await.map_err(|error| self.failed(&error))?;
        let head = client.head_object().bucket(bucket).key(&self.key).send().await;
        let head = head.map_err(|error| self.failed(&error))?;
        let found = u64::try_from(head.content_length.unwrap_or_default()).unwrap_or_default();
        if found == bytes {
            Ok(())
        } else {
            let key = format!("s3://{bucket}/{}", self.key);
            Err(VaultError::Size { key, expected: bytes, found })
        }
    }

    /// Lets go of the parts that have arrived.
    ///
    /// # Errors
    /// The store refuses, or does not answer.
    pub async fn abort(&self) -> Result<(), VaultError> {
        let request = self.folder.client.abort_multipart_upload().bucket(&self.folder.bucket);
        let aborted = request.key(&self.key).upload_id(&self.id).send().await;
        aborted.map(|_| ()).map_err(|error| self.failed(&error))
    }
}
