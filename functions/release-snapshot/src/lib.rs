//! `ReleaseSnapshot`: asks the holder to let go, and waits until it says that it had held to the end. Leaves the
//! snapshot held where tasks are to be run again under it: because the job is or was suspended, or because they failed
//! of what may pass.

use std::time::Duration;

use permafrost_catalog::{CatalogError, SnapshotState};
use permafrost_domain::job::{Job, JobStatus};
use permafrost_domain::{Code, Fault, JobId};
use permafrost_function::{Tools, clock};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// The step's input.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Input {
    /// The job.
    pub job: JobId,
    /// Whether tasks stopped because the job was suspended.
    pub suspended: bool,
    /// Whether tasks failed for the first time.
    pub may_retry: bool,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(tag = "next", rename_all = "snake_case")]
pub enum Output {
    /// The same question again, after a while: the job is suspended.
    Ask,
    /// The tasks, at once: the job was resumed.
    Resume,
    /// The tasks, after a while: what they failed of may have passed.
    Retry,
    /// What follows the tasks. The snapshot is let go of.
    End,
}

/// Lets the job's snapshot go, unless its tasks are to be run again. Where there is none, there is nothing to do.
///
/// # Errors
/// `SnapshotLost` where the holder was gone before: what was read after that cannot be trusted. Where tasks stopped
/// because the job was suspended, and it cannot go on: why that is.
pub async fn handle(tools: &Tools, input: Input) -> Result<Output, Fault> {
    let job = tools.catalog.job_record(input.job).await?;
    let next = if goes_on(tools, &job).await? { next(tools, &job, input).await? } else { Output::End };
    tracing::info!(job = %input.job, ?next, "the tasks have come to rest");
    if next == Output::End {
        release(tools, input.job).await?;
        if input.suspended {
            // Not all was copied.
            tools.check_not_cancelled(input.job).await?;
            let ended = || Fault::new(Code::JobNotRunning, "the job ended while it was suspended");
            return Err(job.fault.unwrap_or_else(ended));
        }
    }
    Ok(next)
}

/// Whether the job can go on within its snapshot.
async fn goes_on(tools: &Tools, job: &Job) -> Result<bool, Fault> {
    if job.status != JobStatus::InProgress || job.fault.is_some() {
        return Ok(false);
    }
    let snapshot = tools.catalog.snapshot(job.id).await?;
    Ok(snapshot
        .is_some_and(|snapshot| snapshot.state == SnapshotState::Held && snapshot.lease_until > clock::now()))
}

async fn next(tools: &Tools, job: &Job, input: Input) -> Result<Output, Fault> {
    let Input { suspended, may_retry, .. } = input;
    Ok(match job.suspended_at {
        Some(_) if suspended || may_retry => Output::Ask,
        _ if suspended => Output::Resume,
        // A function that was killed left no fault: it would be killed again.
        _ if may_retry && tools.catalog.passing_fault(job.id).await?.is_some() => Output::Retry,
        _ => Output::End,
    })
}

async fn release(tools: &Tools, job: JobId) -> Result<(), Fault> {
    match tools.catalog.request_release(job).await {
        Ok(_) => {}
        Err(CatalogError::SnapshotNotFound(_)) => return Ok(()),
        Err(error) => return Err(error.into()),
    }
    loop {
        let Some(snapshot) = tools.catalog.snapshot(job).await? else { return Ok(()) };
        let lost = |why: String| Err(Fault::new(Code::SnapshotLost, why).on(snapshot.snapshot_id.clone()));
        match snapshot.state {
            SnapshotState::Released => return Ok(()),
            SnapshotState::Releasing if snapshot.lease_until < clock::now() => {
                return lost(format!(
                    "the snapshot's holder was last heard of before {}",
                    snapshot.lease_until
                ));
            }
            SnapshotState::Releasing | SnapshotState::Held => sleep(Duration::from_millis(200)).await,
            state @ (SnapshotState::Lost | SnapshotState::Abandoned) => {
                return lost(format!("the snapshot is {state}"));
            }
        }
    }
}
