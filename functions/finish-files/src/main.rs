//! The Lambda function `finish-files`.

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(finish_files::handle).await
}
