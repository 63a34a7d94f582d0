//! Single writes. Each is conditional; a condition that does not hold is an answer, not an error: the caller
//! gets the record that refused it and decides from that.

use std::time::Duration;

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{ReturnValue, ReturnValuesOnConditionCheckFailure};

use crate::Catalog;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::keys::{Key, PK, SK};
use crate::record::{Item, text};

/// How often a write is sent that meets a transaction on the same record: half a second in all.
pub(crate) const ATTEMPTS: u32 = 6;

/// What became of a conditional write.
#[derive(Debug)]
pub(crate) enum Written {
    /// Done: the record after it (empty after a put).
    Done(Item),
    /// The condition did not hold: the record as it stands, if there is one.
    Refused(Option<Item>),
}

impl Catalog {
    /// Changes the record `key` as `expression` says.
    pub(crate) async fn update(&self, key: &Key, expression: Expression) -> Result<Written, CatalogError> {
        let request = self
            .client
            .update_item()
            .table_name(&self.table)
            .key(PK, text(key.pk()))
            .key(SK, text(key.sk()))
            .update_expression(expression.update())
            .set_condition_expression(expression.condition())
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match past_transactions(|| request.clone().send()).await {
            Ok(output) => Ok(Written::Done(output.attributes.unwrap_or_default())),
            Err(error) => match error.as_service_error() {
                Some(UpdateItemError::ConditionalCheckFailedException(refusal)) => {
                    Ok(Written::Refused(refusal.item.clone()))
                }
                _ => Err(CatalogError::of_sdk("UpdateItem", error)),
            },
        }
    }

    /// Puts `item` in place of whatever `expression` allows.
    pub(crate) async fn put(&self, item: Item, expression: Expression) -> Result<Written, CatalogError> {
        let request = self
            .client
            .put_item()
            .table_name(&self.table)
            .set_item(Some(item))
            .set_condition_expression(expression.condition())
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .return_values_on_condition_check_failure(ReturnValuesOnConditionCheckFailure::AllOld);
        match past_transactions(|| request.clone().send()).await {
            Ok(_) => Ok(Written::Done(Item::new())),
            Err(error) => match error.as_service_error() {
                Some(PutItemError::ConditionalCheckFailedException(refusal)) => {
                    Ok(Written::Refused(refusal.item.clone()))
                }
                _ => Err(CatalogError::of_sdk("PutItem", error)),
            },
        }
    }
}

/// Sends until no transaction on the same record is in the way, at most [`ATTEMPTS`] times.
async fn past_transactions<T, E, F>(mut send: impl FnMut() -> F) -> Result<T, SdkError<E>>
where
    E: ProvideErrorMetadata,
    F: Future<Output = Result<T, SdkError<E>>>,
{
    let mut attempt = 1;
    loop {
        match send().await {
            Err(error) if attempt < ATTEMPTS && is_contention(&error) => pause(attempt).await,
            answer => return answer,
        }
        attempt += 1;
    }
}

fn is_contention<E: ProvideErrorMetadata>(error: &SdkError<E>) -> bool {
    let code = error.as_service_error().and_then(ProvideErrorMetadata::code);
    code == Some("TransactionConflictException")
}

/// Waits before the attempt that follows `attempt`: 16 ms, and twice as long each time.
pub(crate) async fn pause(attempt: u32) {
    tokio::time::sleep(Duration::from_millis(8 << attempt)).await;
}
