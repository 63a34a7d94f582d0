//! The Lambda function `hold-snapshot`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(hold_snapshot::handle).await
}
