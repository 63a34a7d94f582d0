//! `permafrost-bench`: dumps and restores, measured against stock programs and against the server's own speed.
//!
//! `run` measures; the other commands are what it starts as processes of their own, so that time, memory and
//! CPU of each are its own. `docs/benchmarks.md` says what is measured and how.

mod args;
mod clock;
mod databases;
mod error;
mod floor;
mod pages;
mod peers;
mod permafrost;
mod plot;
mod report;
mod retention;
mod run;
mod s3;
mod say;
mod server;
mod usage;

use std::process::ExitCode;

use clap::Parser;
use tokio::runtime::Runtime;

use crate::args::{Args, Command};
use crate::error::BenchError;

fn main() -> ExitCode {
    let command = Args::parse().command;
    let outcome = runtime(&command).and_then(|runtime| runtime.block_on(carry_out(command)));
    match outcome {
        Ok(run::Verdict::Holds) => ExitCode::SUCCESS,
        Ok(run::Verdict::Misses) => ExitCode::FAILURE,
        Err(error) => {
            say::line(&format!("permafrost-bench: {}", error.chain()));
            ExitCode::from(2)
        }
    }
}

/// What Permafrost does runs in one thread, as in its functions; what serves or watches others in several.
fn runtime(command: &Command) -> Result<Runtime, BenchError> {
    let mut runtime = match command {
        Command::Run(_) | Command::S3Server { .. } => tokio::runtime::Builder::new_multi_thread(),
        _ => tokio::runtime::Builder::new_current_thread(),
    };
    runtime.enable_all().build().map_err(BenchError::io("start the runtime"))
}

async fn carry_out(command: Command) -> Result<run::Verdict, BenchError> {
    match command {
        Command::Run(options) => return run::run(&options).await,
        Command::Report { out, documents } => pages::write(&out, &documents)?,
        Command::S3Server { limit_mb } => s3::server::serve(limit_mb * 1024 * 1024).await?,
        Command::Upload { s3 } => s3::upload::upload(&s3).await?,
        Command::CopyToNothing(options) => floor::copy_to_nothing(&options)?,
        Command::Dump(options) => permafrost::dump::dump(&options).await?,
        Command::DumpWorker(options) => permafrost::dump::work(&options).await?,
        Command::Restore(options) => permafrost::restore::restore(&options).await?,
        Command::LoadWorker(options) => permafrost::restore::work(&options).await?,
    }
    Ok(run::Verdict::Holds)
}
