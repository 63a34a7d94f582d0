//! A point's legal hold: what the catalog says of it, and the one job at a time that changes it.
//!
//! A hold is said first and then put on the objects; a release lets the objects go first and is said last
//! ([`Catalog::end_hold`]). So while the catalog says that a point is held, nothing deletes it, whatever a job has
//! reached. Two jobs at once would leave some objects held and some not, and which would be chance: the point names the
//! job that is at it, written with the job's record in one transaction ([`Catalog::open_hold_job`]) and taken out with
//! its end. Whoever asks for the same meanwhile meets that job.
//!
//! A hold takes the point out of the index of what is due and its end puts it back: until then nothing looks at it.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use permafrost_domain::JobId;
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::recovery_point::RecoveryPoint;

use crate::Catalog;
use crate::due::{DueShard, is_under_way, partition, place, place_at};
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::job::decode_job;
use crate::keep_point::{changes_all_the_time, refuse_deleted};
use crate::keys::Key;
use crate::move_point::{as_read, placed};
use crate::open_job::and_open;
use crate::record::{Record, text};
use crate::transaction::{Outcome, Part, Transaction};

/// How often a change is decided anew because the point changed in between.
const ATTEMPTS: u32 = 8;

impl Catalog {
    /// Opens `job`, a [`Operation::Hold`] or a [`Operation::Release`] of its point, as the one job that changes the
    /// point's legal hold. Of a hold the point says so from now on. Returns the job that does what was asked: this one,
    /// or one that is at it already.
    ///
    /// # Errors
    /// `LegalHoldChanging` naming the job that is doing the opposite. `RecoveryPointDeleted` where the point is being
    /// deleted, or was; `RecoveryPointNotFound`. `JobNotRunning` where the job was opened before and has ended.
    /// `CatalogConflict` where `job` names no point. The same call again succeeds and changes nothing.
    pub async fn open_hold_job(&self, job: &Job) -> Result<JobId, CatalogError> {
        let point = job.point.ok_or_else(|| CatalogError::Conflict {
            key: job.key().to_string(),
            found: "it names no recovery point".to_owned(),
        })?;
        for _ in 0..ATTEMPTS {
            let there = self.point(job.instance, point).await?;
            refuse_deleted(&there)?;
            if let Some(at_it) = self.open_job_at(&there).await? {
                if at_it.id == job.id || at_it.operation == job.operation {
                    return Ok(at_it.id);
                }
                return Err(CatalogError::LegalHoldChanging { point, job: at_it.id });
            }
            let change = at_it_as_read(as_read(Expression::new(), &there), &there);
            let change = change.set("hold_job", text(job.id));
            let change = if job.operation == Operation::Hold { held(change, &there) } else { change };
            let transaction = Transaction::new().update(Part::Point, there.key(), change);
            let Outcome::Refused(mut refusal) = self.transact(and_open(transaction, job)?).await? else {
                return Ok(job.id);
            };
            let earlier = refusal.of(Part::Job).flatten().map(decode_job).transpose()?;
            if let Some(Job { status, .. }) = earlier.filter(|earlier| earlier.status.has_ended()) {
                return Err(CatalogError::JobNotRunning { job: job.id, status });
            }
        }
        Err(changes_all_the_time(job.instance, point))
    }

    /// Says that `point`, as it was read, is under legal hold no more: the last act of its release `job`. The point
    /// after it.
    ///
    /// A point in the archive store is due at `now`: while it was held nobody could delete what it may have left in the
    /// backup store, and only looking there tells.
    ///
    /// # Errors
    /// `PointChanged` where its state is another by now, and with it perhaps its objects, or `job` is not the one that
    /// changes its hold. The same call again succeeds and changes nothing.
    pub async fn end_hold(
        &self,
        point: &RecoveryPoint,
        job: JobId,
        now: Timestamp,
    ) -> Result<RecoveryPoint, CatalogError> {
        let after = RecoveryPoint { legal_hold: false, ..point.clone() };
        let change =
            Expression::new().set("legal_hold", AttributeValue::Bool(false)).only_if("hold_job", text(job));
        let change = match place(&after) {
            _ if is_under_way(point.state) => change,
            Some(_) if point.archive.is_some() => {
                let due = (partition(DueShard::of(point.id)), place_at(now, point.id));
                placed(change, Some(due))
            }
            stamped => placed(change, stamped),
        };
        self.change_point(point, change).await
    }

    /// The job that changes the legal hold of `point`, where it has not ended.
    async fn open_job_at(&self, point: &RecoveryPoint) -> Result<Option<Job>, CatalogError> {
        let Some(id) = point.hold_job else { return Ok(None) };
        match self.job_record(id).await {
            Ok(job) => Ok(Some(job).filter(|job| !job.status.has_ended())),
            Err(CatalogError::JobNotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// The same transaction, in which `job` ceases to be the one that changes its point's legal hold, if it is.
    pub(crate) async fn and_leave_hold(
        &self,
        job: &Job,
        transaction: Transaction,
    ) -> Result<Transaction, CatalogError> {
        let Some(point) = job.point else { return Ok(transaction) };
        let key = Key::Point(job.instance, point);
        let there: Option<RecoveryPoint> = self.record(&key).await?;
        if there.is_none_or(|there| there.hold_job != Some(job.id)) {
            return Ok(transaction);
        }
        let left = Expression::new().remove("hold_job").only_if("hold_job", text(job.id));
        Ok(transaction.update(Part::Point, key, left))
    }
}

/// The same change, which puts `point` under legal hold.
fn held(change: Expression, point: &RecoveryPoint) -> Expression {
    let after = RecoveryPoint { legal_hold: true, ..point.clone() };
    let change = change.set("legal_hold", AttributeValue::Bool(true));
    if is_under_way(point.state) { change } else { placed(change, place(&after)) }
}

/// Demands that the legal hold of `point` is as it was read.
pub(crate) fn held_as_read(change: Expression, point: &RecoveryPoint) -> Expression {
    let held = AttributeValue::Bool(true);
    if point.legal_hold { change.only_if("legal_hold", held) } else { change.only_if_not("legal_hold", held) }
}

/// Demands that the job that changes the legal hold of `point` is the one that was read.
fn at_it_as_read(change: Expression, point: &RecoveryPoint) -> Expression {
    match point.hold_job {
        Some(job) => change.only_if("hold_job", text(job)),
        None => change.only_if_absent("hold_job"),
    }
}
