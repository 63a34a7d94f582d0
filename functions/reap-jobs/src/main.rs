//! The Lambda function `reap-jobs`.

use permafrost_function::Tools;
use permafrost_function::config::variable;
use reap_jobs::Input;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    let prefix = variable("EXECUTION_ARN_PREFIX")?;
    permafrost_function::run(async |tools: &Tools, input: Input| {
        reap_jobs::handle(tools, &prefix, input).await
    })
    .await
}
