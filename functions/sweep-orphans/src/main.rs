//! The Lambda function `sweep-orphans`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(sweep_orphans::handle).await
}
