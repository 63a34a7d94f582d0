//! What is due: a sparse, sharded index of points by the time at which something is to happen to them.
//!
//! A point stands in it where something is due some day, and nowhere else: asking what is due reads that and nothing
//! besides, however many points there are. Its place follows from the point ([`place`]) and changes in the writes
//! that change the point; [`Catalog::postpone_point`] alone moves it elsewhere.
//!
//! Places sort as text, so times stand in whole seconds of UTC, rounded up: nothing is found before it is due.
//! The index is a moment behind the table: who acts on what it says does so on the condition that the point is as it
//! was read.

use std::fmt;

use jiff::{RoundMode, SignedDuration, Timestamp, TimestampRound, Unit};
use permafrost_domain::PointId;
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::wire::Page;
use serde::{Deserialize, Serialize};

use crate::Catalog;
use crate::continuation::Continuation;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::keys::{INDEX, INDEX_PK, INDEX_SK, Key};
use crate::listing::listed_at;
use crate::record::{Item, decode, invalid, key_of, text};

/// How many shards there are.
const SHARDS: u8 = 16;

/// A shard of the index of what is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u8", into = "u8")]
pub struct DueShard(u8);

/// A number that is no shard.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} is no shard of what is due: expected 0 to {max}", max = SHARDS - 1)]
pub struct InvalidDueShard(u8);

impl DueShard {
    /// Every shard.
    pub fn all() -> impl Iterator<Item = DueShard> {
        (0..SHARDS).map(DueShard)
    }

    /// The shard of `point`: the same whenever it is asked.
    pub fn of(point: PointId) -> DueShard {
        // FNV-1a; its upper bits are the better mixed ones.
        let hash = point
            .to_string()
            .bytes()
            .fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
        let [top, ..] = hash.to_be_bytes();
        DueShard(top % SHARDS)
    }
}

impl TryFrom<u8> for DueShard {
    type Error = InvalidDueShard;
    fn try_from(number: u8) -> Result<Self, InvalidDueShard> {
        if number < SHARDS { Ok(Self(number)) } else { Err(InvalidDueShard(number)) }
    }
}

impl From<DueShard> for u8 {
    fn from(shard: DueShard) -> u8 {
        shard.0
    }
}

impl fmt::Display for DueShard {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Catalog {
    /// The points of `shard` for which something is due at `now` or was before, the longest due first, at most
    /// `limit` (1 at least). Reads them and nothing else.
    ///
    /// # Errors
    /// `RecordInvalid` naming a point that cannot be decoded: it is never skipped. `InvalidContinuation` where `next`
    /// is not what this list gave out.
    pub async fn due_points(
        &self,
        now: Timestamp,
        shard: DueShard,
        limit: u16,
        next: Option<&str>,
    ) -> Result<Page<RecoveryPoint>, CatalogError> {
        let after = match next.map(Continuation::parse).transpose()? {
            None => None,
            Some(Continuation::Due { shard: of, due, instance, point }) if of == shard => {
                let key = Key::Point(instance, point);
                Some(listed_at(&key, partition(shard), place_at(due, point)))
            }
            Some(_) => return Err(CatalogError::InvalidContinuation),
        };
        let output = self.page(self.due_until(now, &partition(shard), limit, after)).await?;
        let next = match output.last_evaluated_key {
            None => None,
            Some(last) => match (key_of(&last)?, due_of(&last)?) {
                (Key::Point(instance, point), due) => {
                    Some(Continuation::Due { shard, due, instance, point }.to_token())
                }
                (other, _) => return Err(invalid(&other, "it stands among the points that are due")),
            },
        };
        let items = output.items.unwrap_or_default().into_iter().map(decode).collect::<Result<_, _>>()?;
        Ok(Page { items, next })
    }

    /// Puts off to `until` what is due for `point`, where the point is as it was read. Nothing where nothing is due
    /// for it. May be repeated.
    ///
    /// # Errors
    /// `PointChanged`, `RecoveryPointNotFound`.
    pub async fn postpone_point(&self, point: &RecoveryPoint, until: Timestamp) -> Result<(), CatalogError> {
        if place(point).is_none() {
            return Ok(());
        }
        let later = Expression::new()
            .set(INDEX_PK, text(partition(DueShard::of(point.id))))
            .set(INDEX_SK, text(place_at(until, point.id)))
            .only_if_present(INDEX_PK);
        self.change_point(point, later).await.map(drop)
    }

    /// A query of what is due in `partition` of the index at `now`.
    pub(crate) fn due_until(
        &self,
        now: Timestamp,
        partition: &str,
        limit: u16,
        after: Option<Item>,
    ) -> aws_sdk_dynamodb::operation::query::builders::QueryFluentBuilder {
        let second = now.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Floor));
        let end =
            second.unwrap_or(now).saturating_add(SignedDuration::from_secs(1)).unwrap_or(Timestamp::MAX);
        let due = Expression::new().only_if(INDEX_PK, text(partition)).only_if_below(INDEX_SK, text(end));
        self.client
            .query()
            .table_name(&self.table)
            .index_name(INDEX)
            .set_key_condition_expression(due.condition())
            .set_expression_attribute_names(due.names())
            .set_expression_attribute_values(due.values())
            .set_exclusive_start_key(after)
            .limit(i32::from(limit.max(1)))
    }
}

/// Where `point` stands in the index as it is: partition and sort key. Nowhere where nothing is ever due for it.
pub(crate) fn place(point: &RecoveryPoint) -> Option<(String, String)> {
    let due = due_at(point)?;
    Some((partition(DueShard::of(point.id)), place_at(due, point.id)))
}

/// When something is due for `point`. Under legal hold nothing is that deletes or moves its data; but what was begun
/// goes on, and the copy that was rehydrated ends.
fn due_at(point: &RecoveryPoint) -> Option<Timestamp> {
    let stamped = point.retention.next_due(point.state).map(|(due, _)| due);
    match point.state {
        PointState::Rehydrated if point.legal_hold => point.rehydrated_until,
        PointState::Rehydrated => point.rehydrated_until.into_iter().chain(stamped).min(),
        _ if point.legal_hold && !is_under_way(point.state) => None,
        _ => stamped,
    }
}

/// Whether something was begun with a point in this state that has to be ended.
pub(crate) fn is_under_way(state: PointState) -> bool {
    matches!(state, PointState::Archiving | PointState::Rehydrating | PointState::Expiring)
}

/// The place of what is due at `due` for `what`.
pub(crate) fn place_at(due: Timestamp, what: impl fmt::Display) -> String {
    let second = due.round(TimestampRound::new().smallest(Unit::Second).mode(RoundMode::Ceil));
    format!("{}#{what}", second.unwrap_or(due))
}

/// When what stands at the place of `item` is due: a whole second.
pub(crate) fn due_of(item: &Item) -> Result<Timestamp, CatalogError> {
    let place = item.get(INDEX_SK).and_then(|value| value.as_s().ok());
    let due = place.and_then(|place| place.split_once('#')).and_then(|(due, _)| due.parse().ok());
    match due {
        Some(due) => Ok(due),
        None => Err(invalid(&key_of(item)?, "its place in the index of what is due is no time")),
    }
}

/// The partition of `shard` in the index.
pub(crate) fn partition(shard: DueShard) -> String {
    format!("DUE#{shard}")
}
