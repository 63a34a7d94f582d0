//! The Lambda function `start-scheduled-backup`.

use std::sync::OnceLock;

use permafrost_function::Tools;
use permafrost_function::executions::Executions;
use start_scheduled_backup::{Config, Input};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = Config::from_env()?;
    let executions = OnceLock::new();
    permafrost_function::run(async |tools: &Tools, input: Input| {
        let executions = executions.get_or_init(|| Executions::new(&tools.sdk));
        start_scheduled_backup::handle(tools, executions, &config, input).await
    })
    .await
}
