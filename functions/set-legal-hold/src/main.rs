//! The Lambda function `set-legal-hold`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(set_legal_hold::handle).await
}
