//! Jobs that the copy carries out. They are opened in the catalog and started as the API does it, with ids that are
//! known before.

use std::time::Duration;

use aws_sdk_sfn::types::ExecutionStatus;
use jiff::Timestamp;
use permafrost_catalog::CatalogError;
use permafrost_domain::data_source::DataSource;
use permafrost_domain::instance::Instance;
use permafrost_domain::job::{Job, Operation, RestoreOrder};
use permafrost_domain::restore_options::RestoreOptions;
use permafrost_domain::{JobId, PointId};
use serde_json::json;
use tokio::time::{Instant, sleep};

use super::FaultyStack;

/// How long a job may take beyond the life of its snapshot: retries wait up to 30 s.
const PATIENCE: Duration = Duration::from_secs(65);

impl FaultyStack {
    /// A backup of `instance` that has not been started.
    pub fn backup_of(&self, instance: &Instance) -> Job {
        queued(Operation::Backup, instance)
    }

    /// A restore of a point of `instance` that has not been started.
    pub fn restore_of(&self, instance: &Instance, point: PointId, target: DataSource) -> Job {
        let mut job = queued(Operation::RestoreDatabase, instance);
        job.point = Some(point);
        let order = RestoreOrder { point, target, options: RestoreOptions::default() };
        job.restore = Some(Box::new(order));
        job
    }

    /// Starts `job`.
    ///
    /// # Panics
    /// It cannot be opened or started.
    pub async fn start(&self, job: &Job) {
        let opened = match job.operation {
            Operation::Backup => self.catalog.open_backup(job).await,
            _ => self.catalog.open_job(job).await,
        };
        opened.unwrap_or_else(|error| panic!("cannot open {}: {error}", job.id));
        let input = json!({"job": job.id, "instance": job.instance}).to_string();
        let start =
            self.sfn.start_execution().state_machine_arn(self.machine_of(job)).name(job.id.to_string());
        let started = start.input(input).send().await;
        let arn = started.unwrap_or_else(|error| panic!("cannot start {}: {error:?}", job.id)).execution_arn;
        match self.catalog.job_started(job.id, &arn).await {
            Ok(_) | Err(CatalogError::JobNotRunning { .. }) => {}
            Err(error) => panic!("cannot record the start of {}: {error}", job.id),
        }
    }

    /// Starts `job` and waits until its execution has ended; the job as it is then.
    ///
    /// # Panics
    /// It cannot be started, or does not end in time.
    pub async fn run(&self, job: &Job) -> Job {
        self.start(job).await;
        self.ended(job).await
    }

    /// Waits until the execution of `job` has ended; the job as it is then, which has ended too.
    ///
    /// # Panics
    /// One of them does not end.
    pub async fn ended(&self, job: &Job) -> Job {
        let execution =
            format!("{}:{}", self.machine_of(job).replacen(":stateMachine:", ":execution:", 1), job.id);
        let until = Instant::now() + self.variant.snapshot_limit + PATIENCE;
        loop {
            let found = self.sfn.describe_execution().execution_arn(&execution).send().await;
            let found = found.unwrap_or_else(|error| panic!("cannot see {execution}: {error:?}"));
            let record = self.catalog.job(job.id).await.expect("the job can be read");
            if found.status != ExecutionStatus::Running {
                let (error, cause) = (found.error, found.cause);
                assert!(
                    record.status.has_ended(),
                    "the execution ended ({}, {error:?}, {cause:?}) and left the job open: {record:#?}",
                    found.status
                );
                let well = record.status.is_success();
                assert_eq!(
                    found.status == ExecutionStatus::Succeeded,
                    well,
                    "the execution ends as its job does: {} ({error:?}, {cause:?}), {record:#?}",
                    found.status
                );
                return record;
            }
            assert!(Instant::now() < until, "the execution does not end; the job is {record:#?}");
            sleep(Duration::from_millis(200)).await;
        }
    }

    fn machine_of(&self, job: &Job) -> String {
        self.variant.machine_arn(match job.operation {
            Operation::RestoreDatabase => "restore",
            Operation::RestoreFiles => "restore-files",
            _ => "backup",
        })
    }
}

#[expect(clippy::disallowed_methods, reason = "a test is an edge at which time enters")]
fn queued(operation: Operation, instance: &Instance) -> Job {
    let now = Timestamp::now();
    let mut random = [0; 16];
    getrandom::fill(&mut random).expect("the system has random bits");
    let id = JobId::new(now, u128::from_ne_bytes(random));
    let started_by = "arn:aws:iam::000000000000:user/permafrost-tests".to_owned();
    Job { started_by, ..Job::queued(id, operation, instance, now) }
}
