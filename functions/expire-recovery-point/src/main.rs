//! The Lambda function `expire-recovery-point`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(expire_recovery_point::handle).await
}
