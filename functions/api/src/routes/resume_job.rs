//! `POST /jobs/{job}/resume`

use permafrost_domain::job::Job;
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new(
        "Resume a suspended backup",
        "It goes on within its snapshot, and copies only what is missing: soon where it was suspended for a short time, after a quarter of an hour at most. May be repeated.",
    )
    .answer::<Job>(200, "The job as it is now.")
    .faults(&[Code::JobCancelled, Code::JobNotFound, Code::JobNotRunning])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let catalog = &api.tools.catalog;
    let job = request.job()?;
    catalog.resume_job(job).await?;
    Answer::ok(&catalog.job(job).await?)
}
