//! The Lambda function `validate-permissions`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(validate_permissions::handle).await
}
