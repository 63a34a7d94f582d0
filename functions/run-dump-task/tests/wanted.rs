//! Tasks that are not to be carried out connect to no server.

#![allow(clippy::unwrap_used, reason = "a helper that cannot set a test up has failed it")]

use permafrost_domain::immutability::Immutability;
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::{Code, Fault, JobId};
use permafrost_function::clock;
use permafrost_testing::Vault;
use run_dump_task::{Input, Output};

/// A task of a suspended job says so; one of a job that has failed or is being cancelled fails. One that comes after
/// another was given up leaves it at that, until tasks are run again.
#[tokio::test]
async fn a_task_looks_at_its_job_first() {
    let vault = Vault::new(Immutability::Disabled).await;
    let (now, catalog) = (clock::now(), &vault.tools.catalog);
    let job = Job::queued(JobId::new(now, 1), Operation::Backup, &vault.instance, now);
    catalog.open_backup(&job).await.unwrap();
    let step = async |round, given_up| {
        let input = Input { job: job.id, instance: job.instance, task: 1, round, given_up };
        run_dump_task::handle(&vault.tools, input).await.map_err(|fault| fault.code)
    };
    let run = async || step(2, false).await;
    assert_eq!(run().await, Err(Code::ObjectMissing), "there is no plan");
    let left = Ok(Output { suspended: false });
    for (round, run_after) in [(1, Err(Code::ObjectMissing)), (2, left)] {
        assert_eq!(step(round, true).await, left);
        assert_eq!(run().await, run_after, "{round} was given up");
    }
    catalog.suspend_job(job.id, now).await.unwrap();
    assert_eq!(step(3, false).await, Ok(Output { suspended: true }));
    catalog.record_fault(job.id, &Fault::new(Code::StatementFailed, "x")).await.unwrap();
    assert_eq!(step(3, false).await, Err(Code::JobNotRunning));
    catalog.request_cancel(job.id).await.unwrap();
    assert_eq!(step(3, false).await, Err(Code::JobCancelled));
}
