//! Jobs while they are open: what is recorded, what is refused, how they are listed.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::SignedDuration;
use permafrost_catalog::{Catalog, JobFilter, JobOutcome, JobStanding};
use permafrost_domain::job::{Job, JobStatus, Operation, Progress};
use permafrost_domain::{Code, Fault, InstanceId, JobId};
use support::emulator::table;
use support::samples::{at, full_job, instance, job, snapshot};

const ARN: &str = "arn:aws:states:eu-central-1:1:execution:restore:one";

async fn open_restore(catalog: &Catalog, seconds: i64) -> Job {
    let restore = job(Operation::RestoreDatabase, &instance(1), seconds);
    catalog.open_job(&restore).await.unwrap();
    restore
}

#[tokio::test]
async fn a_job_comes_back_as_it_was_written_and_expires() {
    let table = table().await;
    let restore = full_job(&instance(1));
    table.catalog.open_job(&restore).await.unwrap();
    assert_eq!(table.catalog.job(restore.id).await.unwrap(), restore);
    table.catalog.open_job(&restore).await.expect("a repetition meets itself");
    let other = Job { created_at: at(77), ..restore.clone() };
    assert_eq!(table.catalog.open_job(&other).await.unwrap_err().code(), Code::CatalogConflict);

    table.catalog.record_task_progress(restore.id, 3, &Progress::default(), at(5)).await.unwrap();
    let running = open_restore(&table.catalog, 6).await;
    table.catalog.put_first_snapshot(&snapshot(running.id, "h1"), at(6)).await.unwrap();
    let items = table.client.scan().table_name(&table.name).send().await.unwrap().items.unwrap();
    assert_eq!(items.len(), 5, "two jobs, a task, a snapshot, and that one job is open");
    for item in items {
        let expires_at: i64 = item["expires_at"].as_n().unwrap().parse().unwrap();
        let days = (expires_at - at(0).as_second()) / 86_400;
        assert_eq!(days, 400, "{item:?}");
    }
}

#[tokio::test]
async fn progress_is_the_sum_of_the_tasks_over_all_pages() {
    let table = table().await;
    let restore = open_restore(&table.catalog, 0).await;
    table.catalog.record_expected(restore.id, 40, 4_000).await.unwrap();
    for task in 0..40 {
        let first = Progress { tables_done: 9, rows_done: 9, bytes_done: 9, ..Progress::default() };
        table.catalog.record_task_progress(restore.id, task, &first, at(1)).await.unwrap();
        let whole = Progress { tables_done: 1, rows_done: 10, bytes_done: 100, ..Progress::default() };
        table.catalog.record_task_progress(restore.id, task, &whole, at(2)).await.unwrap();
    }
    let expected = Progress {
        tables_done: 40,
        tables_expected: Some(40),
        rows_done: 400,
        bytes_done: 4_000,
        bytes_expected: Some(4_000),
    };
    assert_eq!(table.catalog.job(restore.id).await.unwrap().progress, expected);
    // Blown up beyond the 1 MB of a page, the sum is the same.
    for task in 0..6 {
        let key = [("pk", format!("JOB#{}", restore.id)), ("sk", format!("TASK#{task}"))];
        let key = key.map(|(name, value)| (name.to_owned(), AttributeValue::S(value)));
        let update = table.client.update_item().table_name(&table.name).set_key(Some(key.into()));
        let ballast = AttributeValue::S("x".repeat(350_000));
        update
            .update_expression("SET ballast = :b")
            .expression_attribute_values(":b", ballast)
            .send()
            .await
            .unwrap();
    }
    assert_eq!(table.catalog.job(restore.id).await.unwrap().progress, expected);
}

#[tokio::test]
async fn a_damaged_task_or_a_foreign_record_of_a_job_is_an_error() {
    let table = table().await;
    let restore = open_restore(&table.catalog, 0).await;
    for (sk, extra) in [("TASK#1", "progress"), ("NOTE", "x")] {
        let item = [
            ("pk", AttributeValue::S(format!("JOB#{}", restore.id))),
            ("sk", AttributeValue::S(sk.to_owned())),
            (extra, AttributeValue::S("nonsense".to_owned())),
        ];
        let item = item.map(|(name, value)| (name.to_owned(), value));
        table.client.put_item().table_name(&table.name).set_item(Some(item.into())).send().await.unwrap();
        assert_eq!(
            table.catalog.job(restore.id).await.unwrap_err().code(),
            Code::CatalogRecordInvalid,
            "{sk}"
        );
        let key: std::collections::HashMap<_, _> = [
            ("pk".to_owned(), AttributeValue::S(format!("JOB#{}", restore.id))),
            ("sk".to_owned(), AttributeValue::S(sk.to_owned())),
        ]
        .into();
        table.client.delete_item().table_name(&table.name).set_key(Some(key)).send().await.unwrap();
    }
    assert!(table.catalog.job(restore.id).await.is_ok());
}

#[tokio::test]
async fn a_job_starts_once_and_never_again_after_its_end() {
    let catalog = table().await.catalog;
    let restore = open_restore(&catalog, 0).await;
    catalog.record_execution(restore.id, ARN).await.unwrap();
    for _ in 0..2 {
        assert_eq!(catalog.job_started(restore.id, ARN).await.unwrap(), JobStatus::InProgress);
    }
    catalog.record_execution(restore.id, ARN).await.expect("the same again");
    let error = catalog.record_execution(restore.id, "arn:other").await.unwrap_err();
    assert_eq!(error.code(), Code::CatalogConflict);
    assert_eq!(catalog.job(restore.id).await.unwrap().execution.as_deref(), Some(ARN));

    catalog.close_job(restore.id, &JobOutcome::Cancelled, at(9)).await.unwrap();
    assert_eq!(catalog.job_started(restore.id, ARN).await.unwrap_err().code(), Code::JobNotRunning);
    let ended = catalog.job(restore.id).await.unwrap();
    assert_eq!((ended.status, ended.ended_at), (JobStatus::Cancelled, Some(at(9))));
}

#[tokio::test]
async fn what_is_recorded_while_open_stays_and_is_refused_after_the_end() {
    let catalog = table().await.catalog;
    let restore = open_restore(&catalog, 0).await;
    let readiness = full_job(&instance(1)).readiness.unwrap();
    catalog.record_readiness(restore.id, &readiness).await.unwrap();
    catalog.record_warnings(restore.id, &["b".into(), "a".into()]).await.unwrap();
    catalog.record_warnings(restore.id, &["a".into(), "c".into(), "c".into()]).await.unwrap();
    catalog.record_warnings(restore.id, &[]).await.unwrap();
    let first = Fault::new(Code::LockNotAvailable, "x".repeat(100_000)).on("table a.b");
    catalog.record_fault(restore.id, &first).await.unwrap();
    catalog.record_fault(restore.id, &Fault::new(Code::FunctionFailed, "later")).await.unwrap();
    let open = catalog.job(restore.id).await.unwrap();
    assert_eq!(open.readiness.as_ref(), Some(&readiness));
    assert_eq!(open.warnings, ["a", "b", "c"]);
    let kept = open.fault.unwrap();
    assert_eq!((kept.code, kept.object), (first.code, first.object.clone()));
    assert!(kept.message.len() <= 8 * 1024 && kept.message.starts_with("xxx"));

    let done = JobOutcome::Completed { warnings: vec!["d".into()] };
    let status = catalog.close_job(restore.id, &done, at(9)).await.unwrap();
    assert_eq!(status, JobStatus::CompletedWithWarnings);
    let ended = catalog.job(restore.id).await.unwrap();
    assert_eq!(ended.warnings, ["a", "b", "c", "d"]);
    assert_eq!(ended.fault, None, "the step succeeded in the end");
    assert_eq!(
        catalog.record_readiness(restore.id, &readiness).await.unwrap_err().code(),
        Code::JobNotRunning
    );
    assert_eq!(catalog.record_expected(restore.id, 1, 1).await.unwrap_err().code(), Code::JobNotRunning);
    let late = catalog.record_warnings(restore.id, &["late".into()]).await.unwrap_err();
    assert_eq!(late.code(), Code::JobNotRunning);
    catalog.record_fault(restore.id, &first).await.expect("a fault that comes too late is dropped quietly");
    assert_eq!(catalog.job(restore.id).await.unwrap(), ended);
}

#[tokio::test]
async fn of_the_faults_that_a_retry_may_mend_the_last_one_is_kept_beside_the_cause() {
    let catalog = table().await.catalog;
    let restore = open_restore(&catalog, 0).await;
    assert_eq!(catalog.passing_fault(restore.id).await.unwrap(), None);
    let (first, last) =
        (Fault::new(Code::LockNotAvailable, "one"), Fault::new(Code::ServerConnectionClosed, "two"));
    for fault in [&first, &last] {
        catalog.record_passing_fault(restore.id, fault).await.unwrap();
    }
    assert_eq!(catalog.passing_fault(restore.id).await.unwrap(), Some(last.clone()));
    assert_eq!(catalog.job(restore.id).await.unwrap().fault, None);
    catalog.close_job(restore.id, &JobOutcome::Cancelled, at(9)).await.unwrap();
    catalog.record_passing_fault(restore.id, &first).await.unwrap();
    assert_eq!(catalog.passing_fault(restore.id).await.unwrap(), Some(last));
}

#[tokio::test]
async fn cancelling_is_asked_for_while_a_job_is_open() {
    let catalog = table().await.catalog;
    let restore = open_restore(&catalog, 0).await;
    assert!(!catalog.cancel_requested(restore.id).await.unwrap());
    for _ in 0..2 {
        catalog.request_cancel(restore.id).await.unwrap();
        assert!(catalog.cancel_requested(restore.id).await.unwrap());
    }
    assert_eq!(catalog.job_started(restore.id, ARN).await.unwrap(), JobStatus::Cancelling);
    catalog.close_job(restore.id, &JobOutcome::Cancelled, at(9)).await.unwrap();
    assert_eq!(catalog.request_cancel(restore.id).await.unwrap_err().code(), Code::JobNotRunning);
    assert!(catalog.cancel_requested(restore.id).await.unwrap());
}

#[tokio::test]
async fn a_backup_is_suspended_and_resumed_while_it_works() {
    let catalog = table().await.catalog;
    let restore = open_restore(&catalog, 0).await;
    let standing = async || catalog.job_standing(restore.id).await.unwrap();
    let queued =
        JobStanding { status: JobStatus::Queued, suspended: false, failed: false, given_up_round: None };
    assert_eq!(standing().await, queued);
    catalog.resume_job(restore.id).await.expect("there is nothing to resume");
    for now in [at(3), at(4)] {
        catalog.suspend_job(restore.id, now).await.unwrap();
        assert_eq!(standing().await, JobStanding { suspended: true, ..queued });
        assert_eq!(catalog.job(restore.id).await.unwrap().suspended_at, Some(at(3)));
    }
    for _ in 0..2 {
        catalog.resume_job(restore.id).await.unwrap();
        assert_eq!(catalog.job(restore.id).await.unwrap().suspended_at, None);
    }
    catalog.suspend_job(restore.id, at(5)).await.unwrap();
    catalog.record_fault(restore.id, &Fault::new(Code::StatementFailed, "x")).await.unwrap();
    for round in [1, 2] {
        catalog.give_up_round(restore.id, round).await.unwrap();
        let given_up_round = Some(round);
        assert_eq!(standing().await, JobStanding { suspended: true, failed: true, given_up_round, ..queued });
    }
    catalog.request_cancel(restore.id).await.unwrap();
    assert!(!standing().await.suspended, "what is being cancelled is not resumed");
    for refused in [catalog.suspend_job(restore.id, at(6)).await, catalog.resume_job(restore.id).await] {
        assert_eq!(refused.unwrap_err().code(), Code::JobCancelled);
    }
    catalog.close_job(restore.id, &JobOutcome::Cancelled, at(9)).await.unwrap();
}

#[tokio::test]
async fn nobody_s_job_is_not_found_by_anything() {
    let catalog = table().await.catalog;
    let id = JobId::new(at(0), 1);
    let fault = Fault::new(Code::FunctionFailed, "x");
    let readiness = full_job(&instance(1)).readiness.unwrap();
    // Records of tasks that outlive their job do not make a job.
    catalog.record_task_progress(id, 1, &Progress::default(), at(0)).await.unwrap();
    let errors = [
        catalog.job(id).await.map(drop),
        catalog.job_status(id).await.map(drop),
        catalog.cancel_requested(id).await.map(drop),
        catalog.job_started(id, ARN).await.map(drop),
        catalog.record_execution(id, ARN).await,
        catalog.record_readiness(id, &readiness).await,
        catalog.record_warnings(id, &["w".into()]).await,
        catalog.record_expected(id, 1, 1).await,
        catalog.record_fault(id, &fault).await,
        catalog.request_cancel(id).await,
        catalog.suspend_job(id, at(0)).await,
        catalog.resume_job(id).await,
        catalog.give_up_round(id, 1).await,
        catalog.job_standing(id).await.map(drop),
        catalog.record_passing_fault(id, &fault).await,
        catalog.passing_fault(id).await.map(drop),
        catalog.close_job(id, &JobOutcome::Cancelled, at(0)).await.map(drop),
    ];
    for (index, answer) in errors.into_iter().enumerate() {
        assert_eq!(answer.unwrap_err().code(), Code::JobNotFound, "the {index}th");
    }
}

async fn all_pages(catalog: &Catalog, filter: &JobFilter, limit: u16) -> (Vec<Job>, usize) {
    let (mut jobs, mut next, mut pages) = (Vec::new(), None::<String>, 0);
    loop {
        let page = catalog.list_jobs(filter, at(0), limit, next.as_deref()).await.unwrap();
        assert!(page.items.len() <= usize::from(limit));
        jobs.extend(page.items);
        pages += 1;
        next = page.next;
        if next.is_none() {
            return (jobs, pages);
        }
    }
}

#[tokio::test]
async fn jobs_are_listed_newest_first_over_days_in_pages() {
    let catalog = table().await.catalog;
    let (shop, other) = (instance(1), instance(2));
    let hours = [-1_i64, -2, -3, -11, -12, -30, -31, -100, -24 * 20, -24 * 40];
    for (n, hour) in hours.iter().enumerate() {
        let of = if n % 2 == 0 { &shop } else { &other };
        let restore = job(Operation::RestoreDatabase, of, hour * 3_600);
        catalog.open_job(&restore).await.unwrap();
        if n % 3 == 0 {
            catalog.close_job(restore.id, &JobOutcome::Cancelled, at(0)).await.unwrap();
        }
    }
    let ages = |jobs: &[Job]| -> Vec<i64> {
        jobs.iter().map(|job| job.created_at.duration_since(at(0)).as_hours()).collect()
    };
    let since = |hours: i64| at(0).checked_sub(SignedDuration::from_hours(hours)).unwrap();
    let all = JobFilter { since: since(24 * 50), instance: None, status: None };
    for limit in [1, 3, 100] {
        assert_eq!(ages(&all_pages(&catalog, &all, limit).await.0), hours, "{limit}");
    }
    let (jobs, pages) = all_pages(&catalog, &JobFilter { since: since(24 * 1_000), ..all }, 100).await;
    assert_eq!(jobs.len(), hours.len());
    assert_eq!(pages, 13, "a call looks at 32 days, and no further back than jobs are kept");

    let recent = JobFilter { since: since(30), ..all };
    assert_eq!(ages(&all_pages(&catalog, &recent, 2).await.0), [-1, -2, -3, -11, -12, -30]);
    let of_shop = JobFilter { instance: Some(shop.id), ..all };
    assert_eq!(ages(&all_pages(&catalog, &of_shop, 2).await.0), [-1, -3, -12, -31, -24 * 20]);
    let cancelled = JobFilter { status: Some(JobStatus::Cancelled), ..all };
    assert_eq!(ages(&all_pages(&catalog, &cancelled, 2).await.0), [-1, -11, -31, -24 * 40]);
    let nobody = JobFilter { instance: Some(InstanceId::new(at(0), 99)), ..all };
    assert_eq!(all_pages(&catalog, &nobody, 2).await.0, []);
    let error = catalog.list_jobs(&all, at(0), 5, Some("nonsense")).await.unwrap_err();
    assert_eq!(error.code(), Code::InvalidRequest);
}

#[tokio::test]
async fn a_day_of_more_jobs_than_a_query_looks_at_is_listed_whole() {
    let catalog = table().await.catalog;
    let (shop, rare) = (instance(1), instance(2));
    for n in 0..230_i64 {
        let of = if n == 0 { &rare } else { &shop };
        catalog.open_job(&job(Operation::RestoreDatabase, of, n)).await.unwrap();
    }
    let all = JobFilter { since: at(-3_600), instance: None, status: None };
    let (jobs, _) = all_pages(&catalog, &all, 70).await;
    let ids: Vec<i64> = jobs.iter().map(|job| job.created_at.as_second() - at(0).as_second()).collect();
    assert_eq!(ids, (0..230).rev().collect::<Vec<_>>());
    let (jobs, _) = all_pages(&catalog, &JobFilter { instance: Some(rare.id), ..all }, 5).await;
    assert_eq!(jobs.len(), 1);
}
