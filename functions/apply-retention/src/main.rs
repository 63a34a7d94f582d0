//! The Lambda function `apply-retention`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(apply_retention::handle).await
}
