//! `StartScheduledBackup`: starts the backup of one instance that a policy's schedule asks for, or records why not;
//! asked again, says whether it still runs.
//!
//! The job's id follows from instance and run, and the execution's name is the job's id. So a trigger that comes
//! twice, a call that is repeated and a call that died half way all meet the same job: it is opened once, its
//! execution is started where there is none yet, and the third question is only whether it has ended.

use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::{CatalogError, JobOutcome};
use permafrost_domain::instance::Instance;
use permafrost_domain::job::{BackupOrder, Job, JobStatus, Operation};
use permafrost_domain::recovery_point::BackupKind;
use permafrost_domain::{Code, Fault, InstanceId, JobId, PolicyId};
use permafrost_function::config::variable;
use permafrost_function::executions::{ExecutionState, Executions};
use permafrost_function::{Tools, clock};
use serde::{Deserialize, Serialize};

/// The shortest time until the next look at a running backup.
const LOOK_AGAIN_MIN: SignedDuration = SignedDuration::from_secs(5);
/// The longest time until the next look at a running backup.
const LOOK_AGAIN_MAX: SignedDuration = SignedDuration::from_mins(5);

/// What the template tells this function.
#[derive(Debug, Clone)]
pub struct Config {
    backup_machine_arn: String,
    schedules_arn: String,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// `InvalidConfiguration` naming the variable that is missing.
    pub fn from_env() -> Result<Self, Fault> {
        Ok(Self {
            backup_machine_arn: variable("BACKUP_STATE_MACHINE_ARN")?,
            schedules_arn: variable("SCHEDULES_ARN")?,
        })
    }
}

/// The step's input.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Input {
    policy: PolicyId,
    instance: InstanceId,
    scheduled_at: Timestamp,
}

/// The step's answer.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Output {
    state: State,
    /// When to ask again, in seconds from now.
    look_again_seconds: i64,
}

/// What has become of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The backup runs: ask again.
    Running,
    /// It has ended, one way or the other.
    Ended,
    /// It is recorded as skipped: another backup of the instance runs.
    Skipped,
    /// The instance wants no backup of this policy any more.
    NotWanted,
}

impl State {
    fn answer(self) -> Output {
        Output { state: self, look_again_seconds: 0 }
    }
}

/// Starts the backup, or looks how it is.
///
/// # Errors
/// The catalog or Step Functions does not answer.
pub async fn handle(
    tools: &Tools,
    executions: &Executions,
    config: &Config,
    input: Input,
) -> Result<Output, Fault> {
    let now = clock::now();
    let id = JobId::of_run(input.instance, input.scheduled_at, Operation::Backup);
    if let Some(job) = recorded(tools, id).await? {
        return look(tools, executions, config, &job, now).await;
    }
    let Some(instance) = wanting(tools, &input).await? else { return Ok(State::NotWanted.answer()) };
    let job = scheduled(id, &instance, &input, config, now);
    match tools.catalog.open_backup(&job).await {
        Ok(()) => {
            executions.start_job(&tools.catalog, &config.backup_machine_arn, &job, now).await?;
            Ok(running(&job, now))
        }
        Err(CatalogError::BackupAlreadyRunning { job: other, .. }) => {
            tools.catalog.record_skipped_backup(&skipped(job, other, now)).await?;
            Ok(State::Skipped.answer())
        }
        Err(error) => match recorded(tools, id).await? {
            // Another trigger of the same run was quicker, and its backup has ended already.
            Some(job) => look(tools, executions, config, &job, now).await,
            // The instance was suspended or stopped in between.
            None if wanting(tools, &input).await?.is_none() => Ok(State::NotWanted.answer()),
            None => Err(error.into()),
        },
    }
}

/// How the run's job is.
async fn look(
    tools: &Tools,
    executions: &Executions,
    config: &Config,
    job: &Job,
    now: Timestamp,
) -> Result<Output, Fault> {
    if job.status.has_ended() {
        return Ok(State::Ended.answer());
    }
    match executions.state(&config.backup_machine_arn, job.id).await? {
        ExecutionState::Running => Ok(running(job, now)),
        // Whoever opened the job has died before it started the execution.
        ExecutionState::None => {
            executions.start_job(&tools.catalog, &config.backup_machine_arn, job, now).await?;
            Ok(running(job, now))
        }
        // Its last step has closed the job since it was read, or it was stopped from outside and nobody will.
        ExecutionState::Ended => {
            if !tools.catalog.job_status(job.id).await?.has_ended() {
                tools.catalog.abandon_backup(job.id, job.instance).await?;
                let fault = Fault::new(Code::FunctionFailed, "the execution ended and left the job open");
                tools.catalog.close_job(job.id, &JobOutcome::Failed(fault), now).await?;
            }
            Ok(State::Ended.answer())
        }
    }
}

/// The job, if it is there.
async fn recorded(tools: &Tools, id: JobId) -> Result<Option<Job>, Fault> {
    match tools.catalog.job_record(id).await {
        Ok(job) => Ok(Some(job)),
        Err(CatalogError::JobNotFound(_)) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The instance, where it still wants backups of this policy.
async fn wanting(tools: &Tools, input: &Input) -> Result<Option<Instance>, Fault> {
    let instance = match tools.catalog.instance(input.instance).await {
        Ok(instance) => instance,
        Err(CatalogError::InstanceNotFound(_)) => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    let takes = instance.status.takes_backup(BackupKind::Scheduled).is_ok();
    let wants = takes && instance.policy == Some(input.policy);
    Ok(wants.then_some(instance))
}

/// The job of a run, waiting for its execution.
fn scheduled(id: JobId, instance: &Instance, input: &Input, config: &Config, now: Timestamp) -> Job {
    Job {
        started_by: format!("{}/{}", config.schedules_arn, input.policy),
        backup: Some(BackupOrder {
            kind: BackupKind::Scheduled,
            rule: None,
            policy: Some(input.policy),
            scheduled_at: Some(input.scheduled_at),
        }),
        ..Job::queued(id, Operation::Backup, instance, now)
    }
}

/// The job of a run that is not carried out because the backup `running` is.
fn skipped(job: Job, running: JobId, now: Timestamp) -> Job {
    let fault = Fault::new(Code::BackupAlreadyRunning, "the run was due while another backup was running");
    Job { status: JobStatus::Skipped, ended_at: Some(now), fault: Some(fault.on(running.to_string())), ..job }
}

/// Quick backups are looked at often, long ones seldom: about ten times, whatever they take, and every five minutes
/// at least.
fn running(job: &Job, now: Timestamp) -> Output {
    let taken = now.duration_since(job.created_at);
    let wait = (taken / 10).clamp(LOOK_AGAIN_MIN, LOOK_AGAIN_MAX);
    Output { state: State::Running, look_again_seconds: wait.as_secs() }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn config() -> Config {
        Config {
            backup_machine_arn: "arn:aws:states:eu-central-1:1:stateMachine:v-backup".into(),
            schedules_arn: "arn:aws:scheduler:eu-central-1:1:schedule/v".into(),
        }
    }

    fn input() -> Input {
        from_value(json!({
            "policy": "bp-01kb0000000000000000000009", "instance": "bi-01kb0000000000000000000001",
            "scheduled_at": "2026-11-22T02:00:00Z",
        }))
        .unwrap()
    }

    fn job() -> Job {
        let source = json!({"host": "db", "database": "shop", "login": {"method": "iam", "user": "u"}});
        let instance: Instance = from_value(json!({
            "id": "bi-01kb0000000000000000000001", "name": "shop", "status": "Protected",
            "created_at": "2026-11-01T08:00:00Z", "data_source": source,
        }))
        .unwrap();
        let id = JobId::of_run(instance.id, input().scheduled_at, Operation::Backup);
        scheduled(id, &instance, &input(), &config(), "2026-11-22T02:17:05Z".parse().unwrap())
    }

    #[test]
    fn the_job_names_its_schedule_and_its_run() {
        let job = job();
        assert_eq!(
            job.started_by,
            "arn:aws:scheduler:eu-central-1:1:schedule/v/bp-01kb0000000000000000000009"
        );
        assert_eq!(job.created_at.to_string(), "2026-11-22T02:17:05Z");
        let order = job.backup.unwrap();
        assert_eq!((order.kind, order.rule), (BackupKind::Scheduled, None));
        assert_eq!(order.scheduled_at, Some(input().scheduled_at));
        assert_eq!(job.id.made_at(), input().scheduled_at);
    }

    #[test]
    fn a_skipped_run_names_the_backup_that_runs() {
        let running: JobId = "job-01kb0000000000000000000002".parse().unwrap();
        let now = "2026-11-22T02:17:05Z".parse().unwrap();
        let skipped = skipped(job(), running, now);
        assert_eq!((skipped.status, skipped.ended_at), (JobStatus::Skipped, Some(now)));
        let fault = skipped.fault.unwrap();
        assert_eq!((fault.code, fault.object), (Code::BackupAlreadyRunning, Some(running.to_string())));
    }

    #[test]
    fn a_long_backup_is_looked_at_seldom() {
        let job = job();
        let after = |seconds| {
            let now = job.created_at + SignedDuration::from_secs(seconds);
            running(&job, now).look_again_seconds
        };
        assert_eq!([0, 30, 200, 86_400].map(after), [5, 5, 20, 300]);
    }
}
