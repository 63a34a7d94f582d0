//! Records to begin with.

use std::sync::atomic::{AtomicI64, Ordering};

use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::{Catalog, CatalogError, CommitOutcome, JobOutcome, Snapshot, SnapshotState};
use permafrost_domain::check::{Check, Readiness};
use permafrost_domain::files::{FileCompression, FileFormat, FilesOrder, FilesTarget};
use permafrost_domain::instance::{Instance, ProtectionStatus};
use permafrost_domain::job::{BackupOrder, Job, JobStatus, Operation, Progress, RestoreOrder};
use permafrost_domain::policy::{Policy, PolicySpec};
use permafrost_domain::recovery_point::{BackupKind, ManifestRef, PointState, RecoveryPoint};
use permafrost_domain::restore_options::{Content, RestoreOptions};
use permafrost_domain::retention::{Rule, RuleName, StampedRetention};
use permafrost_domain::{Code, Fault, InstanceId, JobId, PointId, PolicyId};
use serde_json::json;

/// A moment of 2026, `seconds` after the first.
pub(crate) fn at(seconds: i64) -> Timestamp {
    let first: Timestamp = "2026-11-22T10:00:00Z".parse().unwrap();
    first.checked_add(SignedDuration::from_secs(seconds)).unwrap()
}

/// An instance that was asked for at `at(0)`; `n` tells it from others, also by name and database.
pub(crate) fn instance(n: u32) -> Instance {
    Instance {
        id: InstanceId::new(at(0), u128::from(n)),
        name: format!("shop-{n:03}").parse().unwrap(),
        data_source: serde_json::from_value(json!({
            "host": "DB.example", "port": 6432, "database": format!("shop {n}"),
            "login": {"method": "secret", "secret_arn": "arn:aws:secretsmanager:eu-central-1:1:secret:permafrost/x"},
            "tls": {"mode": "verify-full", "ca_pem": "-----BEGIN CERTIFICATE-----"},
        }))
        .unwrap(),
        status: ProtectionStatus::ConfiguringProtection,
        created_at: at(0),
        latest_point: None,
        latest_consistent_at: None,
        running_backup: None,
        policy: None,
        stopped: None,
        deletion: None,
    }
}

/// A queued job of `instance`, asked for `seconds` after the first moment.
pub(crate) fn job(operation: Operation, instance: &Instance, seconds: i64) -> Job {
    Job {
        id: JobId::new(at(seconds), 7),
        operation,
        instance: instance.id,
        instance_name: instance.name.clone(),
        started_by: "arn:aws:iam::1:user/ada".to_owned(),
        status: JobStatus::Queued,
        created_at: at(seconds),
        ended_at: None,
        suspended_at: None,
        progress: Progress::default(),
        fault: None,
        warnings: Vec::new(),
        readiness: None,
        point: None,
        backup: None,
        restore: None,
        files: None,
        rehydration: None,
        execution: None,
    }
}

/// A job with a value in every field.
pub(crate) fn full_job(instance: &Instance) -> Job {
    let earlier = JobId::new(at(-10), 3);
    Job {
        status: JobStatus::Failed,
        ended_at: Some("2026-11-22T11:00:00.123456789Z".parse().unwrap()),
        suspended_at: Some("2026-11-22T10:30:00.5Z".parse().unwrap()),
        progress: Progress {
            tables_done: 3,
            tables_expected: Some(u64::MAX),
            rows_done: 12,
            bytes_done: 99,
            bytes_expected: Some(0),
        },
        fault: Some(Fault::new(Code::LockNotAvailable, "a table is locked").on("table app.ledger")),
        warnings: vec!["a".to_owned(), "ü".to_owned()],
        readiness: Some(Readiness {
            checks: vec![
                Check::success("login", "logged in"),
                Check::failed("rls", Fault::new(Code::RowSecurityHidesRows, "hidden"))
                    .on_objects(vec!["table a.b".to_owned()]),
            ],
        }),
        point: Some(PointId::of_backup(earlier)),
        backup: Some(BackupOrder {
            kind: BackupKind::Scheduled,
            rule: Some(RuleName::Yearly),
            policy: Some(PolicyId::new(at(0), 4)),
            scheduled_at: Some(at(3)),
        }),
        restore: Some(Box::new(RestoreOrder {
            point: PointId::of_backup(earlier),
            target: instance.data_source.clone(),
            options: RestoreOptions { content: Content::SchemaOnly, ..RestoreOptions::default() },
        })),
        files: Some(Box::new(FilesOrder {
            point: PointId::of_backup(earlier),
            target: FilesTarget {
                bucket: "restores".parse().unwrap(),
                prefix: "shop/2026-11".parse().unwrap(),
            },
            format: FileFormat::Custom,
            compression: FileCompression::Gzip,
        })),
        execution: Some("arn:aws:states:eu-central-1:1:execution:x:y".to_owned()),
        ..job(Operation::RestoreDatabase, instance, 5)
    }
}

/// The point that the backup `job` makes.
pub(crate) fn point(job: &Job) -> RecoveryPoint {
    let consistent_at = job.created_at.checked_add(SignedDuration::from_millis(1500)).unwrap();
    RecoveryPoint {
        id: PointId::of_backup(job.id),
        instance: job.instance,
        job: job.id,
        state: PointState::Available,
        consistent_at,
        committed_at: at(9_000),
        kind: BackupKind::OnDemand,
        retention: StampedRetention::new(Rule::DEFAULT, consistent_at),
        database: "shop".to_owned(),
        server_version: "15.18".to_owned(),
        tables: 3,
        rows: 1_000_000_000_000,
        raw_bytes: 20,
        stored_bytes: 10,
        segments: 1,
        manifest: ManifestRef {
            key: "instances/x/points/y/manifest.json".to_owned(),
            version: "v1".to_owned(),
            sha256: "0".repeat(64),
        },
        archive: None,
        rehydrated_until: None,
        legal_hold: false,
        hold_job: None,
        locked_until: None,
    }
}

/// The first hop of the snapshot of `job`, with a lease until `at(60)`.
pub(crate) fn snapshot(job: JobId, holder: &str) -> Snapshot {
    Snapshot {
        job,
        snapshot_id: format!("00000003-{holder}"),
        holder: holder.to_owned(),
        generation: 1,
        held_since: at(10),
        consistent_at: "2026-11-22T10:00:01.5Z".parse().unwrap(),
        state: SnapshotState::Held,
        lease_until: at(60),
        tables: 12,
    }
}

/// Records a protected instance.
pub(crate) async fn protected(catalog: &Catalog, n: u32) -> Instance {
    let instance = instance(n);
    let configure = Job {
        id: JobId::new(at(0), u128::from(n) + 1_000),
        ..job(Operation::ConfigureProtection, &instance, 0)
    };
    catalog.protect(&instance, &configure).await.unwrap();
    let done = JobOutcome::Completed { warnings: Vec::new() };
    assert_eq!(catalog.close_job(configure.id, &done, at(1)).await.unwrap(), JobStatus::Completed);
    Instance { status: ProtectionStatus::Protected, ..instance }
}

/// Records a backup that has begun, `seconds` after the first moment.
pub(crate) async fn running_backup(catalog: &Catalog, instance: &Instance, seconds: i64) -> Job {
    let backup = job(Operation::Backup, instance, seconds);
    catalog.open_backup(&backup).await.unwrap();
    catalog.job_started(backup.id, "arn:aws:states:execution").await.unwrap();
    backup
}

/// Commits `point`, which claims nothing; how its job ended.
pub(crate) async fn commit(
    catalog: &Catalog,
    point: &RecoveryPoint,
    now: Timestamp,
    warnings: &[String],
) -> Result<JobStatus, CatalogError> {
    match catalog.commit_recovery_point(point, &[], now, warnings).await? {
        CommitOutcome::Committed { status, .. } => Ok(status),
        CommitOutcome::PeriodsTaken(taken) => panic!("nothing was claimed, and taken is {taken:?}"),
    }
}

/// Records a protected instance with a point for each of `seconds`.
pub(crate) async fn with_points(
    catalog: &Catalog,
    n: u32,
    seconds: impl IntoIterator<Item = i64>,
) -> (Instance, Vec<RecoveryPoint>) {
    let shop = protected(catalog, n).await;
    let mut points = Vec::new();
    for seconds in seconds {
        let backup = running_backup(catalog, &shop, seconds).await;
        let point = point(&backup);
        commit(catalog, &point, at(seconds + 60), &[]).await.unwrap();
        points.push(point);
    }
    (shop, points)
}

/// A policy that was made at `at(0)`; `n` tells it from others, also by name.
pub(crate) fn policy(n: u32) -> Policy {
    let spec = PolicySpec::parse(
        "schedule: {every: day, at: [\"02:00\"], time_zone: Europe/Berlin}\n\
         retention:\n  \
           default: {backup_store: P1M}\n  \
           monthly: {criteria: first_successful, backup_store: P3M, on_expiry: archive, archive_store: P1Y}\n  \
           yearly: {criteria: first_successful, backup_store: P1Y, on_expiry: archive, archive_store: P10Y}\n",
    );
    Policy {
        id: PolicyId::new(at(0), u128::from(n)),
        name: format!("daily-{n:03}").parse().unwrap(),
        revision: 1,
        spec: spec.unwrap(),
        created_at: at(0),
        updated_at: at(0),
    }
}

/// A job that changes the legal hold of `point`, asked for `seconds` after the first moment.
pub(crate) fn hold_job(point: &RecoveryPoint, operation: Operation, seconds: i64) -> Job {
    let asked = job(operation, &instance(1), seconds);
    Job { id: JobId::new(at(seconds), 8), instance: point.instance, point: Some(point.id), ..asked }
}

/// Puts `point` under legal hold; the point after the job.
pub(crate) async fn hold(catalog: &Catalog, point: &RecoveryPoint) -> RecoveryPoint {
    change_hold(catalog, point, Operation::Hold).await
}

/// Takes `point` out of legal hold; the point after the job.
pub(crate) async fn release(catalog: &Catalog, point: &RecoveryPoint) -> RecoveryPoint {
    change_hold(catalog, point, Operation::Release).await
}

async fn change_hold(catalog: &Catalog, point: &RecoveryPoint, operation: Operation) -> RecoveryPoint {
    static ASKED: AtomicI64 = AtomicI64::new(100_000);
    let job = hold_job(point, operation, ASKED.fetch_add(1, Ordering::Relaxed));
    assert_eq!(catalog.open_hold_job(&job).await.unwrap(), job.id);
    if operation == Operation::Release {
        let held = catalog.point(point.instance, point.id).await.unwrap();
        catalog.end_hold(&held, job.id, job.created_at).await.unwrap();
    }
    let done = JobOutcome::Completed { warnings: Vec::new() };
    catalog.close_job(job.id, &done, job.created_at).await.unwrap();
    catalog.point(point.instance, point.id).await.unwrap()
}
