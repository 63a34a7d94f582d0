//! `POST /instances/{instance}/recovery-points/{point}/legal-hold`

use permafrost_catalog::LegalHold as Hold;
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::wire::{LegalHold, LegalHoldRequest, PointSelector};
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Put a point under legal hold, or take it out", "Nothing deletes a point that is under legal hold: neither retention nor the deletion of the instance's data. The point is named by its id; `latest` would mean another one tomorrow. May be repeated.")
        .body::<LegalHoldRequest>()
        .answer::<RecoveryPoint>(200, "The point as it is now.")
        .faults(&[Code::InstanceNotFound, Code::RecoveryPointNotFound, Code::CatalogConflict])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let asked: LegalHoldRequest = request.body()?;
    let PointSelector::Id(point) = request.point()? else {
        return Err(Fault::new(Code::InvalidRequest, "a legal hold is for one point, named by its id"));
    };
    let instance = api.tools.catalog.resolve(&request.instance()?).await?;
    let hold = match asked.legal_hold {
        LegalHold::On => Hold::Held,
        LegalHold::Off => Hold::Released,
    };
    Answer::ok(&api.tools.catalog.set_legal_hold(instance.id, point, hold).await?)
}
