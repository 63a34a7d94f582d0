//! `ReapJobs`: ends jobs whose execution is gone.
//!
//! Every path of a state machine closes its job, but an execution that is stopped, or outlives its own limits, takes no
//! path at all. A job is ended here when its execution has ended, or there is none, and it was asked for long enough
//! ago that the execution would have begun and CloseJob would be through. A backup is abandoned first, as its own
//! machine would have done; one that has committed after all is left to its commit.

use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::ExecutionStatus;
use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::{JobOutcome, OpenJob};
use permafrost_domain::job::Operation;
use permafrost_domain::{Code, Fault};
use permafrost_function::config::variable;
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

/// Ends the jobs whose execution is gone.
///
/// # Errors
/// The catalog or Step Functions does not answer; a record cannot be decoded.
pub async fn handle(tools: &Tools, _: Input) -> Result<Output, Fault> {
    let client = Client::new(&tools.sdk);
    let prefix = variable("EXECUTION_ARN_PREFIX")?;
    let now = clock::now();
    let mut output = Output::default();
    let mut next = None;
    loop {
        let page = tools.catalog.open_jobs(PAGE, next.as_deref()).await?;
        for job in &page.items {
            output.open += 1;
            if job.opened_at.saturating_add(GRACE).unwrap_or(Timestamp::MAX) > now {
                continue;
            }
            let fault = match execution(&client, &arn(tools, job, &prefix).await?).await? {
                Execution::Running => continue,
                Execution::Ended(status) => {
                    format!("the execution ended as {status} and did not close the job")
                }
                Execution::None => "there is no execution of the job".to_owned(),
            };
            end(tools, job, Fault::new(Code::FunctionFailed, fault), now).await?;
            output.ended += 1;
        }
        next = page.next;
        if next.is_none() {
            tracing::info!(open = output.open, ended = output.ended, "reaped");
            return Ok(output);
        }
    }
}

/// The execution of a job: the one that its record names, or the one that bears its name.
async fn arn(tools: &Tools, job: &OpenJob, prefix: &str) -> Result<String, Fault> {
    let record = tools.catalog.job_record(job.job).await?;
    let named = || format!("{prefix}{}:{}", machine(job.operation), job.job);
    Ok(record.execution.unwrap_or_else(named))
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
