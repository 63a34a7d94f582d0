//! The Lambda function `abandon-restore`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(abandon_restore::handle).await
}
