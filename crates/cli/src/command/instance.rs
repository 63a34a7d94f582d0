//! `permafrost instance …`.

use permafrost_client::Client;
use permafrost_domain::Fault;
use permafrost_domain::data_source::{DataSource, Tls};
use permafrost_domain::job::Job;
use permafrost_domain::wire::ProtectRequest;

use super::{protection, target, wait};
use crate::args::{InstanceCommand, ProtectArgs};
use crate::console::Console;
use crate::render;

pub(super) async fn run(client: &Client, command: InstanceCommand, console: &Console) -> Result<(), Fault> {
    match command {
        InstanceCommand::Protect(args) => protect(client, *args, console).await,
        InstanceCommand::List => {
            let instances = client.instances().take(usize::MAX).await?;
            console.result(&instances, |instances| render::instances(instances))
        }
        InstanceCommand::Show { instance } => {
            let instance = client.instance(&instance).await?;
            console.result(&instance, render::instance)
        }
        InstanceCommand::ChangePolicy(args) => protection::change_policy(client, args, console).await,
        InstanceCommand::Suspend { instance } => protection::suspend(client, &instance, console).await,
        InstanceCommand::Resume { instance } => protection::resume(client, &instance, console).await,
        InstanceCommand::Stop(args) => protection::stop(client, args, console).await,
        InstanceCommand::Undelete { instance } => protection::undelete(client, &instance, console).await,
    }
}

async fn protect(client: &Client, args: ProtectArgs, console: &Console) -> Result<(), Fault> {
    let name = args.name;
    let data_source = DataSource {
        host: args.host,
        port: args.port,
        database: args.database,
        login: target::login(args.login, None)?,
        tls: target::tls(&args.tls, Tls::default())?,
    };
    let started =
        client.protect(&ProtectRequest { name: name.clone(), data_source, policy: args.policy }).await?;
    if args.wait.no_wait {
        return console.result(&started, |started| format!("{} of {}", started.job, started.instance));
    }
    let job = wait::until_ended(client, started.job, console).await?;
    console.result(&job, protected)?;
    wait::outcome(&job)?;
    console.note(&format!("\n{name} is protected. Back it up: permafrost backup {name}"));
    Ok(())
}

fn protected(job: &Job) -> String {
    match &job.readiness {
        Some(readiness) => render::readiness(readiness),
        None => render::job(job, super::now()),
    }
}
