//! The Lambda function `run-restore-task`.

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(run_restore_task::handle).await
}
