//! The Lambda function `reap-jobs`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(reap_jobs::handle).await
}
