//! `ExpireRecoveryPoint`: deletes a point whose time is over.
//!
//! Order of effects: the list of all its objects, made of the manifest, is written; the catalog says `Expiring`, on the
//! condition that nothing keeps the point; the manifest goes, then all others, by the exact versions of the list; the
//! list goes; the catalog says `Expired`, and keeps that. Killed anywhere, the point stays due, and whoever goes on
//! reads from the list what may be left; a point that is `Expiring` and has no list has nothing left.
//!
//! What cannot be read is not deleted: without manifest, or `archive.json` of an archived point, there is no list, and
//! without a list nothing is begun. Nor while a lock keeps one of its objects.

use jiff::Timestamp;
use permafrost_catalog::{ExpiryGround, PointChange};
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::{Code, Fault, InstanceId, JobId, PointId};
use permafrost_function::Tools;
use permafrost_function::objects::{PointObjects, for_each};
use permafrost_function::postpone::{postpone_failed, postpone_locked};
use permafrost_function::step::Done;
use permafrost_vault::store::{Written, parse_document, write_document};
use permafrost_vault::{Erasure, ObjectVersion, PointLayout, Store, VaultError};
use serde::Deserialize;

/// The step's input.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Input {
    /// The job.
    pub job: JobId,
    /// The instance.
    pub instance: InstanceId,
    /// The point.
    pub point: PointId,
    /// Why it is deleted.
    #[serde(default)]
    pub ground: Ground,
    /// What time it is, where the stack takes that from its inputs.
    #[serde(default)]
    pub now: Option<Timestamp>,
}

/// Why a point is deleted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// Its time is over.
    #[default]
    Retention,
    /// The data of its instance was deleted, and the time for undoing that is over.
    DataDeletion,
}

impl From<Ground> for ExpiryGround {
    fn from(ground: Ground) -> Self {
        match ground {
            Ground::Retention => Self::Retention,
            Ground::DataDeletion => Self::DataDeletion,
        }
    }
}

/// Deletes the point.
///
/// # Errors
/// `ObjectLocked` where a lock or a legal hold keeps one of its objects; then it is put off. What names its objects
/// cannot be read, or the catalog says that the point stays; nothing was deleted then.
pub async fn handle(tools: &Tools, input: Input) -> Result<Done, Fault> {
    let now = tools.config.clock.time(input.now)?;
    let point = tools.catalog.point(input.instance, input.point).await?;
    match expire(tools, point.clone(), input.ground, now).await {
        Err(fault) => {
            // As it is now: it may have been given up.
            let point = tools.catalog.point(input.instance, input.point).await.unwrap_or(point);
            Err(postpone_failed(tools, &point, fault, now).await)
        }
        done => done,
    }
}

async fn expire(
    tools: &Tools,
    mut point: RecoveryPoint,
    ground: Ground,
    now: Timestamp,
) -> Result<Done, Fault> {
    let layout = PointLayout::new(point.instance, point.id);
    if !matches!(point.state, PointState::Expiring | PointState::Expired) {
        point = begin(tools, &layout, &point, ground, now).await?;
    }
    if point.state == PointState::Expiring {
        if let Err(error) = erase(tools, &layout, &point).await? {
            return Err(postpone_locked(tools, &point, error, now).await);
        }
        tools.catalog.move_point(&point, PointState::Expired, &PointChange::default()).await?;
    }
    Ok(Done {})
}

/// Writes down what is to be deleted, and takes the point.
async fn begin(
    tools: &Tools,
    layout: &PointLayout,
    point: &RecoveryPoint,
    ground: Ground,
    now: Timestamp,
) -> Result<RecoveryPoint, Fault> {
    let objects = PointObjects::of(tools, point).await?;
    let free = async |store: &Store, object: &ObjectVersion| match store.lock(layout, object).await {
        Ok(lock) if lock.keeps(now) => Err(VaultError::Locked { key: layout.key(&object.key), lock }),
        // Gone already: old segments of an archived point are.
        Ok(_) | Err(VaultError::Missing { .. }) => Ok(()),
        Err(error) => Err(error),
    };
    let in_backup = objects.hot().chain(&objects.segments);
    let found = match for_each(&tools.store, in_backup, free).await {
        Ok(()) => for_each(&tools.archive, &objects.archived, free).await,
        locked => locked,
    };
    if let Err(error) = found {
        return Err(postpone_locked(tools, point, error, now).await);
    }
    write_list(tools, layout, &objects.erasure(layout)).await?;
    Ok(tools.catalog.begin_expiry(point, ground.into(), now).await?)
}

/// Writes the list. One that is there and differs is of a time at which the point was not taken after all, and had
/// other objects: nobody deletes by a list before the point is taken.
async fn write_list(tools: &Tools, layout: &PointLayout, list: &Erasure) -> Result<(), Fault> {
    let body = write_document(list);
    if let Written::Existing(stale, _) =
        tools.store.put_or_get(layout, PointLayout::EXPIRY, body.clone()).await?
    {
        tools.store.delete_version(layout, &(&stale).into()).await?;
        tools.store.put_new(layout, PointLayout::EXPIRY, body).await?;
    }
    Ok(())
}

/// Deletes what the list names, and then the list. A lock is an answer of its own.
async fn erase(
    tools: &Tools,
    layout: &PointLayout,
    point: &RecoveryPoint,
) -> Result<Result<(), VaultError>, Fault> {
    let Some((list, erasure)) = read_list(tools, layout, point).await? else { return Ok(Ok(())) };
    let delete = async |store: &Store, object: &ObjectVersion| store.delete_version(layout, object).await;
    let erased = async {
        tools.store.delete_version(layout, &erasure.manifest).await?;
        for_each(&tools.archive, &erasure.archive, delete).await?;
        for_each(&tools.store, &erasure.backup, delete).await?;
        tools.store.delete_version(layout, &list).await
    };
    Ok(erased.await)
}

/// The list and where it is; nothing where all that it named is gone, and itself.
async fn read_list(
    tools: &Tools,
    layout: &PointLayout,
    point: &RecoveryPoint,
) -> Result<Option<(ObjectVersion, Erasure)>, Fault> {
    let manifest = ObjectVersion { key: point.manifest.key.clone(), version: point.manifest.version.clone() };
    let damaged = |message: &str| {
        let key = layout.key(PointLayout::EXPIRY);
        Err(Fault::new(Code::ObjectMissing, message.to_owned()).on(format!("object {key}")))
    };
    let (object, body) = match tools.store.get_current(layout, PointLayout::EXPIRY).await {
        Ok(found) => found,
        Err(VaultError::Missing { .. }) => {
            // The manifest goes before the list does.
            return match tools.store.lock(layout, &manifest).await {
                Err(VaultError::Missing { .. }) => Ok(None),
                Ok(_) => damaged("the list of what is to be deleted is gone and the manifest is not"),
                Err(error) => Err(error.into()),
            };
        }
        Err(error) => return Err(error.into()),
    };
    let erasure: Erasure = parse_document(&layout.key(PointLayout::EXPIRY), &body)?;
    if (erasure.instance, erasure.point, &erasure.manifest) != (point.instance, point.id, &manifest) {
        return damaged("the list of what is to be deleted is not of this recovery point");
    }
    Ok(Some(((&object).into(), erasure)))
}
