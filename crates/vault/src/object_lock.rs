//! Object Lock: what keeps the very version of an object from being deleted, by anybody, until a moment.
//!
//! A lock is set on a version that exists and read back: not every way of writing an object takes one, and a lock
//! that is not there would be noticed when it is needed. It is lengthened, never shortened: where the version is
//! kept longer already, that is what was asked for.

use std::fmt;

use aws_sdk_s3::primitives::DateTime;
use aws_sdk_s3::types::{
    ObjectLockLegalHold, ObjectLockLegalHoldStatus, ObjectLockMode, ObjectLockRetention,
    ObjectLockRetentionMode,
};
use jiff::Timestamp;
use permafrost_domain::immutability::LockMode;

use crate::erasure::ObjectVersion;
use crate::error::VaultError;
use crate::layout::PointLayout;
use crate::store::Store;

/// Whether a version is kept whatever its lock says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum LegalHold {
    /// It is.
    On,
    /// It is not.
    #[default]
    Off,
}

/// What keeps a version.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ObjectLock {
    /// How, and until when.
    pub retention: Option<(LockMode, Timestamp)>,
    /// Whether a legal hold is on it.
    pub hold: LegalHold,
}

impl ObjectLock {
    /// Whether this keeps a version from being deleted at `now`.
    pub fn keeps(&self, now: Timestamp) -> bool {
        self.hold == LegalHold::On || self.retention.is_some_and(|(_, until)| until > now)
    }

    /// Whether this keeps a version as long and as strongly as `mode` until `until`.
    fn is_at_least(&self, mode: LockMode, until: Timestamp) -> bool {
        self.retention.is_some_and(|(found, end)| stronger(found, mode) == found && end >= until)
    }
}

impl fmt::Display for ObjectLock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.retention {
            Some((LockMode::Governance, until)) => write!(f, "until {until} (governance)")?,
            Some((LockMode::Compliance, until)) => write!(f, "until {until} (compliance)")?,
            None => f.write_str("until no time")?,
        }
        f.write_str(if self.hold == LegalHold::On { ", under legal hold" } else { "" })
    }
}

impl Store {
    /// Locks a version until `until` (rounded up to a second) and makes sure that it is. Only for a time to come:
    /// S3 refuses others.
    ///
    /// # Errors
    /// [`VaultError::LockNotKept`] where the store has taken the lock and does not have it; those of the store.
    pub async fn lock_until(
        &self,
        layout: &PointLayout,
        object: &ObjectVersion,
        mode: LockMode,
        until: Timestamp,
    ) -> Result<(), VaultError> {
        let key = layout.key(&object.key);
        let until = whole_second(until);
        let found = self.lock(layout, object).await?;
        if found.is_at_least(mode, until) {
            return Ok(());
        }
        // A stronger lock that ends earlier is lengthened as it is.
        let mode = found.retention.map_or(mode, |(found, _)| stronger(found, mode));
        let until = found.retention.map_or(until, |(_, found)| found.max(until));
        let retention = ObjectLockRetention::builder()
            .mode(match mode {
                LockMode::Governance => ObjectLockRetentionMode::Governance,
                LockMode::Compliance => ObjectLockRetentionMode::Compliance,
            })
            .retain_until_date(DateTime::from_secs(until.as_second()));
        self.client
            .put_object_retention()
            .bucket(&self.bucket)
            .key(&key)
            .version_id(&object.version)
            .retention(retention.build())
            .send()
            .await
            .map_err(|error| VaultError::from_sdk(&key, &error))?;
        let found = self.lock(layout, object).await?;
        if found.is_at_least(mode, until) {
            return Ok(());
        }
        let asked = ObjectLock { retention: Some((mode, until)), hold: found.hold };
        Err(VaultError::LockNotKept { key, asked, found })
    }

    /// Puts a version under legal hold, or takes it out, where it is not so already.
    ///
    /// # Errors
    /// Those of [`Store::set_legal_hold`].
    pub async fn settle_legal_hold(
        &self,
        layout: &PointLayout,
        object: &ObjectVersion,
        hold: LegalHold,
    ) -> Result<(), VaultError> {
        if self.lock(layout, object).await?.hold == hold {
            return Ok(());
        }
        self.set_legal_hold(layout, object, hold).await
    }

    /// Puts a version under legal hold, or takes it out, and makes sure that it is so.
    ///
    /// # Errors
    /// [`VaultError::LockNotKept`] where the store has taken it and does not have it; those of the store.
    pub async fn set_legal_hold(
        &self,
        layout: &PointLayout,
        object: &ObjectVersion,
        hold: LegalHold,
    ) -> Result<(), VaultError> {
        let key = layout.key(&object.key);
        let status = match hold {
            LegalHold::On => ObjectLockLegalHoldStatus::On,
            LegalHold::Off => ObjectLockLegalHoldStatus::Off,
        };
        self.client
            .put_object_legal_hold()
            .bucket(&self.bucket)
            .key(&key)
            .version_id(&object.version)
            .legal_hold(ObjectLockLegalHold::builder().status(status).build())
            .send()
            .await
            .map_err(|error| VaultError::from_sdk(&key, &error))?;
        let found = self.lock(layout, object).await?;
        if found.hold == hold {
            return Ok(());
        }
        Err(VaultError::LockNotKept { key, asked: ObjectLock { hold, ..found }, found })
    }

    /// What keeps a version. Needs the rights to read retention and legal hold: without them S3 says nothing.
    ///
    /// # Errors
    /// [`VaultError::Missing`]; those of the store; [`VaultError::Document`] where it names a lock that is unknown.
    pub async fn lock(&self, layout: &PointLayout, object: &ObjectVersion) -> Result<ObjectLock, VaultError> {
        let key = layout.key(&object.key);
        let head = self.client.head_object().bucket(&self.bucket).key(&key).version_id(&object.version);
        let head = head.send().await.map_err(|error| VaultError::from_sdk(&key, &error))?;
        let unknown = |what: &str| VaultError::Document { key: key.clone(), reason: format!("its {what}") };
        let mode = match head.object_lock_mode {
            None => None,
            Some(ObjectLockMode::Governance) => Some(LockMode::Governance),
            Some(ObjectLockMode::Compliance) => Some(LockMode::Compliance),
            Some(other) => return Err(unknown(&format!("lock is of the mode {other}"))),
        };
        let retention = match (mode, head.object_lock_retain_until_date) {
            (None, _) => None,
            (Some(mode), Some(until)) => {
                let until = Timestamp::from_second(until.secs()).map_err(|_| unknown("lock has no end"))?;
                Some((mode, until))
            }
            (Some(_), None) => return Err(unknown("lock has no end")),
        };
        let hold = match head.object_lock_legal_hold_status {
            Some(status) if status.as_str() == "ON" => LegalHold::On,
            _ => LegalHold::Off,
        };
        Ok(ObjectLock { retention, hold })
    }
}

/// The one that fewer can undo.
fn stronger(a: LockMode, b: LockMode) -> LockMode {
    if a == LockMode::Compliance { a } else { b }
}

/// The first whole second that is not before `time`: S3 keeps no fractions.
fn whole_second(time: Timestamp) -> Timestamp {
    let second = time.as_second();
    let up = if time.subsec_nanosecond() > 0 { second + 1 } else { second };
    Timestamp::from_second(up).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_keeps_until_its_end_and_a_hold_always() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let end = at("2031-02-01T00:00:00Z");
        let locked = ObjectLock { retention: Some((LockMode::Governance, end)), hold: LegalHold::Off };
        assert!(locked.keeps(at("2031-01-31T23:59:59Z")));
        assert!(!locked.keeps(end));
        assert!(ObjectLock { hold: LegalHold::On, ..locked }.keeps(at("2040-01-01T00:00:00Z")));
        assert!(!ObjectLock::default().keeps(Timestamp::MIN));
        assert!(locked.is_at_least(LockMode::Governance, end));
        assert!(!locked.is_at_least(LockMode::Compliance, end), "a weaker lock is not enough");
    }

    #[test]
    fn a_lock_never_ends_before_the_time_it_was_asked_for() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        assert_eq!(whole_second(at("2031-01-01T00:00:00.000000001Z")), at("2031-01-01T00:00:01Z"));
        assert_eq!(whole_second(at("2031-01-01T00:00:00Z")), at("2031-01-01T00:00:00Z"));
    }
}
