//! Locking the objects of a point: until the times that its retention says, as the vault's immutability wants.
//!
//! A point's segments leave the backup store when its time there is over, so they are locked no longer than that;
//! what describes it stays until the point is deleted, as do its segments in the archive store.

use jiff::Timestamp;
use permafrost_domain::Fault;
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::retention::StampedRetention;
use permafrost_vault::{Manifest, ObjectRef, ObjectVersion, PointLayout, Store};

use crate::objects::{PointObjects, for_each};
use crate::tools::Tools;

/// Locks the objects of a point that is about to be committed: between the manifest, which lies in the store as
/// `written`, and the catalog's transaction. May be repeated; locks are lengthened and never shortened.
///
/// Returns until when the point is locked where it is: its `locked_until`; nothing where the vault is not immutable.
///
/// # Errors
/// The store refuses a lock, or does not keep it; `ImmutabilityCannotBeLowered` where the vault has been more immutable
/// than it is configured to be. Then nothing is visible yet, and the commit fails.
pub async fn lock_point(
    tools: &Tools,
    layout: &PointLayout,
    manifest: &Manifest,
    written: &ObjectRef,
    retention: &StampedRetention,
    now: Timestamp,
) -> Result<Option<Timestamp>, Fault> {
    tools.catalog.raise_immutability(tools.config.immutability).await?;
    if tools.config.immutability.lock_mode().is_none() {
        return Ok(None);
    }
    let plan = tools.store.current_version(layout, PointLayout::PLAN).await?;
    let objects = PointObjects::committed(manifest, ObjectVersion::from(written), plan);
    lock_objects(tools, layout, &objects, retention, now).await
}

/// Locks the objects of a committed point until the times that its retention says now: after it was lengthened.
/// Returns until when the point is locked where it is.
///
/// # Errors
/// What names its objects cannot be read; the store refuses a lock, or does not keep it.
pub async fn extend_lock(
    tools: &Tools,
    point: &RecoveryPoint,
    now: Timestamp,
) -> Result<Option<Timestamp>, Fault> {
    if tools.config.immutability.lock_mode().is_none() {
        return Ok(None);
    }
    let mut objects = PointObjects::of(tools, point).await?;
    if point.archive.is_some() {
        objects.segments.clear();
    }
    lock_objects(tools, &PointLayout::new(point.instance, point.id), &objects, &point.retention, now).await
}

async fn lock_objects(
    tools: &Tools,
    layout: &PointLayout,
    objects: &PointObjects,
    retention: &StampedRetention,
    now: Timestamp,
) -> Result<Option<Timestamp>, Fault> {
    let end = retention.deleted_on();
    lock_until(tools, &tools.store, layout, &objects.segments, retention.backup_store_until, now).await?;
    lock_until(tools, &tools.archive, layout, &objects.archived, end, now).await?;
    lock_until(tools, &tools.store, layout, objects.hot(), end, now).await?;
    let until = if objects.archived.is_empty() { retention.backup_store_until } else { end };
    Ok(Some(until).filter(|until| *until > now))
}

/// Locks objects of a point until `until` as the vault's immutability wants; nothing where it wants nothing, or the
/// time is over: S3 takes only a time to come.
///
/// # Errors
/// The store refuses a lock, or does not keep it.
pub async fn lock_until<'a>(
    tools: &Tools,
    store: &'a Store,
    layout: &PointLayout,
    objects: impl IntoIterator<Item = &'a ObjectVersion>,
    until: Timestamp,
    now: Timestamp,
) -> Result<(), Fault> {
    let Some(mode) = tools.config.immutability.lock_mode().filter(|_| until > now) else { return Ok(()) };
    let lock =
        async |store: &Store, object: &ObjectVersion| store.lock_until(layout, object, mode, until).await;
    Ok(for_each(store, objects, lock).await?)
}
