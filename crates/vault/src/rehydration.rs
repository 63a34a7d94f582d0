//! Rehydration: a readable copy of an archived object, for a time.
//!
//! S3 makes it within minutes to two days and takes it away by itself. Whether it is there stands in the header
//! `x-amz-restore`, which is looked at before anything is read: the archive class alone does not tell.

use aws_sdk_s3::types::{GlacierJobParameters, RestoreRequest, StorageClass, Tier};
use jiff::Timestamp;
use permafrost_domain::tiering::{RehydrationDays, RetrievalTier};

use crate::erasure::ObjectVersion;
use crate::error::VaultError;
use crate::layout::PointLayout;
use crate::store::{ObjectRef, Store};

/// Whether an object can be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rehydration {
    /// It cannot, and nothing was asked for.
    Frozen,
    /// A copy is being made.
    Ongoing,
    /// There is a copy until this moment.
    Until(Timestamp),
}

impl Rehydration {
    /// What the header `x-amz-restore` of an archived object says.
    ///
    /// # Errors
    /// The header, where it says nothing that S3 documents.
    pub fn of_header(header: Option<&str>) -> Result<Self, String> {
        let Some(header) = header else { return Ok(Self::Frozen) };
        let unknown = || header.chars().take(200).collect::<String>();
        let rest = header.strip_prefix("ongoing-request=\"").ok_or_else(unknown)?;
        if rest == "true\"" {
            return Ok(Self::Ongoing);
        }
        let date = rest.strip_prefix("false\", expiry-date=\"").and_then(|rest| rest.strip_suffix('"'));
        let date = date.ok_or_else(unknown)?;
        let until = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(date);
        until.map(Self::Until).map_err(|_| unknown())
    }
}

impl Store {
    /// Asks for a readable copy of an archived object for `days`; one that is being made counts as asked for, and
    /// one that is there stays for `days` from now.
    ///
    /// # Errors
    /// Those of the store; [`VaultError::Unavailable`] where it has no capacity for the tier now.
    pub async fn rehydrate(
        &self,
        layout: &PointLayout,
        object: &ObjectVersion,
        tier: RetrievalTier,
        days: RehydrationDays,
    ) -> Result<(), VaultError> {
        let key = layout.key(&object.key);
        let parameters = GlacierJobParameters::builder().tier(Tier::from(tier.as_str())).build();
        let parameters = parameters
            .map_err(|error| VaultError::Refused { key: key.clone(), reason: error.to_string() })?;
        let request =
            RestoreRequest::builder().days(i32::from(days.get())).glacier_job_parameters(parameters);
        let asked = self
            .client
            .restore_object()
            .bucket(&self.bucket)
            .key(&key)
            .version_id(&object.version)
            .restore_request(request.build())
            .send()
            .await;
        match asked {
            Ok(_) => Ok(()),
            Err(error) => {
                use aws_sdk_s3::error::ProvideErrorMetadata;
                match error.code() {
                    Some("RestoreAlreadyInProgress") => Ok(()),
                    _ => Err(VaultError::from_sdk(&key, &error)),
                }
            }
        }
    }

    /// Whether an archived object can be read.
    ///
    /// # Errors
    /// [`VaultError::Missing`]; those of the store; [`VaultError::Document`] where it says what is not documented.
    pub async fn rehydration(
        &self,
        layout: &PointLayout,
        object: &ObjectVersion,
    ) -> Result<Rehydration, VaultError> {
        self.rehydration_in(&self.bucket, layout, object).await
    }

    /// Makes sure that the bytes of an object can be read now, wherever they are. For requests that a store may answer
    /// though it should not; where it reads for us, it refuses by itself.
    ///
    /// # Errors
    /// [`VaultError::Archived`] where they cannot; those of the store.
    pub(crate) async fn check_readable(
        &self,
        layout: &PointLayout,
        object: &ObjectRef,
    ) -> Result<(), VaultError> {
        let place = self.place(layout, object);
        if place.bucket == self.bucket {
            return Ok(());
        }
        let copy = ObjectVersion { key: object.key.clone(), version: place.version.to_owned() };
        match self.rehydration_in(place.bucket, layout, &copy).await? {
            Rehydration::Until(_) => Ok(()),
            Rehydration::Frozen | Rehydration::Ongoing => Err(VaultError::Archived { key: place.key }),
        }
    }

    async fn rehydration_in(
        &self,
        bucket: &str,
        layout: &PointLayout,
        object: &ObjectVersion,
    ) -> Result<Rehydration, VaultError> {
        let key = layout.key(&object.key);
        let head = || self.client.head_object().bucket(bucket).key(&key);
        // Objects are written once, so that the current version is the one that is meant; there are stores that tell
        // the state of the current one alone.
        let current =
            head().send().await.ok().filter(|head| head.version_id.as_ref() == Some(&object.version));
        let answer = if let Some(current) = current {
            current
        } else {
            let of_version = head().version_id(&object.version).send().await;
            of_version.map_err(|error| VaultError::from_sdk(&key, &error))?
        };
        if !matches!(answer.storage_class, Some(StorageClass::Glacier | StorageClass::DeepArchive)) {
            return Ok(Rehydration::Until(Timestamp::MAX));
        }
        Rehydration::of_header(answer.restore.as_deref())
            .map_err(|header| VaultError::Document { key, reason: format!("x-amz-restore is {header:?}") })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_tells_whether_there_is_a_copy() {
        assert_eq!(Rehydration::of_header(None), Ok(Rehydration::Frozen));
        assert_eq!(Rehydration::of_header(Some("ongoing-request=\"true\"")), Ok(Rehydration::Ongoing));
        let until = "2012-12-21T00:00:00Z".parse().unwrap();
        let header = "ongoing-request=\"false\", expiry-date=\"Fri, 21 Dec 2012 00:00:00 GMT\"";
        assert_eq!(Rehydration::of_header(Some(header)), Ok(Rehydration::Until(until)));
    }

    #[test]
    fn a_header_that_says_something_else_is_never_taken_for_readable() {
        for other in
            ["", "ongoing-request=\"false\"", "ongoing-request=\"false\", expiry-date=\"soon\"", "yes"]
        {
            assert!(Rehydration::of_header(Some(other)).is_err(), "{other}");
        }
    }
}
