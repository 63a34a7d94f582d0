//! The Lambda function `prepare-restore`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(prepare_restore::handle).await
}
