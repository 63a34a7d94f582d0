//! Pages of lists: of a partition of the index, and of what stands under one record.

use aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder;
use permafrost_domain::wire::Page;

use crate::Catalog;
use crate::continuation::Continuation;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::keys::{INDEX, INDEX_PK, INDEX_SK, Key, PK, SK};
use crate::read::query_limit;
use crate::record::{Item, Record, decode, text};

/// Which end of a list comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Order {
    /// The lowest sort key.
    Ascending,
    /// The highest sort key.
    Descending,
}

/// Some records of a list, and whether there are more behind them.
#[derive(Debug)]
pub(crate) struct Listed<R> {
    pub(crate) items: Vec<R>,
    pub(crate) more: bool,
}

impl<R> Listed<R> {
    /// The page that a caller gets; `place` is where a record stands in the list.
    pub(crate) fn into_page(self, place: impl Fn(&R) -> Continuation) -> Page<R> {
        let next = self.items.last().filter(|_| self.more).map(|last| place(last).to_token());
        Page { items: self.items, next }
    }
}

impl Catalog {
    /// Records of the `partition` of the index behind the place `after`, at most `limit` (1 at least,
    /// `wire::MAX_PAGE` at most).
    pub(crate) async fn listed<R: Record>(
        &self,
        partition: &str,
        after: Option<Item>,
        limit: u16,
        order: Order,
    ) -> Result<Listed<R>, CatalogError> {
        let expression = Expression::new().only_if(INDEX_PK, text(partition));
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .set_key_condition_expression(expression.condition())
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .set_exclusive_start_key(after);
        self.list(query, limit, order).await
    }

    /// Records that stand beside `of` under sort keys that begin with `prefix`, behind the record `after`, as they
    /// are; at most `limit` (1 at least, `wire::MAX_PAGE` at most).
    pub(crate) async fn standing_under<R: Record>(
        &self,
        of: &Key,
        prefix: &str,
        after: Option<&Key>,
        limit: u16,
        order: Order,
    ) -> Result<Listed<R>, CatalogError> {
        let after =
            after.map(|key| [(PK.to_owned(), text(key.pk())), (SK.to_owned(), text(key.sk()))].into());
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .key_condition_expression("#pk = :pk AND begins_with(#sk, :sk)")
            .expression_attribute_names("#pk", PK)
            .expression_attribute_names("#sk", SK)
            .expression_attribute_values(":pk", text(of.pk()))
            .expression_attribute_values(":sk", text(prefix))
            .set_exclusive_start_key(after)
            .consistent_read(true);
        self.list(query, limit, order).await
    }

    async fn list<R: Record>(
        &self,
        query: QueryFluentBuilder,
        limit: u16,
        order: Order,
    ) -> Result<Listed<R>, CatalogError> {
        let query = query.scan_index_forward(order == Order::Ascending).limit(i32::from(query_limit(limit)));
        let output = self.page(query).await?;
        let more = output.last_evaluated_key.is_some();
        let items = output.items.unwrap_or_default().into_iter().map(decode).collect::<Result<_, _>>()?;
        Ok(Listed { items, more })
    }
}

/// The place in the index of the record `key`, which stands in `partition` under `place`: where a list goes on.
pub(crate) fn listed_at(key: &Key, partition: impl ToString, place: impl ToString) -> Item {
    [(PK, text(key.pk())), (SK, text(key.sk())), (INDEX_PK, text(partition)), (INDEX_SK, text(place))]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
}
