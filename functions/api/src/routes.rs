//! The routes, one file each.

pub(crate) mod back_up_now;
pub(crate) mod cancel_job;
pub(crate) mod list_instances;
pub(crate) mod list_jobs;
pub(crate) mod list_recovery_points;
pub(crate) mod protect_instance;
pub(crate) mod restore;
pub(crate) mod restore_files;
pub(crate) mod show_instance;
pub(crate) mod show_job;
pub(crate) mod show_recovery_point;

use permafrost_domain::instance::Instance;
use permafrost_domain::job::{Job, JobStatus, Operation, Progress};
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::wire::{JobStarted, PointSelector};
use permafrost_domain::{Code, Fault, JobId};

use crate::answer::Answer;
use crate::api::Api;
use crate::request::Request;

/// A job that `request` asks for, waiting for its execution.
fn queued(request: &Request, operation: Operation, instance: &Instance) -> Job {
    Job {
        id: JobId::new(request.now, request.random),
        operation,
        instance: instance.id,
        instance_name: instance.name.clone(),
        started_by: request.caller.clone(),
        status: JobStatus::Queued,
        created_at: request.now,
        ended_at: None,
        progress: Progress::default(),
        fault: None,
        warnings: Vec::new(),
        readiness: None,
        point: None,
        backup: None,
        restore: None,
        files: None,
        execution: None,
    }
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

/// Makes sure that a point can be restored now.
fn check_readable(point: &RecoveryPoint) -> Result<(), Fault> {
    if point.state.is_readable() {
        return Ok(());
    }
    let message = format!("the recovery point cannot be read: it is {:?}", point.state);
    Err(Fault::new(Code::RecoveryPointNotAvailable, message).on(format!("recovery point {}", point.id)))
}
