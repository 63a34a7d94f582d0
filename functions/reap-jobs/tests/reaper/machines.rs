//! State machines for executions that run, end or are stopped, and jobs behind which they stand.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_sfn::Client;
use aws_sdk_sfn::types::ExecutionStatus;
use jiff::Timestamp;
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::{Fault, JobId};
use permafrost_function::Tools;
use reap_jobs::{Input, Output};
use serde_json::json;
use tokio::time::Instant;

use permafrost_testing::{Vault, at};

/// When jobs were asked for that are long since running: the reaper has a clock of its own.
pub(crate) const LONG_AGO: &str = "2016-01-01T00:00:00Z";

/// How long an execution may take to be what it is meant to be: busy machines are slow.
const PATIENCE: Duration = Duration::from_mins(2);

static JOBS: AtomicU32 = AtomicU32::new(0);

/// What becomes of an execution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// It runs, for longer than any test.
    Runs,
    /// It fails.
    Fails,
    /// It ends well, and nobody closes the job.
    Succeeds,
    /// Somebody stops it.
    IsStopped,
    /// It was never started.
    NeverStarts,
}

impl Fate {
    /// Those after which nobody closes the job.
    pub(crate) const DEATHS: [Fate; 4] = [Self::Fails, Self::Succeeds, Self::IsStopped, Self::NeverStarts];
}

/// The state machines of a vault.
pub(crate) struct Machines<'a> {
    vault: &'a Vault,
    client: Client,
    /// What the names of the vault's machines begin with.
    name: String,
}

impl<'a> Machines<'a> {
    /// Makes them.
    pub(crate) async fn new(vault: &'a Vault) -> Self {
        let name = format!("{}-", vault.config().table_name);
        let machines = Self { vault, client: Client::new(&vault.tools.sdk), name };
        // The emulator asks for the role to be there, and for nothing of it.
        let iam = aws_sdk_iam::Client::new(&vault.tools.sdk);
        iam.create_role().role_name(&machines.name).assume_role_policy_document("{}").send().await.unwrap();
        for machine in ["backup", "configure-protection", "lifecycle", "restore"] {
            machines.create(machine).await;
        }
        machines
    }

    /// A machine whose executions do what their input says.
    async fn create(&self, machine: &str) {
        let when = |fate: &str, next: &str| json!({"Variable": "$.fate", "StringEquals": fate, "Next": next});
        let definition = json!({
            "StartAt": "Choose",
            "States": {
                "Choose": {
                    "Type": "Choice",
                    "Choices": [when("Fails", "Fail"), when("Succeeds", "Succeed")],
                    "Default": "Run",
                },
                "Run": {"Type": "Wait", "Seconds": 86_400, "End": true},
                "Fail": {"Type": "Fail", "Error": "Killed", "Cause": "it was killed"},
                "Succeed": {"Type": "Succeed"},
            },
        });
        self.client
            .create_state_machine()
            .name(format!("{}{machine}", self.name))
            .definition(definition.to_string())
            .role_arn(format!("arn:aws:iam::000000000000:role/{}", self.name))
            .send()
            .await
            .unwrap();
    }

    /// Ends jobs as the lifecycle does, with these tools.
    pub(crate) async fn reap(&self, tools: &Tools) -> Result<Output, Fault> {
        reap_jobs::handle(tools, &self.arn("execution", ""), Input {}).await
    }

    fn arn(&self, kind: &str, machine: &str) -> String {
        format!("arn:aws:states:us-east-1:000000000000:{kind}:{}{machine}", self.name)
    }

    /// The execution of `machine` that bears this name, when it has met its fate.
    pub(crate) async fn execution(&self, machine: &str, name: JobId, fate: Fate) -> String {
        let execution = format!("{}:{name}", self.arn("execution", machine));
        if fate == Fate::NeverStarts {
            return execution;
        }
        let start = self.client.start_execution().state_machine_arn(self.arn("stateMachine", machine));
        let input = json!({"fate": format!("{fate:?}")}).to_string();
        let started = start.name(name.to_string()).input(input).send().await.unwrap();
        assert_eq!(started.execution_arn, execution);
        if fate == Fate::IsStopped {
            self.client.stop_execution().execution_arn(&execution).send().await.unwrap();
        }
        let expected = match fate {
            Fate::Runs | Fate::NeverStarts => ExecutionStatus::Running,
            Fate::Fails => ExecutionStatus::Failed,
            Fate::Succeeds => ExecutionStatus::Succeeded,
            Fate::IsStopped => ExecutionStatus::Aborted,
        };
        let begun = Instant::now();
        loop {
            let found = self.client.describe_execution().execution_arn(&execution).send().await.unwrap();
            if found.status == expected {
                return execution;
            }
            assert!(begun.elapsed() < PATIENCE, "{execution} is {}, not {expected}", found.status);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// A job of this operation that was asked for at `asked_at`.
    pub(crate) fn job(&self, operation: Operation, asked_at: Timestamp) -> Job {
        let id = JobId::new(asked_at, JOBS.fetch_add(1, Ordering::Relaxed).into());
        Job::queued(id, operation, &self.vault.instance, asked_at)
    }

    /// A backup that holds the lock of its instance, asked for long ago.
    pub(crate) async fn backup(&self, fate: Fate) -> Job {
        let job = self.job(Operation::Backup, at(LONG_AGO));
        self.vault.tools.catalog.open_backup(&job).await.unwrap();
        self.execution("backup", job.id, fate).await;
        job
    }

    /// A restore, asked for long ago.
    pub(crate) async fn restore(&self, fate: Fate) -> Job {
        let job = self.job(Operation::RestoreDatabase, at(LONG_AGO));
        self.vault.tools.catalog.open_job(&job).await.unwrap();
        self.execution("restore", job.id, fate).await;
        job
    }
}
