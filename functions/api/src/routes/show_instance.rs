//! `GET /instances/{instance}`

use permafrost_domain::instance::Instance;
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Show an instance", "With its newest recovery point and the backup that is running.")
        .answer::<Instance>(200, "The instance.")
        .faults(&[Code::InstanceNotFound])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    Answer::ok(&api.tools.catalog.resolve(&request.instance()?).await?)
}
