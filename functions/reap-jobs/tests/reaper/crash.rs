//! The crash matrix of the reaper: the process dies at every call of DynamoDB, before the call is sent and, where it
//! changes something, after it took effect; and the reaper is run again. Of Step Functions it only asks: a death there
//! is one before the call that follows.

use permafrost_domain::Code;
use permafrost_domain::immutability::Immutability;
use permafrost_domain::job::JobStatus;
use reap_jobs::Output;

use crate::machines::{Fate, Machines};
use permafrost_testing::{Death, Kill, Vault};

/// Every death ends with the dead jobs ended, the instance free for the next backup, and the living as they were.
#[tokio::test]
async fn reaping_ends_the_same_wherever_it_dies() {
    let vault = Vault::new(Immutability::Disabled).await;
    let machines = Machines::new(&vault).await;
    let catalog = &vault.tools.catalog;
    let running = machines.restore(Fate::Runs).await;
    let kill = Kill::default();
    let dying = vault.dying_tools(&kill);
    let deaths = kill
        .every_death(async |death: &Death<'_>| {
            let name = &death.name;
            let dead = [machines.backup(Fate::Fails).await, machines.restore(Fate::NeverStarts).await];
            death.arm();
            let first = machines.reap(&dying).await;
            if death.has_struck() {
                assert!(first.is_err(), "{name}: {first:?}");
                machines.reap(&vault.tools).await.expect(name);
            }
            for job in dead {
                let ended = catalog.job(job.id).await.unwrap();
                assert_eq!(ended.status, JobStatus::Failed, "{name}");
                assert_eq!(ended.fault.unwrap().code, Code::FunctionFailed, "{name}");
            }
            assert_eq!(catalog.job(running.id).await.unwrap(), running, "{name}");
            let left = catalog.open_jobs(10, None).await.unwrap().items;
            assert_eq!(left.iter().map(|job| job.job).collect::<Vec<_>>(), [running.id], "{name}");
            if !death.has_struck() {
                assert_eq!(first, Ok(Output { open: 3, ended: 2 }));
            }
        })
        .await;
    // The lock was free each time, or the next backup would not have been opened.
    assert!(deaths > 12, "the matrix has only {deaths} deaths");
}
