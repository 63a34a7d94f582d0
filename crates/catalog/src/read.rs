//! Reads. Those of one record are strongly consistent; lists follow the index, which is a moment behind.

use aws_sdk_dynamodb::operation::query::QueryOutput;
use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use aws_sdk_dynamodb::types::ReturnConsumedCapacity;

use crate::Catalog;
use crate::error::CatalogError;
use crate::keys::{Key, PK, SK};
use crate::record::{Item, Record, decode, text};

impl Catalog {
    /// The record `key` as it is, if there is one.
    pub(crate) async fn item(&self, key: &Key) -> Result<Option<Item>, CatalogError> {
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(PK, text(key.pk()))
            .key(SK, text(key.sk()))
            .return_consumed_capacity(ReturnConsumedCapacity::Total)
            .consistent_read(true);
        let output = request.send().await.map_err(|error| CatalogError::of_sdk("GetItem", error))?;
        self.meter.count(u64::from(output.item.is_some()), output.consumed_capacity.as_ref());
        Ok(output.item)
    }

    /// The record `key`, decoded, if there is one.
    pub(crate) async fn record<R: Record>(&self, key: &Key) -> Result<Option<R>, CatalogError> {
        self.item(key).await?.map(decode).transpose()
    }

    /// One page of a query.
    pub(crate) async fn page(&self, query: QueryFluentBuilder) -> Result<QueryOutput, CatalogError> {
        let query = query.return_consumed_capacity(ReturnConsumedCapacity::Total);
        let output = query.send().await.map_err(|error| CatalogError::of_sdk("Query", error))?;
        let looked_at = u64::try_from(output.scanned_count).unwrap_or(0);
        self.meter.count(looked_at, output.consumed_capacity.as_ref());
        Ok(output)
    }
}

/// `limit` within what a page may hold.
pub(crate) fn query_limit(limit: u16) -> u16 {
    limit.clamp(1, permafrost_domain::wire::MAX_PAGE)
}
