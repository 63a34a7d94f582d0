//! The routes, one file each.

pub(crate) mod back_up_now;
pub(crate) mod cancel_job;
pub(crate) mod change_policy;
pub(crate) mod create_policy;
pub(crate) mod delete_data;
pub(crate) mod delete_policy;
pub(crate) mod estimate_rehydration;
pub(crate) mod list_instances;
pub(crate) mod list_jobs;
pub(crate) mod list_policies;
pub(crate) mod list_policy_instances;
pub(crate) mod list_recovery_points;
pub(crate) mod list_retention_plans;
pub(crate) mod protect_instance;
pub(crate) mod rehydrate;
pub(crate) mod replace_policy;
pub(crate) mod restore;
pub(crate) mod restore_files;
pub(crate) mod resume_job;
pub(crate) mod resume_protection;
#[cfg(test)]
mod samples;
pub(crate) mod set_legal_hold;
pub(crate) mod show_instance;
pub(crate) mod show_job;
pub(crate) mod show_policy;
pub(crate) mod show_recovery_point;
pub(crate) mod show_retention_plan;
pub(crate) mod stop_protection;
pub(crate) mod suspend_backups;
pub(crate) mod suspend_job;
pub(crate) mod undelete_data;

use permafrost_domain::instance::Instance;
use permafrost_domain::job::{Job, Operation, RehydrationOrder};
use permafrost_domain::policy::PolicySpec;
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::wire::{JobStarted, PointSelector, RehydrateRequest};
use permafrost_domain::{Code, Fault, JobId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::answer::Answer;
use crate::api::Api;
use crate::request::Request;

/// A job that `request` asks for, waiting for its execution.
fn queued(request: &Request, operation: Operation, instance: &Instance) -> Job {
    let id = JobId::new(request.now, request.random);
    Job { started_by: request.caller.clone(), ..Job::queued(id, operation, instance, request.now) }
}

/// The body of a request that brings a policy along.
///
/// # Errors
/// `InvalidPolicy` with everything that is wrong with the policy; those of [`Request::body`].
fn policy_body<T: DeserializeOwned>(request: &Request) -> Result<T, Fault> {
    let body: Value = request.body()?;
    if let Some(spec) = body.get("spec") {
        PolicySpec::deserialize(spec).map_err(|error| Fault::new(Code::InvalidPolicy, error.to_string()))?;
    }
    request.body()
}

/// The point of an instance that was asked for.
async fn find_point(
    api: &Api<'_>,
    instance: &Instance,
    selector: PointSelector,
) -> Result<RecoveryPoint, Fault> {
    let catalog = &api.tools.catalog;
    Ok(match selector {
        PointSelector::Latest => catalog.latest_point(instance.id).await?,
        PointSelector::Id(id) => catalog.point(instance.id, id).await?,
    })
}

/// Records a job, starts it, and says so.
async fn begin(api: &Api<'_>, request: &Request, job: &Job) -> Result<Answer, Fault> {
    api.tools.catalog.open_job(job).await?;
    api.start(job, request.now).await?;
    Answer::accepted(&JobStarted { job: job.id })
}

/// Makes sure that a point can be restored, now or after it was rehydrated as asked.
fn check_readable(point: &RecoveryPoint, rehydrate: Option<RehydrateRequest>) -> Result<(), Fault> {
    let on = format!("recovery point {}", point.id);
    match (point.state, rehydrate) {
        (state, _) if state.is_readable() => Ok(()),
        (PointState::Archived | PointState::Rehydrating, Some(_)) => Ok(()),
        (PointState::Archived | PointState::Rehydrating, None) => {
            let message = format!("the recovery point is in the archive store: it is {:?}", point.state);
            Err(Fault::new(Code::RecoveryPointArchived, message).on(on).hint(
                "Say how it is to be rehydrated (`--rehydrate standard`), and the restore waits for it; \
                 it takes hours and costs money.",
            ))
        }
        (state, _) => {
            let message = format!("the recovery point cannot be read: it is {state:?}");
            Err(Fault::new(Code::RecoveryPointNotAvailable, message).on(on))
        }
    }
}

/// How `point` is rehydrated.
fn rehydration(point: &RecoveryPoint, asked: RehydrateRequest) -> RehydrationOrder {
    RehydrationOrder { point: point.id, priority: asked.priority, days: asked.days }
}
