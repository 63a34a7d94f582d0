//! Recovery points of an instance. They come into being in `commit` and change in `move_point` and `keep_point`.

use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::wire::{MAX_PAGE, Page};
use permafrost_domain::{InstanceId, PointId};

use crate::Catalog;
use crate::continuation::Continuation;
use crate::due::place;
use crate::error::CatalogError;
use crate::keys::{Key, POINT_PREFIX};
use crate::listing::{Listed, Order};
use crate::record::Record;

impl Record for RecoveryPoint {
    fn key(&self) -> Key {
        Key::Point(self.instance, self.id)
    }

    fn listed(&self) -> Option<(String, String)> {
        place(self)
    }
}

impl Catalog {
    /// The points of `instance`, the newest first, at most `limit` (1 at least, `wire::MAX_PAGE` at most).
    ///
    /// # Errors
    /// `InvalidContinuation` where `next` is not what this list gave out.
    pub async fn points(
        &self,
        instance: InstanceId,
        limit: u16,
        next: Option<&str>,
    ) -> Result<Page<RecoveryPoint>, CatalogError> {
        let after = match next.map(Continuation::parse).transpose()? {
            None => None,
            Some(Continuation::Points { instance: of, point }) if of == instance => Some(point),
            Some(_) => return Err(CatalogError::InvalidContinuation),
        };
        let points = self.points_after(instance, after, limit).await?;
        Ok(points.into_page(|last| Continuation::Points { instance, point: last.id }))
    }

    /// The point.
    ///
    /// # Errors
    /// `RecoveryPointNotFound`.
    pub async fn point(&self, instance: InstanceId, point: PointId) -> Result<RecoveryPoint, CatalogError> {
        let found: Option<RecoveryPoint> = self.record(&Key::Point(instance, point)).await?;
        found.ok_or_else(|| CatalogError::RecoveryPointNotFound { instance, point: point.to_string() })
    }

    /// The newest good point of `instance`.
    ///
    /// # Errors
    /// `RecoveryPointNotFound` where there is none, `InstanceNotFound`.
    pub async fn latest_point(&self, instance: InstanceId) -> Result<RecoveryPoint, CatalogError> {
        let newest = self.newest_good_point(instance).await?;
        newest.ok_or_else(|| CatalogError::RecoveryPointNotFound { instance, point: "latest".to_owned() })
    }

    /// The newest good point of `instance`, if it has one: not damaged, not deleted, not being deleted.
    ///
    /// # Errors
    /// `InstanceNotFound`.
    pub async fn newest_good_point(
        &self,
        instance: InstanceId,
    ) -> Result<Option<RecoveryPoint>, CatalogError> {
        let latest = match self.stored_instance(instance).await?.latest_point {
            Some(latest) => self.record::<RecoveryPoint>(&Key::Point(instance, latest)).await?,
            None => None,
        };
        match latest.filter(|point| point.state.is_good()) {
            Some(latest) => Ok(Some(latest)),
            // Recorded as the newest before it went.
            None => self.newest_good_of(instance, None).await,
        }
    }

    /// The newest good point of `instance` besides `except`, found by looking at its points.
    pub(crate) async fn newest_good_of(
        &self,
        instance: InstanceId,
        except: Option<PointId>,
    ) -> Result<Option<RecoveryPoint>, CatalogError> {
        let mut after = None;
        loop {
            let points = self.points_after(instance, after, MAX_PAGE).await?;
            after = points.items.last().map(|point| point.id);
            let good =
                points.items.into_iter().filter(|point| point.state.is_good() && Some(point.id) != except);
            // The id of a scheduled backup's point is of the time that it was scheduled for: among neighbours the
            // order by id is not that by the time of their data.
            match good.max_by_key(|point| point.consistent_at) {
                Some(newest) => return Ok(Some(newest)),
                None if points.more => {}
                None => return Ok(None),
            }
        }
    }

    /// Points older than `after`, the newest first.
    async fn points_after(
        &self,
        instance: InstanceId,
        after: Option<PointId>,
        limit: u16,
    ) -> Result<Listed<RecoveryPoint>, CatalogError> {
        let after = after.map(|point| Key::Point(instance, point));
        let of = Key::Instance(instance);
        self.standing_under(&of, POINT_PREFIX, after.as_ref(), limit, Order::Descending).await
    }
}

/// The word of a point's state in the catalog.
pub(crate) fn word(state: PointState) -> String {
    format!("{state:?}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_on_the_state_use_the_word_that_is_stored() {
        for state in PointState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), word(state));
        }
    }
}
