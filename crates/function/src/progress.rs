//! Telling the job how far a task has come, and the task when to stop.

use std::time::Duration;

use permafrost_catalog::JobStanding;
use permafrost_domain::job::{JobStatus, Progress};
use permafrost_domain::{Code, Fault, JobId};
use tokio::time::Instant;

use crate::clock;
use crate::tools::Tools;

/// How often a task says how far it has come. Each time costs a write and a read of the catalog.
const EVERY: Duration = Duration::from_secs(2);

/// The progress of one task.
#[derive(Debug)]
pub struct TaskProgress<'a> {
    tools: &'a Tools,
    job: JobId,
    task: u32,
    said_at: Instant,
}

impl<'a> TaskProgress<'a> {
    /// The progress of `task` of `job`.
    pub fn new(tools: &'a Tools, job: JobId, task: u32) -> Self {
        Self { tools, job, task, said_at: Instant::now() }
    }

    /// Tells the job how far the task has come, now and then; call it as often as you like.
    ///
    /// # Errors
    /// `JobCancelled` where the job is being cancelled or has ended, `JobNotRunning` where another task has failed for
    /// good, `JobSuspended` where it is suspended: the task should stop.
    pub async fn say(&mut self, done: Progress) -> Result<(), Fault> {
        if self.said_at.elapsed() < EVERY {
            return Ok(());
        }
        self.said_at = Instant::now();
        self.record(&done).await?;
        self.check_wanted(self.tools.catalog.job_standing(self.job).await?)
    }

    /// Makes sure that the task is to be carried out where the job stands like this.
    ///
    /// # Errors
    /// As [`TaskProgress::say`].
    pub fn check_wanted(&self, standing: JobStanding) -> Result<(), Fault> {
        let JobStanding { status, suspended, failed, .. } = standing;
        let stop = |code, why: String| Err(Fault::new(code, why).on(self.job.to_string()));
        if status == JobStatus::Cancelling || status.has_ended() {
            return stop(Code::JobCancelled, format!("the job is {status}"));
        }
        if failed {
            return stop(Code::JobNotRunning, "the job cannot succeed any more".to_owned());
        }
        if suspended {
            return stop(Code::JobSuspended, "the job is suspended".to_owned());
        }
        Ok(())
    }

    /// Tells the job what the task has done in all.
    ///
    /// # Errors
    /// The catalog does not answer.
    pub async fn record(&self, done: &Progress) -> Result<(), Fault> {
        Ok(self.tools.catalog.record_task_progress(self.job, self.task, done, clock::now()).await?)
    }
}
