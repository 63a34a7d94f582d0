//! The Lambda function `tier-to-archive`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(tier_to_archive::handle).await
}
