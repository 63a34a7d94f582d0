//! `POST /instances/{instance}/resume`

use permafrost_domain::instance::Instance;
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Resume protection", "After scheduled backups were suspended, or protection was stopped and its points kept. Runs that fell into that time are not made up for. May be repeated.")
        .answer::<Instance>(200, "The instance as it is now.")
        .faults(&[
            Code::InstanceNotFound,
            Code::InstanceNotProtected,
            Code::ProtectionStopped,
            Code::ScheduleUnavailable,
        ])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let instance = api.tools.catalog.resolve(&request.instance()?).await?;
    let resumed = api.tools.catalog.resume(instance.id).await?;
    if let Some(policy) = resumed.policy {
        api.schedules.settle(&api.tools.catalog, policy, request.now).await?;
    }
    Answer::ok(&resumed)
}
