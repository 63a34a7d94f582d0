//! What keeps a recovery point longer: another retention, the locks on its objects; and what keeps its rehydrated copy. A
//! legal hold has a file of its own.

use jiff::Timestamp;
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::retention::StampedRetention;
use permafrost_domain::{InstanceId, PointId};

use crate::Catalog;
use crate::due::{is_under_way, place};
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::keys::{Key, PK};
use crate::move_point::{locked_as_read, placed};
use crate::record::{Record, decode, nested, text};
use crate::write::Written;

/// How often a change is decided anew because the point changed in between.
const ATTEMPTS: u32 = 8;

/// Whether a point may be given a shorter life than it has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shortening {
    /// Never.
    Refused,
    /// Where its objects are not locked for longer.
    Allowed,
}

impl Catalog {
    /// Stamps `retention` on `point`, as it was read; the point after it. Never shortens its life.
    ///
    /// # Errors
    /// As [`Catalog::restamp_point`].
    pub async fn lengthen_retention(
        &self,
        point: &RecoveryPoint,
        retention: &StampedRetention,
    ) -> Result<RecoveryPoint, CatalogError> {
        self.restamp_point(point, retention, Shortening::Refused).await
    }

    /// Stamps `retention` on `point`, as it was read; the point after it. Where that is allowed, the point may be
    /// deleted earlier than it would be now, but never before its locks end.
    ///
    /// # Errors
    /// `RetentionShortened` where it would be deleted earlier than it may; `RecoveryPointDeleted`, `PointChanged`,
    /// `RecoveryPointNotFound`. The same call again succeeds and changes nothing.
    pub async fn restamp_point(
        &self,
        point: &RecoveryPoint,
        retention: &StampedRetention,
        shortening: Shortening,
    ) -> Result<RecoveryPoint, CatalogError> {
        refuse_deleted(point)?;
        let at_least = match shortening {
            Shortening::Refused => Some(point.retention.deleted_on()).max(point.locked_until),
            Shortening::Allowed => point.locked_until,
        };
        if let Some(until) = at_least.filter(|until| retention.deleted_on() < *until) {
            return Err(CatalogError::RetentionShortened { point: point.id, until });
        }
        let after = RecoveryPoint { retention: retention.clone(), ..point.clone() };
        let change =
            locked_as_read(Expression::new(), point).set("retention", nested(&point.key(), retention)?);
        let change = if is_under_way(point.state) { change } else { placed(change, place(&after)) };
        match self.change_point(point, change).await {
            Err(CatalogError::PointChanged { .. }) => {
                let there = self.point(point.instance, point.id).await?;
                if there.state == point.state && there.retention == *retention {
                    return Ok(there);
                }
                Err(CatalogError::PointChanged { point: point.id, state: there.state })
            }
            done => done,
        }
    }

    /// Records that the rehydrated copy of `point`, as it was read, is there until `until`; the point after it. It stays
    /// rehydrated all the while, so that nobody who reads it is disturbed. May be repeated.
    ///
    /// # Errors
    /// `PointChanged` where it is not rehydrated, or not as it was read; `RecoveryPointNotFound`.
    pub async fn prolong_rehydration(
        &self,
        point: &RecoveryPoint,
        until: Timestamp,
    ) -> Result<RecoveryPoint, CatalogError> {
        if point.state != PointState::Rehydrated {
            return Err(CatalogError::PointChanged { point: point.id, state: point.state });
        }
        let after = RecoveryPoint { rehydrated_until: Some(until), ..point.clone() };
        let change = Expression::new().set("rehydrated_until", text(until));
        self.change_point(point, placed(change, place(&after))).await
    }

    /// Records that all objects of the point are locked until `until`, where no later time is recorded; the point
    /// after it. May be repeated.
    ///
    /// # Errors
    /// `RecoveryPointNotFound`.
    pub async fn record_lock(
        &self,
        instance: InstanceId,
        point: PointId,
        until: Timestamp,
    ) -> Result<RecoveryPoint, CatalogError> {
        for _ in 0..ATTEMPTS {
            let there = self.point(instance, point).await?;
            if there.locked_until.is_some_and(|recorded| recorded >= until) {
                return Ok(there);
            }
            let locked = Expression::new().set("locked_until", text(until)).only_if_present(PK);
            let locked = locked_as_read(locked, &there);
            if let Written::Done(item) = self.update(&there.key(), locked).await? {
                return decode(item);
            }
        }
        Err(changes_all_the_time(instance, point))
    }
}

/// What is deleted or being deleted is not kept longer.
pub(crate) fn refuse_deleted(point: &RecoveryPoint) -> Result<(), CatalogError> {
    match point.state {
        PointState::Expiring | PointState::Expired => {
            Err(CatalogError::RecoveryPointDeleted { point: point.id, state: point.state })
        }
        _ => Ok(()),
    }
}

pub(crate) fn changes_all_the_time(instance: InstanceId, point: PointId) -> CatalogError {
    CatalogError::Conflict {
        key: Key::Point(instance, point).to_string(),
        found: "it changes all the time".to_owned(),
    }
}
