//! Backups: the lock, the commit, the abandonment, and their races.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use permafrost_catalog::{Abandoned, Catalog, CatalogError, JobOutcome, SnapshotState};
use permafrost_domain::instance::Instance;
use permafrost_domain::job::{Job, JobStatus, Operation};
use permafrost_domain::recovery_point::{ManifestRef, PointState, RecoveryPoint};
use permafrost_domain::{Code, Fault, JobId, PointId};
use support::emulator::table;
use support::samples::{at, commit, instance, job, point, protected, running_backup, snapshot};

/// Nothing of the backup can be seen, and its instance is as it was before.
async fn assert_invisible(catalog: &Catalog, shop: &Instance, backup: &Job) {
    assert_eq!(catalog.points(shop.id, 10, None).await.unwrap().items, []);
    let error = catalog.point(shop.id, PointId::of_backup(backup.id)).await.unwrap_err();
    assert_eq!(error.code(), Code::RecoveryPointNotFound);
    assert_eq!(catalog.latest_point(shop.id).await.unwrap_err().code(), Code::RecoveryPointNotFound);
    let now = catalog.instance(shop.id).await.unwrap();
    assert_eq!((now.latest_point, now.latest_consistent_at), (None, None));
}

#[tokio::test]
async fn one_backup_runs_at_a_time_and_the_running_one_is_named() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 1).await;
    let backup = running_backup(&catalog, &shop, 10).await;
    catalog.open_backup(&backup).await.expect("a repetition meets itself");
    let next = job(Operation::Backup, &shop, 20);
    let fault = Fault::from(catalog.open_backup(&next).await.unwrap_err());
    assert_eq!(fault.code, Code::BackupAlreadyRunning);
    assert_eq!(fault.object, Some(backup.id.to_string()));
    assert_eq!(catalog.job(next.id).await.unwrap_err().code(), Code::JobNotFound);
    // Other instances are not held up.
    let other = protected(&catalog, 2).await;
    catalog.open_backup(&next_of(&other)).await.unwrap();
    let nobody = instance(9);
    assert_eq!(
        catalog.open_backup(&job(Operation::Backup, &nobody, 30)).await.unwrap_err().code(),
        Code::InstanceNotFound
    );
}

fn next_of(instance: &Instance) -> Job {
    Job { id: JobId::new(at(25), 99), ..job(Operation::Backup, instance, 25) }
}

#[tokio::test]
async fn of_backups_opened_at_once_exactly_one_wins() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 1).await;
    for round in 0..5 {
        let jobs: Vec<Job> = (0..4).map(|n| job(Operation::Backup, &shop, round * 100 + n)).collect();
        let answers = tokio::join!(
            catalog.open_backup(&jobs[0]),
            catalog.open_backup(&jobs[1]),
            catalog.open_backup(&jobs[2]),
            catalog.open_backup(&jobs[3]),
        );
        let answers = [answers.0, answers.1, answers.2, answers.3];
        let winner = catalog.instance(shop.id).await.unwrap().running_backup.unwrap();
        for (job, answer) in jobs.iter().zip(answers) {
            match answer {
                Ok(()) => assert_eq!(job.id, winner),
                Err(CatalogError::BackupAlreadyRunning { job: running, .. }) => {
                    assert_eq!(running, winner);
                    assert_ne!(job.id, winner);
                    assert_eq!(catalog.job(job.id).await.unwrap_err().code(), Code::JobNotFound);
                }
                Err(other) => panic!("{other:?}"),
            }
        }
        catalog.close_job(winner, &JobOutcome::Cancelled, at(1)).await.unwrap();
    }
}

#[tokio::test]
async fn a_commit_makes_all_visible_at_once_and_meets_itself() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 1).await;
    let backup = running_backup(&catalog, &shop, 10).await;
    assert_invisible(&catalog, &shop, &backup).await;
    catalog.record_fault(backup.id, &Fault::new(Code::ServerConnectionClosed, "first try")).await.unwrap();
    let committed = point(&backup);
    let status = commit(&catalog, &committed, at(100), &[]).await.unwrap();
    assert_eq!(status, JobStatus::Completed);

    assert_eq!(catalog.point(shop.id, committed.id).await.unwrap(), committed);
    assert_eq!(catalog.latest_point(shop.id).await.unwrap(), committed);
    let now = catalog.instance(shop.id).await.unwrap();
    assert_eq!(now.latest_point, Some(committed.id));
    assert_eq!(now.latest_consistent_at, Some(committed.consistent_at));
    assert_eq!(now.running_backup, None);
    let ended = catalog.job(backup.id).await.unwrap();
    assert_eq!(ended.status, JobStatus::Completed);
    assert_eq!((ended.ended_at, ended.point), (Some(at(100)), Some(committed.id)));
    assert_eq!(ended.fault, None, "it was retried to success");

    // Again, later, and after the next backup has begun: success, and nothing moves.
    let next = running_backup(&catalog, &shop, 200).await;
    let again = RecoveryPoint { committed_at: at(300), ..committed.clone() };
    for _ in 0..2 {
        let status = commit(&catalog, &again, at(300), &["late".into()]).await.unwrap();
        assert_eq!(status, JobStatus::Completed);
    }
    assert_eq!(catalog.point(shop.id, committed.id).await.unwrap(), committed);
    assert_eq!(catalog.job(backup.id).await.unwrap(), ended);
    assert_eq!(catalog.instance(shop.id).await.unwrap().running_backup, Some(next.id));
    // Another manifest under the same point is not a repetition.
    let manifest = ManifestRef { sha256: "1".repeat(64), ..committed.manifest.clone() };
    let other = RecoveryPoint { manifest, ..committed };
    let error = commit(&catalog, &other, at(300), &[]).await.unwrap_err();
    assert_eq!(error.code(), Code::CatalogConflict);
}

#[tokio::test]
async fn warnings_of_any_step_are_told_by_the_status() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 1).await;
    let backup = running_backup(&catalog, &shop, 10).await;
    catalog.record_warnings(backup.id, &["early".into()]).await.unwrap();
    let status = commit(&catalog, &point(&backup), at(100), &["at commit".into()]).await.unwrap();
    assert_eq!(status, JobStatus::CompletedWithWarnings);
    assert_eq!(catalog.job(backup.id).await.unwrap().warnings, ["at commit", "early"]);
    let backup = running_backup(&catalog, &shop, 200).await;
    let (warned, committed) = (["meanwhile".to_owned()], point(&backup));
    let (recorded, status) = tokio::join!(
        catalog.record_warnings(backup.id, &warned),
        commit(&catalog, &committed, at(300), &[]),
    );
    let ended = catalog.job(backup.id).await.unwrap();
    assert_eq!(status.unwrap(), ended.status);
    assert_eq!(ended.status == JobStatus::CompletedWithWarnings, recorded.is_ok());
    assert_eq!(ended.warnings.len(), usize::from(recorded.is_ok()));
}

#[tokio::test]
async fn a_commit_is_refused_when_the_job_is_not_working() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 1).await;
    let failed = || JobOutcome::Failed(Fault::new(Code::SnapshotLost, "lost"));
    for (n, outcome, code) in [
        (10, None, Code::JobCancelled),
        (20, Some(JobOutcome::Cancelled), Code::JobCancelled),
        (30, Some(failed()), Code::JobNotRunning),
    ] {
        let backup = running_backup(&catalog, &shop, n).await;
        match &outcome {
            None => catalog.request_cancel(backup.id).await.unwrap(),
            Some(outcome) => drop(catalog.close_job(backup.id, outcome, at(50)).await.unwrap()),
        }
        let before = catalog.job(backup.id).await.unwrap();
        let error = commit(&catalog, &point(&backup), at(100), &[]).await.unwrap_err();
        assert_eq!(error.code(), code, "{outcome:?}: {error:?}");
        assert_invisible(&catalog, &shop, &backup).await;
        assert_eq!(catalog.job(backup.id).await.unwrap(), before);
        catalog.close_job(backup.id, &failed(), at(200)).await.unwrap();
    }
    let nobody = point(&job(Operation::Backup, &shop, 40));
    assert_eq!(commit(&catalog, &nobody, at(1), &[]).await.unwrap_err().code(), Code::JobNotFound);
    let restore = job(Operation::RestoreDatabase, &shop, 60);
    catalog.open_job(&restore).await.unwrap();
    let error = commit(&catalog, &point(&restore), at(1), &[]).await.unwrap_err();
    assert_eq!(error.code(), Code::CatalogConflict, "{error:?}");
    assert_invisible(&catalog, &shop, &restore).await;
}

#[tokio::test]
async fn after_an_abandonment_nothing_commits() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 1).await;
    let backup = running_backup(&catalog, &shop, 10).await;
    catalog.put_first_snapshot(&snapshot(backup.id, "h1"), at(10)).await.unwrap();
    for _ in 0..2 {
        assert_eq!(catalog.abandon_backup(backup.id, shop.id).await.unwrap(), Abandoned::Yes);
    }
    let state = catalog.renew_lease(backup.id, "h1", at(90)).await.unwrap();
    assert_eq!(state, SnapshotState::Abandoned);
    assert_eq!(catalog.instance(shop.id).await.unwrap().running_backup, None);
    // The job is still open: without its lock it cannot commit; nor when another backup has one.
    let error = commit(&catalog, &point(&backup), at(100), &[]).await.unwrap_err();
    assert_eq!(error.code(), Code::CatalogConflict, "{error:?}");
    let next = running_backup(&catalog, &shop, 20).await;
    let error = commit(&catalog, &point(&backup), at(100), &[]).await.unwrap_err();
    assert_eq!(error.code(), Code::CatalogConflict, "{error:?}");
    assert_invisible(&catalog, &shop, &backup).await;
    // Abandoning the first once more leaves the second alone.
    assert_eq!(catalog.abandon_backup(backup.id, shop.id).await.unwrap(), Abandoned::Yes);
    assert_eq!(catalog.instance(shop.id).await.unwrap().running_backup, Some(next.id));
    commit(&catalog, &point(&next), at(100), &[]).await.unwrap();
}

#[tokio::test]
async fn abandoning_a_committed_backup_is_harmless() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 1).await;
    let backup = running_backup(&catalog, &shop, 10).await;
    catalog.put_first_snapshot(&snapshot(backup.id, "h1"), at(10)).await.unwrap();
    catalog.request_release(backup.id).await.unwrap();
    commit(&catalog, &point(&backup), at(100), &[]).await.unwrap();
    let next = running_backup(&catalog, &shop, 200).await;
    let (instance, ended) = (catalog.instance(shop.id).await.unwrap(), catalog.job(backup.id).await.unwrap());
    for _ in 0..2 {
        let abandoned = catalog.abandon_backup(backup.id, shop.id).await.unwrap();
        assert_eq!(abandoned, Abandoned::AlreadyCommitted);
    }
    let status = catalog.close_job(backup.id, &JobOutcome::Cancelled, at(300)).await.unwrap();
    assert_eq!(status, JobStatus::Completed);
    assert_eq!(catalog.instance(shop.id).await.unwrap(), instance);
    assert_eq!(instance.running_backup, Some(next.id));
    assert_eq!(catalog.job(backup.id).await.unwrap(), ended);
    assert_eq!(catalog.point(shop.id, PointId::of_backup(backup.id)).await.unwrap(), point(&backup));
    let state = catalog.snapshot(backup.id).await.unwrap().unwrap().state;
    assert_eq!(state, SnapshotState::Releasing);
}

#[tokio::test]
async fn a_commit_and_what_races_with_it_agree_who_won() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 1).await;
    for round in 0..12_i64 {
        let backup = running_backup(&catalog, &shop, 10 + round).await;
        let committing = point(&backup);
        let (commit, cancelled, abandoned) = if round % 2 == 0 {
            let (commit, cancel) =
                tokio::join!(commit(&catalog, &committing, at(100), &[]), catalog.request_cancel(backup.id),);
            (commit, cancel.is_ok(), false)
        } else {
            let (abandon, commit) = tokio::join!(
                catalog.abandon_backup(backup.id, shop.id),
                commit(&catalog, &committing, at(100), &[]),
            );
            (commit, false, abandon.unwrap() == Abandoned::Yes)
        };
        assert_eq!(commit.is_err(), cancelled || abandoned, "round {round}: {commit:?}");
        let visible = catalog.point(shop.id, committing.id).await.is_ok();
        assert_eq!(visible, commit.is_ok(), "round {round}");
        let outcome = JobOutcome::Failed(Fault::new(Code::FunctionFailed, "x"));
        let status = catalog.close_job(backup.id, &outcome, at(200)).await.unwrap();
        assert_eq!(status == JobStatus::Completed, visible, "round {round}: {status}");
        assert_eq!(catalog.instance(shop.id).await.unwrap().running_backup, None, "round {round}");
    }
}

#[tokio::test]
async fn two_commits_at_once_are_one() {
    let catalog = table().await.catalog;
    let shop = protected(&catalog, 1).await;
    let backup = running_backup(&catalog, &shop, 10).await;
    let committing = point(&backup);
    let (one, two) = tokio::join!(
        commit(&catalog, &committing, at(100), &[]),
        commit(&catalog, &committing, at(101), &[]),
    );
    assert_eq!((one.unwrap(), two.unwrap()), (JobStatus::Completed, JobStatus::Completed));
    assert_eq!(catalog.points(shop.id, 10, None).await.unwrap().items, [committing]);
}

#[tokio::test]
async fn points_are_listed_newest_first_in_pages() {
    let table = table().await;
    let catalog = &table.catalog;
    let (shop, other) = (protected(catalog, 1).await, protected(catalog, 2).await);
    let mut committed = Vec::new();
    for n in 0..5 {
        let backup = running_backup(catalog, &shop, 10 + n).await;
        commit(catalog, &point(&backup), at(100 + n), &[]).await.unwrap();
        committed.push(point(&backup));
    }
    committed.reverse();
    let (mut listed, mut next) = (Vec::new(), None::<String>);
    loop {
        let page = catalog.points(shop.id, 2, next.as_deref()).await.unwrap();
        assert!(page.items.len() <= 2);
        listed.extend(page.items);
        let Some(token) = page.next else { break };
        let elsewhere = catalog.points(other.id, 2, Some(&token)).await.unwrap_err();
        assert_eq!(elsewhere.code(), Code::InvalidRequest);
        next = Some(token);
    }
    assert_eq!(listed, committed);
    assert_eq!(catalog.points(other.id, 2, None).await.unwrap().items, []);
    assert_eq!(catalog.latest_point(instance(9).id).await.unwrap_err().code(), Code::InstanceNotFound);

    // What is deleted is not the latest point; what cannot be decoded is an error.
    let newest = &committed[0];
    let set_state = async |state: &str| {
        let update = table.client.update_item().table_name(&table.name).set_key(Some(point_key(newest)));
        let value = aws_sdk_dynamodb::types::AttributeValue::S(state.to_owned());
        update
            .update_expression("SET #s = :s")
            .expression_attribute_names("#s", "state")
            .expression_attribute_values(":s", value)
            .send()
            .await
            .unwrap();
    };
    set_state("Expired").await;
    assert_eq!(catalog.point(shop.id, newest.id).await.unwrap().state, PointState::Expired);
    assert_eq!(catalog.latest_point(shop.id).await.unwrap(), committed[1]);
    set_state("Misplaced").await;
    assert_eq!(catalog.latest_point(shop.id).await.unwrap_err().code(), Code::CatalogRecordInvalid);
    assert_eq!(catalog.points(shop.id, 2, None).await.unwrap_err().code(), Code::CatalogRecordInvalid);
}

fn point_key(
    point: &RecoveryPoint,
) -> std::collections::HashMap<String, aws_sdk_dynamodb::types::AttributeValue> {
    let key = [("pk", format!("INSTANCE#{}", point.instance)), ("sk", format!("POINT#{}", point.id))];
    key.map(|(name, value)| (name.to_owned(), aws_sdk_dynamodb::types::AttributeValue::S(value))).into()
}
