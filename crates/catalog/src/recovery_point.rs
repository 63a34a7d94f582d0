//! Recovery points of an instance. They come into being in `commit` and change in `move_point` and `keep_point`.

use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::wire::{MAX_PAGE, Page};
use permafrost_domain::{InstanceId, PointId};

use crate::Catalog;
use crate::continuation::Continuation;
use crate::due::place;
use crate::error::CatalogError;
use crate::keys::{Key, PK, POINT_PREFIX, SK};
use crate::read::query_limit;
use crate::record::{Record, decode, text};

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
        let (items, more) = self.points_after(instance, after, query_limit(limit)).await?;
        let next = items
            .last()
            .filter(|_| more)
            .map(|last| Continuation::Points { instance, point: last.id }.to_token());
        Ok(Page { items, next })
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
            let (points, more) = self.points_after(instance, after, MAX_PAGE).await?;
            after = points.last().map(|point| point.id);
            let good = points.into_iter().filter(|point| point.state.is_good() && Some(point.id) != except);
            // The id of a scheduled backup's point is of the time that it was scheduled for: among neighbours the
            // order by id is not that by the time of their data.
            match good.max_by_key(|point| point.consistent_at) {
                Some(newest) => return Ok(Some(newest)),
                None if more => {}
                None => return Ok(None),
            }
        }
    }

    /// Points older than `after`, the newest first, and whether there are more.
    async fn points_after(
        &self,
        instance: InstanceId,
        after: Option<PointId>,
        limit: u16,
    ) -> Result<(Vec<RecoveryPoint>, bool), CatalogError> {
        let partition = Key::Instance(instance).pk();
        let after = after.map(|point| {
            let key = Key::Point(instance, point);
            [(PK.to_owned(), text(key.pk())), (SK.to_owned(), text(key.sk()))].into()
        });
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :sk)")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":pk", text(partition))
            .expression_attribute_values(":sk", text(POINT_PREFIX))
            .set_exclusive_start_key(after)
            .scan_index_forward(false)
            .limit(i32::from(limit))
            .consistent_read(true);
        let output = self.page(query).await?;
        let more = output.last_evaluated_key.is_some();
        let points = output.items.unwrap_or_default().into_iter().map(decode).collect::<Result<_, _>>()?;
        Ok((points, more))
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
