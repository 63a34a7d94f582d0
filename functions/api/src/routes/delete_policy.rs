//! `DELETE /policies/{policy}`
//!
//! The catalog first, which refuses where an instance is under the policy; then the schedule, which would fire in vain.
//! Where the second fails the same request by id removes it, or the schedule removes itself when it fires.

use permafrost_catalog::CatalogError;
use permafrost_domain::policy::PolicyRef;
use permafrost_domain::wire::PolicyDeleted;
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new(
        "Delete a policy",
        "Refused while an instance is under it. Points that it has stamped keep their retention.",
    )
    .answer::<PolicyDeleted>(200, "The policy is gone, and its schedule.")
    .faults(&[Code::PolicyNotFound, Code::PolicyInUse, Code::PolicyChanged, Code::ScheduleUnavailable])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let catalog = &api.tools.catalog;
    let named = request.policy()?;
    let policy = match (&named, catalog.find_policy(&named).await) {
        (_, Ok(policy)) => policy.id,
        (PolicyRef::Id(id), Err(CatalogError::PolicyNotFound(reason))) => {
            api.schedules.settle(catalog, *id, request.now).await?;
            return Err(CatalogError::PolicyNotFound(reason).into());
        }
        (_, Err(error)) => return Err(error.into()),
    };
    catalog.delete_policy(policy).await?;
    api.schedules.settle(catalog, policy, request.now).await?;
    Answer::ok(&PolicyDeleted { policy })
}
