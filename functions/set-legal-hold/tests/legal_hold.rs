//! Holding and releasing points, on the emulator: wherever the process dies, and whatever archives the point meanwhile.

#![allow(clippy::unwrap_used, reason = "a helper that cannot set a test up has failed it")]

#[path = "../../apply-retention/tests/steps/mod.rs"]
mod steps;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::Timestamp;
use permafrost_catalog::{JobOutcome, PointChange};
use permafrost_domain::immutability::Immutability;
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::{Code, Fault, JobId};
use permafrost_function::Tools;
use permafrost_function::hold::{STRIDE, set_hold};
use permafrost_function::objects::PointObjects;
use permafrost_function::step::{PointStep, Progressed};
use permafrost_testing::{Death, Kill, Moment, Place, TestPoint, Vault, at};
use permafrost_vault::PointLayout;
use permafrost_vault::object_lock::LegalHold;
use set_legal_hold::{Input, Output, State};
use steps::{carry_out, expire, plan};
use tokio::time::Instant;

const BACKUP_UNTIL: &str = "2016-04-01T00:00:00Z";
const ARCHIVE_UNTIL: &str = "2090-04-01T00:00:00Z";
const WHEN_ARCHIVED: &str = "2016-04-01T00:30:00Z";

type Objects = BTreeSet<(Place, String)>;

/// Opens a job that holds or releases a point, as the API does.
async fn open(vault: &Vault, point: &TestPoint, operation: Operation) -> Job {
    static ASKED: AtomicU32 = AtomicU32::new(0);
    let number = ASKED.fetch_add(1, Ordering::Relaxed);
    let now = at("2016-04-02T00:00:00Z");
    let mut job = Job::queued(JobId::new(now, number.into()), operation, &vault.instance, now);
    job.point = Some(point.id);
    assert_eq!(vault.tools.catalog.open_hold_job(&job).await.unwrap(), job.id);
    job
}

async fn close(vault: &Vault, job: &Job) {
    let done = JobOutcome::Completed { warnings: Vec::new() };
    vault.tools.catalog.close_job(job.id, &done, job.created_at).await.unwrap();
}

/// Asks the step until it is done, as its state machine does.
async fn carry_on(tools: &Tools, job: &Job) -> Result<Output, Fault> {
    let mut next = 0;
    loop {
        let output = set_legal_hold::handle(tools, Input { job: job.id, next }).await?;
        if output.state == State::Done {
            return Ok(output);
        }
        next = output.next;
    }
}

/// Holds or releases a point, from the request to the end of the job.
async fn change(vault: &Vault, point: &TestPoint, operation: Operation) {
    let job = open(vault, point, operation).await;
    carry_on(&vault.tools, &job).await.unwrap();
    close(vault, &job).await;
}

async fn tier(tools: &Tools, vault: &Vault, point: &TestPoint) -> Result<Progressed, Fault> {
    let (now, job) = (Some(at(WHEN_ARCHIVED)), JobId::new(at(WHEN_ARCHIVED), 1));
    let step = PointStep { job, instance: vault.instance.id, point: point.id, now };
    loop {
        let progressed = tier_to_archive::handle(tools, step).await?;
        if progressed == Progressed::Done {
            return Ok(progressed);
        }
    }
}

/// The objects that are in the stores, by what S3 says of their hold.
async fn objects(vault: &Vault, point: &TestPoint) -> BTreeMap<LegalHoldWord, Objects> {
    let mut found = BTreeMap::<LegalHoldWord, Objects>::new();
    for (place, name) in vault.objects(point).await.into_keys() {
        let store = if place == Place::Backup { &vault.tools.store } else { &vault.tools.archive };
        let head = vault.s3().head_object().bucket(store.bucket()).key(point.layout.key(&name)).send().await;
        let word = head.unwrap().object_lock_legal_hold_status;
        let word = if word.is_some_and(|word| word.as_str() == "ON") { "held" } else { "free" };
        found.entry(word).or_default().insert((place, name));
    }
    found
}

type LegalHoldWord = &'static str;

/// The objects that the point is made of, by its record: of an archived one, the old segments are no part of it.
async fn named(vault: &Vault, record: &RecoveryPoint) -> Objects {
    let objects = PointObjects::of(&vault.tools, record).await.unwrap();
    let in_place = |place| move |name: &str| (place, name.to_owned());
    let hot = objects.hot().map(|object| object.key.as_str()).map(in_place(Place::Backup));
    let (place, segments) = match record.archive {
        Some(_) => (Place::Archive, &objects.archived),
        None => (Place::Backup, &objects.segments),
    };
    hot.chain(segments.iter().map(|object| object.key.as_str()).map(in_place(place))).collect()
}

/// A held point is held in every object of it.
async fn assert_held(vault: &Vault, point: &TestPoint, when: &str) {
    let record = vault.point(point.id).await;
    assert!(record.legal_hold, "{when}");
    let held = objects(vault, point).await.remove("held").unwrap_or_default();
    let named = named(vault, &record).await;
    assert!(named.is_subset(&held), "{when}: {:?} are not held", named.difference(&held));
}

/// Of a released point nothing is held.
async fn assert_free(vault: &Vault, point: &TestPoint, when: &str) {
    assert!(!vault.point(point.id).await.legal_hold, "{when}");
    assert_eq!(objects(vault, point).await.get("held"), None, "{when}");
}

/// Every death of holding ends in a point of which every object is held, and every death of releasing in one of which
/// none is; while the catalog says that it is held, nothing deletes it.
async fn ends_the_same(operation: Operation, store: Place) {
    let vault = Vault::new(Immutability::Disabled).await;
    let kill = Kill::default();
    let dying = vault.dying_tools(&kill);
    let deaths = kill
        .every_death(async |death: &Death<'_>| {
            let name = format!("{operation} {}", death.name);
            let point = vault.commit(BACKUP_UNTIL, Some(ARCHIVE_UNTIL)).await;
            if store == Place::Archive {
                tier(&vault.tools, &vault, &point).await.unwrap();
            }
            if operation == Operation::Release {
                change(&vault, &point, Operation::Hold).await;
            }
            let job = open(&vault, &point, operation).await;
            death.arm();
            let first = carry_on(&dying, &job).await;
            if vault.point(point.id).await.legal_hold {
                assert_not_deleted(&vault, &point, &name).await;
            } else {
                assert_free(&vault, &point, &name).await;
            }
            if death.has_struck() {
                assert!(first.is_err(), "{name}");
                carry_on(&vault.tools, &job).await.expect(&name);
            }
            close(&vault, &job).await;
            assert_eq!(vault.point(point.id).await.hold_job, None, "{name}");
            match operation {
                Operation::Hold => assert_held(&vault, &point, &name).await,
                _ => assert_free(&vault, &point, &name).await,
            }
        })
        .await;
    assert!(deaths > 30, "the matrix has only {deaths} deaths");
}

/// The time of the point is over, and its deletion is asked for; nothing of it goes.
async fn assert_not_deleted(vault: &Vault, point: &TestPoint, when: &str) {
    let before = vault.objects(point).await;
    let late = "2091-01-01T00:00:00Z".parse::<Timestamp>().unwrap();
    let fault = expire(vault, point.id, Some(late), JobId::new(late, 1)).await.expect_err(when);
    assert!(matches!(fault.code, Code::RecoveryPointUnderLegalHold | Code::ObjectLocked), "{when}: {fault}");
    let mut after = vault.objects(point).await;
    after.remove(&(Place::Backup, PointLayout::EXPIRY.to_owned()));
    assert_eq!(after, before, "{when}");
}

#[tokio::test]
async fn holding_in_the_backup_store_ends_the_same_wherever_it_dies() {
    Box::pin(ends_the_same(Operation::Hold, Place::Backup)).await;
}

#[tokio::test]
async fn holding_in_the_archive_store_ends_the_same_wherever_it_dies() {
    Box::pin(ends_the_same(Operation::Hold, Place::Archive)).await;
}

#[tokio::test]
async fn releasing_in_the_backup_store_ends_the_same_wherever_it_dies() {
    Box::pin(ends_the_same(Operation::Release, Place::Backup)).await;
}

#[tokio::test]
async fn releasing_in_the_archive_store_ends_the_same_wherever_it_dies() {
    Box::pin(ends_the_same(Operation::Release, Place::Archive)).await;
}

/// A point of many objects takes several calls; each goes on where the last one ended.
#[tokio::test]
async fn a_large_point_takes_several_calls() {
    let vault = Vault::new(Immutability::Disabled).await;
    let segments = u32::try_from(STRIDE).unwrap() + 20;
    let point = vault.commit_segments(segments, ARCHIVE_UNTIL).await;
    let all = STRIDE + 20 + 5;
    for (operation, hold) in [(Operation::Hold, LegalHold::On), (Operation::Release, LegalHold::Off)] {
        let job = open(&vault, &point, operation).await;
        let record = vault.point(point.id).await;
        let first = set_hold(&vault.tools, &record, hold, 0, Instant::now()).await.unwrap();
        assert_eq!((first.next, first.is_end), (STRIDE, false));
        let seen = objects(&vault, &point).await;
        let word = if hold == LegalHold::On { "held" } else { "free" };
        assert_eq!(seen[word].len(), STRIDE);
        let last = set_legal_hold::handle(&vault.tools, Input { job: job.id, next: first.next }).await;
        assert_eq!(last.unwrap(), Output { state: State::Done, next: all });
        close(&vault, &job).await;
        let seen = objects(&vault, &point).await;
        assert_eq!((seen.len(), seen[word].len()), (1, all));
    }
    assert_free(&vault, &point, "after the release").await;
}

/// A point may be held at any moment of its archiving: copies that are made then are held before they count. When it is
/// released nothing of it is, and its archiving goes on to its end.
#[tokio::test]
async fn a_point_is_held_at_any_moment_of_its_archiving() {
    let vault = Vault::new(Immutability::Disabled).await;
    let kill = Kill::default();
    let dying = vault.dying_tools(&kill);
    for moment in [Moment::Before, Moment::After] {
        for call in 0.. {
            let when = format!("held when archiving died {moment:?} call {call}");
            let point = vault.commit(BACKUP_UNTIL, Some(ARCHIVE_UNTIL)).await;
            kill.arm(call, moment);
            drop(tier(&dying, &vault, &point).await);
            let has_struck = kill.has_struck();
            change(&vault, &point, Operation::Hold).await;
            assert_held(&vault, &point, &when).await;
            let before = vault.objects(&point).await;
            let under_hold = tier(&vault.tools, &vault, &point).await;
            let refused = under_hold.map_err(|fault| fault.code);
            assert_eq!(refused, Err(Code::RecoveryPointUnderLegalHold), "{when}");
            assert_held(&vault, &point, &when).await;
            let after = vault.objects(&point).await;
            assert!(before.keys().all(|object| after.contains_key(object)), "{when}: nothing goes");

            change(&vault, &point, Operation::Release).await;
            assert_free(&vault, &point, &when).await;
            assert_eq!(tier(&vault.tools, &vault, &point).await, Ok(Progressed::Done), "{when}");
            assert_archived(&vault, &point, &when).await;
            if !has_struck {
                break;
            }
        }
    }
}

/// Copies that were held and do not count yet when the point is released are let go when they are to count.
#[tokio::test]
async fn copies_that_were_held_and_never_named_are_let_go() {
    let vault = Vault::new(Immutability::Disabled).await;
    let kill = Kill::default();
    let dying = vault.dying_tools(&kill);
    for call in 0.. {
        let when = format!("released when archiving died under hold before call {call}");
        let point = vault.commit(BACKUP_UNTIL, Some(ARCHIVE_UNTIL)).await;
        let record = vault.point(point.id).await;
        vault
            .tools
            .catalog
            .move_point(&record, PointState::Archiving, &PointChange::default())
            .await
            .unwrap();
        change(&vault, &point, Operation::Hold).await;
        kill.arm(call, Moment::Before);
        drop(tier(&dying, &vault, &point).await);
        let has_struck = kill.has_struck();
        change(&vault, &point, Operation::Release).await;
        assert_eq!(tier(&vault.tools, &vault, &point).await, Ok(Progressed::Done), "{when}");
        assert_archived(&vault, &point, &when).await;
        assert_free(&vault, &point, &when).await;
        if !has_struck {
            break;
        }
    }
}

/// Held and archived at once, whoever is first: what the point is made of is held, and released at once with that, free.
#[tokio::test]
async fn holding_and_archiving_at_once_leave_nothing_out() {
    let vault = Vault::new(Immutability::Disabled).await;
    for round in 0..12 {
        let when = format!("round {round}");
        let point = vault.commit(BACKUP_UNTIL, Some(ARCHIVE_UNTIL)).await;
        let (_, ()) =
            tokio::join!(tier(&vault.tools, &vault, &point), change(&vault, &point, Operation::Hold));
        assert_held(&vault, &point, &when).await;
        let (_, ()) =
            tokio::join!(tier(&vault.tools, &vault, &point), change(&vault, &point, Operation::Release));
        assert_eq!(tier(&vault.tools, &vault, &point).await, Ok(Progressed::Done), "{when}");
        assert_archived(&vault, &point, &when).await;
        assert_free(&vault, &point, &when).await;
    }
}

/// What a point that was archived under a hold has left in the backup store goes with the first run after the release.
#[tokio::test]
async fn what_a_hold_kept_in_the_backup_store_goes_after_the_release() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = vault.commit(BACKUP_UNTIL, Some(ARCHIVE_UNTIL)).await;
    let record = vault.point(point.id).await;
    vault.tools.catalog.move_point(&record, PointState::Archiving, &PointChange::default()).await.unwrap();
    change(&vault, &point, Operation::Hold).await;
    tier(&vault.tools, &vault, &point).await.unwrap_err();
    let later = || at("2080-01-01T00:00:00Z");
    assert_eq!(plan(&vault, later()).await.unwrap(), [], "nothing is due while it is held");
    change(&vault, &point, Operation::Release).await;
    let items = plan(&vault, later()).await.unwrap();
    assert_eq!(items.len(), 1);
    carry_out(&vault, &items[0]).await.unwrap();
    assert_archived(&vault, &point, "after the release").await;
    assert_eq!(plan(&vault, later()).await.unwrap(), []);
}

/// A job that the point does not name changes nothing: it was ended, and another may be at it.
#[tokio::test]
async fn a_job_that_was_ended_changes_nothing() {
    let vault = Vault::new(Immutability::Disabled).await;
    let point = vault.commit(BACKUP_UNTIL, None).await;
    let job = open(&vault, &point, Operation::Hold).await;
    close(&vault, &job).await;
    let fault = carry_on(&vault.tools, &job).await.unwrap_err();
    assert_eq!(fault.code, Code::JobNotRunning);
    assert_eq!(objects(&vault, &point).await.get("held"), None);
}

/// The point is in the archive store with every copy, and nothing of it is left in the backup store.
async fn assert_archived(vault: &Vault, point: &TestPoint, when: &str) {
    let record = vault.point(point.id).await;
    assert_eq!(record.state, PointState::Archived, "{when}");
    let mut expected = named(vault, &record).await;
    expected.insert((Place::Backup, PointLayout::PLAN.to_owned()));
    let found = vault.objects(point).await;
    assert!(found.values().all(|versions| *versions == 1), "{when}: {found:?}");
    assert_eq!(found.into_keys().collect::<Objects>(), expected, "{when}");
}
