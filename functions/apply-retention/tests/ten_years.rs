//! Ten years of weekly backups under a policy with archive store and locks, on the real catalog and stores: each year,
//! and in the end, the points, the stores that they are in and their locks are those that the simulation foretells, and
//! every object that exists belongs to a point that exists.

#![allow(clippy::unwrap_used, reason = "a helper that cannot set a test up has failed it")]

mod support;

use std::collections::{BTreeMap, BTreeSet};

use commit_recovery_point::commit;
use expire_recovery_point::Ground;
use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::JobOutcome;
use permafrost_domain::immutability::{Immutability, LockMode};
use permafrost_domain::job::{BackupOrder, Job, Operation};
use permafrost_domain::policy::{Policy, PolicySpec};
use permafrost_domain::recovery_point::{BackupKind, ManifestRef, PointState, RecoveryPoint};
use permafrost_domain::retention::{DueAction, Rule, StampedRetention};
use permafrost_domain::simulate::{Outcome, SimulatedPoint, Simulation, StoreKind, simulate};
use permafrost_domain::wire::MAX_PAGE;
use permafrost_domain::{JobId, PointId, PolicyId};
use permafrost_function::lock::lock_point;
use permafrost_function::point::OpenPoint;
use permafrost_function::step::PointStep;
use permafrost_vault::{ObjectRef, ObjectVersion};

use support::{Vault, at};

const FROM: &str = "2012-01-01T00:00:00Z";
const UNTIL: &str = "2022-01-01T00:00:00Z";

const POLICY: &str = "
schedule: {every: week, on: [sunday], at: ['02:00'], time_zone: Europe/Berlin}
retention:
  default: {backup_store: P1M}
  monthly: {criteria: first_successful, backup_store: P3M, on_expiry: archive, archive_store: P1Y}
  yearly: {criteria: first_successful, backup_store: P6M, on_expiry: archive, archive_store: P5Y}
";

/// The final set of points, stores and locks equals the simulation; every object belongs to a point that exists.
#[tokio::test]
#[ignore = "makes and deletes 522 recovery points, which takes minutes: run it with --run-ignored"]
async fn ten_years_go_as_they_were_foretold() {
    let vault = Vault::empty(Immutability::Enabled).await;
    let spec = PolicySpec::parse(POLICY).unwrap();
    let policy = Policy {
        id: PolicyId::new(at(FROM), 1),
        name: "weekly".parse().unwrap(),
        revision: 1,
        spec: spec.clone(),
        created_at: at(FROM),
        updated_at: at(FROM),
    };
    vault.tools.catalog.create_policy(&policy).await.unwrap();
    let foretold = simulate(&spec, at(FROM), at(UNTIL), |_| Outcome::ON_TIME);
    assert!(foretold.points.len() > 500, "{} points", foretold.points.len());

    let mut checked = at(FROM);
    for (week, simulated) in foretold.points.iter().enumerate() {
        let committed = back_up(&vault, &policy, simulated).await;
        assert_eq!(committed.retention.deleted_on(), simulated.retention.deleted_on(), "{}", simulated.time);
        // The lifecycle runs once an hour; it may as well have been down for four weeks.
        if week % 4 == 3 {
            let now = simulated.committed_at + SignedDuration::from_mins(30);
            live(&vault, now).await;
            if now > checked + SignedDuration::from_hours(366 * 24) {
                checked = now;
                assert_as_foretold(&vault, &foretold, now).await;
            }
        }
    }
    live(&vault, at(UNTIL)).await;
    assert_as_foretold(&vault, &foretold, at(UNTIL)).await;
}

/// Commits the point of a run, as its backup does.
async fn back_up(vault: &Vault, policy: &Policy, simulated: &SimulatedPoint) -> RecoveryPoint {
    let (catalog, instance) = (&vault.tools.catalog, &vault.instance);
    let id = JobId::of_run(instance.id, simulated.due, Operation::Backup);
    let mut job = Job::queued(id, Operation::Backup, instance, simulated.due);
    job.backup = Some(BackupOrder {
        kind: BackupKind::Scheduled,
        rule: None,
        policy: Some(policy.id),
        scheduled_at: Some(simulated.due),
    });
    catalog.open_backup(&job).await.unwrap();
    let (layout, manifest, written) = vault.write_objects(PointId::of_backup(id), simulated.time).await;
    let reference = ManifestRef {
        key: written.key.clone(),
        version: written.version.clone(),
        sha256: written.sha256.to_string(),
    };
    let point = vault.record(
        PointId::of_backup(id),
        simulated.time,
        StampedRetention::new(Rule::DEFAULT, simulated.time),
        reference,
    );
    let now = simulated.committed_at;
    let lock = async |retention: &StampedRetention| {
        lock_point(&vault.tools, &layout, &manifest, &written, retention, now).await
    };
    commit(catalog, &job, point, now, lock).await.unwrap()
}

/// Lets the lifecycle run until nothing is left to do, a minute between two runs.
async fn live(vault: &Vault, from: Timestamp) {
    for minute in 0.. {
        let now = from + SignedDuration::from_mins(minute);
        let execution = format!("arn:aws:states:us-east-1:1:execution:permafrost-lifecycle:{now}");
        let input = apply_retention::Input { execution, started_at: now, now: Some(now) };
        let items = apply_retention::handle(&vault.tools, input).await.unwrap().items;
        if items.is_empty() {
            return;
        }
        for item in items {
            let (job, instance, point, now) = (item.job, item.instance, item.point, Some(now));
            match item.action {
                DueAction::Archive => {
                    let step = PointStep { job, instance, point, now };
                    tier_to_archive::handle(&vault.tools, step).await.map(drop).unwrap();
                }
                DueAction::Expire => {
                    let ground = Ground::Retention;
                    let input = expire_recovery_point::Input { job, instance, point, ground, now };
                    expire_recovery_point::handle(&vault.tools, input).await.map(drop).unwrap();
                }
            }
            let outcome = JobOutcome::Completed { warnings: Vec::new() };
            vault.tools.catalog.close_job(job, &outcome, now.unwrap()).await.unwrap();
        }
    }
}

async fn assert_as_foretold(vault: &Vault, foretold: &Simulation, now: Timestamp) {
    let foretold: BTreeMap<Timestamp, (StoreKind, Timestamp)> =
        foretold.at(now).map(|(point, store)| (point.time, (store, point.retention.deleted_on()))).collect();
    let living = living(vault).await;
    let found: BTreeMap<Timestamp, (StoreKind, Timestamp)> = living
        .iter()
        .map(|point| {
            let store = match point.state {
                PointState::Available => StoreKind::Backup,
                PointState::Archived => StoreKind::Archive,
                other => panic!("{} is {other:?} at {now}", point.consistent_at),
            };
            (point.consistent_at, (store, point.retention.deleted_on()))
        })
        .collect();
    assert_eq!(found, foretold, "at {now}");
    for point in &living {
        assert_locked(vault, point).await;
    }

    // Every object belongs to a point that exists, and segments are in one store.
    let ids: BTreeSet<PointId> = living.iter().map(|point| point.id).collect();
    let archived: BTreeSet<PointId> =
        living.iter().filter(|point| point.archive.is_some()).map(|point| point.id).collect();
    for (store, in_archive) in [(&vault.tools.store, false), (&vault.tools.archive, true)] {
        let mut next = None;
        loop {
            let listed = store.versions(vault.instance.id, next.as_ref()).await.unwrap();
            for version in &listed.versions {
                let (layout, name) = version.of_point().unwrap();
                assert!(ids.contains(&layout.point()), "{} of no point at {now}", version.key);
                if in_archive || name.starts_with("segments/") {
                    assert_eq!(archived.contains(&layout.point()), in_archive, "{} at {now}", version.key);
                }
            }
            next = listed.next;
            if next.is_none() {
                break;
            }
        }
    }
}

/// The points that are not deleted.
async fn living(vault: &Vault) -> Vec<RecoveryPoint> {
    let (mut living, mut next) = (Vec::new(), None);
    loop {
        let page = vault.tools.catalog.points(vault.instance.id, MAX_PAGE, next.as_deref()).await.unwrap();
        living.extend(page.items.into_iter().filter(|point| point.state != PointState::Expired));
        next = page.next;
        if next.is_none() {
            return living;
        }
    }
}

/// Segments are locked until they leave the store that they are in, and what describes a point until it is deleted.
async fn assert_locked(vault: &Vault, point: &RecoveryPoint) {
    let open = OpenPoint::open(&vault.tools, point).await.unwrap();
    let locked = |until| Some((LockMode::Governance, until));
    let end = point.retention.deleted_on();
    for description in open.manifest.descriptions() {
        let lock = vault.tools.store.lock(&open.layout, &description.into()).await.unwrap();
        assert_eq!(lock.retention, locked(end), "{}", description.key);
    }
    let (store, segments, until): (_, Vec<&ObjectRef>, _) = if let Some(archive) = &open.archive {
        (&vault.tools.archive, archive.segments.iter().collect(), end)
    } else {
        let until = point.retention.backup_store_until;
        (&vault.tools.store, open.manifest.segments().collect(), until)
    };
    for segment in segments {
        let lock = store.lock(&open.layout, &ObjectVersion::from(segment)).await.unwrap();
        assert_eq!(lock.retention, locked(until), "{}", segment.key);
    }
}
