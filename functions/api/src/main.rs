//! `api`: answers the REST API.

use std::sync::OnceLock;

use api::{Api, Executions, StateMachines};
use aws_lambda_events::apigw::ApiGatewayProxyRequest;
use permafrost_function::clock::now;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let machines = StateMachines::from_env()?;
    let executions = OnceLock::new();
    permafrost_function::run(async |tools: &permafrost_function::Tools, event: ApiGatewayProxyRequest| {
        let executions = executions.get_or_init(|| Executions::new(&tools.sdk, machines.clone()));
        Ok(Api { tools, executions }.answer(event, now(), api::random()?).await)
    })
    .await
}
