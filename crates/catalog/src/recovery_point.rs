//! Recovery points of an instance. They come into being in `commit`.

use permafrost_domain::instance::Instance;
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::wire::Page;
use permafrost_domain::{InstanceId, PointId};

use crate::Catalog;
use crate::continuation::Continuation;
use crate::error::CatalogError;
use crate::keys::{Key, PK, POINT_PREFIX, SK};
use crate::read::query_limit;
use crate::record::{Record, decode, text};

impl Record for RecoveryPoint {
    fn key(&self) -> Key {
        Key::Point(self.instance, self.id)
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

    /// The newest point of `instance` that is not deleted or being deleted.
    ///
    /// # Errors
    /// `RecoveryPointNotFound` where there is none, `InstanceNotFound`.
    pub async fn latest_point(&self, instance: InstanceId) -> Result<RecoveryPoint, CatalogError> {
        let mut after = None;
        loop {
            let (points, more) = self.points_after(instance, after, query_limit(10)).await?;
            after = points.last().map(|point| point.id);
            let there = points
                .into_iter()
                .find(|point| !matches!(point.state, PointState::Expiring | PointState::Expired));
            match there {
                Some(point) => return Ok(point),
                None if more => {}
                None => break,
            }
        }
        match self.record::<Instance>(&Key::Instance(instance)).await? {
            Some(_) => Err(CatalogError::RecoveryPointNotFound { instance, point: "latest".to_owned() }),
            None => Err(CatalogError::InstanceNotFound(instance.to_string())),
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
