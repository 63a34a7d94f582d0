//! The catalog: what DynamoDB holds about policies, instances, jobs, snapshots and recovery points.
//!
//! One table; [`Catalog`] has a method per thing that happens to it, each in the file of its subject.
//!
//! **Invariants**
//! - Every write of a state is conditional on the state that it leaves. The one exception is a task's progress:
//!   one writer, and only people read it.
//! - Nothing of a backup is visible before [`Catalog::commit_recovery_point`], one transaction; everything may
//!   be repeated after it.
//! - A period is claimed in that transaction alone, by one point.
//! - What is due is found by reading what is due: the index is sparse, and it changes with the point, in one write.
//! - Nothing deletes a point that is locked or under legal hold; retention never deletes the newest good point of an
//!   instance, nor one whose time is not over: conditions of the one write that begins a deletion
//!   ([`Catalog::begin_expiry`]).
//! - An ended job stays as it ended. A job and what its end means for its instance change together.
//! - A record that cannot be decoded is an error, never skipped.
//! - Nothing here reads a clock: `now` is an argument.

mod backup;
mod close_job;
mod commit;
mod continuation;
mod due;
mod error;
mod expression;
mod hold_point;
mod immutability;
mod instance;
mod job;
mod job_list;
mod keep_point;
mod keys;
mod listing;
mod meter;
mod move_point;
mod open_job;
mod passing_fault;
mod period;
mod policy;
mod protection;
mod read;
mod record;
mod recovery_point;
mod retention_plan;
mod snapshot;
mod task_progress;
#[cfg(feature = "testing")]
mod testing;
mod transaction;
mod write;

pub use backup::Abandoned;
pub use close_job::JobOutcome;
pub use commit::CommitOutcome;
pub use due::{DueShard, InvalidDueShard};
pub use error::{BoxError, CatalogError};
pub use job::JobStanding;
pub use job_list::JobFilter;
pub use keep_point::Shortening;
pub use meter::{Meter, Reads};
pub use move_point::{ExpiryGround, NextDue, PointChange};
pub use open_job::OpenJob;
pub use retention_plan::RetentionPlanSummary;
pub use snapshot::{Snapshot, SnapshotState};
#[cfg(feature = "testing")]
pub use testing::Seed;

/// The catalog of one vault.
#[derive(Debug, Clone)]
pub struct Catalog {
    client: aws_sdk_dynamodb::Client,
    table: String,
    meter: Meter,
}

impl Catalog {
    /// The catalog in `table` (its name or ARN).
    pub fn new(client: aws_sdk_dynamodb::Client, table: impl Into<String>) -> Self {
        Self { client, table: table.into(), meter: Meter::default() }
    }
}
