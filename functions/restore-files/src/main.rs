//! The Lambda function `restore-files`.

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(restore_files::handle).await
}
