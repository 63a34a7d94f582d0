//! The running backup of an instance: a lock, so that there is one at a time.
//!
//! Taken with the job's record in one transaction ([`Catalog::open_backup`]); let go with the commit, with the
//! end of the job, or by [`Catalog::abandon_backup`]. Whoever deletes the lock decides: a commit needs the lock
//! to be its own, so after an abandonment nothing can be committed, and after a commit there is nothing left to
//! abandon.

use permafrost_domain::instance::{Instance, ProtectionStatus};
use permafrost_domain::job::{Job, JobStatus, Operation};
use permafrost_domain::recovery_point::{BackupKind, RecoveryPoint};
use permafrost_domain::{InstanceId, JobId, PointId};
use serde::{Deserialize, Serialize};

use crate::Catalog;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::job::{decode_job, job_item};
use crate::keys::{Key, PK};
use crate::open_job::and_open;
use crate::record::{Record, decode, encode, text};
use crate::transaction::{Outcome, Part, Transaction};
use crate::write::Written;

/// The lock that the running backup of an instance holds.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct RunningBackup {
    /// The instance.
    pub(crate) instance: InstanceId,
    /// The job that holds it.
    pub(crate) job: JobId,
}

impl Record for RunningBackup {
    fn key(&self) -> Key {
        Key::RunningBackup(self.instance)
    }
}

/// What an abandonment met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Abandoned {
    /// The backup is abandoned: its snapshot is given up, it holds no lock and can never commit.
    Yes,
    /// The backup is committed; nothing was touched.
    AlreadyCommitted,
}

impl Catalog {
    /// Records a backup job and takes the lock of its instance.
    ///
    /// # Errors
    /// `BackupAlreadyRunning` naming the running job. `InstanceNotProtected`, `BackupsSuspended`,
    /// `ProtectionStopped` where the instance's protection forbids the backup; `InstanceNotFound`. `JobNotRunning`
    /// where the job was opened before and has ended. The same call again succeeds and changes nothing while the job
    /// holds its lock.
    pub async fn open_backup(&self, job: &Job) -> Result<(), CatalogError> {
        let lock = RunningBackup { instance: job.instance, job: job.id };
        let kind = kind_of(job);
        let allowed = ProtectionStatus::ALL.into_iter().filter(|status| status.takes_backup(kind).is_ok());
        let protected = Expression::new().only_if_one_of("status", allowed);
        let transaction = Transaction::new()
            .check(Part::Instance, Key::Instance(job.instance), protected)
            .put_new(Part::Lock, encode(&lock)?);
        let Outcome::Refused(mut refusal) = self.transact(and_open(transaction, job)?).await? else {
            return Ok(());
        };
        let held: Option<RunningBackup> = refusal.of(Part::Lock).flatten().map(decode).transpose()?;
        if held == Some(lock) {
            return Ok(());
        }
        let earlier: Option<Job> = refusal.of(Part::Job).flatten().map(decode_job).transpose()?;
        match earlier {
            Some(earlier) if !is_same(&earlier, job) => {
                return Err(other_job(job));
            }
            Some(Job { status, .. }) if status.has_ended() => {
                return Err(CatalogError::JobNotRunning { job: job.id, status });
            }
            _ => {}
        }
        if let Some(held) = held {
            return Err(CatalogError::BackupAlreadyRunning { instance: held.instance, job: held.job });
        }
        match refusal.of(Part::Instance) {
            Some(None) => Err(CatalogError::InstanceNotFound(job.instance.to_string())),
            Some(Some(instance)) => Err(forbidden(&decode::<Instance>(instance)?)),
            None => Err(CatalogError::Conflict {
                key: job.key().to_string(),
                found: "it is there, and its lock is gone".to_owned(),
            }),
        }
    }

    /// Records a backup that did not run, with its reason, as a job that has ended as `Skipped`. Returns the job's
    /// status, which is another where the job was opened before.
    ///
    /// # Errors
    /// `CatalogConflict` where the id is another job's, or `job` is not one that was skipped. The same call again
    /// succeeds and changes nothing.
    pub async fn record_skipped_backup(&self, job: &Job) -> Result<JobStatus, CatalogError> {
        if (job.operation, job.status) != (Operation::Backup, JobStatus::Skipped) {
            let found = format!("it is a {} that is {}", job.operation, job.status);
            return Err(CatalogError::Conflict { key: job.key().to_string(), found });
        }
        match self.put(job_item(job)?, Expression::new().only_if_absent(PK)).await? {
            Written::Done(_) => Ok(job.status),
            Written::Refused(item) => match item.map(decode_job).transpose()? {
                Some(earlier) if is_same(&earlier, job) => Ok(earlier.status),
                _ => Err(other_job(job)),
            },
        }
    }

    /// Gives up the backup `job` of `instance`: deletes its lock, so that it can never commit, then abandons its
    /// snapshot, so that its holder lets go. Harmless when it is repeated, and after a commit, which it reports.
    ///
    /// The order matters: the lock is the one record that a commit needs too.
    ///
    /// # Errors
    /// None of its own.
    pub async fn abandon_backup(&self, job: JobId, instance: InstanceId) -> Result<Abandoned, CatalogError> {
        self.delete_lock(job, instance).await?;
        let point: Option<RecoveryPoint> =
            self.record(&Key::Point(instance, PointId::of_backup(job))).await?;
        if point.is_some() {
            return Ok(Abandoned::AlreadyCommitted);
        }
        self.abandon_snapshot(job).await?;
        Ok(Abandoned::Yes)
    }

    /// Deletes the lock of `instance` where `job` holds it.
    async fn delete_lock(&self, job: JobId, instance: InstanceId) -> Result<(), CatalogError> {
        let own = Expression::new().only_if("job", text(job));
        let transaction = Transaction::new().delete(Part::Lock, Key::RunningBackup(instance), own);
        match self.transact(transaction).await? {
            Outcome::Done => Ok(()),
            // Another's, or gone already; but it must be a lock.
            Outcome::Refused(mut refusal) => {
                refusal.of(Part::Lock).flatten().map(decode::<RunningBackup>).transpose().map(|_| ())
            }
        }
    }
}

/// What asked for the backup `job`. Jobs from before there were schedules were asked for by somebody.
fn kind_of(job: &Job) -> BackupKind {
    job.backup.as_ref().map_or(BackupKind::OnDemand, |order| order.kind)
}

/// Whether `earlier` is the same backup: a scheduled one has the same id whenever it is asked for.
fn is_same(earlier: &Job, job: &Job) -> bool {
    (earlier.operation, earlier.instance) == (job.operation, job.instance)
}

fn other_job(job: &Job) -> CatalogError {
    CatalogError::Conflict { key: job.key().to_string(), found: "its id is another job's".to_owned() }
}

/// The error that says why a backup of `instance` is refused.
pub(crate) fn forbidden(instance: &Instance) -> CatalogError {
    match instance.status {
        ProtectionStatus::BackupsSuspended => CatalogError::BackupsSuspended(instance.id),
        ProtectionStatus::ProtectionStopped | ProtectionStatus::SoftDeleted => {
            CatalogError::ProtectionStopped(instance.id)
        }
        ProtectionStatus::ConfiguringProtection | ProtectionStatus::Protected => {
            CatalogError::InstanceNotProtected(instance.id)
        }
    }
}
