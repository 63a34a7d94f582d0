//! `permafrost job …`.

use permafrost_client::{Client, JobFilter};
use permafrost_domain::Fault;
use permafrost_domain::job::Job;

use super::wait;
use crate::args::JobCommand;
use crate::console::Console;
use crate::render;

pub(super) async fn run(client: &Client, command: JobCommand, console: &Console) -> Result<(), Fault> {
    match command {
        JobCommand::List { since, instance, status, limit } => {
            let filter = JobFilter { since: Some(since.moment(super::now())), instance, status };
            let jobs = client.jobs(&filter).take(limit.unwrap_or(usize::MAX)).await?;
            console.result(&jobs, |jobs| render::jobs(jobs, super::now()))
        }
        JobCommand::Show { job } => {
            let job = client.job(job).await?;
            console.result(&job, |job| render::job(job, super::now()))
        }
        JobCommand::Watch { job } => {
            let ended = wait::until_ended(client, job, console).await?;
            show_ended(&ended, console)
        }
        JobCommand::Suspend { job } => {
            let job = client.suspend_job(job).await?;
            console.result(&job, |job| render::job(job, super::now()))?;
            console.note(&format!("\nIts snapshot stays held: permafrost job resume {}", job.id));
            Ok(())
        }
        JobCommand::Resume { job } => {
            let job = client.resume_job(job).await?;
            console.result(&job, |job| render::job(job, super::now()))
        }
        JobCommand::Cancel { job } => {
            let job = client.cancel(job).await?;
            console.result(&job, |job| render::job(job, super::now()))?;
            if !job.status.has_ended() {
                console.note(&format!("\nIts functions are letting go: permafrost job watch {}", job.id));
            }
            Ok(())
        }
    }
}

/// Shows a job that has ended, and fails as it failed.
pub(super) fn show_ended(job: &Job, console: &Console) -> Result<(), Fault> {
    console.result(job, |job| render::job(job, super::now()))?;
    wait::outcome(job)
}
