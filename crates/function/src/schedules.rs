//! The schedules of the policies: one EventBridge schedule for each policy that has a schedule, named as the
//! policy, which fires the state machine of scheduled backups.
//!
//! The catalog says what a policy's schedule is; here that is brought about. The name is the policy's id, so a
//! policy can never have two. Order of effects: what is to fire goes up before the catalog says so and comes
//! down after it has stopped saying so; then [`Schedules::settle`] reads the catalog again and again until what
//! it wrote is what it reads, so that of two changes at once the one that the catalog took stays. Where a change
//! dies half way the schedule fires in vain, or as it did before: its next firing settles it, as does the next
//! change of the policy, or the same one again.

use aws_config::SdkConfig;
use aws_sdk_scheduler::Client;
use aws_sdk_scheduler::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_scheduler::operation::get_schedule::GetScheduleOutput;
use aws_sdk_scheduler::types::{FlexibleTimeWindow, FlexibleTimeWindowMode, ScheduleState, Target};
use jiff::Timestamp;
use permafrost_catalog::{Catalog, CatalogError};
use permafrost_domain::policy::Policy;
use permafrost_domain::schedule::Schedule;
use permafrost_domain::{Code, Fault, PolicyId};
use serde_json::json;

use crate::config::variable;

/// How often a schedule is written anew because it, or its policy, changed in between.
const ATTEMPTS: u32 = 8;
/// Expressions are made for UTC: what time it is elsewhere, the domain knows.
const TIME_ZONE: &str = "UTC";
/// EventBridge puts the moment in its place for which the schedule fires, late or not.
const SCHEDULED_TIME: &str = "<aws.scheduler.scheduled-time>";

/// Where the schedules are, and what they start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleConfig {
    /// The group that holds the vault's schedules and no others.
    pub group: String,
    /// The ARN of the role that a schedule starts executions with.
    pub role_arn: String,
    /// The ARN of the state machine of scheduled backups.
    pub target_arn: String,
}

impl ScheduleConfig {
    /// Reads the environment.
    ///
    /// # Errors
    /// `InvalidConfiguration` naming the variable that is missing.
    pub fn from_env() -> Result<Self, Fault> {
        Ok(Self {
            group: variable("SCHEDULE_GROUP")?,
            role_arn: variable("SCHEDULE_ROLE_ARN")?,
            target_arn: variable("SCHEDULE_TARGET_ARN")?,
        })
    }
}

/// EventBridge Scheduler, as far as policies need it.
#[derive(Debug, Clone)]
pub struct Schedules {
    client: Client,
    config: ScheduleConfig,
}

impl Schedules {
    /// The schedules of `config`, in the account and region of `sdk`.
    pub fn new(sdk: &SdkConfig, config: ScheduleConfig) -> Self {
        Self { client: Client::new(sdk), config }
    }

    /// Makes the policy's schedule what the catalog says of it at this moment; for a policy that the catalog does
    /// not have, or that has no schedule, there is none afterwards. May be repeated.
    ///
    /// # Errors
    /// `ScheduleUnavailable`; what the catalog answers other than that there is no such policy.
    pub async fn settle(&self, catalog: &Catalog, policy: PolicyId, now: Timestamp) -> Result<(), Fault> {
        let mut wanted = stored(catalog, policy).await?;
        for _ in 0..ATTEMPTS {
            match wanted.as_ref().and_then(|policy| policy.spec.schedule.as_ref()) {
                Some(schedule) => self.put(policy, schedule, now).await?,
                None => self.remove(policy).await?,
            }
            let found = stored(catalog, policy).await?;
            if revision(found.as_ref()) == revision(wanted.as_ref()) {
                return Ok(());
            }
            wanted = found;
        }
        Err(Fault::new(Code::ScheduleUnavailable, "the policy changes all the time").on(named(policy)))
    }

    /// Makes the policy's schedule, or changes it to `schedule`. Nothing is written where it is so already.
    ///
    /// # Errors
    /// `ScheduleUnavailable`.
    pub async fn put(&self, policy: PolicyId, schedule: &Schedule, now: Timestamp) -> Result<(), Fault> {
        let expression = schedule.utc_cron(now).to_string();
        let target = self.target(policy)?;
        for _ in 0..ATTEMPTS {
            let change = match self.get(policy).await? {
                Some(found) if is_so(&found, &expression, &target) => return Ok(()),
                Some(_) => self.update(policy, &expression, &target).await?,
                None => self.create(policy, &expression, &target).await?,
            };
            match change {
                Change::Done => return Ok(()),
                Change::OvertakenByAnother => {}
            }
        }
        Err(Fault::new(Code::ScheduleUnavailable, "the schedule comes and goes").on(named(policy)))
    }

    /// Removes the policy's schedule; there may be none.
    ///
    /// # Errors
    /// `ScheduleUnavailable`.
    pub async fn remove(&self, policy: PolicyId) -> Result<(), Fault> {
        let request = self.client.delete_schedule().group_name(&self.config.group).name(policy.to_string());
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if error.as_service_error().is_some_and(|it| it.is_resource_not_found_exception()) => {
                Ok(())
            }
            Err(error) => Err(unavailable("remove the schedule", policy, &error)),
        }
    }

    async fn get(&self, policy: PolicyId) -> Result<Option<GetScheduleOutput>, Fault> {
        let request = self.client.get_schedule().group_name(&self.config.group).name(policy.to_string());
        match request.send().await {
            Ok(found) => Ok(Some(found)),
            Err(error) if error.as_service_error().is_some_and(|it| it.is_resource_not_found_exception()) => {
                Ok(None)
            }
            Err(error) => Err(unavailable("show the schedule", policy, &error)),
        }
    }

    async fn create(&self, policy: PolicyId, expression: &str, target: &Target) -> Result<Change, Fault> {
        let request = self
            .client
            .create_schedule()
            .group_name(&self.config.group)
            .name(policy.to_string())
            .schedule_expression(expression)
            .schedule_expression_timezone(TIME_ZONE)
            .flexible_time_window(punctual(policy)?)
            .state(ScheduleState::Enabled)
            .target(target.clone());
        match request.send().await {
            Ok(_) => Ok(Change::Done),
            Err(error) if error.as_service_error().is_some_and(|it| it.is_conflict_exception()) => {
                Ok(Change::OvertakenByAnother)
            }
            Err(error) => Err(unavailable("make the schedule", policy, &error)),
        }
    }

    async fn update(&self, policy: PolicyId, expression: &str, target: &Target) -> Result<Change, Fault> {
        let request = self
            .client
            .update_schedule()
            .group_name(&self.config.group)
            .name(policy.to_string())
            .schedule_expression(expression)
            .schedule_expression_timezone(TIME_ZONE)
            .flexible_time_window(punctual(policy)?)
            .state(ScheduleState::Enabled)
            .target(target.clone());
        match request.send().await {
            Ok(_) => Ok(Change::Done),
            Err(error)
                if error
                    .as_service_error()
                    .is_some_and(|it| it.is_resource_not_found_exception() || it.is_conflict_exception()) =>
            {
                Ok(Change::OvertakenByAnother)
            }
            Err(error) => Err(unavailable("change the schedule", policy, &error)),
        }
    }

    /// What the policy's schedule starts, and with what input.
    fn target(&self, policy: PolicyId) -> Result<Target, Fault> {
        let input = json!({"policy": policy, "scheduled_at": SCHEDULED_TIME}).to_string();
        let target = Target::builder()
            .arn(&self.config.target_arn)
            .role_arn(&self.config.role_arn)
            .input(input)
            .build();
        target.map_err(|error| not_built(policy, &error))
    }
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Change {
    /// It was made.
    Done,
    /// Somebody else made or removed the schedule in between.
    OvertakenByAnother,
}

/// The policy as the catalog has it, if it has it.
async fn stored(catalog: &Catalog, policy: PolicyId) -> Result<Option<Policy>, Fault> {
    match catalog.policy(policy).await {
        Ok(policy) => Ok(Some(policy)),
        Err(CatalogError::PolicyNotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn revision(policy: Option<&Policy>) -> Option<u32> {
    policy.map(|policy| policy.revision)
}

/// Whether a schedule is as it should be. What else it has (its retries, its description) is left as it is.
fn is_so(found: &GetScheduleOutput, expression: &str, target: &Target) -> bool {
    let points_at = found.target.as_ref().is_some_and(|found| {
        (found.arn(), found.role_arn(), found.input()) == (target.arn(), target.role_arn(), target.input())
    });
    points_at
        && found.schedule_expression() == Some(expression)
        && found.schedule_expression_timezone() == Some(TIME_ZONE)
        && found.state() == Some(&ScheduleState::Enabled)
}

/// The moment that the expression says: runs are spread by the plan, which knows the instances.
fn punctual(policy: PolicyId) -> Result<FlexibleTimeWindow, Fault> {
    let window = FlexibleTimeWindow::builder().mode(FlexibleTimeWindowMode::Off).build();
    window.map_err(|error| not_built(policy, &error))
}

fn not_built(policy: PolicyId, error: &dyn std::error::Error) -> Fault {
    Fault::new(Code::FunctionFailed, format!("the schedule cannot be described: {error}")).on(named(policy))
}

fn named(policy: PolicyId) -> String {
    format!("policy {policy}")
}

/// The service's own text goes into the log; the caller gets its name for the error alone.
fn unavailable<E>(what: &str, policy: PolicyId, error: &SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let reason = error.code().map_or_else(|| "no answer".to_owned(), str::to_owned);
    let chain = permafrost_domain::fault::chain(error);
    tracing::error!(%policy, %reason, %chain, "eventbridge scheduler did not {what}");
    Fault::new(Code::ScheduleUnavailable, format!("EventBridge Scheduler did not {what} ({reason})"))
        .on(named(policy))
}
