//! The executions that carry jobs out. One per job, named as the job, so that a start that is repeated meets
//! its own.

use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sfn::types::ExecutionStatus;
use jiff::Timestamp;
use permafrost_catalog::{Catalog, CatalogError, JobOutcome};
use permafrost_domain::job::Job;
use permafrost_domain::{Code, Fault, JobId};
use serde_json::{Value, json};

/// Step Functions, as far as those need it who start jobs.
#[derive(Debug, Clone)]
pub struct Executions {
    client: Client,
}

/// What has become of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExecutionState {
    /// It runs.
    Running,
    /// It has ended.
    Ended,
    /// There is none, or none any more.
    None,
}

impl Executions {
    /// Executions in the account and region of `sdk`.
    pub fn new(sdk: &SdkConfig) -> Self {
        Self { client: Client::new(sdk) }
    }

    /// Starts the execution of a job that stands open in the catalog, by the state machine of this ARN.
    ///
    /// Order: catalog, execution, catalog. Where the execution cannot be started the job is closed, which
    /// releases what was opened with it (a lock, a claim to a name). Where the function dies in between, the job
    /// stays `Queued`: its execution, if there is one, moves it on; a cancel or the reaper closes it otherwise.
    ///
    /// # Errors
    /// `OrchestrationUnavailable`, which is then also why the job failed.
    pub async fn start_job(
        &self,
        catalog: &Catalog,
        machine: &str,
        job: &Job,
        now: Timestamp,
    ) -> Result<(), Fault> {
        match self.start(machine, job).await {
            Ok(arn) => {
                match catalog.job_started(job.id, &arn).await {
                    Ok(_) => {}
                    // Quick jobs have ended by now; their record still wants its execution.
                    Err(CatalogError::JobNotRunning { .. }) => note_execution(catalog, job.id, &arn).await,
                    // The execution runs, whether or not somebody can see that it does.
                    Err(error) => tracing::warn!(job = %job.id, %error, "the job's start is not recorded"),
                }
                Ok(())
            }
            Err(fault) => {
                let outcome = JobOutcome::Failed(fault.clone());
                if let Err(error) = catalog.close_job(job.id, &outcome, now).await {
                    tracing::error!(job = %job.id, %error, "a job that was not started stays open");
                }
                Err(fault)
            }
        }
    }

    /// Starts the execution of `job` by the state machine of this ARN, and returns its own. One that runs already
    /// with the same input counts as started, as does one whose start was not answered and which is there.
    ///
    /// # Errors
    /// `OrchestrationUnavailable` where there is no execution.
    async fn start(&self, machine: &str, job: &Job) -> Result<String, Fault> {
        let started = self
            .client
            .start_execution()
            .state_machine_arn(machine)
            .name(job.id.to_string())
            .input(input(job).to_string())
            .send()
            .await;
        let error = match started {
            Ok(started) => return Ok(started.execution_arn),
            Err(error) => error,
        };
        let arn = execution_arn(machine, job.id);
        let refused = matches!(&error, SdkError::ServiceError(service)
            if service.raw().status().as_u16() < 500 && !service.err().is_execution_already_exists());
        if !refused && self.has_input(&arn, &input(job)).await {
            return Ok(arn);
        }
        Err(unavailable("start the job", &error))
    }

    /// What has become of the execution of a job by the state machine of this ARN.
    ///
    /// # Errors
    /// `OrchestrationUnavailable`.
    pub async fn state(&self, machine: &str, job: JobId) -> Result<ExecutionState, Fault> {
        let arn = execution_arn(machine, job);
        match self.client.describe_execution().execution_arn(arn).send().await {
            Ok(found) if found.status == ExecutionStatus::Running => Ok(ExecutionState::Running),
            Ok(_) => Ok(ExecutionState::Ended),
            Err(SdkError::ServiceError(service)) if service.err().is_execution_does_not_exist() => {
                Ok(ExecutionState::None)
            }
            Err(error) => Err(unavailable("look at the job's execution", &error)),
        }
    }

    /// Whether the execution is there and was started for the same.
    async fn has_input(&self, arn: &str, expected: &Value) -> bool {
        let found = self.client.describe_execution().execution_arn(arn).send().await;
        let input = found.ok().and_then(|found| found.input);
        input.is_some_and(|input| serde_json::from_str::<Value>(&input).is_ok_and(|input| input == *expected))
    }
}

async fn note_execution(catalog: &Catalog, job: JobId, arn: &str) {
    if let Err(error) = catalog.record_execution(job, arn).await {
        tracing::warn!(%job, %error, "the job's execution is not recorded");
    }
}

/// The ARN of a job's execution: that of the state machine with another kind, and the job's id.
fn execution_arn(machine: &str, job: JobId) -> String {
    format!("{}:{job}", machine.replacen(":stateMachine:", ":execution:", 1))
}

/// What an execution is given: ids, never more.
fn input(job: &Job) -> Value {
    json!({"job": job.id, "instance": job.instance})
}

/// The service's own text goes into the log; the caller gets its name for the error alone.
fn unavailable<E>(what: &str, error: &SdkError<E>) -> Fault
where
    E: ProvideErrorMetadata + std::error::Error + 'static,
{
    let reason = error.code().map_or_else(|| "no answer".to_owned(), str::to_owned);
    let chain = permafrost_domain::fault::chain(error);
    tracing::error!(%reason, %chain, "step functions did not {what}");
    Fault::new(Code::OrchestrationUnavailable, format!("step functions did not {what} ({reason})"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_execution_is_named_as_its_job() {
        let machine = "arn:aws:states:eu-central-1:1:stateMachine:v-backup";
        assert_eq!(
            execution_arn(machine, "job-01kb0000000000000000000000".parse().unwrap()),
            "arn:aws:states:eu-central-1:1:execution:v-backup:job-01kb0000000000000000000000"
        );
    }
}
