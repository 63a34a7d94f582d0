//! The Lambda function `abandon-backup`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(abandon_backup::handle).await
}
