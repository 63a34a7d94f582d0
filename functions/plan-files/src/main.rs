//! The Lambda function `plan-files`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(plan_files::handle).await
}
