//! `CloseJob`: every path comes by here. Ends the job, and answers how it ended.

use permafrost_catalog::JobOutcome;
use permafrost_domain::job::JobStatus;
use permafrost_domain::{Code, Fault, JobId};
use permafrost_function::{Tools, clock};
use serde::{Deserialize, Serialize};

/// What a distributed Map says whose item failed: why stands in the job.
const ITEM_FAILED: &str = "States.ExceedToleratedFailureThreshold";

/// How the execution went.
#[derive(Debug, Deserialize)]
#[serde(tag = "status", rename_all = "snake_case")]
pub enum Outcome {
    /// Every step succeeded.
    Completed,
    /// A step failed for good.
    Failed {
        /// The error's name.
        error: String,
        /// The error's cause.
        cause: String,
    },
}

/// The step's input.
#[derive(Debug, Deserialize)]
pub struct Input {
    job: JobId,
    outcome: Outcome,
}

/// The step's answer: how the job ended, and why.
#[derive(Debug, Serialize)]
pub struct Output {
    status: JobStatus,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Code>,
    #[serde(skip_serializing_if = "Option::is_none")]
    cause: Option<String>,
}

/// Ends the job.
///
/// # Errors
/// The catalog does not answer.
pub async fn handle(tools: &Tools, input: Input) -> Result<Output, Fault> {
    let outcome = match input.outcome {
        Outcome::Completed => JobOutcome::Completed { warnings: Vec::new() },
        Outcome::Failed { error, cause } => failed(tools, input.job, &error, &cause).await?,
    };
    let status = tools.catalog.close_job(input.job, &outcome, clock::now()).await?;
    let fault = tools.catalog.job(input.job).await?.fault;
    tracing::info!(job = %input.job, %status, code = fault.as_ref().map(|fault| fault.code.as_str()), "closed");
    Ok(Output {
        status,
        error: fault.as_ref().map(|fault| fault.code),
        cause: fault.map(|fault| fault.to_error_message()),
    })
}

async fn failed(tools: &Tools, job: JobId, error: &str, cause: &str) -> Result<JobOutcome, Fault> {
    let fault = match tools.catalog.passing_fault(job).await? {
        Some(fault) if error == ITEM_FAILED => fault,
        _ => Fault::from_execution_error(error, cause),
    };
    Ok(match fault.code {
        Code::JobCancelled => JobOutcome::Cancelled,
        _ => JobOutcome::Failed(fault),
    })
}
