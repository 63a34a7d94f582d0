//! `POST /instances/{instance}/suspend`

use permafrost_domain::instance::Instance;
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Suspend scheduled backups", "Until somebody resumes them. Its points are kept as before; a backup that runs goes on. May be repeated.")
        .answer::<Instance>(200, "The instance as it is now.")
        .faults(&[Code::InstanceNotFound, Code::InstanceNotProtected, Code::ProtectionStopped])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let instance = api.tools.catalog.resolve(&request.instance()?).await?;
    Answer::ok(&api.tools.catalog.suspend(instance.id).await?)
}
