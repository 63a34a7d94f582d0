//! `POST /jobs/{job}/suspend`

use permafrost_domain::job::{Job, Operation};
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Suspend a backup", "Its tasks stop, what finished ones have copied stays, and its snapshot is held until it is resumed, cancelled or too old. One whose tasks are done completes all the same. A scheduled backup keeps its place among those that run at once. May be repeated.")
        .answer::<Job>(200, "The job as it is now.")
        .faults(&[Code::InvalidRequest, Code::JobCancelled, Code::JobNotFound, Code::JobNotRunning])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let catalog = &api.tools.catalog;
    let job = catalog.job_record(request.job()?).await?;
    if job.operation != Operation::Backup {
        let message = format!("the job is a {}, and only a backup can be suspended", job.operation);
        let fault = Fault::new(Code::InvalidRequest, message).on(job.id.to_string());
        return Err(fault.hint("Cancel it with `permafrost job cancel`, and start it again later."));
    }
    catalog.suspend_job(job.id, request.now).await?;
    Answer::ok(&catalog.job(job.id).await?)
}
