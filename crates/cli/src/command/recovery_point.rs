//! `permafrost recovery-point …`.

use permafrost_client::Client;
use permafrost_domain::Fault;
use permafrost_domain::wire::{LegalHold, LegalHoldRequest};

use super::{job, rehydration, wait};
use crate::args::{HoldArgs, PointCommand};
use crate::console::Console;
use crate::render;

pub(super) async fn run(client: &Client, command: PointCommand, console: &Console) -> Result<(), Fault> {
    match command {
        PointCommand::List { instance, limit } => {
            let points = client.recovery_points(&instance).take(limit.unwrap_or(usize::MAX)).await?;
            console.result(&points, |points| render::points(points))
        }
        PointCommand::Show { instance, point } => {
            let point = client.recovery_point(&instance, point).await?;
            console.result(&point, render::point)
        }
        PointCommand::Hold(args) => set_hold(client, &args, LegalHold::On, console).await,
        PointCommand::Release(args) => set_hold(client, &args, LegalHold::Off, console).await,
        PointCommand::Rehydrate(args) => rehydration::run(client, args, console).await,
    }
}

/// Holds or releases a point, and waits until all its objects are.
async fn set_hold(
    client: &Client,
    args: &HoldArgs,
    legal_hold: LegalHold,
    console: &Console,
) -> Result<(), Fault> {
    let request = LegalHoldRequest { legal_hold };
    let started = client.set_legal_hold(&args.instance, args.point, request).await?;
    if args.wait.no_wait {
        return console.result(&started, |started| started.job.to_string());
    }
    let ended = wait::until_ended(client, started.job, console).await?;
    job::show_ended(&ended, console)
}
