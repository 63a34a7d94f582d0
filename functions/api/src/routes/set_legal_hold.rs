//! `POST /instances/{instance}/recovery-points/{point}/legal-hold`

use permafrost_domain::instance::Instance;
use permafrost_domain::job::{Job, JobStatus, Operation};
use permafrost_domain::wire::{JobStarted, LegalHold, LegalHoldRequest, PointSelector};
use permafrost_domain::{Code, Fault, PointId};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Put a point under legal hold, or take it out", "Nothing deletes a point that is under legal hold: neither retention nor the deletion of the instance's data. A hold counts from this moment, and the job puts each of the point's objects under S3's own legal hold; a release lets the objects go, and counts when its job has completed. The point is named by its id; `latest` would mean another one tomorrow. May be repeated: while a job does the same already, that one is named, and a point that is held is held again in every object.")
        .body::<LegalHoldRequest>()
        .answer::<JobStarted>(202, "The job was started, or runs already.")
        .faults(&[
            Code::InstanceNotFound,
            Code::RecoveryPointNotFound,
            Code::RecoveryPointNotAvailable,
            Code::LegalHoldChanging,
            Code::CatalogConflict,
            Code::OrchestrationUnavailable,
        ])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let asked: LegalHoldRequest = request.body()?;
    let PointSelector::Id(point) = request.point()? else {
        return Err(Fault::new(Code::InvalidRequest, "a legal hold is for one point, named by its id"));
    };
    let catalog = &api.tools.catalog;
    let instance = catalog.resolve(&request.instance()?).await?;
    let job = plan(request, &instance, point, asked.legal_hold);
    let at_it = catalog.open_hold_job(&job).await?;
    if at_it == job.id {
        api.start(&job, request.now).await?;
        return Answer::accepted(&JobStarted { job: at_it });
    }
    // Whoever opened it may have died before its execution began; a start that is repeated meets its own.
    let running = catalog.job_record(at_it).await?;
    if running.status == JobStatus::Queued {
        api.start(&running, request.now).await?;
    }
    Answer::accepted(&JobStarted { job: at_it })
}

/// The job that holds `point`, or releases it.
fn plan(request: &Request, instance: &Instance, point: PointId, asked: LegalHold) -> Job {
    let operation = match asked {
        LegalHold::On => Operation::Hold,
        LegalHold::Off => Operation::Release,
    };
    let mut job = super::queued(request, operation, instance);
    job.point = Some(point);
    job
}
