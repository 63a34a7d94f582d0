//! Jobs that have not ended: a sparse list, so that who looks for dead ones (the reaper) reads those alone.
//!
//! Its records come with the jobs and go with their ends, in the same transactions.

use jiff::Timestamp;
use permafrost_domain::job::{Job, KEPT, Operation};
use permafrost_domain::wire::Page;
use permafrost_domain::{InstanceId, JobId};
use serde::{Deserialize, Serialize};

use crate::Catalog;
use crate::continuation::Continuation;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::job::job_item;
use crate::keys::{Key, OPEN_JOBS};
use crate::listing::{Order, listed_at};
use crate::record::{Record, encode};
use crate::transaction::{Part, Transaction};

/// A job that has not ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenJob {
    /// The job.
    pub job: JobId,
    /// What it does.
    pub operation: Operation,
    /// The instance concerned.
    pub instance: InstanceId,
    /// When it was asked for.
    pub opened_at: Timestamp,
}

impl Record for OpenJob {
    fn key(&self) -> Key {
        Key::OpenJob(self.job)
    }

    fn listed(&self) -> Option<(String, String)> {
        Some((OPEN_JOBS.to_owned(), self.job.to_string()))
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.opened_at.saturating_add(KEPT).unwrap_or(Timestamp::MAX))
    }
}

impl Catalog {
    /// Jobs that have not ended, the oldest first, at most `limit` (1 at least, `wire::MAX_PAGE` at most). The list is
    /// a moment behind: a job may have ended meanwhile.
    ///
    /// # Errors
    /// `InvalidContinuation` where `next` is not what this list gave out.
    pub async fn open_jobs(&self, limit: u16, next: Option<&str>) -> Result<Page<OpenJob>, CatalogError> {
        let after = match next.map(Continuation::parse).transpose()? {
            None => None,
            Some(Continuation::OpenJobs { job }) => Some(listed_at(&Key::OpenJob(job), OPEN_JOBS, job)),
            Some(_) => return Err(CatalogError::InvalidContinuation),
        };
        let open = self.listed::<OpenJob>(OPEN_JOBS, after, limit, Order::Ascending).await?;
        Ok(open.into_page(|last| Continuation::OpenJobs { job: last.job }))
    }
}

/// The same transaction, recording the new `job`, and that it is open unless it has ended.
pub(crate) fn and_open(transaction: Transaction, job: &Job) -> Result<Transaction, CatalogError> {
    let transaction = transaction.put_new(Part::Job, job_item(job)?);
    if job.status.has_ended() {
        return Ok(transaction);
    }
    let open =
        OpenJob { job: job.id, operation: job.operation, instance: job.instance, opened_at: job.created_at };
    // The condition on the job is its condition too.
    Ok(transaction.put(Part::OpenJob, encode(&open)?, Expression::new()))
}

/// The same transaction, taking the job from among the open ones.
pub(crate) fn and_closed(transaction: Transaction, job: JobId) -> Transaction {
    transaction.delete(Part::OpenJob, Key::OpenJob(job), Expression::new())
}
