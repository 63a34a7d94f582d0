//! The end of a job, and what it means for its instance, in one transaction.
//!
//! | operation | completed | failed or cancelled |
//! |---|---|---|
//! | `ConfigureProtection` | the instance is `Protected` | the instance is deleted with its claims and leaves its policy |
//! | `Backup` | only by its commit | the lock is deleted where it is the job's |
//! | `Hold`, `Release` | the point is free for another of them where it names the job | as well |
//! | every other | | |
//!
//! With each goes what says that the job is open.
//!
//! First decided by a pure function from what stands in the catalog ([`end_of`]), then written on the condition
//! that it still stands; where it does not, decided anew.

use jiff::Timestamp;
use permafrost_domain::instance::{Instance, ProtectionStatus};
use permafrost_domain::job::{Job, JobStatus, Operation};
use permafrost_domain::{Code, Fault, JobId};

use crate::Catalog;
use crate::backup::RunningBackup;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::instance::and_free_claims;
use crate::job::{SUSPENDED_AT, capped_fault, capped_warnings, decode_job};
use crate::keys::Key;
use crate::open_job::and_closed;
use crate::protection::under;
use crate::record::{Record, nested, text};
use crate::transaction::{Outcome, Part, Transaction};

/// How often the end is decided anew because the records changed in between.
const ATTEMPTS: u32 = 8;

/// What a job came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum JobOutcome {
    /// It did what it was asked for.
    Completed {
        /// What somebody should look at.
        warnings: Vec<String>,
    },
    /// It did not.
    Failed(Fault),
    /// It was ended because somebody asked.
    Cancelled,
}

/// How a job ends.
#[derive(Debug, Clone, PartialEq, Eq)]
enum End {
    /// Well.
    Well { status: JobStatus, warnings: Vec<String> },
    /// With its cause: the fault to record, where the job has none yet.
    Failed(Option<Fault>),
    /// Because somebody asked.
    Cancelled,
}

impl Catalog {
    /// Ends the job and returns its final status. A job that has ended stays as it is: its status is returned,
    /// whatever `outcome` says.
    ///
    /// The cause that was recorded first wins over the fault of `outcome`. A job that is being cancelled and
    /// fails was cancelled; one that completes nevertheless has completed.
    ///
    /// # Errors
    /// `CatalogConflict` for a backup that is said to have completed and has no commit. `InstanceNotFound` where
    /// protection is said to be configured and the instance is gone. `JobNotFound`.
    pub async fn close_job(
        &self,
        id: JobId,
        outcome: &JobOutcome,
        now: Timestamp,
    ) -> Result<JobStatus, CatalogError> {
        for _ in 0..ATTEMPTS {
            let job: Option<Job> = self.item(&Key::Job(id)).await?.map(decode_job).transpose()?;
            let job = job.ok_or(CatalogError::JobNotFound(id))?;
            if job.status.has_ended() {
                return Ok(job.status);
            }
            let end = end_of(&job, outcome)?;
            let status = end.status();
            let transaction =
                and_closed(Transaction::new().update(Part::Job, job.key(), end.change(&job, now)?), job.id);
            let transaction = self.and_of_instance(&job, &end, transaction).await?;
            if let Outcome::Done = self.transact(transaction).await? {
                return Ok(status);
            }
        }
        Err(CatalogError::Conflict {
            key: Key::Job(id).to_string(),
            found: "it or its instance changes all the time".to_owned(),
        })
    }

    /// The same transaction with what the end of `job` means for its instance.
    async fn and_of_instance(
        &self,
        job: &Job,
        end: &End,
        transaction: Transaction,
    ) -> Result<Transaction, CatalogError> {
        match (job.operation, end) {
            (Operation::ConfigureProtection, End::Well { .. }) => {
                let instance: Option<Instance> = self.record(&Key::Instance(job.instance)).await?;
                let instance =
                    instance.ok_or_else(|| CatalogError::InstanceNotFound(job.instance.to_string()))?;
                let protected = Expression::new()
                    .set("status", text(ProtectionStatus::Protected))
                    .only_if("status", text(instance.status));
                Ok(transaction.update(Part::Instance, instance.key(), protected))
            }
            (Operation::ConfigureProtection, End::Failed(_) | End::Cancelled) => {
                let instance: Option<Instance> = self.record(&Key::Instance(job.instance)).await?;
                // Gone or protected: not this job's to delete; the job must end all the same.
                let unprotected =
                    instance.filter(|instance| instance.status == ProtectionStatus::ConfiguringProtection);
                Ok(match unprotected {
                    None => transaction,
                    Some(instance) => and_delete(transaction, &instance),
                })
            }
            (Operation::Backup, End::Failed(_) | End::Cancelled) => {
                let lock: Option<RunningBackup> = self.record(&Key::RunningBackup(job.instance)).await?;
                Ok(match lock.filter(|lock| lock.job == job.id) {
                    None => transaction,
                    Some(lock) => {
                        let own = Expression::new().only_if("job", text(job.id));
                        transaction.delete(Part::Lock, lock.key(), own)
                    }
                })
            }
            (Operation::Hold | Operation::Release, _) => self.and_leave_hold(job, transaction).await,
            // Others change their instance themselves, in their own steps.
            (Operation::Backup, End::Well { .. })
            | (
                Operation::RestoreDatabase
                | Operation::RestoreFiles
                | Operation::Rehydrate
                | Operation::Tier
                | Operation::Expire
                | Operation::StopProtection
                | Operation::ChangePolicy,
                _,
            ) => Ok(transaction),
        }
    }
}

/// The same transaction, deleting `instance` with its claims.
fn and_delete(transaction: Transaction, instance: &Instance) -> Transaction {
    let unprotected = Expression::new().only_if("status", text(ProtectionStatus::ConfiguringProtection));
    let transaction = transaction.delete(Part::Instance, instance.key(), under(unprotected, instance.policy));
    and_free_claims(transaction, instance)
}

/// How the open `job` ends with `outcome`.
fn end_of(job: &Job, outcome: &JobOutcome) -> Result<End, CatalogError> {
    match outcome {
        JobOutcome::Completed { .. } if job.operation == Operation::Backup => Err(CatalogError::Conflict {
            key: job.key().to_string(),
            found: "a backup completes by the commit of its recovery point".to_owned(),
        }),
        JobOutcome::Completed { warnings } => {
            Ok(End::Well { status: completed(job, warnings), warnings: warnings.clone() })
        }
        JobOutcome::Cancelled => Ok(End::Cancelled),
        JobOutcome::Failed(_) if job.status == JobStatus::Cancelling => Ok(End::Cancelled),
        JobOutcome::Failed(fault) => Ok(match &job.fault {
            Some(first) if first.code == Code::JobCancelled => End::Cancelled,
            None if fault.code == Code::JobCancelled => End::Cancelled,
            Some(_) => End::Failed(None),
            None => End::Failed(Some(capped_fault(fault))),
        }),
    }
}

impl End {
    fn status(&self) -> JobStatus {
        match self {
            Self::Well { status, .. } => *status,
            Self::Failed(_) => JobStatus::Failed,
            Self::Cancelled => JobStatus::Cancelled,
        }
    }

    /// The change of `job`, on the condition that what was decided from still stands.
    fn change(&self, job: &Job, now: Timestamp) -> Result<Expression, CatalogError> {
        let ended = || {
            let ended = Expression::new().set("status", text(self.status())).set("ended_at", text(now));
            ended.remove(SUSPENDED_AT)
        };
        let change = match self {
            Self::Well { status, warnings } => completing(*status, now, warnings),
            Self::Failed(Some(fault)) => {
                ended().set("fault", nested(&job.key(), fault)?).only_if_absent("fault")
            }
            Self::Failed(None) => ended().only_if_present("fault"),
            Self::Cancelled => ended(),
        };
        Ok(change.only_if("status", text(job.status)))
    }
}

/// The status of a job that ends well with `warnings`.
pub(crate) fn completed(job: &Job, warnings: &[String]) -> JobStatus {
    if job.warnings.is_empty() && capped_warnings(warnings).is_empty() {
        JobStatus::Completed
    } else {
        JobStatus::CompletedWithWarnings
    }
}

/// Ends a job well, as `status`: a fault of a step that succeeded in the end is taken away, and `Completed` is
/// written only where there are no warnings.
pub(crate) fn completing(status: JobStatus, now: Timestamp, warnings: &[String]) -> Expression {
    let change = Expression::new()
        .set("status", text(status))
        .set("ended_at", text(now))
        .add_to_set("warnings", &capped_warnings(warnings))
        .remove("fault")
        .remove(SUSPENDED_AT);
    if status == JobStatus::Completed { change.only_if_absent("warnings") } else { change }
}
