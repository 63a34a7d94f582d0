//! Points of the archive store, and jobs that rehydrate them.

use std::collections::BTreeMap;
use std::time::Duration;

use permafrost_catalog::JobOutcome;
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::tiering::RehydrationDays;
use permafrost_domain::{Code, Fault, JobId};
use permafrost_function::point::OpenPoint;
use permafrost_function::step::{JobStep, PointStep, Progressed};
use permafrost_function::{Tools, clock};
use permafrost_vault::{PointLayout, Rehydration};

use permafrost_testing::{Place, TestPoint, Vault, at};

const BACKUP_UNTIL: &str = "2016-04-01T00:00:00Z";
const ARCHIVE_UNTIL: &str = "2090-01-01T00:00:00Z";
const WHEN_ARCHIVED: &str = "2016-04-01T00:30:00Z";

/// What can be read of a point.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Readable {
    /// Its manifest, and what else describes it.
    Descriptions,
    /// Its rows as well.
    All,
}

/// A point in the archive store, to be deleted in many years.
pub(crate) async fn archived(vault: &Vault) -> TestPoint {
    let point = vault.commit(BACKUP_UNTIL, Some(ARCHIVE_UNTIL)).await;
    let job = JobId::new(at(WHEN_ARCHIVED), 1);
    let step = PointStep { job, instance: vault.instance.id, point: point.id, now: Some(at(WHEN_ARCHIVED)) };
    assert_eq!(Box::pin(tier_to_archive::handle(&vault.tools, step)).await, Ok(Progressed::Done));
    point
}

/// Makes `point` readable for `days` days, and ends the job.
pub(crate) async fn rehydrated(vault: &Vault, point: &TestPoint, days: u16) {
    let job = rehydrate(vault, point, days).await;
    until_done(&vault.tools, vault, point, job).await.unwrap();
    close(vault, job).await;
}

/// Opens a job that rehydrates `point` for `days` days.
pub(crate) async fn rehydrate(vault: &Vault, point: &TestPoint, days: u16) -> JobId {
    let days = RehydrationDays::try_from(days).unwrap();
    vault.open_rehydration(point.id, clock::now(), days).await
}

/// Runs the job's step with these tools until it is done, and waits in between until the store has made what it was
/// asked for: what is called does not depend on how long that takes.
pub(crate) async fn until_done(
    tools: &Tools,
    vault: &Vault,
    point: &TestPoint,
    job: JobId,
) -> Result<(), Fault> {
    while rehydrate_point::handle(tools, JobStep { job }).await? == Progressed::Running {
        copies(vault, point).await;
    }
    Ok(())
}

/// Ends a job well.
pub(crate) async fn close(vault: &Vault, job: JobId) {
    let outcome = JobOutcome::Completed { warnings: Vec::new() };
    vault.tools.catalog.close_job(job, &outcome, clock::now()).await.unwrap();
}

/// Waits until the store makes no copies of the point any more; whether all are there.
pub(crate) async fn copies(vault: &Vault, point: &TestPoint) -> bool {
    let mut all = true;
    for (_, name) in vault.objects(point).await.keys().filter(|(place, _)| *place == Place::Archive) {
        let store = &vault.tools.archive;
        let object = store.current_version(&point.layout, name).await.unwrap().unwrap();
        loop {
            match store.rehydration(&point.layout, &object).await.unwrap() {
                Rehydration::Ongoing => tokio::time::sleep(Duration::from_millis(100)).await,
                Rehydration::Frozen => break all = false,
                Rehydration::Until(_) => break,
            }
        }
    }
    all
}

/// What can be read of the point: by a restore that begins now, segment for segment. What describes it always can.
pub(crate) async fn is_readable(vault: &Vault, point: &TestPoint) -> Readable {
    let (instance, id) = (vault.instance.id, point.id);
    let described = OpenPoint::to_describe(&vault.tools, instance, id).await.unwrap();
    assert_eq!(described.manifest, point.manifest);
    match OpenPoint::to_restore(&vault.tools, instance, id).await {
        Ok(opened) => {
            for segment in opened.manifest.segments() {
                opened.store.get(&point.layout, segment).await.unwrap();
            }
            Readable::All
        }
        Err(fault) => {
            let refusals = [Code::RecoveryPointNotAvailable, Code::RecoveryPointArchived];
            assert!(refusals.contains(&fault.code), "{fault}");
            Readable::Descriptions
        }
    }
}

/// The point is readable for `days` days from now on, give or take one: copies go at midnight.
pub(crate) fn assert_readable_for(days: u16, point: &RecoveryPoint, when: &str) {
    assert_eq!(point.state, PointState::Rehydrated, "{when}");
    let left = point.rehydrated_until.unwrap().duration_since(clock::now()).as_hours();
    let days = i64::from(days);
    assert!(((days - 1) * 24..(days + 1) * 24).contains(&left), "{when}: {left} hours");
}

/// The point's objects are those of an archived point, one version each: rehydrating makes none.
pub(crate) async fn assert_as_archived(vault: &Vault, point: &TestPoint, when: &str) {
    let task = PointLayout::task_result(1);
    let descriptions = [
        PointLayout::MANIFEST,
        PointLayout::TOC,
        PointLayout::GLOBALS,
        PointLayout::PLAN,
        PointLayout::ARCHIVE,
        &task,
    ];
    let segments = point.manifest.segments().map(|segment| (Place::Archive, segment.key.clone()));
    let expected: BTreeMap<_, _> = descriptions
        .into_iter()
        .map(|name| (Place::Backup, name.to_owned()))
        .chain(segments)
        .map(|object| (object, 1))
        .collect();
    assert_eq!(vault.objects(point).await, expected, "{when}");
}
