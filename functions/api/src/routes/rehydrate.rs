//! `POST /instances/{instance}/recovery-points/{point}/rehydrate`

use permafrost_domain::instance::Instance;
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::wire::{JobStarted, RehydrateRequest};
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Rehydrate a point", "Copies a point of the archive store back for some days. Takes hours and costs money: see the route that estimates both. A point that is rehydrated already stays longer.")
        .body::<RehydrateRequest>()
        .answer::<JobStarted>(202, "The job was started.")
        .faults(&[
            Code::InstanceNotFound,
            Code::RecoveryPointNotFound,
            Code::RecoveryPointNotArchived,
            Code::OrchestrationUnavailable,
        ])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let asked: RehydrateRequest = request.body()?;
    let selector = request.point()?;
    let instance = api.tools.catalog.resolve(&request.instance()?).await?;
    let point = super::find_point(api, &instance, selector).await?;
    let job = plan(request, &instance, &point, asked)?;
    super::begin(api, request, &job).await
}

/// The job that rehydrates `point`.
fn plan(
    request: &Request,
    instance: &Instance,
    point: &RecoveryPoint,
    asked: RehydrateRequest,
) -> Result<Job, Fault> {
    check_archived(point)?;
    let mut job = super::queued(request, Operation::Rehydrate, instance);
    job.point = Some(point.id);
    job.rehydration = Some(super::rehydration(point, asked));
    Ok(job)
}

/// Makes sure that a point is in the archive store.
pub(super) fn check_archived(point: &RecoveryPoint) -> Result<(), Fault> {
    match point.state {
        PointState::Archived | PointState::Rehydrating | PointState::Rehydrated => Ok(()),
        state => {
            let message = format!("the recovery point is not in the archive store: it is {state:?}");
            let fault = Fault::new(Code::RecoveryPointNotArchived, message);
            let fault = fault.on(format!("recovery point {}", point.id));
            Err(if state == PointState::Available { fault } else { fault.hint("Choose another point.") })
        }
    }
}
