//! `permafrost instance change-policy|suspend|resume|stop|undelete`.

use permafrost_client::Client;
use permafrost_domain::instance::{Instance, InstanceRef};
use permafrost_domain::wire::{
    ChangePolicyRequest, DeleteDataRequest, ExistingPoints, Retain, StopProtectionRequest,
};
use permafrost_domain::{Code, Fault};

use super::{job, wait};
use crate::args::protection::{ChangePolicyArgs, RetainMode, StopArgs};
use crate::console::Console;
use crate::render;

/// Puts an instance under another policy; waits for its points to be re-evaluated where that is asked for.
pub(super) async fn change_policy(
    client: &Client,
    args: ChangePolicyArgs,
    console: &Console,
) -> Result<(), Fault> {
    let existing_points = if args.reevaluate { ExistingPoints::Reevaluate } else { ExistingPoints::Keep };
    let request = ChangePolicyRequest { policy: args.policy, existing_points };
    let changed = client.change_policy(&args.instance, &request).await?;
    match changed.job {
        Some(id) if !args.wait.no_wait => {
            let ended = wait::until_ended(client, id, console).await?;
            job::show_ended(&ended, console)
        }
        Some(_) => {
            console.result(&changed, |changed| changed.job.map(|job| job.to_string()).unwrap_or_default())
        }
        None => console.result(&changed, |changed| render::instance(&changed.instance)),
    }
}

/// Suspends the scheduled backups of an instance.
pub(super) async fn suspend(client: &Client, named: &InstanceRef, console: &Console) -> Result<(), Fault> {
    let instance = client.suspend(named).await?;
    show(&instance, console)?;
    console.note(&format!(
        "\nIts points are kept as before. Go on: permafrost instance resume {}",
        instance.name
    ));
    Ok(())
}

/// Protects an instance again.
pub(super) async fn resume(client: &Client, named: &InstanceRef, console: &Console) -> Result<(), Fault> {
    show(&client.resume(named).await?, console)
}

/// Takes a deletion back.
pub(super) async fn undelete(client: &Client, named: &InstanceRef, console: &Console) -> Result<(), Fault> {
    let instance = client.undelete(named).await?;
    show(&instance, console)?;
    console.note(&format!(
        "\nIts protection is stopped and its points stay. Go on: permafrost instance resume {}",
        instance.name
    ));
    Ok(())
}

/// Stops protection, in one of its three ways.
pub(super) async fn stop(client: &Client, args: StopArgs, console: &Console) -> Result<(), Fault> {
    let instance = match (args.retain, args.confirm_name, args.reason) {
        (Some(retain), ..) => {
            let retain = match retain {
                RetainMode::Forever => Retain::Forever,
                RetainMode::AsPerPolicy => Retain::AsPerPolicy,
            };
            client.stop_protection(&args.instance, StopProtectionRequest { retain }).await?
        }
        (None, Some(confirm_name), Some(reason)) => {
            let undo_days = args.undo_days.unwrap_or_default();
            let request = DeleteDataRequest { confirm_name, reason, undo_days };
            client.delete_data(&args.instance, &request).await?
        }
        (None, ..) => {
            let message = "it is not said how protection is stopped";
            return Err(Fault::new(Code::InvalidRequest, message)
                .hint("Pass --retain, or --delete-data with --confirm-name and --reason."));
        }
    };
    show(&instance, console)?;
    if instance.deletion.is_some() {
        console.note(&format!("\nTake it back: permafrost instance undelete {}", instance.name));
    }
    Ok(())
}

fn show(instance: &Instance, console: &Console) -> Result<(), Fault> {
    console.result(instance, render::instance)
}
