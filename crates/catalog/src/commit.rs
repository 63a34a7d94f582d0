//! The commit of a backup: the one write that makes a recovery point visible.
//!
//! One transaction: the point (put if absent) with its place in the index of what is due, the periods that it claims
//! (put if absent), the job (from working to its end), the instance (its newest point, the count of its points), the
//! lock (deleted; it must be this job's). Before it nothing can be seen and nothing is claimed; after it a repetition
//! meets the point and succeeds. Cancelling and abandoning race with it for the job and for the lock, and other commits
//! for the periods: one wins. Who loses a period decides the point's rule anew.

use std::collections::BTreeSet;

use jiff::Timestamp;
use permafrost_domain::instance::{Instance, ProtectionStatus};
use permafrost_domain::job::{Job, JobStatus, Operation};
use permafrost_domain::recovery_point::{BackupKind, RecoveryPoint};
use permafrost_domain::retention::PeriodClaim;

use crate::Catalog;
use crate::backup::{RunningBackup, forbidden};
use crate::close_job::{completed, completing};
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::instance::POINTS;
use crate::job::{WORKING, capped_warnings, decode_job};
use crate::keys::Key;
use crate::open_job::and_closed;
use crate::period::{and_claim, refused};
use crate::record::{Record, decode, encode, text};
use crate::snapshot::not_working;
use crate::transaction::{Outcome, Part, Refusal, Transaction};

/// How often a commit is tried again because warnings came in between its reading and its writing.
const ATTEMPTS: u32 = 5;

/// What became of a commit.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CommitOutcome {
    /// The point is visible.
    Committed {
        /// How the job ended.
        status: JobStatus,
        /// The point as it stands: where the commit was repeated, as it was committed first.
        point: Box<RecoveryPoint>,
    },
    /// Other points have taken these periods since they were looked up. Nothing was written: the rule is to be
    /// decided anew.
    PeriodsTaken(BTreeSet<PeriodClaim>),
}

/// What a refused commit found, where it is no error.
enum Why {
    /// The point is there: this is a repetition.
    Committed(Box<RecoveryPoint>),
    /// Other points have claimed these periods.
    PeriodsTaken(BTreeSet<PeriodClaim>),
    /// The job has got warnings since it was read.
    WarningsCame,
}

impl Catalog {
    /// Makes `point` visible with its claims, and ends its job as `Completed` or, where it has warnings, as
    /// `CompletedWithWarnings`.
    ///
    /// # Errors
    /// `JobCancelled`, `JobNotRunning`, `JobNotFound`, `InstanceNotFound`; `ProtectionStopped` where it was stopped or
    /// the data deleted meanwhile; `CatalogConflict` where the backup was abandoned, or committed with another
    /// manifest. The same call again succeeds and changes nothing, whatever it claims.
    pub async fn commit_recovery_point(
        &self,
        point: &RecoveryPoint,
        claims: &[PeriodClaim],
        now: Timestamp,
        warnings: &[String],
    ) -> Result<CommitOutcome, CatalogError> {
        let warnings = capped_warnings(warnings);
        for _ in 0..ATTEMPTS {
            let job: Option<Job> = self.item(&Key::Job(point.job)).await?.map(decode_job).transpose()?;
            let job = job.ok_or(CatalogError::JobNotFound(point.job))?;
            let status = completed(&job, &warnings);
            let transaction = transaction(point, claims, status, now, &warnings)?;
            let Outcome::Refused(refusal) = self.transact(transaction).await? else {
                return Ok(CommitOutcome::Committed { status, point: Box::new(point.clone()) });
            };
            match why(point, claims, refusal)? {
                Why::Committed(point) => {
                    let status = self.job_status(point.job).await?;
                    return Ok(CommitOutcome::Committed { status, point });
                }
                Why::PeriodsTaken(taken) => return Ok(CommitOutcome::PeriodsTaken(taken)),
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
    claims: &[PeriodClaim],
    status: JobStatus,
    now: Timestamp,
    warnings: &[String],
) -> Result<Transaction, CatalogError> {
    let end = completing(status, now, warnings)
        .set("point", text(point.id))
        .only_if_one_of("status", WORKING)
        .only_if("operation", text(Operation::Backup))
        .only_if("instance", text(point.instance));
    // A backup that was begun before its schedule was suspended may end.
    let committing =
        ProtectionStatus::ALL.into_iter().filter(|status| status.takes_backup(BackupKind::OnDemand).is_ok());
    let newest = Expression::new()
        .set("latest_point", text(point.id))
        .set("latest_consistent_at", text(point.consistent_at))
        .add(POINTS, 1)
        .only_if_one_of("status", committing);
    let own = Expression::new().only_if("job", text(point.job));
    let transaction = Transaction::new()
        .put_new(Part::Point, encode(point)?)
        .update(Part::Job, Key::Job(point.job), end)
        .update(Part::Instance, Key::Instance(point.instance), newest)
        .delete(Part::Lock, Key::RunningBackup(point.instance), own);
    and_claim(and_closed(transaction, point.job), point.instance, point.id, claims, now)
}

/// Why a commit was refused.
fn why(point: &RecoveryPoint, claims: &[PeriodClaim], mut refusal: Refusal) -> Result<Why, CatalogError> {
    let conflict = |key: Key, found: String| CatalogError::Conflict { key: key.to_string(), found };
    if let Some(there) = refusal.of(Part::Point).flatten() {
        let there: RecoveryPoint = decode(there)?;
        if there.manifest == point.manifest {
            return Ok(Why::Committed(Box::new(there)));
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
        Some(None) => return Err(CatalogError::InstanceNotFound(point.instance.to_string())),
        Some(Some(instance)) => return Err(forbidden(&decode::<Instance>(instance)?)),
        None => {}
    }
    let taken = refused(&mut refusal, claims)?;
    match job {
        _ if !taken.is_empty() => Ok(Why::PeriodsTaken(taken)),
        Some(_) => Ok(Why::WarningsCame),
        None => Err(conflict(point.key(), "it was refused without a reason".to_owned())),
    }
}
