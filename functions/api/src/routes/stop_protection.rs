//! `POST /instances/{instance}/stop-protection`

use permafrost_domain::instance::Instance;
use permafrost_domain::wire::StopProtectionRequest;
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Stop protection and keep the points", "No more backups are made. The points stay for ever, or as long as each was stamped for, the newest one for ever even then. May be repeated, also with the other word.")
        .body::<StopProtectionRequest>()
        .answer::<Instance>(200, "The instance as it is now.")
        .faults(&[Code::InstanceNotFound, Code::InstanceNotProtected, Code::ProtectionStopped])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let asked: StopProtectionRequest = request.body()?;
    let instance = api.tools.catalog.resolve(&request.instance()?).await?;
    Answer::ok(&api.tools.catalog.stop_protection(instance.id, asked.retain.into()).await?)
}
