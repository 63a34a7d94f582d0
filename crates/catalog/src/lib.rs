//! The catalog: what DynamoDB holds about instances, jobs, snapshots and recovery points.
//!
//! One table; [`Catalog`] has a method per thing that happens to it, each in the file of its subject.
//!
//! **Invariants**
//! - Every write of a state is conditional on the state that it leaves. The one exception is a task's progress:
//!   one writer, and only people read it.
//! - Nothing of a backup is visible before [`Catalog::commit_recovery_point`], one transaction; everything may
//!   be repeated after it.
//! - An ended job stays as it ended. A job and what its end means for its instance change together.
//! - A record that cannot be decoded is an error, never skipped.
//! - Nothing here reads a clock: `now` is an argument.

mod backup;
mod close_job;
mod commit;
mod continuation;
mod error;
mod expression;
mod instance;
mod job;
mod job_list;
mod keys;
mod passing_fault;
mod read;
mod record;
mod recovery_point;
mod snapshot;
mod task_progress;
mod transaction;
mod write;

pub use backup::Abandoned;
pub use close_job::JobOutcome;
pub use error::{BoxError, CatalogError};
pub use job_list::JobFilter;
pub use snapshot::{Snapshot, SnapshotState};

/// The catalog of one vault.
#[derive(Debug, Clone)]
pub struct Catalog {
    client: aws_sdk_dynamodb::Client,
    table: String,
}

impl Catalog {
    /// The catalog in `table` (its name or ARN).
    pub fn new(client: aws_sdk_dynamodb::Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into() }
    }
}
