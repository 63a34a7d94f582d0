//! Whatever happens in whatever order: what the catalog notes beside its records (counts, lists, the index of what is
//! due, the newest good point) agrees with the records.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::{Catalog, CatalogError, DueShard, ExpiryGround, JobOutcome, NextDue, PointChange};
use permafrost_domain::instance::{Instance, SoftDeletion, StopMode};
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::policy::Policy;
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::{Code, Fault, JobId, PointId};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use support::emulator::table;
use support::samples::{at, commit, hold_job, job, point, policy, protected};

/// What is done next, to one of two instances and one of two policies.
#[derive(Debug, Clone, Copy)]
enum Step {
    BackUp,
    FailABackup,
    ChangePolicy(Option<usize>),
    DeletePolicy(usize),
    CreatePolicy(usize),
    Move(usize, PointState),
    Expire(usize),
    DeleteData(usize),
    Hold(usize, Operation),
    Suspend,
    Resume,
    Stop(StopMode),
    SoftDelete,
    Undelete,
}

fn any_step() -> impl Strategy<Value = Step> {
    let state = prop::sample::select(PointState::ALL.to_vec());
    prop_oneof![
        5 => Just(Step::BackUp),
        1 => Just(Step::FailABackup),
        2 => prop::option::of(0..2_usize).prop_map(Step::ChangePolicy),
        1 => (0..2_usize).prop_map(Step::DeletePolicy),
        1 => (0..2_usize).prop_map(Step::CreatePolicy),
        6 => (0..6_usize, state).prop_map(|(point, to)| Step::Move(point, to)),
        3 => (0..6_usize).prop_map(Step::Expire),
        1 => (0..6_usize).prop_map(Step::DeleteData),
        2 => (0..6_usize, prop::sample::select(vec![Operation::Hold, Operation::Release]))
            .prop_map(|(point, operation)| Step::Hold(point, operation)),
        1 => Just(Step::Suspend),
        2 => Just(Step::Resume),
        1 => prop::sample::select(vec![StopMode::RetainForever, StopMode::RetainAsPerPolicy]).prop_map(Step::Stop),
        1 => Just(Step::SoftDelete),
        1 => Just(Step::Undelete),
    ]
}

/// A catalog with what the steps are done to.
struct World {
    catalog: Catalog,
    instances: Vec<Instance>,
    policies: Vec<Policy>,
    seconds: i64,
}

impl World {
    async fn new() -> Self {
        let catalog = table().await.catalog;
        let instances = vec![protected(&catalog, 1).await, protected(&catalog, 2).await];
        Self { catalog, instances, policies: vec![policy(1), policy(2)], seconds: 10 }
    }

    async fn points(&self, instance: &Instance) -> Vec<RecoveryPoint> {
        self.catalog.points(instance.id, 100, None).await.unwrap().items
    }

    /// Does one step. It may be refused: but only by what the catalog promises to refuse.
    async fn step(&mut self, which: usize, step: Step) -> Result<(), CatalogError> {
        self.seconds += 100;
        let (catalog, now) = (&self.catalog, at(self.seconds));
        let instance = &self.instances[which];
        let much_later = at(4_000_000_000);
        let nth = async |n: usize| {
            let points = self.points(instance).await;
            (!points.is_empty()).then(|| points[n % points.len()].clone())
        };
        match step {
            Step::BackUp | Step::FailABackup => {
                let id = JobId::new(now, u128::try_from(which).unwrap());
                let backup = Job { id, ..job(Operation::Backup, instance, self.seconds) };
                catalog.open_backup(&backup).await?;
                if let Step::BackUp = step {
                    commit(catalog, &point(&backup), now, &[]).await?;
                } else {
                    let outcome = JobOutcome::Failed(Fault::new(Code::SnapshotLost, "lost"));
                    catalog.close_job(backup.id, &outcome, now).await?;
                }
            }
            Step::ChangePolicy(to) => {
                let to = to.map(|to| self.policies[to].id);
                catalog.change_policy(instance.id, to).await?;
            }
            Step::DeletePolicy(n) => catalog.delete_policy(self.policies[n].id).await?,
            Step::CreatePolicy(n) => catalog.create_policy(&self.policies[n]).await?,
            Step::Move(n, to) => {
                let Some(point) = nth(n).await else { return Ok(()) };
                let change =
                    PointChange { rehydrated_until: Some(now), next_due: NextDue::AsStamped, archive: None };
                catalog.move_point(&point, to, &change).await?;
            }
            Step::Expire(n) => {
                let Some(point) = nth(n).await else { return Ok(()) };
                catalog.begin_expiry(&point, ExpiryGround::Retention, much_later).await?;
            }
            Step::DeleteData(n) => {
                let Some(point) = nth(n).await else { return Ok(()) };
                catalog.begin_expiry(&point, ExpiryGround::DataDeletion, much_later).await?;
            }
            Step::Hold(n, operation) => {
                let Some(point) = nth(n).await else { return Ok(()) };
                let job = hold_job(&point, operation, self.seconds);
                catalog.open_hold_job(&job).await?;
                if operation == Operation::Release {
                    let point = catalog.point(instance.id, point.id).await?;
                    catalog.end_hold(&point, job.id, now).await?;
                }
                catalog.close_job(job.id, &JobOutcome::Completed { warnings: Vec::new() }, now).await?;
            }
            Step::Suspend => drop(catalog.suspend(instance.id).await?),
            Step::Resume => drop(catalog.resume(instance.id).await?),
            Step::Stop(mode) => drop(catalog.stop_protection(instance.id, mode).await?),
            Step::SoftDelete => {
                let until = now.checked_add(SignedDuration::from_hours(336)).unwrap();
                let (reason, by) = ("closed".to_owned(), "ada".to_owned());
                let deletion = SoftDeletion { requested_at: now, until, reason, by };
                catalog.soft_delete(instance.id, &deletion).await?;
            }
            Step::Undelete => drop(catalog.undelete(instance.id, now).await?),
        }
        Ok(())
    }

    /// What is noted agrees with the records.
    async fn check(&self) {
        let catalog = &self.catalog;
        assert_eq!(catalog.open_jobs(100, None).await.unwrap().items, []);
        let (mut due, mut deleted) = (BTreeSet::new(), BTreeSet::new());
        for instance in &self.instances {
            let there = catalog.instance(instance.id).await.unwrap();
            let facts = catalog.instance_facts(instance.id).await.unwrap();
            let points = self.points(instance).await;
            let gone =
                |point: &&RecoveryPoint| matches!(point.state, PointState::Expiring | PointState::Expired);
            let kept = points.len() - points.iter().filter(gone).count();
            assert_eq!(facts.points, kept as u64, "{points:#?}");
            let newest_good = points.iter().find(|point| point.state.is_good()).map(|point| point.id);
            if there.deletion.is_none() && there.stopped != Some(StopMode::RetainForever) {
                assert_eq!(facts.newest_good.map(|newest| newest.id), newest_good);
            }
            assert_eq!(
                catalog.newest_good_point(instance.id).await.unwrap().map(|point| point.id),
                newest_good
            );
            let is_due = |point: &&RecoveryPoint| match point.state {
                PointState::Available | PointState::Archived | PointState::Damaged => !point.legal_hold,
                PointState::Expired => false,
                _ => true,
            };
            due.extend(points.iter().filter(is_due).map(|point| point.id));
            deleted.extend(there.deletion.is_some().then_some(instance.id));
            for policy in &self.policies {
                let under = catalog.policy_instances(policy.id, 100, None).await.unwrap().items;
                assert_eq!(under.contains(&instance.id), there.policy == Some(policy.id));
            }
        }
        let found = self.due(Timestamp::MAX).await;
        assert_eq!(found, due);
        let listed = catalog.due_deletions(at(4_000_000_000), 100, None).await.unwrap().items;
        assert_eq!(listed.into_iter().collect::<BTreeSet<_>>(), deleted);
    }

    async fn due(&self, now: Timestamp) -> BTreeSet<PointId> {
        let mut found = BTreeSet::new();
        for shard in DueShard::all() {
            let page = self.catalog.due_points(now, shard, 100, None).await.unwrap();
            found.extend(page.items.into_iter().map(|point| point.id));
        }
        found
    }
}

#[test]
fn what_is_noted_agrees_with_the_records_whatever_happens() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let mut runner = TestRunner::new(Config { cases: 3, failure_persistence: None, ..Config::default() });
    let steps = prop::collection::vec((0..2_usize, any_step()), 30..50);
    let outcome = runner.run(&steps, |steps| {
        runtime.block_on(async {
            let mut world = World::new().await;
            for (index, (which, step)) in steps.into_iter().enumerate() {
                if let Err(error) = world.step(which, step).await {
                    let code = error.code();
                    let expected = !matches!(
                        code,
                        Code::CatalogRecordInvalid | Code::InvalidConfiguration | Code::CatalogUnavailable
                    );
                    assert!(expected, "{step:?}: {error:?}");
                }
                if index % 10 == 9 {
                    world.check().await;
                }
            }
            world.check().await;
        });
        Ok(())
    });
    outcome.unwrap();
}
