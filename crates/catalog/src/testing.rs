//! Many records at once, for tests and measurements: no conditions, no jobs, no claims. Behind the feature `testing`.

use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use permafrost_domain::instance::Instance;
use permafrost_domain::recovery_point::RecoveryPoint;

use crate::Catalog;
use crate::error::CatalogError;
use crate::instance::POINTS;
use crate::record::{Item, encode, number};
use crate::write::{ATTEMPTS, pause};

/// What one request takes.
const BATCH: usize = 25;

/// A record to begin with.
#[derive(Debug, Clone)]
pub enum Seed {
    /// An instance, and how many points it is to count.
    Instance(Box<Instance>, u64),
    /// A point, with its place in the index of what is due.
    Point(Box<RecoveryPoint>),
}

impl Catalog {
    /// Writes `seeds` as they are, 25 in one request, in place of whatever is there.
    ///
    /// # Errors
    /// `Unavailable` where DynamoDB keeps leaving some of them aside.
    pub async fn seed(&self, seeds: impl IntoIterator<Item = Seed>) -> Result<(), CatalogError> {
        let mut batch = Vec::with_capacity(BATCH);
        for seed in seeds {
            batch.push(seed.item()?);
            if batch.len() == BATCH {
                self.put_all(std::mem::take(&mut batch)).await?;
            }
        }
        self.put_all(batch).await
    }

    async fn put_all(&self, items: Vec<Item>) -> Result<(), CatalogError> {
        let not_built = |error: aws_sdk_dynamodb::error::BuildError| CatalogError::Rejected {
            operation: "BatchWriteItem",
            reason: "request not built".to_owned(),
            source: Box::new(error),
        };
        let put = |item| {
            let put = PutRequest::builder().set_item(Some(item)).build().map_err(not_built)?;
            Ok(WriteRequest::builder().put_request(put).build())
        };
        let mut left: Vec<WriteRequest> = items.into_iter().map(put).collect::<Result<_, CatalogError>>()?;
        for attempt in 1..=ATTEMPTS {
            if left.is_empty() {
                return Ok(());
            }
            let output = self.client.batch_write_item().request_items(&self.table, left).send().await;
            let output = output.map_err(|error| CatalogError::of_sdk("BatchWriteItem", error))?;
            left =
                output.unprocessed_items.and_then(|mut items| items.remove(&self.table)).unwrap_or_default();
            if !left.is_empty() {
                pause(attempt).await;
            }
        }
        let reason = format!("{} items were left aside", left.len());
        Err(CatalogError::Unavailable {
            operation: "BatchWriteItem",
            reason: reason.clone(),
            source: reason.into(),
        })
    }
}

impl Seed {
    fn item(&self) -> Result<Item, CatalogError> {
        match self {
            Self::Instance(instance, points) => {
                let mut item = encode(&**instance)?;
                item.insert(POINTS.to_owned(), number(*points));
                Ok(item)
            }
            Self::Point(point) => encode(&**point),
        }
    }
}
