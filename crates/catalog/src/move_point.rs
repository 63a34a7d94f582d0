//! The life of a recovery point after its commit: moved by the domain's table of transitions, and deleted.
//!
//! Every move is conditional on the state and the retention that its caller read: who decided from what is no more is
//! refused. A move that is repeated meets itself. The index of what is due changes with the point, in the same write.
//!
//! **Deletion.** [`Catalog::begin_expiry`] is the one way into `Expiring`. In one transaction it takes the point from
//! its instance's count and makes sure of what retention must never get wrong, whatever plan led to it: the point's
//! time is over, it is neither locked nor under legal hold, its instance does not keep its points for ever, and the newest good point
//! is another, which is there and good at that moment; or its instance's data was deleted and the time for undoing that
//! is over. The objects are erased after it, and [`PointState::Expired`] says that they are.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use permafrost_domain::InstanceId;
use permafrost_domain::instance::{Instance, ProtectionStatus, StopMode};
use permafrost_domain::recovery_point::{ArchiveRef, PointState, RecoveryPoint};

use crate::Catalog;
use crate::due::{DueShard, partition, place, place_at};
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::hold_point::held_as_read;
use crate::instance::POINTS;
use crate::keys::{INDEX_PK, INDEX_SK, Key};
use crate::protection::DELETION_UNTIL_US;
use crate::record::{Record, decode, nested, number, text};
use crate::recovery_point::word;
use crate::transaction::{Outcome, Part, Refusal, Transaction};
use crate::write::Written;

/// How often a move is decided anew because the instance changed in between.
const ATTEMPTS: u32 = 8;

/// What changes with a point's state.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PointChange {
    /// What names its segments in the archive store; absent: as it was.
    pub archive: Option<ArchiveRef>,
    /// Until when its rehydrated copy can be read; counts in [`PointState::Rehydrated`] alone.
    pub rehydrated_until: Option<Timestamp>,
    /// When something is due for it next.
    pub next_due: NextDue,
}

/// When something is due for a point next.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum NextDue {
    /// As follows from what is stamped on it and from its new state.
    #[default]
    AsStamped,
    /// Then.
    At(Timestamp),
    /// Never by itself.
    Never,
}

/// Why a point is deleted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExpiryGround {
    /// Its stamped time is over.
    Retention,
    /// The data of its instance was deleted, and the time for undoing that is over.
    DataDeletion,
}

impl Catalog {
    /// Moves `point`, as it was read, to the state `to`; the point after it. What happens outside (objects copied,
    /// locked, deleted) is its caller's.
    ///
    /// # Errors
    /// `PointNotMoved` where the table of transitions lacks the move, `CatalogConflict` where it is into `Expiring`
    /// ([`Catalog::begin_expiry`]). `PointChanged` where the point's state or retention is another by now; where copies
    /// are named, its legal hold too. The same call again succeeds and changes nothing.
    pub async fn move_point(
        &self,
        point: &RecoveryPoint,
        to: PointState,
        change: &PointChange,
    ) -> Result<RecoveryPoint, CatalogError> {
        let not_moved = |source| CatalogError::PointNotMoved { point: point.id, source };
        point.state.transition(to).map_err(not_moved)?;
        if to == PointState::Expiring {
            return Err(CatalogError::Conflict {
                key: point.key().to_string(),
                found: "it is deleted by the beginning of its expiry alone".to_owned(),
            });
        }
        let after = after(point, to, change);
        let expression = as_read(moving(Expression::new(), point, &after, change)?, point);
        // Copies that begin to count are held, or not, by what their maker read.
        let expression = if change.archive.is_some() { held_as_read(expression, point) } else { expression };
        if to == PointState::Damaged {
            return self.move_to_damaged(point, after, expression).await;
        }
        match self.update(&point.key(), expression).await? {
            Written::Done(item) => decode(item),
            Written::Refused(item) => met_itself(point, &after, item.map(decode).transpose()?),
        }
    }

    /// Begins to delete `point`, as it was read: moves it to `Expiring`, from where it can only become `Expired`. The
    /// point after it.
    ///
    /// # Errors
    /// By `Retention`: `PointNotDue`, `NewestGoodPoint`, `ProtectionStopped` where the instance keeps its points for
    /// ever or its data is deleted. By `DataDeletion`: `SoftDeletionEnds`, `ProtectionNotChanged` where it is not
    /// deleted. By either: `PointUnderLegalHold`, `PointLocked`, `PointNotMoved`, `PointChanged`, `InstanceNotFound`.
    /// The same call again succeeds and changes nothing.
    pub async fn begin_expiry(
        &self,
        point: &RecoveryPoint,
        ground: ExpiryGround,
        now: Timestamp,
    ) -> Result<RecoveryPoint, CatalogError> {
        let not_moved = |source| CatalogError::PointNotMoved { point: point.id, source };
        point.state.transition(PointState::Expiring).map_err(not_moved)?;
        let until = point.retention.deleted_on();
        if ground == ExpiryGround::Retention && until > now {
            return Err(CatalogError::PointNotDue { point: point.id, until });
        }
        if let Some(until) = point.locked_until.filter(|until| *until > now) {
            return Err(CatalogError::PointLocked { point: point.id, until });
        }
        // Due from now on, until its objects are gone: whoever dies in between, it is found again.
        let change = PointChange { next_due: NextDue::At(now), ..PointChange::default() };
        let after = after(point, PointState::Expiring, &change);
        let free = Expression::new()
            .only_if_absent("legal_hold")
            .or(Expression::new().only_if("legal_hold", AttributeValue::Bool(false)));
        let expiring = locked_as_read(as_read(moving(free, point, &after, &change)?, point), point);
        let mut transaction = Transaction::new().update(Part::Point, point.key(), expiring);
        let mut letting_go = Expression::new().add(POINTS, -1);
        match ground {
            ExpiryGround::Retention => {
                let newest = match self.stored_instance(point.instance).await?.latest_point {
                    Some(newest) if newest != point.id => newest,
                    Some(newest) => return Err(CatalogError::NewestGoodPoint(newest)),
                    None => return Err(no_good_point(point.instance, "it has no good point".to_owned())),
                };
                transaction = transaction.check(Part::Newest, Key::Point(point.instance, newest), good());
                letting_go = letting_go
                    .only_if("latest_point", text(newest))
                    .only_if_not("stopped", text(StopMode::RetainForever))
                    .only_if_not("status", text(ProtectionStatus::SoftDeleted));
            }
            ExpiryGround::DataDeletion => {
                letting_go = letting_go
                    .only_if("status", text(ProtectionStatus::SoftDeleted))
                    .only_if_below(DELETION_UNTIL_US, number(now.as_microsecond().saturating_add(1)));
            }
        }
        let transaction = transaction.update(Part::Instance, Key::Instance(point.instance), letting_go);
        match self.transact(transaction).await? {
            Outcome::Done => Ok(after),
            Outcome::Refused(refusal) => why_not(point, ground, refusal),
        }
    }

    /// Moves a point to `Damaged`. Where it was its instance's newest good one, that is the one before it from now on:
    /// in the same transaction, since it is what retention never deletes.
    async fn move_to_damaged(
        &self,
        point: &RecoveryPoint,
        after: RecoveryPoint,
        damaged: Expression,
    ) -> Result<RecoveryPoint, CatalogError> {
        let key = Key::Instance(point.instance);
        for _ in 0..ATTEMPTS {
            let transaction = Transaction::new().update(Part::Point, point.key(), damaged.clone());
            let transaction = if self.stored_instance(point.instance).await?.latest_point == Some(point.id) {
                let noted = Expression::new().only_if("latest_point", text(point.id));
                if let Some(next) = self.newest_good_of(point.instance, Some(point.id)).await? {
                    let noted = noted
                        .set("latest_point", text(next.id))
                        .set("latest_consistent_at", text(next.consistent_at));
                    let transaction = transaction.update(Part::Instance, key.clone(), noted);
                    transaction.check(Part::Newest, next.key(), good())
                } else {
                    let noted = noted.remove("latest_point").remove("latest_consistent_at");
                    transaction.update(Part::Instance, key.clone(), noted)
                }
            } else {
                let older = Expression::new().only_if_not("latest_point", text(point.id));
                transaction.check(Part::Instance, key.clone(), older)
            };
            let Outcome::Refused(mut refusal) = self.transact(transaction).await? else { return Ok(after) };
            if let Some(there) = refusal.of(Part::Point) {
                return met_itself(point, &after, there.map(decode).transpose()?);
            }
        }
        Err(CatalogError::Conflict {
            key: key.to_string(),
            found: "its newest point changes all the time".to_owned(),
        })
    }

    /// Changes `point`, where its state and its retention are as they were read; the point after it.
    pub(crate) async fn change_point(
        &self,
        point: &RecoveryPoint,
        change: Expression,
    ) -> Result<RecoveryPoint, CatalogError> {
        match self.update(&point.key(), as_read(change, point)).await? {
            Written::Done(item) => decode(item),
            Written::Refused(item) => Err(changed(point, item.map(decode).transpose()?)),
        }
    }
}

/// The point after the move.
fn after(point: &RecoveryPoint, to: PointState, change: &PointChange) -> RecoveryPoint {
    RecoveryPoint {
        state: to,
        archive: change.archive.clone().or_else(|| point.archive.clone()),
        rehydrated_until: change.rehydrated_until.filter(|_| to == PointState::Rehydrated),
        ..point.clone()
    }
}

/// `base` with what the move from `point` to `after` changes.
fn moving(
    base: Expression,
    point: &RecoveryPoint,
    after: &RecoveryPoint,
    change: &PointChange,
) -> Result<Expression, CatalogError> {
    let mut expression = base.set("state", text(word(after.state)));
    if let Some(archive) = &change.archive {
        expression = expression.set("archive", nested(&point.key(), archive)?);
    }
    expression = match after.rehydrated_until {
        Some(until) => expression.set("rehydrated_until", text(until)),
        None => expression.remove("rehydrated_until"),
    };
    let place = match change.next_due {
        NextDue::AsStamped => place(after),
        NextDue::At(due) => Some((partition(DueShard::of(point.id)), place_at(due, point.id))),
        NextDue::Never => None,
    };
    Ok(placed(expression, place))
}

/// The same change, which puts the point at `place` of the index, or out of it.
pub(crate) fn placed(change: Expression, place: Option<(String, String)>) -> Expression {
    match place {
        Some((partition, place)) => change.set(INDEX_PK, text(partition)).set(INDEX_SK, text(place)),
        None => change.remove(INDEX_PK).remove(INDEX_SK),
    }
}

/// The same change, on the condition that state and retention are as they were read.
pub(crate) fn as_read(change: Expression, point: &RecoveryPoint) -> Expression {
    let change = change
        .only_if("state", text(word(point.state)))
        .only_if("retention.backup_store_until", text(point.retention.backup_store_until));
    match &point.retention.archive {
        Some(archive) => change.only_if("retention.archive.until", text(archive.until)),
        None => change.only_if_absent("retention.archive"),
    }
}

/// Demands that the locks of `point` are as they were read.
pub(crate) fn locked_as_read(change: Expression, point: &RecoveryPoint) -> Expression {
    match point.locked_until {
        Some(until) => change.only_if("locked_until", text(until)),
        None => change.only_if_absent("locked_until"),
    }
}

/// Demands that a point is good.
fn good() -> Expression {
    let good = PointState::ALL.into_iter().filter(|state| state.is_good()).map(word);
    Expression::new().only_if_one_of("state", good)
}

/// Why `point` was not moved to `after`; the point as it stands, where that was done before.
fn met_itself(
    point: &RecoveryPoint,
    after: &RecoveryPoint,
    there: Option<RecoveryPoint>,
) -> Result<RecoveryPoint, CatalogError> {
    match there {
        Some(there)
            if (there.state, &there.archive, there.rehydrated_until)
                == (after.state, &after.archive, after.rehydrated_until) =>
        {
            Ok(there)
        }
        there => Err(changed(point, there)),
    }
}

/// Why `point`, as it was read, cannot be changed.
fn changed(point: &RecoveryPoint, there: Option<RecoveryPoint>) -> CatalogError {
    match there {
        Some(there) => CatalogError::PointChanged { point: point.id, state: there.state },
        None => CatalogError::RecoveryPointNotFound { instance: point.instance, point: point.id.to_string() },
    }
}

/// Why the expiry of `point` was refused; the point as it stands, where it was begun before.
fn why_not(
    point: &RecoveryPoint,
    ground: ExpiryGround,
    mut refusal: Refusal,
) -> Result<RecoveryPoint, CatalogError> {
    if let Some(there) = refusal.of(Part::Point) {
        let there: Option<RecoveryPoint> = there.map(decode).transpose()?;
        return match there {
            Some(there) if there.state == PointState::Expiring => Ok(there),
            Some(there) if there.legal_hold => Err(CatalogError::PointUnderLegalHold(point.id)),
            there => Err(changed(point, there)),
        };
    }
    let instance: Option<Option<Instance>> =
        refusal.of(Part::Instance).map(|item| item.map(decode).transpose()).transpose()?;
    let Some(instance) = instance else {
        let newest: Option<RecoveryPoint> = refusal.of(Part::Newest).flatten().map(decode).transpose()?;
        let found = match newest {
            Some(newest) => format!("its newest good point {} is {:?}", newest.id, newest.state),
            None => "its newest good point is not there".to_owned(),
        };
        return Err(no_good_point(point.instance, found));
    };
    let Some(Instance { id, status, stopped, deletion, .. }) = instance else {
        return Err(CatalogError::InstanceNotFound(point.instance.to_string()));
    };
    Err(match (ground, deletion) {
        (ExpiryGround::Retention, _)
            if status == ProtectionStatus::SoftDeleted || stopped == Some(StopMode::RetainForever) =>
        {
            CatalogError::ProtectionStopped(id)
        }
        (ExpiryGround::Retention, _) => CatalogError::Conflict {
            key: Key::Instance(id).to_string(),
            found: "its newest point has changed".to_owned(),
        },
        (ExpiryGround::DataDeletion, Some(deletion)) if status == ProtectionStatus::SoftDeleted => {
            CatalogError::SoftDeletionEnds { instance: id, until: deletion.until }
        }
        (ExpiryGround::DataDeletion, _) => CatalogError::ProtectionNotChanged {
            instance: id,
            from: status,
            to: ProtectionStatus::SoftDeleted,
        },
    })
}

/// The error where no newest good point of the instance can be counted on.
fn no_good_point(instance: InstanceId, found: String) -> CatalogError {
    CatalogError::Conflict { key: Key::Instance(instance).to_string(), found }
}
