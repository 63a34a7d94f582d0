//! `permafrost recovery-point …`.

use permafrost_client::Client;
use permafrost_domain::Fault;
use permafrost_domain::instance::InstanceRef;
use permafrost_domain::wire::{LegalHold, LegalHoldRequest, PointSelector};

use super::rehydration;
use crate::args::PointCommand;
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
        PointCommand::Hold { instance, point } => {
            set_hold(client, &instance, point, LegalHold::On, console).await
        }
        PointCommand::Release { instance, point } => {
            set_hold(client, &instance, point, LegalHold::Off, console).await
        }
        PointCommand::Rehydrate(args) => rehydration::run(client, args, console).await,
    }
}

async fn set_hold(
    client: &Client,
    instance: &InstanceRef,
    point: PointSelector,
    legal_hold: LegalHold,
    console: &Console,
) -> Result<(), Fault> {
    let point = client.set_legal_hold(instance, point, LegalHoldRequest { legal_hold }).await?;
    console.result(&point, |point| match point.legal_hold {
        true => format!("{} is under legal hold: nothing deletes it.", point.id),
        false => format!("{} is under no legal hold.", point.id),
    })
}
