//! The crash matrix of rehydration: the process dies at every call of S3 and DynamoDB, before the call is sent and,
//! where it changes something, after it took effect; and the step is run again until it is done.
//!
//! Whatever happens, the end is the same as without a death; and after every death the point can be described, and
//! where it could be read before it can be read still.

#![allow(clippy::unwrap_used, reason = "a helper that cannot set a test up has failed it")]

mod rehydration;
use futures_util::stream::{self, StreamExt};
use permafrost_domain::immutability::Immutability;

use permafrost_testing::{Kill, Moment, TestPoint, Vault};
use rehydration::{
    Readable, archived, assert_as_archived, assert_readable_for, is_readable, rehydrate, rehydrated,
    until_done,
};

/// Deaths at one time: each waits some seconds for the store to make its copies.
const AT_ONCE: usize = 8;

/// A point that is archived gets its copies, and is called rehydrated when they are there.
#[tokio::test]
async fn a_rehydration_ends_the_same_wherever_it_dies() {
    let vault = Vault::new(Immutability::Disabled).await;
    let deaths = every_death(&vault, Before::Archived, 10).await;
    assert!(deaths > 15, "the matrix has only {deaths} deaths");
}

/// A point that is readable for 10 days gets 20 more, and never ceases to be readable.
#[tokio::test]
async fn a_longer_rehydration_ends_the_same_wherever_it_dies() {
    let vault = Vault::new(Immutability::Disabled).await;
    let deaths = every_death(&vault, Before::Rehydrated, 30).await;
    assert!(deaths > 10, "the matrix has only {deaths} deaths");
}

/// What a point is before the job that dies.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Before {
    /// In the archive store.
    Archived,
    /// Readable for 10 days.
    Rehydrated,
}

/// Lets a rehydration for `days` days die at every call, each with a point of its own; how many deaths there were.
async fn every_death(vault: &Vault, before: Before, days: u16) -> usize {
    let mut deaths = 0;
    for moment in [Moment::Before, Moment::After] {
        let mut struck = stream::iter(0..)
            .map(async |call| {
                let point = archived(vault).await;
                if before == Before::Rehydrated {
                    rehydrated(vault, &point, 10).await;
                }
                death(vault, &point, (call, moment), days).await
            })
            .buffered(AT_ONCE);
        while struck.next().await == Some(true) {
            deaths += 1;
        }
    }
    deaths
}

/// Lets a rehydration die at a call, and goes on where it died. Whether there were as many calls.
async fn death(vault: &Vault, point: &TestPoint, (call, moment): (usize, Moment), days: u16) -> bool {
    let name = format!("died {moment:?} call {call}");
    let kill = Kill::default();
    let dying = vault.dying_tools(&kill);
    let job = rehydrate(vault, point, days).await;
    let readable = is_readable(vault, point).await;
    kill.arm(call, moment);
    let died = until_done(&dying, vault, point, job).await;
    assert_eq!(died.is_err(), kill.has_struck(), "{name}: {died:?}");
    let still = is_readable(vault, point).await;
    assert!(still >= readable, "{name}: it was {readable:?} and is {still:?}");
    until_done(&vault.tools, vault, point, job).await.expect(&name);

    assert_readable_for(days, &vault.point(point.id).await, &name);
    assert_eq!(is_readable(vault, point).await, Readable::All, "{name}");
    assert_as_archived(vault, point, &name).await;
    kill.has_struck()
}
