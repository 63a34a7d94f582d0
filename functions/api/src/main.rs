//! `api`: answers the REST API.

use std::sync::OnceLock;

use api::{Api, StateMachines};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use permafrost_function::Tools;
use permafrost_function::clock::now;
use permafrost_function::executions::Executions;
use permafrost_function::schedules::{ScheduleConfig, Schedules};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let (machines, schedules) = (StateMachines::from_env()?, ScheduleConfig::from_env()?);
    let clients = OnceLock::new();
    permafrost_function::run(async |tools: &Tools, event: ApiGatewayProxyRequest| {
        let (executions, schedules) = clients
            .get_or_init(|| (Executions::new(&tools.sdk), Schedules::new(&tools.sdk, schedules.clone())));
        let api = Api { tools, machines: &machines, executions, schedules };
        Ok(Box::pin(api.answer(event, now(), api::random()?)).await)
    })
    .await
}
