//! The Lambda function `commit-recovery-point`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(commit_recovery_point::handle).await
}
