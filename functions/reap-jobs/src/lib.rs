//! `ReapJobs`: ends jobs whose execution is gone.
//!
//! Every path of a state machine closes its job, but an execution that is stopped, or outlives its own limits, takes no
//! path at all. A job is ended here when its execution has ended, or there is none, and it was asked for long enough
//! ago that the execution would have begun and CloseJob would be through. A backup is abandoned first, as its own
//! machine would have done; one that has committed after all is left to its commit. A job that cannot be read or ended
//! keeps no other from being ended, and is what the run fails with.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::ExecutionStatus;
use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::{JobOutcome, OpenJob};
use permafrost_domain::fault::Retry;
use permafrost_domain::job::Operation;
use permafrost_domain::{Code, Fault};
use permafrost_function::{Tools, clock};
use serde::{Deserialize, Serialize};

/// How long after it was asked for a job without a running execution is left alone.
const GRACE: SignedDuration = SignedDuration::from_mins(15);

/// How many open jobs are read at one time.
const PAGE: u16 = 100;

/// The step's input.
#[derive(Debug, Clone, Copy, Default, Deserialize)]
pub struct Input {}

/// The step's answer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Output {
    /// Jobs that have not ended.
    pub open: u64,
    /// Jobs that were ended.
    pub ended: u64,
}

/// What has become of an execution.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Execution {
    Running,
    Ended(ExecutionStatus),
    None,
}

/// Ends the jobs whose execution is gone. `prefix` is what the ARNs of all executions begin with, up to the name of the
/// state machine in this vault.
///
/// # Errors
/// The catalog or Step Functions does not answer; a record cannot be decoded.
pub async fn handle(tools: &Tools, prefix: &str, _: Input) -> Result<Output, Fault> {
    let client = Client::new(&tools.sdk);
    let now = clock::now();
    let mut output = Output::default();
    let mut first_fault = None;
    let mut next = None;
    loop {
        let page = tools.catalog.open_jobs(PAGE, next.as_deref()).await?;
        for job in &page.items {
            output.open += 1;
            match look_at(tools, &client, prefix, job, now).await {
                Ok(Found::Alive) => {}
                Ok(Found::Ended) => output.ended += 1,
                Err(fault) if fault.code.retry() == Retry::Later => return Err(fault),
                Err(fault) => {
                    tracing::error!(job = %job.job, code = %fault.code, "{fault}");
                    first_fault.get_or_insert(fault);
                }
            }
        }
        next = page.next;
        if next.is_none() {
            tracing::info!(open = output.open, ended = output.ended, "reaped");
            return first_fault.map_or(Ok(output), Err);
        }
    }
}

/// What was found of a job that is listed as open.
enum Found {
    /// It is carried out, or may be about to; or it has just ended.
    Alive,
    /// It was not carried out any more, and was ended.
    Ended,
}

/// Ends `job` where its execution is gone.
async fn look_at(
    tools: &Tools,
    client: &Client,
    prefix: &str,
    job: &OpenJob,
    now: Timestamp,
) -> Result<Found, Fault> {
    if job.opened_at.saturating_add(GRACE).unwrap_or(Timestamp::MAX) > now {
        return Ok(Found::Alive);
    }
    let record = tools.catalog.job_record(job.job).await?;
    // The list is a moment behind.
    if record.status.has_ended() {
        return Ok(Found::Alive);
    }
    let named = || format!("{prefix}{}:{}", machine(job.operation), job.job);
    let message = match execution(client, &record.execution.unwrap_or_else(named)).await? {
        Execution::Running => return Ok(Found::Alive),
        Execution::Ended(status) => format!("the execution ended as {status} and did not close the job"),
        Execution::None => "there is no execution of the job".to_owned(),
    };
    end(tools, job, Fault::new(Code::FunctionFailed, message), now).await?;
    Ok(Found::Ended)
}

/// The state machine whose executions bear the names of such jobs.
fn machine(operation: Operation) -> &'static str {
    match operation {
        Operation::ConfigureProtection => "configure-protection",
        Operation::Backup => "backup",
        Operation::RestoreDatabase => "restore",
        Operation::RestoreFiles => "restore-files",
        Operation::Rehydrate => "rehydrate",
        // Their records name the execution from the first.
        Operation::Tier | Operation::Expire => "lifecycle",
        Operation::StopProtection | Operation::ChangePolicy => "change-policy",
        Operation::Hold | Operation::Release => "set-legal-hold",
    }
}

async fn execution(client: &Client, arn: &str) -> Result<Execution, Fault> {
    match client.describe_execution().execution_arn(arn).send().await {
        Ok(found) if found.status == ExecutionStatus::Running => Ok(Execution::Running),
        Ok(found) => Ok(Execution::Ended(found.status)),
        Err(error) => match error.into_service_error() {
            error if error.is_execution_does_not_exist() => Ok(Execution::None),
            error => {
                tracing::error!(%error, "step functions did not answer");
                let message = "step functions did not say what has become of a job's execution";
                Err(Fault::new(Code::OrchestrationUnavailable, message))
            }
        },
    }
}

async fn end(tools: &Tools, job: &OpenJob, fault: Fault, now: Timestamp) -> Result<(), Fault> {
    if job.operation == Operation::Backup {
        tools.catalog.abandon_backup(job.job, job.instance).await?;
    }
    let status = tools.catalog.close_job(job.job, &JobOutcome::Failed(fault), now).await?;
    tracing::warn!(job = %job.job, operation = %job.operation, %status, "ended a job whose execution is gone");
    Ok(())
}
