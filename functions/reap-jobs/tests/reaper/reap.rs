//! Jobs whose execution is gone, and those whose is not, against the emulator of Step Functions.

use aws_sdk_dynamodb::types::AttributeValue;
use permafrost_catalog::CatalogError;
use permafrost_domain::immutability::Immutability;
use permafrost_domain::instance::{Instance, ProtectionStatus};
use permafrost_domain::job::{Job, JobStatus, Operation};
use permafrost_domain::{Code, InstanceId};
use permafrost_function::clock;
use reap_jobs::Output;

use crate::machines::{Fate, LONG_AGO, Machines};
use permafrost_testing::{Vault, at};

/// A job whose execution failed, was stopped, ended without closing it, or never began is ended with a code and a
/// remedy, and its instance can be backed up again. The next run finds nothing to do.
#[tokio::test]
async fn a_job_whose_execution_is_gone_is_ended_and_frees_its_instance() {
    let vault = Vault::new(Immutability::Disabled).await;
    let machines = Machines::new(&vault).await;
    for fate in Fate::DEATHS {
        let backup = machines.backup(fate).await;
        assert_eq!(machines.reap(&vault.tools).await, Ok(Output { open: 1, ended: 1 }), "{fate:?}");
        let ended = vault.tools.catalog.job(backup.id).await.unwrap();
        assert_eq!(ended.status, JobStatus::Failed, "{fate:?}");
        assert!(ended.ended_at.is_some());
        let fault = ended.fault.clone().unwrap();
        let said = match fate {
            Fate::Fails => "FAILED",
            Fate::Succeeds => "SUCCEEDED",
            Fate::IsStopped => "ABORTED",
            Fate::NeverStarts | Fate::Runs => "there is no execution",
        };
        assert_eq!((fault.code, fault.hint.is_empty()), (Code::FunctionFailed, false), "{fate:?}");
        assert!(fault.message.contains(said), "{fate:?}: {}", fault.message);

        assert_eq!(machines.reap(&vault.tools).await, Ok(Output::default()), "{fate:?}");
        assert_eq!(vault.tools.catalog.job(backup.id).await.unwrap(), ended, "{fate:?}");
    }
    // The lock is free, or this would be refused.
    machines.backup(Fate::Runs).await;
}

/// A job whose execution runs is left alone, however long it has been running, and so is one that was asked for just
/// now, whatever has become of its execution.
#[tokio::test]
async fn a_job_that_runs_or_has_just_begun_is_left_alone() {
    let vault = Vault::new(Immutability::Disabled).await;
    let machines = Machines::new(&vault).await;
    let catalog = &vault.tools.catalog;
    let mut open = vec![machines.backup(Fate::Runs).await, machines.restore(Fate::Runs).await];
    for fate in Fate::DEATHS {
        let job = machines.job(Operation::RestoreDatabase, clock::now());
        catalog.open_job(&job).await.unwrap();
        machines.execution("restore", job.id, fate).await;
        open.push(job);
    }
    for _ in 0..2 {
        let expected = Output { open: open.len() as u64, ended: 0 };
        assert_eq!(machines.reap(&vault.tools).await, Ok(expected));
        for job in &open {
            assert_eq!(catalog.job(job.id).await.unwrap(), *job);
        }
    }
    let second = machines.job(Operation::Backup, at(LONG_AGO));
    let refused = catalog.open_backup(&second).await.unwrap_err();
    assert!(matches!(refused, CatalogError::BackupAlreadyRunning { job, .. } if job == open[0].id));
}

/// The execution of a job is the one that its record names: many jobs of the lifecycle stand behind one.
#[tokio::test]
async fn a_job_lives_as_long_as_the_execution_that_its_record_names() {
    let vault = Vault::new(Immutability::Disabled).await;
    let machines = Machines::new(&vault).await;
    let mut jobs = Vec::new();
    for fate in [Fate::Runs, Fate::Fails] {
        let of_run = machines.job(Operation::Tier, at(LONG_AGO)).id;
        let execution = machines.execution("lifecycle", of_run, fate).await;
        for operation in [Operation::Tier, Operation::Expire] {
            let job = Job { execution: Some(execution.clone()), ..machines.job(operation, at(LONG_AGO)) };
            vault.tools.catalog.open_job(&job).await.unwrap();
            jobs.push(job.id);
        }
    }
    assert_eq!(machines.reap(&vault.tools).await, Ok(Output { open: 4, ended: 2 }));
    let mut statuses = Vec::new();
    for job in jobs {
        statuses.push(vault.tools.catalog.job(job).await.unwrap().status);
    }
    assert_eq!(statuses, [JobStatus::Queued, JobStatus::Queued, JobStatus::Failed, JobStatus::Failed]);
}

/// A job that somebody asked to cancel, and whose execution is gone, was cancelled.
#[tokio::test]
async fn a_job_that_is_being_cancelled_ends_as_cancelled() {
    let vault = Vault::new(Immutability::Disabled).await;
    let machines = Machines::new(&vault).await;
    let backup = machines.backup(Fate::IsStopped).await;
    vault.tools.catalog.request_cancel(backup.id).await.unwrap();
    assert_eq!(machines.reap(&vault.tools).await, Ok(Output { open: 1, ended: 1 }));
    let ended = vault.tools.catalog.job(backup.id).await.unwrap();
    assert_eq!((ended.status, ended.fault), (JobStatus::Cancelled, None));
    machines.backup(Fate::Runs).await;
}

/// A database whose protection was never configured to the end can be protected again, by the same name.
#[tokio::test]
async fn an_instance_whose_protection_died_is_free_again() {
    let vault = Vault::new(Immutability::Disabled).await;
    let machines = Machines::new(&vault).await;
    let catalog = &vault.tools.catalog;
    for n in 10..12 {
        let instance = Instance {
            id: InstanceId::new(at(LONG_AGO), n),
            name: "other".parse().unwrap(),
            status: ProtectionStatus::ConfiguringProtection,
            ..vault.instance.clone()
        };
        let job = Job { instance: instance.id, ..machines.job(Operation::ConfigureProtection, at(LONG_AGO)) };
        catalog.protect(&instance, &job).await.unwrap();
        machines.execution("configure-protection", job.id, Fate::Fails).await;
        assert_eq!(machines.reap(&vault.tools).await, Ok(Output { open: 1, ended: 1 }));
        let gone = catalog.instance(instance.id).await.unwrap_err();
        assert!(matches!(gone, CatalogError::InstanceNotFound(_)), "{gone}");
    }
}

/// Where Step Functions does not say what has become of an execution, nothing is ended.
#[tokio::test]
async fn nothing_is_ended_where_step_functions_does_not_answer() {
    let vault = Vault::new(Immutability::Disabled).await;
    let machines = Machines::new(&vault).await;
    let backup = machines.backup(Fate::Fails).await;
    let mut tools = vault.dying_tools(&permafrost_testing::Kill::default());
    // Nobody listens there.
    tools.sdk = tools.sdk.into_builder().endpoint_url("http://127.0.0.1:1").build();
    let fault = machines.reap(&tools).await.unwrap_err();
    assert_eq!(fault.code, Code::OrchestrationUnavailable);
    assert_eq!(vault.tools.catalog.job(backup.id).await.unwrap(), backup);
}

/// A job whose record cannot be read stays, and is what the run fails with; those after it are ended all the same.
#[tokio::test]
async fn a_job_that_cannot_be_read_keeps_no_other_from_being_ended() {
    let vault = Vault::new(Immutability::Disabled).await;
    let machines = Machines::new(&vault).await;
    let bad = machines.restore(Fate::Fails).await;
    let backup = machines.backup(Fate::Fails).await;
    vault
        .dynamo()
        .update_item()
        .table_name(&vault.config().table_name)
        .key("pk", AttributeValue::S(format!("JOB#{}", bad.id)))
        .key("sk", AttributeValue::S("JOB".to_owned()))
        .update_expression("SET #status = :other")
        .condition_expression("attribute_exists(pk)")
        .expression_attribute_names("#status", "status")
        .expression_attribute_values(":other", AttributeValue::S("Melted".to_owned()))
        .send()
        .await
        .unwrap();
    for _ in 0..2 {
        let fault = machines.reap(&vault.tools).await.unwrap_err();
        assert_eq!(fault.code, Code::CatalogRecordInvalid);
        assert_eq!(vault.tools.catalog.job(backup.id).await.unwrap().status, JobStatus::Failed);
    }
}
