//! Schedules against the emulator of EventBridge Scheduler, beside a real catalog: whatever dies half way, a policy
//! ends with the one schedule that the catalog says, and a policy that is gone with none.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::atomic::{AtomicU32, Ordering};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_sdk_dynamodb::config::{Credentials, SharedCredentialsProvider};
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::types::ScheduleState;
use jiff::Timestamp;
use permafrost_catalog::Catalog;
use permafrost_domain::PolicyId;
use permafrost_domain::policy::{Policy, PolicySpec};
use permafrost_emulator::Emulator;
use permafrost_function::schedules::{ScheduleConfig, Schedules};

const TARGET: &str = "arn:aws:states:eu-central-1:000000000000:stateMachine:v-scheduled-backups";
const AT_TWO: &str = "every: day, at: ['02:00'], time_zone: UTC";
const AT_THREE: &str = "every: day, at: ['03:00'], time_zone: UTC";

static VAULTS: AtomicU32 = AtomicU32::new(0);

/// A catalog, and a group of schedules of its own.
struct Vault {
    catalog: Catalog,
    scheduler: Client,
    group: String,
    schedules: Schedules,
}

async fn vault() -> Vault {
    let emulator = Emulator::shared();
    let group = format!("vault-{}", VAULTS.fetch_add(1, Ordering::Relaxed));
    let credentials = Credentials::new("test", "test", None, None, "tests");
    let sdk = SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(emulator.endpoint())
        .region(Region::new("eu-central-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build();
    let scheduler = Client::new(&sdk);
    let catalog = Catalog::create(aws_sdk_dynamodb::Client::new(&sdk), &group).await.unwrap();
    scheduler.create_schedule_group().name(&group).send().await.unwrap();
    let config = ScheduleConfig {
        group: group.clone(),
        role_arn: "arn:aws:iam::000000000000:role/scheduler".to_owned(),
        target_arn: TARGET.to_owned(),
    };
    Vault { catalog, scheduler, group, schedules: Schedules::new(&sdk, config) }
}

impl Vault {
    /// Every schedule of the group: the policy that it bears the name of, and its expression.
    async fn all(&self) -> Vec<(String, String)> {
        let listed = self.scheduler.list_schedules().group_name(&self.group).send().await.unwrap();
        let mut all = Vec::new();
        for schedule in listed.schedules() {
            let name = schedule.name().unwrap();
            let shown = self.scheduler.get_schedule().group_name(&self.group).name(name);
            let expression = shown.send().await.unwrap().schedule_expression.unwrap();
            all.push((name.to_owned(), expression));
        }
        all
    }

    async fn settle(&self, policy: PolicyId) {
        self.schedules.settle(&self.catalog, policy, now()).await.unwrap();
    }
}

fn now() -> Timestamp {
    "2026-11-22T08:00:00Z".parse().unwrap()
}

fn policy(random: u128, schedule: Option<&str>) -> Policy {
    let schedule = schedule.map(|schedule| format!("schedule: {{{schedule}}}\n")).unwrap_or_default();
    let text = format!("{schedule}retention: {{default: {{backup_store: P3M}}}}");
    Policy {
        id: PolicyId::new(now(), random),
        name: format!("policy-{random}").parse().unwrap(),
        revision: 1,
        spec: PolicySpec::parse(&text).unwrap(),
        created_at: now(),
        updated_at: now(),
    }
}

fn expression(policy: &Policy) -> String {
    policy.spec.schedule.as_ref().unwrap().utc_cron(now()).to_string()
}

/// The same policy as its next revision, with another schedule.
fn next(policy: &Policy, schedule: Option<&str>) -> Policy {
    let spec = self::policy(0, schedule).spec;
    Policy { revision: policy.revision + 1, spec, ..policy.clone() }
}

#[tokio::test]
async fn a_schedule_starts_the_machine_for_its_policy_at_the_time_it_says() {
    let vault = vault().await;
    let gold = policy(1, Some("every: week, on: [sunday], at: ['02:00'], time_zone: Europe/Berlin"));
    vault.catalog.create_policy(&gold).await.unwrap();
    vault.settle(gold.id).await;
    let shown = vault.scheduler.get_schedule().group_name(&vault.group).name(gold.id.to_string());
    let shown = shown.send().await.unwrap();
    assert_eq!(shown.schedule_expression(), Some(expression(&gold).as_str()));
    assert_eq!(shown.schedule_expression_timezone(), Some("UTC"));
    let target = shown.target().unwrap();
    assert_eq!(target.arn(), TARGET);
    let input: serde_json::Value = serde_json::from_str(target.input().unwrap()).unwrap();
    let expected = serde_json::json!({"policy": gold.id, "scheduled_at": "<aws.scheduler.scheduled-time>"});
    assert_eq!(input, expected);
}

#[tokio::test]
async fn a_policy_has_one_schedule_however_often_it_is_settled() {
    let vault = vault().await;
    let gold = policy(2, Some(AT_TWO));
    vault.catalog.create_policy(&gold).await.unwrap();
    for _ in 0..3 {
        vault.settle(gold.id).await;
        assert_eq!(vault.all().await, [(gold.id.to_string(), expression(&gold))]);
    }
    let changed = next(&gold, Some(AT_THREE));
    vault.catalog.replace_policy(&changed, 1).await.unwrap();
    vault.settle(gold.id).await;
    assert_ne!(expression(&changed), expression(&gold));
    assert_eq!(vault.all().await, [(gold.id.to_string(), expression(&changed))]);
}

#[tokio::test]
async fn a_policy_without_a_schedule_has_none() {
    let vault = vault().await;
    let by_hand = policy(3, None);
    vault.catalog.create_policy(&by_hand).await.unwrap();
    vault.settle(by_hand.id).await;
    assert_eq!(vault.all().await, []);
    // It gets one, and loses it again.
    let scheduled = next(&by_hand, Some(AT_TWO));
    vault.catalog.replace_policy(&scheduled, 1).await.unwrap();
    vault.settle(by_hand.id).await;
    assert_eq!(vault.all().await.len(), 1);
    vault.catalog.replace_policy(&next(&scheduled, None), 2).await.unwrap();
    vault.settle(by_hand.id).await;
    assert_eq!(vault.all().await, []);
}

/// Each is what a request leaves that died between its two writes; settling mends it.
#[tokio::test]
async fn what_died_half_way_is_settled() {
    let vault = vault().await;
    // The schedule went up, and the policy did not come about.
    let never = policy(4, Some(AT_TWO));
    vault.schedules.put(never.id, never.spec.schedule.as_ref().unwrap(), now()).await.unwrap();
    assert_eq!(vault.all().await.len(), 1);
    vault.settle(never.id).await;
    assert_eq!(vault.all().await, []);

    // The schedule was changed, and the policy was not, as where another change was quicker.
    let gold = policy(5, Some(AT_TWO));
    vault.catalog.create_policy(&gold).await.unwrap();
    vault.settle(gold.id).await;
    let lost = next(&gold, Some(AT_THREE));
    vault.schedules.put(gold.id, lost.spec.schedule.as_ref().unwrap(), now()).await.unwrap();
    vault.settle(gold.id).await;
    assert_eq!(vault.all().await, [(gold.id.to_string(), expression(&gold))]);

    // The policy was deleted, and its schedule was not.
    vault.catalog.delete_policy(gold.id).await.unwrap();
    vault.settle(gold.id).await;
    assert_eq!(vault.all().await, []);
    vault.schedules.remove(gold.id).await.unwrap();
}

#[tokio::test]
async fn a_schedule_that_somebody_disabled_fires_again() {
    let vault = vault().await;
    let gold = policy(6, Some(AT_TWO));
    vault.catalog.create_policy(&gold).await.unwrap();
    vault.settle(gold.id).await;
    let name = gold.id.to_string();
    let shown = || vault.scheduler.get_schedule().group_name(&vault.group).name(&name).send();
    let there = shown().await.unwrap();
    vault
        .scheduler
        .update_schedule()
        .group_name(&vault.group)
        .name(&name)
        .schedule_expression(there.schedule_expression().unwrap())
        .set_flexible_time_window(there.flexible_time_window().cloned())
        .set_target(there.target().cloned())
        .state(ScheduleState::Disabled)
        .send()
        .await
        .unwrap();
    vault.settle(gold.id).await;
    assert_eq!(shown().await.unwrap().state(), Some(&ScheduleState::Enabled));
}
