//! Waiting for a job.

use permafrost_client::Client;
use permafrost_domain::job::{Job, JobStatus};
use permafrost_domain::{Code, Fault, JobId};

use crate::console::{Console, Live};
use crate::progress::Reporter;

/// The job as it ended; its way is shown until then.
///
/// # Errors
/// What the watch met; the job goes on without it.
pub(super) async fn until_ended(client: &Client, job: JobId, console: &Console) -> Result<Job, Fault> {
    match console.live() {
        Live::Bar => console.note(&format!("{job} (Ctrl-C ends the watching, not the job)")),
        Live::Lines => console.note(&job.to_string()),
        Live::Silent => {}
    }
    let mut reporter = Reporter::new(console.live());
    let mut watch = client.watch(job);
    let mut last = None;
    let watched = loop {
        match watch.next().await {
            Ok(Some(job)) => {
                reporter.show(&job);
                last = Some(job);
            }
            Ok(None) => break Ok(()),
            Err(error) => break Err(Fault::from(error)),
        }
    };
    reporter.finish();
    watched.map_err(|fault| {
        let hint = format!("{} The job goes on: see `permafrost job watch {job}`.", fault.hint);
        fault.hint(hint)
    })?;
    last.ok_or_else(|| Fault::new(Code::JobNotFound, "the job was never seen").on(job.to_string()))
}

/// Whether an ended job ended well.
///
/// # Errors
/// The job's own fault.
pub(super) fn outcome(job: &Job) -> Result<(), Fault> {
    if job.status.is_success() {
        return Ok(());
    }
    let fault = job.fault.clone().unwrap_or_else(|| match job.status {
        JobStatus::Cancelled => {
            Fault::new(Code::JobCancelled, "the job was cancelled").on(job.id.to_string())
        }
        _ => Fault::new(Code::FunctionFailed, "the job ended without saying why").on(job.id.to_string()),
    });
    Err(fault)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::samples;

    #[test]
    fn the_exit_code_is_that_of_what_the_job_failed_of() {
        let ended = |status, fault: Option<Code>| {
            let mut job = samples::backup_job();
            job.status = status;
            job.fault = fault.map(|code| Fault::new(code, "x"));
            outcome(&job).err().map_or(0, |fault| fault.code.category().exit_code())
        };
        assert_eq!(ended(JobStatus::Completed, None), 0);
        assert_eq!(ended(JobStatus::CompletedWithWarnings, None), 0);
        assert_eq!(ended(JobStatus::Failed, Some(Code::DatabaseNotFound)), 6);
        assert_eq!(ended(JobStatus::Failed, Some(Code::SecretAccessDenied)), 5);
        assert_eq!(ended(JobStatus::Failed, None), 1);
        assert_eq!(ended(JobStatus::Cancelled, None), 8);
    }
}
