//! Listing: what is in a store, whatever anybody says of it. For finding what no point names, and for nothing else.

use aws_sdk_s3::primitives::DateTime;
use jiff::Timestamp;
use permafrost_domain::InstanceId;

use crate::error::VaultError;
use crate::layout::PointLayout;
use crate::store::Store;

/// A version of an object, as a store lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedVersion {
    /// Its key.
    pub key: String,
    /// The version.
    pub version: String,
    /// When it was written.
    pub written_at: Timestamp,
}

/// A piece of a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Versions and delete markers, by their keys.
    pub versions: Vec<ListedVersion>,
    /// From where the list goes on, where it does.
    pub next: Option<ListMarker>,
}

/// A place in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListMarker {
    key: String,
    version: Option<String>,
}

impl Store {
    /// The instances that have objects in this store.
    ///
    /// # Errors
    /// Those of the store.
    pub async fn instances(&self) -> Result<Vec<InstanceId>, VaultError> {
        let prefix = "instances/";
        let request = self.client.list_objects_v2().bucket(&self.bucket).prefix(prefix).delimiter("/");
        let mut pages = request.into_paginator().send();
        let mut instances = Vec::new();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| VaultError::from_sdk(prefix, &error))?;
            let folders = page.common_prefixes().iter().filter_map(|common| common.prefix());
            let names = folders.filter_map(|folder| folder.strip_prefix(prefix)?.strip_suffix('/'));
            // A folder of another name is not the vault's.
            instances.extend(names.filter_map(|name| name.parse::<InstanceId>().ok()));
        }
        Ok(instances)
    }

    /// The versions in the folder of `instance` from `from` on, up to 1,000.
    ///
    /// # Errors
    /// Those of the store; [`VaultError::Document`] where it lists a version without its name, number or time.
    pub async fn versions(
        &self,
        instance: InstanceId,
        from: Option<&ListMarker>,
    ) -> Result<Listed, VaultError> {
        let prefix = format!("instances/{instance}/points/");
        let answer = self
            .client
            .list_object_versions()
            .bucket(&self.bucket)
            .prefix(&prefix)
            .set_key_marker(from.map(|from| from.key.clone()))
            .set_version_id_marker(from.and_then(|from| from.version.clone()))
            .send()
            .await
            .map_err(|error| VaultError::from_sdk(&prefix, &error))?;
        let listed = |key: Option<&str>, version: Option<&str>, at: Option<&DateTime>| {
            let at = at.and_then(|at| Timestamp::from_second(at.secs()).ok());
            match (key, version, at) {
                (Some(key), Some(version), Some(written_at)) => {
                    Ok(ListedVersion { key: key.to_owned(), version: version.to_owned(), written_at })
                }
                _ => Err(VaultError::Document {
                    key: key.unwrap_or(&prefix).to_owned(),
                    reason: "the store lists it without its version or its time".to_owned(),
                }),
            }
        };
        let versions = answer
            .versions()
            .iter()
            .map(|found| listed(found.key(), found.version_id(), found.last_modified()));
        let markers = answer
            .delete_markers()
            .iter()
            .map(|found| listed(found.key(), found.version_id(), found.last_modified()));
        let mut versions: Vec<ListedVersion> = versions.chain(markers).collect::<Result<_, _>>()?;
        versions.sort_by(|a, b| a.key.cmp(&b.key));
        let next = answer
            .next_key_marker
            .filter(|_| answer.is_truncated == Some(true))
            .map(|key| ListMarker { key, version: answer.next_version_id_marker });
        Ok(Listed { versions, next })
    }
}

impl ListedVersion {
    /// The point that it belongs to, and its name there; `None` where it is not the vault's.
    pub fn of_point(&self) -> Option<(PointLayout, &str)> {
        PointLayout::parse(&self.key)
    }
}
