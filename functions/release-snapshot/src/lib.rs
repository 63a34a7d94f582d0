//! `ReleaseSnapshot`: asks the holder to let go, and waits until it says that it had held to the end. Where tasks failed
//! of what may pass, it leaves the snapshot held, so that they can be run once more under it.

use std::time::Duration;

use permafrost_catalog::{CatalogError, SnapshotState};
use permafrost_domain::job::JobStatus;
use permafrost_domain::{Code, Fault, JobId};
use permafrost_function::{Tools, clock};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// The step's input.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Input {
    /// The job.
    job: JobId,
    /// Whether tasks failed that can be run again.
    may_resume: bool,
}

/// The step's answer.
#[derive(Debug, Clone, Copy, Serialize)]
pub struct Output {
    /// Whether the tasks are to be run again: then the snapshot is still held.
    resume: bool,
}

/// Lets the job's snapshot go, unless its tasks are to be run again. Where there is none, there is nothing to do.
///
/// # Errors
/// `SnapshotLost` where the holder was gone before: what was read after that cannot be trusted.
pub async fn handle(tools: &Tools, input: Input) -> Result<Output, Fault> {
    if input.may_resume && is_resumable(tools, input.job).await? {
        tracing::info!(job = %input.job, "what is missing is copied once more");
        return Ok(Output { resume: true });
    }
    release(tools, input.job).await?;
    Ok(Output { resume: false })
}

/// Whether the job failed of nothing but what may pass, and its snapshot is held.
async fn is_resumable(tools: &Tools, id: JobId) -> Result<bool, Fault> {
    let job = tools.catalog.job(id).await?;
    // A function that was killed left no fault: it would be killed again.
    if job.status != JobStatus::InProgress
        || job.fault.is_some()
        || tools.catalog.passing_fault(id).await?.is_none()
    {
        return Ok(false);
    }
    let snapshot = tools.catalog.snapshot(id).await?;
    Ok(snapshot
        .is_some_and(|snapshot| snapshot.state == SnapshotState::Held && snapshot.lease_until > clock::now()))
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
