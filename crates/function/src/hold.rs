//! S3's own legal hold on the objects of a point, so that not even who may delete from the stores can.
//!
//! A large point takes several calls. Each goes on where the last one ended in a list of the point's objects that only
//! grows: what is added while a point moves to the archive store comes last. Those copies are held, or not, by whoever
//! makes them; a release looks at them all the same, since they may have been made under the hold.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use permafrost_domain::Fault;
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_vault::object_lock::LegalHold;
use permafrost_vault::{ObjectVersion, PointLayout, Store, VaultError};
use tokio::time::Instant;

use crate::objects::{AT_ONCE, PointObjects};
use crate::tools::Tools;

/// How many objects are begun between two looks at the clock.
pub const STRIDE: usize = 256;

/// How far a call has come in the list of a point's objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reached {
    /// The first of them that is left.
    pub next: usize,
    /// Whether none is.
    pub is_end: bool,
}

/// Puts the objects of `point` under S3's legal hold, or takes them out, from the one numbered `from` on until
/// `deadline`; some at least.
///
/// The old segments of a point that was archived are no part of it: a hold passes by them, and a release lets go of
/// those that are there.
///
/// # Errors
/// What names its objects cannot be read; the store refuses, or does not keep a hold.
pub async fn set_hold(
    tools: &Tools,
    point: &RecoveryPoint,
    hold: LegalHold,
    from: usize,
    deadline: Instant,
) -> Result<Reached, Fault> {
    let layout = PointLayout::new(point.instance, point.id);
    let objects = PointObjects::of(tools, point).await?;
    let list = in_order(tools, &objects);
    let set = async |(place, store, object): (Place, &Store, &ObjectVersion)| match place {
        Place::Here => store.settle_legal_hold(&layout, object, hold).await,
        Place::Left if hold == LegalHold::On => Ok(()),
        Place::Left => match store.settle_legal_hold(&layout, object, hold).await {
            Err(VaultError::Missing { .. }) => Ok(()),
            done => done,
        },
    };
    let mut next = from.min(list.len());
    for stride in list[next..].chunks(STRIDE) {
        stream::iter(stride.iter().copied())
            .map(&set)
            .buffer_unordered(AT_ONCE)
            .try_collect::<()>()
            .await
            .map_err(Fault::from)?;
        next += stride.len();
        if Instant::now() >= deadline {
            break;
        }
    }
    Ok(Reached { next, is_end: next == list.len() })
}

/// Whether an object is where the point has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Place {
    Here,
    /// It was moved, and may be left.
    Left,
}

/// The objects of a point, each in its store: what there was at its commit first.
fn in_order<'a>(tools: &'a Tools, objects: &'a PointObjects) -> Vec<(Place, &'a Store, &'a ObjectVersion)> {
    let of_segments = if objects.archived.is_empty() { Place::Here } else { Place::Left };
    let is_added = |object: &&ObjectVersion| object.key == PointLayout::ARCHIVE;
    let here = |store: &'a Store| move |object: &'a ObjectVersion| (Place::Here, store, object);
    let committed = objects.hot().filter(|object| !is_added(object)).map(here(&tools.store));
    let segments = objects.segments.iter().map(|segment| (of_segments, &tools.store, segment));
    let added = objects.hot().filter(is_added).map(here(&tools.store));
    committed.chain(segments).chain(added).chain(objects.archived.iter().map(here(&tools.archive))).collect()
}
