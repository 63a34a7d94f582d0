//! The running backup of an instance: a lock, so that there is one at a time.
//!
//! Taken with the job's record in one transaction ([`Catalog::open_backup`]); let go with the commit, with the
//! end of the job, or by [`Catalog::abandon_backup`]. Whoever deletes the lock decides: a commit needs the lock
//! to be its own, so after an abandonment nothing can be committed, and after a commit there is nothing left to
//! abandon.

use permafrost_domain::instance::{Instance, ProtectionStatus};
use permafrost_domain::job::Job;
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::{InstanceId, JobId, PointId};
use serde::{Deserialize, Serialize};

use crate::Catalog;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::job::job_item;
use crate::keys::Key;
use crate::record::{Record, decode, encode, text};
use crate::transaction::{Outcome, Part, Transaction};

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
    /// `BackupAlreadyRunning` naming the running job, `InstanceNotProtected`, `InstanceNotFound`. The same call
    /// again succeeds and changes nothing while the job holds its lock.
    pub async fn open_backup(&self, job: &Job) -> Result<(), CatalogError> {
        let lock = RunningBackup { instance: job.instance, job: job.id };
        let protected = Expression::new().only_if("status", text(word(ProtectionStatus::Protected)));
        let transaction = Transaction::new()
            .check(Part::Instance, Key::Instance(job.instance), protected)
            .put_new(Part::Lock, encode(&lock)?)
            .put_new(Part::Job, job_item(job)?);
        let Outcome::Refused(mut refusal) = self.transact(transaction).await? else { return Ok(()) };
        let held: Option<RunningBackup> = refusal.of(Part::Lock).flatten().map(decode).transpose()?;
        match held {
            Some(held) if held == lock => return Ok(()),
            Some(held) => {
                return Err(CatalogError::BackupAlreadyRunning { instance: held.instance, job: held.job });
            }
            None => {}
        }
        match refusal.of(Part::Instance) {
            Some(None) => Err(CatalogError::InstanceNotFound(job.instance.to_string())),
            Some(Some(instance)) => {
                let instance: Instance = decode(instance)?;
                Err(CatalogError::InstanceNotProtected(instance.id))
            }
            None => Err(CatalogError::Conflict {
                key: job.key().to_string(),
                found: "it is there, and its lock is gone".to_owned(),
            }),
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

/// The word of a protection status in the catalog.
pub(crate) fn word(status: ProtectionStatus) -> &'static str {
    status.as_str()
}
