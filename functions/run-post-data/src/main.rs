//! The Lambda function `run-post-data`.

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() -> Result<(), lambda_runtime::Error> {
    permafrost_function::run(run_post_data::handle).await
}
