//! `POST /instances/{instance}/undelete`

use permafrost_domain::instance::Instance;
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Take a deletion back", "While its time is not over. Protection stays stopped, and the points stay for ever, until somebody resumes it. May be repeated.")
        .answer::<Instance>(200, "The instance as it is now.")
        .faults(&[Code::InstanceNotFound, Code::ProtectionStopped])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let instance = api.tools.catalog.resolve(&request.instance()?).await?;
    Answer::ok(&api.tools.catalog.undelete(instance.id, request.now).await?)
}
