//! The executions that carry jobs out. One per job, named as the job, so that a start that is repeated meets
//! its own.

use aws_config::SdkConfig;
use aws_sdk_sfn::Client;
use aws_sdk_sfn::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_sfn::types::ExecutionStatus;
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::{Code, Fault, JobId};
use permafrost_function::config::variable;
use serde_json::{Value, json};

/// The ARNs of the state machines that carry jobs out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateMachines {
    configure_protection: String,
    backup: String,
    restore: String,
    restore_files: String,
}

impl StateMachines {
    /// Reads the environment.
    ///
    /// # Errors
    /// `InvalidConfiguration` naming the variable that is missing.
    pub fn from_env() -> Result<Self, Fault> {
        Ok(Self {
            configure_protection: variable("CONFIGURE_PROTECTION_STATE_MACHINE_ARN")?,
            backup: variable("BACKUP_STATE_MACHINE_ARN")?,
            restore: variable("RESTORE_STATE_MACHINE_ARN")?,
            restore_files: variable("RESTORE_FILES_STATE_MACHINE_ARN")?,
        })
    }

    /// The state machine that carries `operation` out.
    ///
    /// # Errors
    /// `InvalidConfiguration` where the API starts none for it.
    fn of(&self, operation: Operation) -> Result<&str, Fault> {
        match operation {
            Operation::ConfigureProtection => Ok(&self.configure_protection),
            Operation::Backup => Ok(&self.backup),
            Operation::RestoreDatabase => Ok(&self.restore),
            Operation::RestoreFiles => Ok(&self.restore_files),
            Operation::Rehydrate
            | Operation::Tier
            | Operation::Expire
            | Operation::StopProtection
            | Operation::ChangePolicy => Err(Fault::new(
                Code::InvalidConfiguration,
                format!("the API has no state machine for {operation}"),
            )),
        }
    }
}

/// Step Functions, as far as the API needs it.
#[derive(Debug, Clone)]
pub struct Executions {
    client: Client,
    machines: StateMachines,
}

/// What has become of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// It runs.
    Running,
    /// It has ended.
    Ended,
    /// There is none, or none any more.
    None,
}

impl Executions {
    /// The executions of these state machines.
    pub fn new(sdk: &SdkConfig, machines: StateMachines) -> Self {
        Self { client: Client::new(sdk), machines }
    }

    /// Starts the execution of `job` and returns its ARN. One that runs already with the same input counts as
    /// started, as does one whose start was not answered and which is there.
    ///
    /// # Errors
    /// `OrchestrationUnavailable` where there is no execution.
    pub(crate) async fn start(&self, job: &Job) -> Result<String, Fault> {
        let machine = self.machines.of(job.operation)?;
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
        let arn = self.arn(job.operation, job.id)?;
        let refused = matches!(&error, SdkError::ServiceError(service)
            if service.raw().status().as_u16() < 500 && !service.err().is_execution_already_exists());
        if !refused && self.has_input(&arn, &input(job)).await {
            return Ok(arn);
        }
        Err(unavailable("start the job", &error))
    }

    /// What has become of the execution of a job.
    ///
    /// # Errors
    /// `OrchestrationUnavailable`.
    pub(crate) async fn state(&self, job: &Job) -> Result<State, Fault> {
        let arn = self.arn(job.operation, job.id)?;
        match self.client.describe_execution().execution_arn(arn).send().await {
            Ok(found) if found.status == ExecutionStatus::Running => Ok(State::Running),
            Ok(_) => Ok(State::Ended),
            Err(SdkError::ServiceError(service)) if service.err().is_execution_does_not_exist() => {
                Ok(State::None)
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

    /// The ARN of a job's execution: that of the state machine with another kind, and the job's id.
    fn arn(&self, operation: Operation, job: JobId) -> Result<String, Fault> {
        let machine = self.machines.of(operation)?;
        Ok(format!("{}:{job}", machine.replacen(":stateMachine:", ":execution:", 1)))
    }
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
    let chain = aws_smithy_types::error::display::DisplayErrorContext(error);
    tracing::error!(%reason, %chain, "step functions did not {what}");
    Fault::new(Code::OrchestrationUnavailable, format!("step functions did not {what} ({reason})"))
}

#[cfg(test)]
mod tests {
    use aws_config::BehaviorVersion;

    use super::*;

    #[test]
    fn an_execution_is_named_as_its_job() {
        let arn = |kind: &str| format!("arn:aws:states:eu-central-1:1:stateMachine:v-{kind}");
        let machines = StateMachines {
            configure_protection: arn("configure-protection"),
            backup: arn("backup"),
            restore: arn("restore"),
            restore_files: arn("restore-files"),
        };
        let sdk = SdkConfig::builder().behavior_version(BehaviorVersion::latest()).build();
        let executions = Executions::new(&sdk, machines);
        assert_eq!(
            executions.arn(Operation::Backup, "job-01kb0000000000000000000000".parse().unwrap()).unwrap(),
            "arn:aws:states:eu-central-1:1:execution:v-backup:job-01kb0000000000000000000000"
        );
    }
}
