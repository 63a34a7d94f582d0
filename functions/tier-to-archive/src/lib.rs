//! `TierToArchive`: moves a point's segments into the archive store.
//!
//! Order of effects: the state `Archiving`; copies of all segments, each found with its size, checksum and class, and
//! locked; `archive.json`; the state `Archived`, from which on the copies are what is read; and only then, when every
//! copy has been found once more, the segments in the backup store go. Killed anywhere, all segments are in one store
//! at least, and whoever goes on finds the copies that are there. The point stays due until its old segments are gone.
//!
//! Nothing is begun while a lock or a legal hold keeps an old segment: the point would be paid for twice. Copies are
//! begun within a budget of time; what is left then is copied when the step is asked again.
//!
//! A point may be put under legal hold, or released, at any moment of this. Copies are held before they count, as the
//! catalog says when the step begins, and do not begin to count where it says something else by then: the step is asked
//! again, and holds them or lets them go. Under legal hold no old segment goes. The release makes the point due again.

use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;
use permafrost_catalog::{CatalogError, NextDue, PointChange};
use permafrost_domain::recovery_point::{ArchiveRef, PointState, RecoveryPoint};
use permafrost_domain::tiering::ArchiveClass;
use permafrost_domain::{Code, Fault};
use permafrost_function::Tools;
use permafrost_function::lock::lock_until;
use permafrost_function::objects::{AT_ONCE, for_each};
use permafrost_function::point::OpenPoint;
use permafrost_function::postpone::{postpone_failed, postpone_locked};
use permafrost_function::step::{PointStep, Progressed};
use permafrost_vault::object_lock::LegalHold;
use permafrost_vault::store::write_document;
use permafrost_vault::{Archive, ObjectRef, ObjectVersion, PointLayout, Store, VaultError};
use tokio::time::Instant;

/// How long copies are begun: a function lives 900 s, and what it has begun must end in it.
const BUDGET: Duration = Duration::from_mins(10);

/// Moves the point into the archive store, or some of it.
///
/// # Errors
/// `ObjectLocked` where a lock keeps a segment that would go; then it is put off. `RecoveryPointUnderLegalHold` where a
/// hold does; its release is waited for. An object is missing, differs from its
/// checksum or cannot be read; nothing was deleted then. `RecoveryPointNotAvailable` where the point is in a state that
/// cannot be archived.
pub async fn handle(tools: &Tools, step: PointStep) -> Result<Progressed, Fault> {
    let deadline = Instant::now() + BUDGET;
    let now = tools.config.clock.time(step.now)?;
    let point = tools.catalog.point(step.instance, step.point).await?;
    match archive(tools, point.clone(), now, deadline).await {
        Err(fault) => {
            // As it is now: the copies may have been named.
            let point = tools.catalog.point(step.instance, step.point).await.unwrap_or(point);
            Err(postpone_failed(tools, &point, fault, now).await)
        }
        done => done,
    }
}

async fn archive(
    tools: &Tools,
    mut point: RecoveryPoint,
    now: Timestamp,
    deadline: Instant,
) -> Result<Progressed, Fault> {
    if point.state == PointState::Available {
        point = begin(tools, &point, now).await?;
    }
    if point.state == PointState::Archiving {
        match copy(tools, &point, now, deadline).await? {
            Some(archived) => point = archived,
            None => return Ok(Progressed::Running),
        }
    }
    match point.state {
        PointState::Archived | PointState::Rehydrating | PointState::Rehydrated => {
            leave_backup_store(tools, &point, now).await?;
            Ok(Progressed::Done)
        }
        state => {
            let message = format!("the recovery point is {state:?}");
            Err(Fault::new(Code::RecoveryPointNotAvailable, message)
                .on(format!("recovery point {}", point.id)))
        }
    }
}

/// Takes the point, where nothing keeps its segments in the backup store.
async fn begin(tools: &Tools, point: &RecoveryPoint, now: Timestamp) -> Result<RecoveryPoint, Fault> {
    stamped(tools, point)?;
    check_free(point)?;
    let open = OpenPoint::open(tools, point).await?;
    let layout = &open.layout;
    let free = async |store: &Store, object: &ObjectVersion| {
        let lock = store.lock(layout, object).await?;
        if lock.keeps(now) {
            return Err(VaultError::Locked { key: layout.key(&object.key), lock });
        }
        Ok(())
    };
    let segments: Vec<_> = open.manifest.segments().map(ObjectVersion::from).collect();
    if let Err(error) = for_each(&tools.store, &segments, free).await {
        return Err(postpone_locked(tools, point, error, now).await);
    }
    // Due from now on, until its old segments are gone: whoever dies in between, it is found again.
    let change = PointChange { next_due: NextDue::At(now), ..PointChange::default() };
    Ok(tools.catalog.move_point(point, PointState::Archiving, &change).await?)
}

/// Makes the copies, names them, and makes them what counts; the point after it, or nothing where time is up or the
/// point's legal hold has changed.
async fn copy(
    tools: &Tools,
    point: &RecoveryPoint,
    now: Timestamp,
    deadline: Instant,
) -> Result<Option<RecoveryPoint>, Fault> {
    let (class, until) = stamped(tools, point)?;
    let open = OpenPoint::open(tools, point).await?;
    let layout = &open.layout;
    let hold = if point.legal_hold { LegalHold::On } else { LegalHold::Off };
    let copy = async |segment: &ObjectRef| -> Result<Option<ObjectRef>, Fault> {
        if Instant::now() >= deadline {
            return Ok(None);
        }
        let copy = tools.archive.copy_from(&tools.store, layout, segment, class).await?;
        lock_until(tools, &tools.archive, layout, [&(&copy).into()], until, now).await?;
        tools.archive.settle_legal_hold(layout, &(&copy).into(), hold).await?;
        Ok(Some(copy))
    };
    let segments: Vec<&ObjectRef> = open.manifest.segments().collect();
    let copies: Vec<Option<ObjectRef>> =
        stream::iter(segments).map(&copy).buffered(AT_ONCE).try_collect().await?;
    let Some(copies) = copies.into_iter().collect::<Option<Vec<_>>>() else { return Ok(None) };

    let archive = Archive::new(layout, class, copies);
    archive.check(&open.manifest)?;
    let named = tools.store.put_new(layout, PointLayout::ARCHIVE, write_document(&archive)).await?;
    lock_until(tools, &tools.store, layout, [&(&named).into()], until, now).await?;
    tools.store.settle_legal_hold(layout, &(&named).into(), hold).await?;
    let sha256 = named.sha256.to_string();
    let reference = ArchiveRef { key: named.key, version: named.version, sha256, class };
    let next_due = if point.legal_hold { NextDue::AsStamped } else { NextDue::At(now) };
    let change = PointChange { archive: Some(reference), next_due, ..PointChange::default() };
    match tools.catalog.move_point(point, PointState::Archived, &change).await {
        Ok(archived) => Ok(Some(archived)),
        Err(error @ CatalogError::PointChanged { .. }) => {
            let there = tools.catalog.point(point.instance, point.id).await?;
            if there.state == point.state && there.legal_hold != point.legal_hold {
                return Ok(None);
            }
            Err(error.into())
        }
        Err(error) => Err(error.into()),
    }
}

/// Deletes the segments in the backup store, once every copy has been found in the archive store.
async fn leave_backup_store(tools: &Tools, point: &RecoveryPoint, now: Timestamp) -> Result<(), Fault> {
    let open = OpenPoint::open(tools, point).await?;
    let layout = &open.layout;
    if open.archive.is_none() {
        let message = "the recovery point is archived and names no copies";
        return Err(
            Fault::new(Code::CatalogRecordInvalid, message).on(format!("recovery point {}", point.id))
        );
    }
    let (_, until) = stamped(tools, point)?;
    if tools.config.immutability.lock_mode().is_some() && until > now {
        tools.catalog.record_lock(point.instance, point.id, until).await?;
    }
    let segments: Vec<&ObjectRef> = open.manifest.segments().collect();
    stream::iter(&segments)
        .map(|segment| open.store.check(layout, segment))
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await?;
    check_free(&tools.catalog.point(point.instance, point.id).await?)?;
    let old: Vec<_> = segments.into_iter().map(ObjectVersion::from).collect();
    let delete = async |store: &Store, object: &ObjectVersion| store.delete_version(layout, object).await;
    if let Err(error) = for_each(&tools.store, &old, delete).await {
        return Err(postpone_locked(tools, point, error, now).await);
    }
    // Next comes what is stamped on it.
    match point.next_due() {
        Some((next, _)) => Ok(tools.catalog.postpone_point(point, next).await?),
        None => Ok(()),
    }
}

/// Makes sure that the point is not under legal hold.
fn check_free(point: &RecoveryPoint) -> Result<(), Fault> {
    if point.legal_hold { Err(CatalogError::PointUnderLegalHold(point.id).into()) } else { Ok(()) }
}

/// Where and until when the point is to be archived: in the class that is stamped on it, else in the vault's.
fn stamped(tools: &Tools, point: &RecoveryPoint) -> Result<(ArchiveClass, Timestamp), Fault> {
    let stamped = point.retention.archive.ok_or_else(|| {
        let message = "the recovery point is not to be archived";
        Fault::new(Code::RecoveryPointNotAvailable, message).on(format!("recovery point {}", point.id))
    })?;
    Ok((stamped.class.unwrap_or(tools.config.archive_class), stamped.until))
}
