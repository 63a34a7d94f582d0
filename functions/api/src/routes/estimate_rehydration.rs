//! `GET /instances/{instance}/recovery-points/{point}/rehydration`

use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::tiering::{Estimate, PriceList, estimate};
use permafrost_domain::wire::RehydrateRequest;
use permafrost_domain::{Code, Fault};

use super::rehydrate::check_archived;
use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Estimate a rehydration", "How long it takes at most and about what it costs to copy a point of the archive store back for some days; nothing is started.")
        .answer::<Estimate>(200, "The estimate.")
        .faults(&[
            Code::InstanceNotFound,
            Code::RecoveryPointNotFound,
            Code::RecoveryPointNotArchived,
        ])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let asked = RehydrateRequest {
        priority: request.query("priority")?.unwrap_or_default(),
        days: request.query("days")?.unwrap_or_default(),
    };
    let selector = request.point()?;
    let instance = api.tools.catalog.resolve(&request.instance()?).await?;
    let point = super::find_point(api, &instance, selector).await?;
    Answer::ok(&estimated(&point, asked)?)
}

/// What rehydrating `point` takes and costs.
fn estimated(point: &RecoveryPoint, asked: RehydrateRequest) -> Result<Estimate, Fault> {
    check_archived(point)?;
    let archive = point.archive.as_ref().ok_or_else(|| {
        Fault::new(Code::CatalogRecordInvalid, "the point is archived, and it is not said where")
            .on(format!("recovery point {}", point.id))
    })?;
    let (bytes, objects, prices) = (point.stored_bytes, point.segments, &PriceList::US_EAST_1);
    Ok(estimate(bytes, objects, archive.class, asked.priority, asked.days, prices))
}
