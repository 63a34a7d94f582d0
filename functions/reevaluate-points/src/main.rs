//! The Lambda function `reevaluate-points`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(reevaluate_points::handle).await
}
