//! Progress of the tasks of a job: one small record per task, so that tasks never wait for each other.

use jiff::Timestamp;
use permafrost_domain::JobId;
use permafrost_domain::job::{KEPT, Progress};
use serde::{Deserialize, Serialize};

use crate::Catalog;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::keys::Key;
use crate::record::{Record, encode};

/// How far one task has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TaskProgress {
    /// The job.
    pub(crate) job: JobId,
    /// The task's number.
    pub(crate) task: u32,
    /// What it has done; nothing is expected of a single task.
    pub(crate) progress: Progress,
    /// When it said so.
    pub(crate) recorded_at: Timestamp,
}

impl Record for TaskProgress {
    fn key(&self) -> Key {
        Key::Task(self.job, self.task)
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.recorded_at.saturating_add(KEPT).unwrap_or(Timestamp::MAX))
    }
}

impl Catalog {
    /// Records how far `task` of `job` has come: the whole of what it has done, not what was added. The last
    /// word counts, so that a task that starts over says so.
    ///
    /// Unconditional, unlike all other writes: a task has one writer, nothing is decided from it, and a
    /// condition on the job would make thousands of tasks contend for one record.
    ///
    /// # Errors
    /// None of its own.
    pub async fn record_task_progress(
        &self,
        job: JobId,
        task: u32,
        progress: &Progress,
        now: Timestamp,
    ) -> Result<(), CatalogError> {
        let record = TaskProgress { job, task, progress: *progress, recorded_at: now };
        self.put(encode(&record)?, Expression::new()).await?;
        Ok(())
    }
}
