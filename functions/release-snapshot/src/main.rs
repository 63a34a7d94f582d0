//! The Lambda function `release-snapshot`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(release_snapshot::handle).await
}
