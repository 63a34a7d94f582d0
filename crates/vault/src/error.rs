//! What can go wrong with the vault.

use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_smithy_runtime_api::client::orchestrator::HttpResponse;
use permafrost_domain::fault::chain;
use permafrost_domain::{Code, Fault};

use crate::checksum::Sha256;
use crate::object_lock::ObjectLock;

/// A failure of the vault.
#[derive(Debug, thiserror::Error)]
pub enum VaultError {
    /// An object of this key exists; nothing was written.
    #[error("object {key} exists already")]
    AlreadyExists {
        /// The object's key.
        key: String,
    },
    /// The object, or the version asked for, is not there.
    #[error("object {key} does not exist")]
    Missing {
        /// The object's key.
        key: String,
    },
    /// The store refuses access.
    #[error("the store refuses access to {key}: {reason}")]
    AccessDenied {
        /// The object's key.
        key: String,
        /// The store's words.
        reason: String,
    },
    /// The store did not answer, or answered that it cannot now.
    #[error("the store did not answer for {key}: {reason}")]
    Unavailable {
        /// The object's key.
        key: String,
        /// What happened.
        reason: String,
    },
    /// The store refused the request.
    #[error("the store refused the request for {key}: {reason}")]
    Refused {
        /// The object's key.
        key: String,
        /// The store's words.
        reason: String,
    },
    /// The object's bytes are not those that were written.
    #[error("object {key} has the SHA-256 {found}, expected {expected}")]
    Checksum {
        /// The object's key.
        key: String,
        /// What it should be.
        expected: Sha256,
        /// What it is.
        found: String,
    },
    /// A frame's bytes are not those that were written.
    #[error("the frame at byte {offset} of {key} differs from its checksum")]
    Frame {
        /// The segment's key.
        key: String,
        /// The frame's first byte.
        offset: u64,
    },
    /// The object has another size than it should.
    #[error("object {key} has {found} bytes, expected {expected}")]
    Size {
        /// The object's key.
        key: String,
        /// Bytes that it should have.
        expected: u64,
        /// Bytes that it has.
        found: u64,
    },
    /// The object is not the document that it should be.
    #[error("object {key} cannot be read: {reason}")]
    Document {
        /// The object's key.
        key: String,
        /// Where and why.
        reason: String,
    },
    /// The object lies in an archive class, and no readable copy of it is there.
    #[error("object {key} is archived and not rehydrated")]
    Archived {
        /// The object's key.
        key: String,
    },
    /// The version is kept by an Object Lock or a legal hold; nothing was deleted.
    #[error("object {key} is locked {lock}")]
    Locked {
        /// The object's key.
        key: String,
        /// What keeps it.
        lock: ObjectLock,
    },
    /// The store does not keep the version as it was asked to.
    #[error("object {key} should be locked {asked} and is locked {found}")]
    LockNotKept {
        /// The object's key.
        key: String,
        /// The lock that was asked for.
        asked: ObjectLock,
        /// The lock that is there.
        found: ObjectLock,
    },
    /// The object is of a format version that this code does not know.
    #[error("object {key} is of format {found}; this version reads format {}", crate::FORMAT)]
    Format {
        /// The object's key.
        key: String,
        /// Its format.
        found: u32,
    },
}

impl VaultError {
    /// What the SDK's error means for the object `key`.
    pub(crate) fn from_sdk<E>(key: &str, error: &SdkError<E, HttpResponse>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + 'static,
    {
        let key = key.to_owned();
        let status = error.raw_response().map(|response| response.status().as_u16());
        let reason = match (error.code(), error.message()) {
            (Some(code), Some(message)) => format!("{code}: {message}"),
            (Some(code), None) => code.to_owned(),
            (None, _) => match error.as_service_error() {
                Some(_) => format!("status {}", status.unwrap_or_default()),
                None => chain(error),
            },
        };
        match (error.code(), status) {
            (Some("PreconditionFailed"), _) | (_, Some(412)) => Self::AlreadyExists { key },
            (Some("InvalidObjectState"), _) => Self::Archived { key },
            (Some("NoSuchBucket"), _) => Self::Refused { key, reason },
            (Some("NoSuchKey" | "NoSuchVersion" | "NotFound"), _) | (_, Some(404)) => Self::Missing { key },
            (Some("AccessDenied" | "KMS.DisabledException" | "KMS.KMSInvalidStateException"), _)
            | (_, Some(401 | 403)) => Self::AccessDenied { key, reason },
            // 409 is ConditionalRequestConflict: another write of the same key was under way.
            (_, Some(400..=408 | 410..=428 | 430..=499)) => Self::Refused { key, reason },
            _ => Self::Unavailable { key, reason },
        }
    }
}

impl From<VaultError> for Fault {
    fn from(error: VaultError) -> Self {
        let code = match &error {
            VaultError::AlreadyExists { .. }
            | VaultError::Refused { .. }
            | VaultError::AccessDenied { .. }
            | VaultError::LockNotKept { .. } => Code::ContainerNotAccessible,
            VaultError::Archived { .. } => Code::RecoveryPointArchived,
            VaultError::Locked { .. } => Code::ObjectLocked,
            VaultError::Missing { .. } => Code::ObjectMissing,
            VaultError::Unavailable { .. } => Code::StoreUnavailable,
            VaultError::Checksum { .. }
            | VaultError::Frame { .. }
            | VaultError::Size { .. }
            | VaultError::Document { .. } => Code::ChecksumMismatch,
            VaultError::Format { .. } => Code::FormatNotSupported,
        };
        let (VaultError::AlreadyExists { key }
        | VaultError::Missing { key }
        | VaultError::AccessDenied { key, .. }
        | VaultError::Unavailable { key, .. }
        | VaultError::Refused { key, .. }
        | VaultError::Checksum { key, .. }
        | VaultError::Frame { key, .. }
        | VaultError::Size { key, .. }
        | VaultError::Document { key, .. }
        | VaultError::Archived { key }
        | VaultError::Locked { key, .. }
        | VaultError::LockNotKept { key, .. }
        | VaultError::Format { key, .. }) = &error;
        Fault::new(code, error.to_string()).on(format!("object {key}"))
    }
}
