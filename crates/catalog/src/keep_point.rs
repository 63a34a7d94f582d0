//! What keeps a recovery point longer: a legal hold, a longer retention, the locks on its objects.
//!
//! A hold takes the point out of the index of what is due and its end puts it back: until then nothing looks at it.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use permafrost_domain::immutability::Immutability;
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::retention::StampedRetention;
use permafrost_domain::{InstanceId, PointId};

use crate::Catalog;
use crate::due::{is_under_way, place};
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::move_point::placed;
use crate::record::{Record, nested, text};
use crate::write::Written;

/// How often a change is decided anew because the point changed in between.
const ATTEMPTS: u32 = 8;

/// Whether a point is under legal hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegalHold {
    /// Nothing deletes it until the hold is released.
    Held,
    /// It is not.
    Released,
}

impl Catalog {
    /// Puts `point` under legal hold, or releases it; the point after it. May be repeated.
    ///
    /// # Errors
    /// `RecoveryPointDeleted` where it is being deleted, or was; `RecoveryPointNotFound`.
    pub async fn set_legal_hold(
        &self,
        instance: InstanceId,
        point: PointId,
        hold: LegalHold,
    ) -> Result<RecoveryPoint, CatalogError> {
        let held = hold == LegalHold::Held;
        for _ in 0..ATTEMPTS {
            let there = self.point(instance, point).await?;
            refuse_deleted(&there)?;
            if there.legal_hold == held {
                return Ok(there);
            }
            let after = RecoveryPoint { legal_hold: held, ..there.clone() };
            let change = Expression::new().set("legal_hold", AttributeValue::Bool(held));
            let change = if is_under_way(there.state) { change } else { placed(change, place(&after)) };
            match self.change_point(&there, change).await {
                Err(CatalogError::PointChanged { .. }) => {}
                done => return done,
            }
        }
        Err(changes_all_the_time(instance, point))
    }

    /// Stamps `retention` on `point`, as it was read; the point after it. Never shortens its life.
    ///
    /// # Errors
    /// `RetentionShortened` where the point would be deleted earlier than it is now, `RecoveryPointDeleted`,
    /// `PointChanged`, `RecoveryPointNotFound`. May be repeated.
    pub async fn lengthen_retention(
        &self,
        point: &RecoveryPoint,
        retention: &StampedRetention,
    ) -> Result<RecoveryPoint, CatalogError> {
        refuse_deleted(point)?;
        let until = point.retention.deleted_on();
        if retention.deleted_on() < until {
            return Err(CatalogError::RetentionShortened { point: point.id, until });
        }
        self.stamp(point, retention).await
    }

    /// Stamps `retention` on `point`, as it was read; the point after it. Shortens its life only where the vault's
    /// immutability lets it and nothing has locked its objects.
    ///
    /// # Errors
    /// As [`Catalog::lengthen_retention`].
    pub async fn restamp_point(
        &self,
        point: &RecoveryPoint,
        retention: &StampedRetention,
        immutability: Immutability,
    ) -> Result<RecoveryPoint, CatalogError> {
        if immutability.forbids_shortening() || point.locked_until.is_some() {
            return self.lengthen_retention(point, retention).await;
        }
        refuse_deleted(point)?;
        self.stamp(point, retention).await
    }

    /// Stamps `retention` on `point`, as it was read, and puts it where it is due by that.
    async fn stamp(
        &self,
        point: &RecoveryPoint,
        retention: &StampedRetention,
    ) -> Result<RecoveryPoint, CatalogError> {
        let after = RecoveryPoint { retention: retention.clone(), ..point.clone() };
        let change = Expression::new().set("retention", nested(&point.key(), retention)?);
        let change = if is_under_way(point.state) { change } else { placed(change, place(&after)) };
        match self.change_point(point, change).await {
            Err(CatalogError::PointChanged { .. }) => {
                let there = self.point(point.instance, point.id).await?;
                let same = there.state == point.state && there.retention == *retention;
                if same {
                    Ok(there)
                } else {
                    Err(CatalogError::PointChanged { point: point.id, state: there.state })
                }
            }
            done => done,
        }
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
            let locked = Expression::new().set("locked_until", text(until));
            let locked = match there.locked_until {
                Some(earlier) if earlier >= until => return Ok(there),
                Some(earlier) => locked.only_if("locked_until", text(earlier)),
                None => locked.only_if_absent("locked_until").only_if_present(crate::keys::PK),
            };
            if let Written::Done(item) = self.update(&there.key(), locked).await? {
                return crate::record::decode(item);
            }
        }
        Err(changes_all_the_time(instance, point))
    }
}

/// What is deleted or being deleted is not kept longer.
fn refuse_deleted(point: &RecoveryPoint) -> Result<(), CatalogError> {
    match point.state {
        PointState::Expiring | PointState::Expired => {
            Err(CatalogError::RecoveryPointDeleted { point: point.id, state: point.state })
        }
        _ => Ok(()),
    }
}

fn changes_all_the_time(instance: InstanceId, point: PointId) -> CatalogError {
    CatalogError::Conflict {
        key: crate::keys::Key::Point(instance, point).to_string(),
        found: "it changes all the time".to_owned(),
    }
}
