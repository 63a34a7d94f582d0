//! `permafrost recovery-point …`.

use permafrost_client::Client;
use permafrost_domain::Fault;

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
    }
}
