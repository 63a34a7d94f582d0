//! `GET /policies/{policy}`

use permafrost_domain::policy::Policy;
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Show a policy", "As it is now; its revision grows with every change.")
        .answer::<Policy>(200, "The policy.")
        .faults(&[Code::PolicyNotFound])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    Answer::ok(&api.tools.catalog.find_policy(&request.policy()?).await?)
}
