//! The Lambda function `rehydrate-point`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(rehydrate_point::handle).await
}
