//! The crash matrix of the sweep: the process dies at every call of S3 and DynamoDB, before the call is sent and,
//! where it changes something, after it took effect; and the sweep is run again.
//!
//! Whatever happens, the end is the same as without a death; and after every death all is there that somebody names or
//! writes, or that nobody knows.

#![allow(clippy::unwrap_used, reason = "a helper that cannot set a test up has failed it")]

mod leftovers;
use std::collections::BTreeMap;

use permafrost_domain::immutability::Immutability;

use leftovers::{failed_backup, leave_segment, running_backup, sweep, unknown_backup};
use permafrost_testing::{Death, Kill, Vault};

/// Every death of a sweep ends in the stores without orphans, and with everything else.
#[tokio::test]
async fn a_sweep_ends_the_same_wherever_it_dies() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = vault.commit("2090-01-01T00:00:00Z", None).await;
    let (_, running) = running_backup(&vault, &point.manifest).await;
    let (_, unknown) = unknown_backup(&vault, &point.manifest).await;
    let kept = [&point, &running, &unknown];
    let objects = async || {
        let mut objects = Vec::new();
        for point in kept {
            objects.push(vault.objects(point).await);
        }
        objects
    };
    let expected = objects().await;

    let kill = Kill::default();
    let dying = vault.dying_tools(&kill);
    let deaths = kill
        .every_death(async |death: &Death<'_>| {
            let name = &death.name;
            let failed = failed_backup(&vault, &point.manifest).await;
            leave_segment(&vault, &point).await;
            death.arm();
            let first = sweep(&dying).await;
            for (now, before) in objects().await.into_iter().zip(&expected) {
                assert!(before.iter().all(|object| now.contains_key(object.0)), "{name}: {now:?}");
            }
            if death.has_struck() {
                assert!(first.is_err(), "{name}: {first:?}");
                let again = sweep(&vault.tools).await.expect(name);
                assert_eq!((again.unknown, again.locked, again.left), (1, 0, 0), "{name}");
            }
            assert_eq!(objects().await, expected, "{name}");
            assert_eq!(vault.objects(&failed).await, BTreeMap::new(), "{name}");
            if !death.has_struck() {
                assert_eq!(first.unwrap().deleted, 3);
            }
        })
        .await;
    assert!(deaths > 15, "the matrix has only {deaths} deaths");
}
