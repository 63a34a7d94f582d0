//! The commit of a backup: the one write that makes a recovery point visible.
//!
//! One transaction: the point (put if absent), the job (from working to its end), the instance (its newest
//! point), the lock (deleted; it must be this job's). Before it nothing can be seen; after it a repetition
//! meets the point and succeeds. Cancelling and abandoning race with it for the job and for the lock: one wins.

use jiff::Timestamp;
use permafrost_domain::instance::ProtectionStatus;
use permafrost_domain::job::{Job, JobStatus, Operation};
use permafrost_domain::recovery_point::RecoveryPoint;

use crate::Catalog;
use crate::backup::{RunningBackup, word};
use crate::close_job::{completed, completing};
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::job::{WORKING, capped_warnings, decode_job};
use crate::keys::Key;
use crate::record::{Record, decode, encode, text};
use crate::snapshot::not_working;
use crate::transaction::{Outcome, Part, Refusal, Transaction};

/// How often a commit is tried again because warnings came in between its reading and its writing.
const ATTEMPTS: u32 = 5;

/// What a refused commit found, where it is no error.
enum Why {
    /// The point is there: this is a repetition.
    Committed,
    /// The job has got warnings since it was read.
    WarningsCame,
}

impl Catalog {
    /// Makes `point` visible and ends its job, as `Completed` or, where it has warnings, as
    /// `CompletedWithWarnings`; returns which.
    ///
    /// # Errors
    /// `JobCancelled`, `JobNotRunning`, `JobNotFound`, `InstanceNotFound`; `CatalogConflict` where the backup was
    /// abandoned, or committed with another manifest. The same call again succeeds and changes nothing.
    pub async fn commit_recovery_point(
        &self,
        point: &RecoveryPoint,
        now: Timestamp,
        warnings: &[String],
    ) -> Result<JobStatus, CatalogError> {
        let warnings = capped_warnings(warnings);
        for _ in 0..ATTEMPTS {
            let job: Option<Job> = self.item(&Key::Job(point.job)).await?.map(decode_job).transpose()?;
            let job = job.ok_or(CatalogError::JobNotFound(point.job))?;
            let status = completed(&job, &warnings);
            let refusal = match self.transact(transaction(point, status, now, &warnings)?).await? {
                Outcome::Done => return Ok(status),
                Outcome::Refused(refusal) => refusal,
            };
            match why(point, refusal)? {
                Why::Committed => return self.job_status(point.job).await,
                Why::WarningsCame => {}
            }
        }
        Err(CatalogError::Conflict {
            key: Key::Job(point.job).to_string(),
            found: "its warnings change all the time".to_owned(),
        })
    }
}

/// The writes of a commit that ends the job as `status`.
fn transaction(
    point: &RecoveryPoint,
    status: JobStatus,
    now: Timestamp,
    warnings: &[String],
) -> Result<Transaction, CatalogError> {
    let end = completing(status, now, warnings)
        .set("point", text(point.id))
        .only_if_one_of("status", WORKING)
        .only_if("operation", text(Operation::Backup))
        .only_if("instance", text(point.instance));
    let newest = Expression::new()
        .set("latest_point", text(point.id))
        .set("latest_consistent_at", text(point.consistent_at))
        .only_if("status", text(word(ProtectionStatus::Protected)));
    let own = Expression::new().only_if("job", text(point.job));
    Ok(Transaction::new()
        .put_new(Part::Point, encode(point)?)
        .update(Part::Job, Key::Job(point.job), end)
        .update(Part::Instance, Key::Instance(point.instance), newest)
        .delete(Part::Lock, Key::RunningBackup(point.instance), own))
}

/// Why a commit was refused.
fn why(point: &RecoveryPoint, mut refusal: Refusal) -> Result<Why, CatalogError> {
    let conflict = |key: Key, found: String| CatalogError::Conflict { key: key.to_string(), found };
    if let Some(there) = refusal.of(Part::Point).flatten() {
        let there: RecoveryPoint = decode(there)?;
        if there.manifest == point.manifest {
            return Ok(Why::Committed);
        }
        return Err(conflict(point.key(), format!("it has the manifest {}", there.manifest.sha256)));
    }
    let job = refusal.of(Part::Job);
    if let Some(job) = &job {
        let job = job.clone().map(decode_job).transpose()?;
        if !job.as_ref().is_some_and(|job| WORKING.contains(&job.status)) {
            return Err(not_working(point.job, job));
        }
        if let Some(job) =
            job.filter(|job| (job.operation, job.instance) != (Operation::Backup, point.instance))
        {
            return Err(conflict(job.key(), format!("it is a {} of {}", job.operation, job.instance)));
        }
    }
    match refusal.of(Part::Lock) {
        Some(None) => {
            let key = Key::RunningBackup(point.instance);
            return Err(conflict(key, "it is gone: the backup was abandoned".to_owned()));
        }
        Some(Some(lock)) => {
            let lock: RunningBackup = decode(lock)?;
            return Err(conflict(lock.key(), format!("it is held by {}", lock.job)));
        }
        None => {}
    }
    match refusal.of(Part::Instance) {
        Some(None) => Err(CatalogError::InstanceNotFound(point.instance.to_string())),
        Some(Some(_)) => Err(CatalogError::InstanceNotProtected(point.instance)),
        None if job.is_some() => Ok(Why::WarningsCame),
        None => Err(conflict(point.key(), "it was refused without a reason".to_owned())),
    }
}
