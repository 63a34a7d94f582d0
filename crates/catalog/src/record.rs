//! Records: the domain's types as items. Fields are attributes of their own, so that conditions can name them;
//! the keys stand beside them.

use std::collections::HashMap;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::error::{BoxError, CatalogError};
use crate::keys::{EXPIRES_AT, INDEX_PK, INDEX_SK, Key, PK, SK};

/// A record as DynamoDB has it.
pub(crate) type Item = HashMap<String, AttributeValue>;

/// What stands in the catalog under a key.
pub(crate) trait Record: Serialize + DeserializeOwned {
    /// Where it stands.
    fn key(&self) -> Key;

    /// Its place in the index: partition and sort key.
    fn listed(&self) -> Option<(String, String)> {
        None
    }

    /// When it may be dropped.
    fn expires_at(&self) -> Option<Timestamp> {
        None
    }
}

/// A record that says it is another than the one that was asked for.
#[derive(Debug, thiserror::Error)]
#[error("it says that it is {0}")]
struct Misplaced(String);

/// An item without a key of this catalog.
#[derive(Debug, thiserror::Error)]
#[error("its key is not one of this catalog")]
struct ForeignKey;

/// A string attribute.
#[expect(clippy::needless_pass_by_value, reason = "ids and words are small, and callers read better")]
pub(crate) fn text(value: impl ToString) -> AttributeValue {
    AttributeValue::S(value.to_string())
}

/// A number attribute.
pub(crate) fn number(value: impl Into<i128>) -> AttributeValue {
    AttributeValue::N(value.into().to_string())
}

/// `value` as an attribute of the record `key`.
pub(crate) fn nested<T: Serialize>(key: &Key, value: &T) -> Result<AttributeValue, CatalogError> {
    serde_dynamo::to_attribute_value(value).map_err(|error| invalid(key, error))
}

/// The item of `record`.
pub(crate) fn encode<R: Record>(record: &R) -> Result<Item, CatalogError> {
    let key = record.key();
    let mut item: Item = serde_dynamo::to_item(record).map_err(|error| invalid(&key, error))?;
    if let Some((pk, sk)) = record.listed() {
        item.insert(INDEX_PK.to_owned(), text(pk));
        item.insert(INDEX_SK.to_owned(), text(sk));
    }
    if let Some(at) = record.expires_at() {
        item.insert(EXPIRES_AT.to_owned(), number(at.as_second()));
    }
    item.insert(PK.to_owned(), text(key.pk()));
    item.insert(SK.to_owned(), text(key.sk()));
    Ok(item)
}

/// The record in `item`.
///
/// # Errors
/// `RecordInvalid` where it cannot be decoded, or is another record than its key says.
pub(crate) fn decode<R: Record>(item: Item) -> Result<R, CatalogError> {
    let key = key_of(&item)?;
    let record: R = serde_dynamo::from_item(item).map_err(|error| invalid(&key, error))?;
    let own = record.key();
    if own == key { Ok(record) } else { Err(invalid(&key, Misplaced(own.to_string()))) }
}

/// The key of `item`.
///
/// # Errors
/// `RecordInvalid` where it is none of this catalog.
pub(crate) fn key_of(item: &Item) -> Result<Key, CatalogError> {
    let part = |name| item.get(name).and_then(|value| value.as_s().ok()).map_or("", String::as_str);
    let (pk, sk) = (part(PK), part(SK));
    Key::parse(pk, sk).ok_or_else(|| CatalogError::RecordInvalid {
        key: format!("{pk} / {sk}"),
        source: Box::new(ForeignKey),
    })
}

/// `RecordInvalid` for the record `key`.
pub(crate) fn invalid(key: &Key, source: impl Into<BoxError>) -> CatalogError {
    CatalogError::RecordInvalid { key: key.to_string(), source: source.into() }
}
