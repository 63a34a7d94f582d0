//! Rehydrations that meet another one of the same point: one that runs, one that was given up, one that is over.

#![allow(clippy::unwrap_used, reason = "a helper that cannot set a test up has failed it")]

mod rehydration;
use jiff::SignedDuration;
use permafrost_catalog::{JobOutcome, Seed};
use permafrost_domain::immutability::Immutability;
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::{Code, Fault, JobId};
use permafrost_function::clock;
use permafrost_function::step::{JobStep, Progressed};

use permafrost_testing::{TestPoint, Vault};
use rehydration::{
    Readable, archived, assert_as_archived, assert_readable_for, close, copies, is_readable, rehydrate,
    rehydrated, until_done,
};

/// Runs the job's step once.
async fn step(vault: &Vault, job: JobId) -> Progressed {
    rehydrate_point::handle(&vault.tools, JobStep { job }).await.unwrap()
}

/// The point as one that is still called rehydrated, and whose copies are gone.
async fn over(vault: &Vault, point: &TestPoint) -> RecoveryPoint {
    RecoveryPoint {
        state: PointState::Rehydrated,
        rehydrated_until: Some(clock::now() - SignedDuration::from_hours(1)),
        ..vault.point(point.id).await
    }
}

/// Of two jobs that rehydrate a point at once, each ends when it is readable for as long as that one asked for.
#[tokio::test]
async fn two_rehydrations_of_a_point_both_get_what_they_asked_for() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = archived(&vault).await;
    let (short, long) = (rehydrate(&vault, &point, 10).await, rehydrate(&vault, &point, 30).await);
    assert_eq!(step(&vault, short).await, Progressed::Running);
    assert_eq!(step(&vault, long).await, Progressed::Running);
    assert!(copies(&vault, &point).await);
    until_done(&vault.tools, &vault, &point, long).await.unwrap();
    assert_readable_for(30, &vault.point(point.id).await, "as this job asked for");
    until_done(&vault.tools, &vault, &point, short).await.unwrap();
    assert_readable_for(30, &vault.point(point.id).await, "nothing is shortened");
    assert_as_archived(&vault, &point, "after both").await;
}

/// Two jobs that go on with a point at the same moment do not fail of each other, whatever the other has done to it
/// since it was read.
#[tokio::test]
async fn rehydrations_at_the_same_moment_do_not_fail_of_each_other() {
    let vault = Vault::new(Immutability::Disabled).await;
    // The second one finds the point moved on where it read it before the first one's moves, and moves it after them.
    for delay in (0..24).map(|step| std::time::Duration::from_millis(2 * step)) {
        // A new one each time: of an old one the store has made the copies before long.
        let point = archived(&vault).await;
        let (short, long) = (rehydrate(&vault, &point, 10).await, rehydrate(&vault, &point, 30).await);
        let over = over(&vault, &point).await;
        vault.tools.catalog.seed([Seed::Point(Box::new(over))]).await.unwrap();
        let later = async {
            tokio::time::sleep(delay).await;
            step(&vault, long).await
        };
        let both = tokio::join!(step(&vault, short), later);
        assert_eq!(both, (Progressed::Running, Progressed::Running));
        assert_eq!(vault.point(point.id).await.state, PointState::Rehydrating);
    }
}

/// A rehydration that asks for no longer than the point is readable already asks the store for nothing.
#[tokio::test]
async fn a_shorter_rehydration_changes_nothing() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = archived(&vault).await;
    rehydrated(&vault, &point, 30).await;
    let before = vault.point(point.id).await;
    let job = rehydrate(&vault, &point, 10).await;
    assert_eq!(step(&vault, job).await, Progressed::Done);
    assert_eq!(vault.point(point.id).await, before);
    assert_eq!(is_readable(&vault, &point).await, Readable::All);
}

/// A rehydration goes on with the copies that another one asked for and gave up; its own time counts.
#[tokio::test]
async fn a_rehydration_that_was_given_up_is_gone_on_with() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = archived(&vault).await;
    let given_up = rehydrate(&vault, &point, 10).await;
    assert_eq!(step(&vault, given_up).await, Progressed::Running);
    let lost = JobOutcome::Failed(Fault::new(Code::FunctionFailed, "its execution is gone"));
    vault.tools.catalog.close_job(given_up, &lost, clock::now()).await.unwrap();
    assert_eq!(vault.point(point.id).await.state, PointState::Rehydrating);

    let job = rehydrate(&vault, &point, 20).await;
    until_done(&vault.tools, &vault, &point, job).await.unwrap();
    assert_readable_for(20, &vault.point(point.id).await, "as this job asked for");
}

/// A point whose copies are gone is not read, whoever still calls it rehydrated, and is rehydrated anew.
#[tokio::test]
async fn a_point_whose_copies_are_gone_is_rehydrated_anew() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = archived(&vault).await;
    let over = over(&vault, &point).await;
    vault.tools.catalog.seed([Seed::Point(Box::new(over))]).await.unwrap();
    assert_eq!(is_readable(&vault, &point).await, Readable::Descriptions);

    let job = rehydrate(&vault, &point, 10).await;
    assert_eq!(step(&vault, job).await, Progressed::Running);
    assert_eq!(vault.point(point.id).await.state, PointState::Rehydrating);
    until_done(&vault.tools, &vault, &point, job).await.unwrap();
    close(&vault, job).await;
    assert_readable_for(10, &vault.point(point.id).await, "as this job asked for");
    assert_eq!(is_readable(&vault, &point).await, Readable::All);
}
