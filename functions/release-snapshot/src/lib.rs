//! `ReleaseSnapshot`: asks the holder to let go, and waits until it says that it had held to the end. Leaves the
//! snapshot held where tasks are to be run again under it: because the job is or was suspended, or because they failed
//! of what may pass.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::{CatalogError, SnapshotState};
use permafrost_domain::job::{Job, JobStatus};
use permafrost_domain::{Code, Fault, JobId};
use permafrost_function::{Tools, clock};
use serde::{Deserialize, Serialize};
use tokio::time::sleep;

/// How soon a suspended job is looked at again, at the earliest and at the latest.
const LOOK_AGAIN_MIN: SignedDuration = SignedDuration::from_secs(2);
const LOOK_AGAIN_MAX: SignedDuration = SignedDuration::from_mins(15);

/// The step's input.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Input {
    /// The job.
    pub job: JobId,
    /// Whether tasks stopped because the job was suspended.
    #[serde(default)]
    pub suspended: bool,
    /// Whether tasks failed for the first time.
    #[serde(default)]
    pub may_retry: bool,
}

/// The step's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Output {
    /// What comes next.
    pub next: Next,
    /// After how many seconds, where that is the same question.
    pub look_again_seconds: i64,
}

/// What comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Next {
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
    let next = if goes_on(tools, &job).await? { next(tools, &job, input).await? } else { Next::End };
    tracing::info!(job = %input.job, ?next, "the tasks have come to rest");
    if next == Next::End {
        release(tools, input.job).await?;
        if input.suspended {
            // Not all was copied.
            tools.check_not_cancelled(input.job).await?;
            let lost =
                || Fault::new(Code::SnapshotLost, "the snapshot was let go of while the job was suspended");
            return Err(job.fault.unwrap_or_else(lost));
        }
    }
    Ok(Output { next, look_again_seconds: look_again(job.suspended_at, clock::now()).as_secs() })
}

/// Who resumes soon waits for little; who does after days waits for minutes, so that an execution's history, which holds
/// 25,000 events, is long enough for the week that a snapshot may be held at most.
fn look_again(suspended_at: Option<Timestamp>, now: Timestamp) -> SignedDuration {
    let suspended = suspended_at.map_or(SignedDuration::ZERO, |at| now.duration_since(at));
    (suspended / 10).clamp(LOOK_AGAIN_MIN, LOOK_AGAIN_MAX)
}

/// Whether the job can go on within its snapshot.
async fn goes_on(tools: &Tools, job: &Job) -> Result<bool, Fault> {
    // That it has begun may not have been recorded.
    if !matches!(job.status, JobStatus::Queued | JobStatus::InProgress) || job.fault.is_some() {
        return Ok(false);
    }
    let snapshot = tools.catalog.snapshot(job.id).await?;
    Ok(snapshot
        .is_some_and(|snapshot| snapshot.state == SnapshotState::Held && snapshot.lease_until > clock::now()))
}

async fn next(tools: &Tools, job: &Job, input: Input) -> Result<Next, Fault> {
    // A function that was killed left no fault: it would be killed again.
    let may_retry = input.may_retry && tools.catalog.passing_fault(job.id).await?.is_some();
    Ok(match job.suspended_at {
        Some(_) if input.suspended || may_retry => Next::Ask,
        _ if input.suspended => Next::Resume,
        _ if may_retry => Next::Retry,
        _ => Next::End,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_that_is_suspended_for_long_is_looked_at_seldom() {
        let at: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        let after = |minutes| look_again(Some(at), at + SignedDuration::from_mins(minutes)).as_secs();
        assert_eq!([0, 1, 10, 150, 10_000].map(after), [2, 6, 60, 900, 900]);
        assert_eq!(look_again(None, at), LOOK_AGAIN_MIN);
    }

    #[test]
    fn a_week_fits_into_an_execution_s_history() {
        let at: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        let (mut now, mut questions) = (at, 0);
        while now.duration_since(at) < SignedDuration::from_hours(7 * 24) {
            now += look_again(Some(at), now);
            questions += 1;
        }
        // Each is a task, a choice and a wait. Holders that live for five minutes are 7 events each.
        assert!(questions * 9 + 7 * 24 * 12 * 7 < 22_000, "{questions} questions");
    }
}
