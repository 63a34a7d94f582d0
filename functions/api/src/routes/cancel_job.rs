//! `POST /jobs/{job}/cancel`
//!
//! The functions look at the job and let go; the last one closes it. Where the execution is gone nobody would:
//! then the job is closed here. Order: the flag first, so that an execution that is just being started sees it;
//! then a look at the execution; a backup's lock before the job, as wherever a backup is given up.

use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::JobOutcome;
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::{Code, Fault};
use permafrost_function::executions::ExecutionState;

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

/// How long a start may be under way: a function's own time limit, and some more.
const START_TAKES: SignedDuration = SignedDuration::from_secs(60);

pub(crate) fn describe() -> Description {
    Description::new(
        "Cancel a job",
        "Asks a running job to end; it is `Cancelled` when its functions have let go. May be repeated.",
    )
    .answer::<Job>(202, "The job as it is now.")
    .faults(&[Code::JobNotFound, Code::JobNotRunning, Code::OrchestrationUnavailable])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let catalog = &api.tools.catalog;
    let id = request.job()?;
    catalog.request_cancel(id).await?;
    let job = catalog.job(id).await?;
    // A job that is part of another's execution is closed by that, or by the reaper.
    let Some(machine) = api.machines.of(job.operation) else { return Answer::accepted(&job) };
    if is_orphaned(&job, api.executions.state(machine, id).await?, request.now) {
        if job.operation == Operation::Backup {
            catalog.abandon_backup(job.id, job.instance).await?;
        }
        catalog.close_job(job.id, &JobOutcome::Cancelled, request.now).await?;
    }
    Answer::accepted(&catalog.job(id).await?)
}

/// Whether nobody will close the job: its execution has ended, or there is none and none is being started.
fn is_orphaned(job: &Job, execution: ExecutionState, now: Timestamp) -> bool {
    match execution {
        ExecutionState::Running => false,
        ExecutionState::Ended => !job.status.has_ended(),
        ExecutionState::None => !job.status.has_ended() && now.duration_since(job.created_at) > START_TAKES,
    }
}

#[cfg(test)]
mod tests {
    use permafrost_domain::job::JobStatus;
    use serde_json::{from_value, json};

    use super::*;

    #[test]
    fn a_job_is_closed_here_only_where_nobody_else_will() {
        let mut job: Job = from_value(json!({
            "id": "job-01kb0000000000000000000003", "operation": "Backup",
            "instance": "bi-01kb0000000000000000000001", "instance_name": "shop", "started_by": "arn",
            "status": "Cancelling", "created_at": "2026-11-22T08:00:00Z",
        }))
        .unwrap();
        let soon = "2026-11-22T08:00:05Z".parse().unwrap();
        let later = "2026-11-22T08:05:00Z".parse().unwrap();
        assert!(!is_orphaned(&job, ExecutionState::Running, later));
        assert!(is_orphaned(&job, ExecutionState::Ended, soon));
        assert!(!is_orphaned(&job, ExecutionState::None, soon), "its execution is just being started");
        assert!(is_orphaned(&job, ExecutionState::None, later));
        job.status = JobStatus::Completed;
        assert!(!is_orphaned(&job, ExecutionState::Ended, later));
    }
}
