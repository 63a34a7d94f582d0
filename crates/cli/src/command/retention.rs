//! `permafrost retention …`.

use permafrost_client::Client;
use permafrost_domain::Fault;

use crate::args::RetentionCommand;
use crate::console::Console;
use crate::render;

pub(super) async fn run(client: &Client, command: RetentionCommand, console: &Console) -> Result<(), Fault> {
    match command {
        RetentionCommand::Plan { plan: Some(plan), .. } => {
            let plan = client.retention_plan(plan).await?;
            console.result(&plan, render::retention_plan)
        }
        RetentionCommand::Plan { plan: None, limit } => {
            let plans = client.retention_plans(limit).take(limit).await?;
            console.result(&plans, |plans| render::retention_plans(plans))
        }
    }
}
