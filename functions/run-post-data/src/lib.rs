//! `RunPostData`: carries out one group of what comes after the data: counts, indexes, constraints, triggers, grants,
//! materialised views, statistics.

use std::time::Duration;

use permafrost_domain::{Fault, JobId};
use permafrost_engine::EngineError;
use permafrost_engine::restore::{PostDataState, run_post_data};
use permafrost_function::Tools;
use permafrost_function::config::number;
use permafrost_function::restore::OpenRestore;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// How often the job is asked whether it is being cancelled: each time costs a read of the catalog.
const ASK_EVERY: Duration = Duration::from_secs(5);

/// The step's input.
#[derive(Debug, Deserialize)]
pub struct Input {
    job: JobId,
    level: usize,
    group: usize,
}

/// The step's answer.
#[derive(Debug, Serialize)]
pub struct Output {
    state: State,
}

/// How far the group is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// Everything is done.
    Done,
    /// The server is still at a statement: ask again.
    Running,
}

/// Carries out one group of the job's restore, as far as it comes within `POST_DATA_SECONDS`.
///
/// # Errors
/// An object cannot be restored, or the job is being cancelled.
pub async fn handle(tools: &Tools, input: Input) -> Result<Output, Fault> {
    tools.check_not_cancelled(input.job).await?;
    let limit = Duration::from_secs(number("POST_DATA_SECONDS")?);
    let open = OpenRestore::open(tools, input.job).await?;
    let mut asked_at = Instant::now();
    let watch = &mut async || {
        if asked_at.elapsed() < ASK_EVERY {
            return Ok(());
        }
        asked_at = Instant::now();
        tools.check_not_cancelled(input.job).await.map_err(EngineError::from)
    };
    let state = run_post_data(&open.restore()?, input.level, input.group, limit, watch).await?;
    Ok(Output {
        state: match state {
            PostDataState::Done => State::Done,
            PostDataState::Running => State::Running,
        },
    })
}
