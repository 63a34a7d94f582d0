//! Watching a job until it ends.

use std::time::Duration;

use permafrost_domain::JobId;
use permafrost_domain::job::Job;
use tokio::time::Instant;

use crate::client::Client;
use crate::error::ClientError;
use crate::retry::{self, Effect};

/// The first wait between two looks at a job.
const SHORTEST: Duration = Duration::from_millis(300);
/// The longest wait between two looks at a job.
const LONGEST: Duration = Duration::from_secs(2);
/// How long the API may be away before the watch gives up; the job goes on without it.
const PATIENCE: Duration = Duration::from_mins(2);

/// A job, again and again until it has ended.
#[derive(Debug)]
pub struct JobWatch<'a> {
    client: &'a Client,
    job: JobId,
    wait: Duration,
    state: State,
}

#[derive(Debug, PartialEq)]
enum State {
    New,
    Watching,
    Ended,
}

impl<'a> JobWatch<'a> {
    pub(crate) fn new(client: &'a Client, job: JobId) -> Self {
        Self { client, job, wait: SHORTEST, state: State::New }
    }

    /// The job as it is now: at once the first time, then after a wait of 0.3 s that grows to 2 s. `None` once
    /// the ended job was handed out.
    ///
    /// A passing failure (no connection, a 5xx) is waited out for two minutes.
    ///
    /// # Errors
    /// What the last request met.
    pub async fn next(&mut self) -> Result<Option<Job>, ClientError> {
        match self.state {
            State::Ended => return Ok(None),
            State::New => self.state = State::Watching,
            State::Watching => self.pause().await,
        }
        let away_since = Instant::now();
        loop {
            match self.client.job(self.job).await {
                Ok(job) => {
                    if job.status.has_ended() {
                        self.state = State::Ended;
                    }
                    return Ok(Some(job));
                }
                Err(error) if retry::may_repeat(&error, Effect::None) && away_since.elapsed() < PATIENCE => {
                    self.pause().await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn pause(&mut self) {
        tokio::time::sleep(self.wait).await;
        self.wait = (self.wait * 3 / 2).min(LONGEST);
    }
}
