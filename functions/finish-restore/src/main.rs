//! The Lambda function `finish-restore`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(finish_restore::handle).await
}
