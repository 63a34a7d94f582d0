//! The snapshot of a backup: one chain of holders, never a mixture.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use jiff::Timestamp;
use permafrost_catalog::{Catalog, CatalogError, JobOutcome, Snapshot, SnapshotState};
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::{Code, JobId};
use support::emulator::table;
use support::samples::{at, instance, job, snapshot};

async fn open(catalog: &Catalog, n: i64) -> Job {
    let backup = job(Operation::Backup, &instance(1), n);
    catalog.open_job(&backup).await.unwrap();
    backup
}

/// The next hop after `of`, by `holder`.
fn next(of: &Snapshot, holder: &str) -> Snapshot {
    Snapshot {
        snapshot_id: format!("00000003-{holder}"),
        holder: holder.to_owned(),
        generation: of.generation + 1,
        held_since: at(90),
        lease_until: at(120),
        ..of.clone()
    }
}

/// Another snapshot of PostgreSQL by another try to hold, at `now`.
fn another(job: JobId, holder: &str, now: Timestamp) -> Snapshot {
    Snapshot { consistent_at: now, lease_until: at(1_000), ..snapshot(job, holder) }
}

#[tokio::test]
async fn a_snapshot_passes_through_its_life() {
    let catalog = table().await.catalog;
    let backup = open(&catalog, 1).await;
    assert_eq!(catalog.snapshot(backup.id).await.unwrap(), None);
    let missing = catalog.use_snapshot(backup.id, at(10)).await.unwrap_err();
    assert!(matches!(missing, CatalogError::SnapshotNotFound(_)), "{missing:?}");
    let first = snapshot(backup.id, "h1");
    for _ in 0..2 {
        catalog.put_first_snapshot(&first, at(10)).await.unwrap();
    }
    assert_eq!(catalog.snapshot(backup.id).await.unwrap().as_ref(), Some(&first));
    assert_eq!(catalog.use_snapshot(backup.id, at(10)).await.unwrap(), first);

    assert_eq!(catalog.renew_lease(backup.id, "h1", at(70)).await.unwrap(), SnapshotState::Held);
    assert_eq!(catalog.snapshot(backup.id).await.unwrap().unwrap().lease_until, at(70));
    let renewed = catalog.renew_lease(backup.id, "h9", at(99)).await.unwrap_err();
    assert!(matches!(renewed, CatalogError::SnapshotHeldByAnother { .. }), "{renewed:?}");

    for _ in 0..2 {
        assert_eq!(catalog.request_release(backup.id).await.unwrap(), SnapshotState::Releasing);
    }
    assert_eq!(catalog.renew_lease(backup.id, "h1", at(80)).await.unwrap(), SnapshotState::Releasing);
    assert!(catalog.mark_released(backup.id, "h9").await.is_err());
    for _ in 0..2 {
        assert_eq!(catalog.mark_released(backup.id, "h1").await.unwrap(), SnapshotState::Released);
    }
    assert_eq!(catalog.request_release(backup.id).await.unwrap(), SnapshotState::Released);
    catalog.abandon_snapshot(backup.id).await.unwrap();
    assert_eq!(catalog.mark_lost(backup.id, "h1").await.unwrap(), SnapshotState::Released);
    let gone = catalog.use_snapshot(backup.id, at(10)).await.unwrap_err();
    assert_eq!(gone.code(), Code::SnapshotLost);
    // The job is read with its snapshot beside it.
    assert_eq!(catalog.job(backup.id).await.unwrap(), backup);
}

#[tokio::test]
async fn where_there_is_no_snapshot_abandoning_is_quiet_and_the_rest_says_so() {
    let catalog = table().await.catalog;
    let backup = open(&catalog, 1).await;
    catalog.abandon_snapshot(backup.id).await.unwrap();
    assert_eq!(catalog.snapshot(backup.id).await.unwrap(), None, "no half a record");
    for answer in [
        catalog.request_release(backup.id).await,
        catalog.mark_released(backup.id, "h1").await,
        catalog.mark_lost(backup.id, "h1").await,
        catalog.renew_lease(backup.id, "h1", at(1)).await,
    ] {
        assert!(matches!(answer, Err(CatalogError::SnapshotNotFound(_))), "{answer:?}");
    }
    assert_eq!(catalog.snapshot(backup.id).await.unwrap(), None);
}

#[tokio::test]
async fn holders_hand_over_in_a_chain() {
    let catalog = table().await.catalog;
    let backup = open(&catalog, 1).await;
    let first = snapshot(backup.id, "h1");
    catalog.put_first_snapshot(&first, at(10)).await.unwrap();
    catalog.use_snapshot(backup.id, at(11)).await.unwrap();
    let second = next(&first, "h2");
    for _ in 0..2 {
        catalog.swap_snapshot(&second, 1).await.unwrap();
    }
    assert_eq!(catalog.use_snapshot(backup.id, at(100)).await.unwrap(), second, "the lease is the new one's");
    // The old holder learns that it may let go, and cannot end what is the new one's.
    for answer in [
        catalog.renew_lease(backup.id, "h1", at(999)).await,
        catalog.mark_released(backup.id, "h1").await,
        catalog.mark_lost(backup.id, "h1").await,
    ] {
        let Err(CatalogError::SnapshotHeldByAnother { holder, generation, .. }) = answer else {
            panic!("{answer:?}");
        };
        assert_eq!((holder.as_str(), generation), ("h2", 2));
    }
    assert_eq!(catalog.snapshot(backup.id).await.unwrap(), Some(second.clone()));

    // One of two successors wins; a hop cannot be skipped, nor change the data.
    let (a, b) = (next(&second, "ha"), next(&second, "hb"));
    let (one, two) = tokio::join!(catalog.swap_snapshot(&a, 2), catalog.swap_snapshot(&b, 2));
    assert!(one.is_ok() != two.is_ok(), "{one:?} {two:?}");
    let lost = one.err().or(two.err()).unwrap();
    assert!(matches!(lost, CatalogError::SnapshotHeldByAnother { generation: 3, .. }), "{lost:?}");
    let third = catalog.snapshot(backup.id).await.unwrap().unwrap();
    let skipped = Snapshot { generation: 5, ..next(&third, "hc") };
    assert_eq!(catalog.swap_snapshot(&skipped, 3).await.unwrap_err().code(), Code::CatalogConflict);
    let other_data = Snapshot { consistent_at: at(50), ..next(&third, "hc") };
    assert_eq!(catalog.swap_snapshot(&other_data, 3).await.unwrap_err().code(), Code::CatalogConflict);
    catalog.request_release(backup.id).await.unwrap();
    let late = catalog.swap_snapshot(&next(&third, "hd"), 3).await.unwrap_err();
    assert!(matches!(late, CatalogError::SnapshotGone { state: SnapshotState::Releasing, .. }), "{late:?}");
}

#[tokio::test]
async fn an_unused_snapshot_is_replaced_when_its_holder_is_lost() {
    let catalog = table().await.catalog;
    for (n, lost, now) in [(1, true, at(20)), (2, false, at(61))] {
        let backup = open(&catalog, n).await;
        catalog.put_first_snapshot(&snapshot(backup.id, "h1"), at(10)).await.unwrap();
        let retry = another(backup.id, "h2", now);
        let early = catalog.put_first_snapshot(&retry, at(20)).await.unwrap_err();
        assert!(
            matches!(&early, CatalogError::SnapshotHeldByAnother { lease_until, .. } if *lease_until == at(60)),
            "{early:?}"
        );
        if lost {
            assert_eq!(catalog.mark_lost(backup.id, "h1").await.unwrap(), SnapshotState::Lost);
        }
        catalog.put_first_snapshot(&retry, now).await.unwrap();
        assert_eq!(catalog.use_snapshot(backup.id, now).await.unwrap(), retry);
        // The first holder, should it live after all, changes nothing.
        assert!(catalog.renew_lease(backup.id, "h1", at(999)).await.is_err());
        let hop = next(&snapshot(backup.id, "h1"), "h3");
        assert!(catalog.swap_snapshot(&hop, 1).await.is_err());
        assert_eq!(catalog.snapshot(backup.id).await.unwrap(), Some(retry));
    }
}

#[tokio::test]
async fn a_used_snapshot_is_never_replaced_by_another() {
    let catalog = table().await.catalog;
    for (n, lost) in [(1, true), (2, false)] {
        let backup = open(&catalog, n).await;
        catalog.put_first_snapshot(&snapshot(backup.id, "h1"), at(10)).await.unwrap();
        catalog.use_snapshot(backup.id, at(11)).await.unwrap();
        if lost {
            catalog.mark_lost(backup.id, "h1").await.unwrap();
        }
        let error =
            catalog.put_first_snapshot(&another(backup.id, "h2", at(500)), at(500)).await.unwrap_err();
        assert_eq!(error.code(), Code::SnapshotLost, "{error:?}");
        // Also not after a hop, which keeps the mark.
        if !lost {
            catalog.swap_snapshot(&next(&snapshot(backup.id, "h1"), "h2"), 1).await.unwrap();
            let error =
                catalog.put_first_snapshot(&another(backup.id, "h3", at(500)), at(500)).await.unwrap_err();
            assert_eq!(error.code(), Code::SnapshotLost, "{error:?}");
        }
        let over = catalog.use_snapshot(backup.id, at(500)).await.unwrap_err();
        assert!(matches!(over, CatalogError::SnapshotGone { .. }), "{over:?}");
    }
}

#[tokio::test]
async fn using_and_replacing_at_once_never_mix() {
    let catalog = table().await.catalog;
    for n in 0..8 {
        let backup = open(&catalog, n).await;
        let first = snapshot(backup.id, "h1");
        catalog.put_first_snapshot(&first, at(10)).await.unwrap();
        // The reader's clock is behind: for it the lease still runs.
        let retry = another(backup.id, "h2", at(61));
        let (used, replaced) =
            tokio::join!(catalog.use_snapshot(backup.id, at(59)), catalog.put_first_snapshot(&retry, at(61)));
        let used = used.unwrap();
        assert_eq!(used == first, replaced.is_err(), "{replaced:?}");
        assert_eq!(catalog.snapshot(backup.id).await.unwrap(), Some(used));
    }
}

#[tokio::test]
async fn what_was_released_or_abandoned_or_cancelled_is_not_held_again() {
    let catalog = table().await.catalog;
    let backup = open(&catalog, 1).await;
    catalog.put_first_snapshot(&snapshot(backup.id, "h1"), at(10)).await.unwrap();
    catalog.abandon_snapshot(backup.id).await.unwrap();
    let error = catalog.put_first_snapshot(&another(backup.id, "h2", at(500)), at(500)).await.unwrap_err();
    assert!(matches!(error, CatalogError::SnapshotGone { state: SnapshotState::Abandoned, .. }), "{error:?}");
    assert_eq!(error.code(), Code::JobCancelled);

    let cancelled = open(&catalog, 2).await;
    catalog.request_cancel(cancelled.id).await.unwrap();
    let first = snapshot(cancelled.id, "h1");
    assert_eq!(catalog.put_first_snapshot(&first, at(10)).await.unwrap_err().code(), Code::JobCancelled);
    let ended = open(&catalog, 3).await;
    let failed = JobOutcome::Failed(permafrost_domain::Fault::new(Code::FunctionFailed, "x"));
    catalog.close_job(ended.id, &failed, at(5)).await.unwrap();
    let late = catalog.put_first_snapshot(&snapshot(ended.id, "h1"), at(10)).await.unwrap_err();
    assert_eq!(late.code(), Code::JobNotRunning);
    let nobody = JobId::new(at(9), 9);
    let error = catalog.put_first_snapshot(&snapshot(nobody, "h1"), at(10)).await.unwrap_err();
    assert_eq!(error.code(), Code::JobNotFound);
    assert_eq!(catalog.snapshot(nobody).await.unwrap(), None);
}
