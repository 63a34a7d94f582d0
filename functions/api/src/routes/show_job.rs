//! `GET /jobs/{job}`

use permafrost_domain::job::Job;
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Show a job", "With its progress as it is now.")
        .answer::<Job>(200, "The job.")
        .faults(&[Code::JobNotFound])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    Answer::ok(&api.tools.catalog.job(request.job()?).await?)
}
