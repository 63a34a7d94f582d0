//! `POST /instances/{instance}/backups`

use permafrost_domain::job::Operation;
use permafrost_domain::wire::{BackupRequest, JobStarted};
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Back up now", "Starts a backup. One runs at a time for each instance; a second request is answered with the id of the running job.")
        .body::<BackupRequest>()
        .answer::<JobStarted>(202, "The job was started.")
        .faults(&[
            Code::InstanceNotFound,
            Code::InstanceNotProtected,
            Code::BackupAlreadyRunning,
            Code::OrchestrationUnavailable,
        ])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let BackupRequest {} = request.body()?;
    let instance = api.tools.catalog.resolve(&request.instance()?).await?;
    let job = super::queued(request, Operation::Backup, &instance);
    api.tools.catalog.open_backup(&job).await?;
    api.start(&job, request.now).await?;
    Answer::accepted(&JobStarted { job: job.id })
}
