//! Jobs: opened once, told about while they are open, ended once (in `close_job` and `commit`).

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::Timestamp;
use permafrost_domain::check::Readiness;
use permafrost_domain::job::{Job, JobStatus, KEPT};
use permafrost_domain::{Fault, JobId};

use crate::Catalog;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::keys::{Key, PK, SK, day_of, jobs_of};
use crate::open_job::{OpenJob, and_open};
use crate::record::{Item, Record, decode, encode, invalid, key_of, nested, number, text};
use crate::snapshot::{Snapshot, not_working};
use crate::task_progress::TaskProgress;
use crate::transaction::{Outcome, Part, Transaction};
use crate::write::Written;

/// The most bytes of a fault's message that are kept; of its object and hint a quarter each.
const MAX_FAULT_BYTES: usize = 8 * 1024;
/// The most warnings that one call records.
const MAX_WARNINGS: usize = 100;
/// The most bytes of one warning.
const MAX_WARNING_BYTES: usize = 1024;
/// The statuses in which a job still works at what it was asked for.
pub(crate) const WORKING: [JobStatus; 2] = [JobStatus::Queued, JobStatus::InProgress];
/// The attribute that says that the job is suspended.
pub(crate) const SUSPENDED_AT: &str = "suspended_at";

/// The attribute that says in which round of tasks one was given up.
const GIVEN_UP_ROUND: &str = "given_up_round";

/// Where a job is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobStanding {
    /// Its status.
    pub status: JobStatus,
    /// Whether it is to copy nothing until it is resumed.
    pub suspended: bool,
    /// Whether it is going to fail: a fault is recorded.
    pub failed: bool,
    /// The last round of its tasks in which one was given up; no other is begun in it.
    pub given_up_round: Option<u32>,
}

impl Record for Job {
    fn key(&self) -> Key {
        Key::Job(self.id)
    }

    fn listed(&self) -> Option<(String, String)> {
        Some((jobs_of(day_of(self.created_at)), self.id.to_string()))
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.created_at.saturating_add(KEPT).unwrap_or(Timestamp::MAX))
    }
}

/// The item of a new job. Its warnings are a set, so that adding to them may be repeated.
pub(crate) fn job_item(job: &Job) -> Result<Item, CatalogError> {
    let stored = Job { fault: job.fault.as_ref().map(capped_fault), ..job.clone() };
    let mut item = encode(&stored)?;
    item.remove("warnings");
    if !job.warnings.is_empty() {
        item.insert("warnings".to_owned(), AttributeValue::Ss(capped_warnings(&job.warnings)));
    }
    Ok(item)
}

/// The job in `item`; its warnings in the order of the alphabet.
pub(crate) fn decode_job(item: Item) -> Result<Job, CatalogError> {
    let mut job: Job = decode(item)?;
    job.warnings.sort_unstable();
    Ok(job)
}

impl Catalog {
    /// Records a new job that takes no lock, such as a restore.
    ///
    /// # Errors
    /// `CatalogConflict` where the id is another job's. The same call again succeeds and changes nothing.
    pub async fn open_job(&self, job: &Job) -> Result<(), CatalogError> {
        let Outcome::Refused(mut refusal) = self.transact(and_open(Transaction::new(), job)?).await? else {
            return Ok(());
        };
        let refused = refusal.of(Part::Job).flatten().map(decode_job).transpose()?;
        let same = refused.is_some_and(|earlier| {
            (earlier.operation, earlier.instance, earlier.created_at)
                == (job.operation, job.instance, job.created_at)
        });
        let found = "its id is another job's".to_owned();
        if same { Ok(()) } else { Err(CatalogError::Conflict { key: job.key().to_string(), found }) }
    }

    /// The job, with what its tasks have done added to its progress.
    ///
    /// # Errors
    /// `JobNotFound`.
    pub async fn job(&self, id: JobId) -> Result<Job, CatalogError> {
        let expression = Expression::new().only_if(PK, text(Key::Job(id).pk()));
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .set_key_condition_expression(expression.condition())
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .consistent_read(true);
        let (mut job, mut after, mut tasks) = (None, None, Vec::new());
        loop {
            let output = self.page(query.clone().set_exclusive_start_key(after)).await?;
            for item in output.items.unwrap_or_default() {
                match key_of(&item)? {
                    Key::Job(_) => job = Some(decode_job(item)?),
                    Key::Task(..) => tasks.push(decode::<TaskProgress>(item)?),
                    Key::Snapshot(_) => drop(decode::<Snapshot>(item)?),
                    Key::OpenJob(_) => drop(decode::<OpenJob>(item)?),
                    other => return Err(invalid(&other, "it stands among the records of a job")),
                }
            }
            after = output.last_evaluated_key;
            if after.is_none() {
                break;
            }
        }
        // Records of tasks may outlive the job's own for a while: DynamoDB drops them one by one.
        let mut job = job.ok_or(CatalogError::JobNotFound(id))?;
        job.progress = tasks.iter().fold(job.progress, |sum, task| sum.plus_done(&task.progress));
        Ok(job)
    }

    /// The job's own record, without what its tasks have done: one read, for the steps that only want to know what
    /// was asked for.
    ///
    /// # Errors
    /// `JobNotFound`.
    pub async fn job_record(&self, id: JobId) -> Result<Job, CatalogError> {
        self.item(&Key::Job(id)).await?.map(decode_job).transpose()?.ok_or(CatalogError::JobNotFound(id))
    }

    /// Where the job is in its life: one small read, for those who look often.
    ///
    /// # Errors
    /// `JobNotFound`.
    pub async fn job_status(&self, id: JobId) -> Result<JobStatus, CatalogError> {
        Ok(self.job_standing(id).await?.status)
    }

    /// Where the job is in its life, and whether its tasks have something to do: one small read.
    ///
    /// # Errors
    /// `JobNotFound`.
    pub async fn job_standing(&self, id: JobId) -> Result<JobStanding, CatalogError> {
        let key = Key::Job(id);
        let request = self
            .client
            .get_item()
            .table_name(&self.table)
            .key(PK, text(key.pk()))
            .key(SK, text(key.sk()))
            .projection_expression("#status, suspended_at, fault, given_up_round")
            .expression_attribute_names("#status", "status")
            .consistent_read(true);
        let output = request.send().await.map_err(|error| CatalogError::of_sdk("GetItem", error))?;
        let item = output.item.ok_or(CatalogError::JobNotFound(id))?;
        let status = item.get("status").and_then(|value| value.as_s().ok()).map_or("", String::as_str);
        let status = status.parse().map_err(|error| invalid(&key, error))?;
        let (suspended, failed) = (item.contains_key(SUSPENDED_AT), item.contains_key("fault"));
        let round = item.get(GIVEN_UP_ROUND).map(|round| serde_dynamo::from_attribute_value(round.clone()));
        let given_up_round = round.transpose().map_err(|error| invalid(&key, error))?;
        Ok(JobStanding { status, suspended, failed, given_up_round })
    }

    /// Whether somebody asked to end the job: it is being cancelled, or was.
    ///
    /// # Errors
    /// `JobNotFound`.
    pub async fn cancel_requested(&self, id: JobId) -> Result<bool, CatalogError> {
        let status = self.job_status(id).await?;
        Ok(matches!(status, JobStatus::Cancelling | JobStatus::Cancelled))
    }

    /// The job's execution has begun: from `Queued` to `InProgress`. Returns where the job is now, which is
    /// `Cancelling` where somebody was faster. May be repeated.
    ///
    /// # Errors
    /// `JobNotRunning` where it has ended: it is not opened again. `JobNotFound`.
    pub async fn job_started(&self, id: JobId, execution_arn: &str) -> Result<JobStatus, CatalogError> {
        let begin = Expression::new()
            .set("status", text(JobStatus::InProgress))
            .set("execution", text(execution_arn))
            .only_if("status", text(JobStatus::Queued));
        match self.update(&Key::Job(id), begin).await? {
            Written::Done(item) => Ok(decode_job(item)?.status),
            Written::Refused(_) => {
                let known = Expression::new().set_if_absent("execution", text(execution_arn));
                Ok(self.change_open_job(id, known).await?.status)
            }
        }
    }

    /// Records the execution behind the job, also where the job has ended meanwhile. May be repeated.
    ///
    /// # Errors
    /// `CatalogConflict` where the job has another execution. `JobNotFound`.
    pub async fn record_execution(&self, id: JobId, execution_arn: &str) -> Result<(), CatalogError> {
        let key = Key::Job(id);
        let none = Expression::new().only_if_present(PK).only_if_absent("execution");
        let same = Expression::new().only_if("execution", text(execution_arn));
        let expression = none.or(same).set("execution", text(execution_arn));
        match self.update(&key, expression).await? {
            Written::Done(_) => Ok(()),
            Written::Refused(None) => Err(CatalogError::JobNotFound(id)),
            Written::Refused(Some(item)) => {
                let other = decode_job(item)?.execution.unwrap_or_default();
                Err(CatalogError::Conflict {
                    key: key.to_string(),
                    found: format!("it is carried out by {other}"),
                })
            }
        }
    }

    /// Records what readiness found.
    ///
    /// # Errors
    /// `JobNotRunning`, `JobNotFound`.
    pub async fn record_readiness(&self, id: JobId, readiness: &Readiness) -> Result<(), CatalogError> {
        let readiness = nested(&Key::Job(id), readiness)?;
        self.change_open_job(id, Expression::new().set("readiness", readiness)).await.map(drop)
    }

    /// Adds warnings to the job's: a set, so that a step that runs again adds nothing. At most 100 in one call,
    /// each cut at 1 KB.
    ///
    /// # Errors
    /// `JobNotRunning`, `JobNotFound`.
    pub async fn record_warnings(&self, id: JobId, warnings: &[String]) -> Result<(), CatalogError> {
        if warnings.is_empty() {
            return Ok(());
        }
        let expression = Expression::new().add_to_set("warnings", &capped_warnings(warnings));
        self.change_open_job(id, expression).await.map(drop)
    }

    /// Records how much the job is going to copy.
    ///
    /// # Errors
    /// `JobNotRunning`, `JobNotFound`.
    pub async fn record_expected(&self, id: JobId, tables: u64, bytes: u64) -> Result<(), CatalogError> {
        let expression = Expression::new()
            .set("progress.tables_expected", number(tables))
            .set("progress.bytes_expected", number(bytes));
        self.change_open_job(id, expression).await.map(drop)
    }

    /// Records why the job is going to fail, where it is open and nothing else was recorded: the first fault is
    /// the cause, those after it are its consequences. Its message is cut at 8 KB.
    ///
    /// # Errors
    /// `JobNotFound`; none where the fault comes too late.
    pub async fn record_fault(&self, id: JobId, fault: &Fault) -> Result<(), CatalogError> {
        let key = Key::Job(id);
        let expression = Expression::new()
            .set("fault", nested(&key, &capped_fault(fault))?)
            .only_if_one_of("status", JobStatus::OPEN)
            .only_if_absent("fault");
        match self.update(&key, expression).await? {
            Written::Done(_) => Ok(()),
            Written::Refused(None) => Err(CatalogError::JobNotFound(id)),
            Written::Refused(Some(item)) => decode_job(item).map(drop),
        }
    }

    /// Says that one of the tasks that are run in this round was given up. Nothing where the job has ended.
    ///
    /// # Errors
    /// `JobNotFound`.
    pub async fn give_up_round(&self, id: JobId, round: u32) -> Result<(), CatalogError> {
        let expression =
            Expression::new().set(GIVEN_UP_ROUND, number(round)).only_if_one_of("status", JobStatus::OPEN);
        match self.update(&Key::Job(id), expression).await? {
            Written::Refused(None) => Err(CatalogError::JobNotFound(id)),
            Written::Done(_) | Written::Refused(Some(_)) => Ok(()),
        }
    }

    /// Asks the job to end. Its functions look at it; the job is `Cancelled` when they have let go. May be
    /// repeated.
    ///
    /// # Errors
    /// `JobNotRunning` where it has ended, `JobNotFound`.
    pub async fn request_cancel(&self, id: JobId) -> Result<(), CatalogError> {
        let expression = Expression::new().set("status", text(JobStatus::Cancelling)).remove(SUSPENDED_AT);
        self.change_open_job(id, expression).await.map(drop)
    }

    /// Asks the backup `id` to copy nothing until it is resumed; since `now`, or since it was first asked. May be
    /// repeated.
    ///
    /// # Errors
    /// `JobCancelled` where it is being cancelled, `JobNotRunning` where it has ended, `JobNotFound`.
    pub async fn suspend_job(&self, id: JobId, now: Timestamp) -> Result<(), CatalogError> {
        self.change_working_job(id, Expression::new().set_if_absent(SUSPENDED_AT, text(now))).await
    }

    /// Lets a suspended backup go on. Nothing where it is not suspended.
    ///
    /// # Errors
    /// As [`Catalog::suspend_job`].
    pub async fn resume_job(&self, id: JobId) -> Result<(), CatalogError> {
        self.change_working_job(id, Expression::new().remove(SUSPENDED_AT)).await
    }

    /// Changes a job that works at what it was asked for.
    async fn change_working_job(&self, id: JobId, change: Expression) -> Result<(), CatalogError> {
        match self.update(&Key::Job(id), change.only_if_one_of("status", WORKING)).await? {
            Written::Done(_) => Ok(()),
            Written::Refused(item) => Err(not_working(id, item.map(decode_job).transpose()?)),
        }
    }

    /// Changes a job that has not ended.
    async fn change_open_job(&self, id: JobId, change: Expression) -> Result<Job, CatalogError> {
        let expression = change.only_if_one_of("status", JobStatus::OPEN);
        match self.update(&Key::Job(id), expression).await? {
            Written::Done(item) => decode_job(item),
            Written::Refused(None) => Err(CatalogError::JobNotFound(id)),
            Written::Refused(Some(item)) => {
                let status = decode_job(item)?.status;
                Err(CatalogError::JobNotRunning { job: id, status })
            }
        }
    }
}

/// `fault` with its texts cut to what a job keeps.
pub(crate) fn capped_fault(fault: &Fault) -> Fault {
    Fault {
        code: fault.code,
        message: cut(&fault.message, MAX_FAULT_BYTES),
        object: fault.object.as_deref().map(|object| cut(object, MAX_FAULT_BYTES / 4)),
        hint: cut(&fault.hint, MAX_FAULT_BYTES / 4),
    }
}

/// The warnings that one call keeps; the last one counts those that it does not.
pub(crate) fn capped_warnings(warnings: &[String]) -> Vec<String> {
    let mut kept: Vec<String> = Vec::new();
    for warning in warnings {
        let warning = cut(warning, MAX_WARNING_BYTES);
        if !warning.is_empty() && !kept.contains(&warning) {
            kept.push(warning);
        }
    }
    if kept.len() > MAX_WARNINGS {
        let more = kept.len() - (MAX_WARNINGS - 1);
        kept.truncate(MAX_WARNINGS - 1);
        kept.push(format!("{more} more warnings are not shown"));
    }
    kept
}

/// The beginning of `text`, at most `max` bytes with the mark that it was cut.
fn cut(text: &str, max: usize) -> String {
    const MARK: &str = " […]";
    if text.len() <= max {
        return text.to_owned();
    }
    let end = text.floor_char_boundary(max - MARK.len());
    format!("{}{MARK}", &text[..end])
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use permafrost_domain::job::Progress;
    use permafrost_domain::{Code, InstanceId};
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_job_comes_back_from_its_item(
            nanos in 0_i128..253_402_207_200_000_000_000,
            status in prop::sample::select(JobStatus::ALL.to_vec()),
            done: [u64; 3],
            expected: [Option<u64>; 2],
            warnings in prop::collection::btree_set(".{1,30}", 0..5),
            fault in prop::option::of((prop::sample::select(Code::ALL.to_vec()), ".{0,30}", prop::option::of(".{0,9}"))),
            words: [Option<String>; 2],
            [ended, suspended]: [bool; 2],
        ) {
            let at = Timestamp::from_nanosecond(nanos).unwrap();
            let job = Job {
                id: JobId::new(at, 5),
                operation: permafrost_domain::job::Operation::Backup,
                instance: InstanceId::new(at, 6),
                instance_name: "shop".parse().unwrap(),
                started_by: words[0].clone().unwrap_or_default(),
                status,
                created_at: at,
                ended_at: ended.then_some(at),
                suspended_at: suspended.then_some(at),
                progress: Progress {
                    tables_done: done[0],
                    tables_expected: expected[0],
                    rows_done: done[1],
                    bytes_done: done[2],
                    bytes_expected: expected[1],
                },
                fault: fault.map(|(code, message, object)| Fault { object, ..Fault::new(code, message) }),
                warnings: BTreeSet::into_iter(warnings).collect(),
                readiness: None,
                point: None,
                backup: None,
                restore: None,
                files: None,
                rehydration: None,
                execution: words[1].clone(),
            };
            prop_assert_eq!(decode_job(job_item(&job).unwrap()).unwrap(), job);
        }
    }

    #[test]
    fn long_texts_are_cut_at_a_character_and_say_so() {
        let fault = capped_fault(&Fault::new(Code::StatementFailed, "ä".repeat(10_000)).on("short"));
        assert!(fault.message.len() <= MAX_FAULT_BYTES && fault.message.len() > MAX_FAULT_BYTES - 8);
        assert!(fault.message.ends_with("ä […]"));
        assert_eq!(fault.object.as_deref(), Some("short"));
        assert_eq!(capped_fault(&fault), fault);
    }

    #[test]
    fn warnings_are_counted_where_they_are_too_many() {
        let many: Vec<String> = (0..250).map(|i| format!("warning {i}")).chain([String::new()]).collect();
        let kept = capped_warnings(&many);
        assert_eq!(kept.len(), MAX_WARNINGS);
        assert_eq!(kept[MAX_WARNINGS - 1], "151 more warnings are not shown");
        assert_eq!(capped_warnings(&["a".into(), "a".into()]), ["a"]);
    }
}
