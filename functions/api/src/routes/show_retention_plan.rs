//! `GET /retention-plans/{plan}`

use permafrost_domain::retention::RetentionPlan;
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new(
        "Show a plan of retention",
        "What is done with each point, and why; the oldest point first.",
    )
    .answer::<RetentionPlan>(200, "The plan.")
    .faults(&[Code::RetentionPlanNotFound])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    Answer::ok(&api.tools.catalog.retention_plan(request.plan()?).await?)
}
