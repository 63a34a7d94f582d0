//! The Lambda function `plan-scheduled-backups`.

use std::sync::OnceLock;

use permafrost_function::Tools;
use permafrost_function::schedules::{ScheduleConfig, Schedules};
use plan_scheduled_backups::Input;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let config = ScheduleConfig::from_env()?;
    let schedules = OnceLock::new();
    permafrost_function::run(async |tools: &Tools, input: Input| {
        let schedules = schedules.get_or_init(|| Schedules::new(&tools.sdk, config.clone()));
        plan_scheduled_backups::handle(tools, schedules, input).await
    })
    .await
}
