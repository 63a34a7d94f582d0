//! The Lambda function `plan-dump`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(plan_dump::handle).await
}
