//! Rehydrating points: what it takes and costs is shown before it starts.

use permafrost_client::Client;
use permafrost_domain::instance::InstanceRef;
use permafrost_domain::wire::{PointSelector, RehydrateRequest};
use permafrost_domain::{Code, Fault};

use super::{job, wait};
use crate::args::rehydration::RehydrateArgs;
use crate::console::Console;
use crate::render;

/// Shows the estimate, asks, starts and waits.
pub(super) async fn run(client: &Client, args: RehydrateArgs, console: &Console) -> Result<(), Fault> {
    let request = args.request();
    let estimate = client.estimate_rehydration(&args.instance, args.point, request).await?;
    if args.estimate {
        return console.result(&estimate, render::estimate);
    }
    console.note(&render::estimate(&estimate));
    if !args.yes && !console.ask("Start it?")? {
        return Err(Fault::new(Code::InvalidRequest, "the rehydration was not started")
            .hint("Pass --yes to start it without a question."));
    }
    let started = client.rehydrate(&args.instance, args.point, request).await?;
    if args.wait.no_wait {
        return console.result(&started, |started| started.job.to_string());
    }
    let ended = wait::until_ended(client, started.job, console).await?;
    job::show_ended(&ended, console)
}

/// Tells what the rehydration takes and costs that a restore waits for, where its point is archived.
///
/// # Errors
/// What the estimate met, save that the point can be restored as it is.
pub(super) async fn tell_before_restore(
    client: &Client,
    instance: &InstanceRef,
    point: PointSelector,
    request: Option<RehydrateRequest>,
    console: &Console,
) -> Result<(), Fault> {
    let Some(request) = request else { return Ok(()) };
    match client.estimate_rehydration(instance, point, request).await.map_err(Fault::from) {
        Ok(estimate) => {
            console.note(&render::estimate(&estimate));
            Ok(())
        }
        Err(fault) if fault.code == Code::RecoveryPointNotArchived => Ok(()),
        Err(fault) => Err(fault),
    }
}
