//! `HoldSnapshot`: locks the tables, takes the snapshot, and keeps both alive, in turn with another like it.
//!
//! Two lanes of functions run side by side, each starting the next function when one ends. While a function of one
//! lane holds, the other lane's waits; when the holder has had its time, the waiting one locks all tables, imports the
//! snapshot, exports it again, and swaps it in the catalog; the holder sees that and lets go.
//!
//! Order of a hop: locks, import, export (the successor), swap (the catalog), let go (the predecessor). Race: the swap
//! is conditional on the generation, so of several successors one comes through, and the others let go of what they
//! have and go back to waiting. A holder never lets go because of its time alone: without a successor it goes on for a
//! grace, and then fails the backup.
//!
//! Crash story: a holder that is gone stops renewing its lease. The first one may be replaced while nobody has read
//! under its snapshot; after that a broken chain fails the backup.

mod limits;
mod turn;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::{CatalogError, Snapshot, SnapshotState};
use permafrost_domain::fault::Retry;
use permafrost_domain::{Code, Fault, InstanceId, JobId};
use permafrost_engine::snapshot::{HeldSnapshot, Horizon, explained};
use permafrost_engine::{EngineError, Login};
use permafrost_function::{Tools, clock};
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use limits::{FUNCTION_LIFE, GRACE, Limits};
pub use turn::Lane;
use turn::{Turn, turn};

/// How long a lease runs. A holder that is alive renews it many times over.
const LEASE: Duration = Duration::from_secs(15);
/// How often a function looks at the catalog, and a holder at its connection.
const EVERY: Duration = Duration::from_millis(500);
/// How long a snapshot may keep the server from cleaning up before somebody should know.
const LONG_HELD: Duration = Duration::from_hours(1);
/// The same in transactions: a quarter of those after which PostgreSQL insists on a vacuum, unless set otherwise.
const MANY_TRANSACTIONS: u64 = 50_000_000;

/// The step's input.
#[derive(Debug, Deserialize)]
pub struct Input {
    job: JobId,
    instance: InstanceId,
    lane: Lane,
}

/// The step's answer.
#[derive(Debug, Serialize)]
pub struct Output {
    outcome: Outcome,
}

/// What the lane has to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Start another function: the snapshot is in the other lane's hands.
    Again,
    /// Nothing: the snapshot has been let go of, or is being.
    Released,
}

/// Holds the snapshot when it is the lane's turn, until it is handed over or let go of.
///
/// # Errors
/// `SnapshotLost` and `SnapshotExpired` where the chain is broken; the locks cannot be had; the server refuses.
pub async fn handle(tools: &Tools, input: Input) -> Result<Output, Fault> {
    let outcome = Runner { tools, input: &input, limits: Limits::from_env()? }.run().await?;
    Ok(Output { outcome })
}

/// Why a holder keeps its snapshot no longer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kept {
    /// The other lane has it.
    HandedOver,
    /// It is asked to let go, and has held to the end.
    ToTheEnd,
    /// The backup was given up.
    GivenUp,
}

/// One function of a lane.
struct Runner<'a> {
    tools: &'a Tools,
    input: &'a Input,
    limits: Limits,
}

impl Runner<'_> {
    async fn run(&self) -> Result<Outcome, Fault> {
        let dies_at = Instant::now() + FUNCTION_LIFE;
        loop {
            let snapshot = self.tools.catalog.snapshot(self.input.job).await?;
            let life_left = dies_at.saturating_duration_since(Instant::now());
            let turn = turn(self.input.lane, snapshot.as_ref(), clock::now(), life_left, &self.limits);
            let held = match turn {
                Turn::Begin => self.begin().await?,
                Turn::TakeOver(snapshot) => self.take_over(snapshot).await?,
                Turn::Leave => return Ok(Outcome::Again),
                Turn::End => return Ok(Outcome::Released),
                Turn::Broken(snapshot) => return Err(self.broken(snapshot).await?),
                Turn::Wait => {
                    self.check_job(snapshot.as_ref()).await?;
                    None
                }
            };
            match held {
                Some((held, snapshot)) => return self.hold(held, &snapshot).await,
                None => sleep(EVERY).await,
            }
        }
    }

    /// Takes the first snapshot, and records it. Where an earlier try has left one, waits for the end of its lease:
    /// until then its holder may be alive.
    async fn begin(&self) -> Result<Option<(HeldSnapshot, Snapshot)>, Fault> {
        let held = HeldSnapshot::take(&self.login().await?).await.map_err(explained)?;
        let mut snapshot = self.record_of(&held, 1);
        loop {
            (snapshot.held_since, snapshot.lease_until) = (clock::now(), lease_end());
            match self.tools.catalog.put_first_snapshot(&snapshot, clock::now()).await {
                Err(CatalogError::SnapshotHeldByAnother { lease_until, .. }) => {
                    tracing::warn!(job = %self.input.job, %lease_until, "an earlier holder's lease still runs");
                    self.tools.check_not_cancelled(self.input.job).await?;
                    sleep(EVERY).await;
                }
                other => return Ok(other.map(|()| Some((held, snapshot)))?),
            }
        }
    }

    /// Takes `snapshot` over from its holder; nothing where another was faster, or nobody needs it any more.
    async fn take_over(&self, snapshot: &Snapshot) -> Result<Option<(HeldSnapshot, Snapshot)>, Fault> {
        let (id, consistent_at) = (&snapshot.snapshot_id, snapshot.consistent_at);
        let held = match HeldSnapshot::take_over(&self.login().await?, id, consistent_at).await {
            Ok(held) => held,
            Err(EngineError::SnapshotLost { reason }) if self.has_moved_on(snapshot).await? => {
                tracing::info!(job = %self.input.job, reason, "the snapshot has moved on");
                return Ok(None);
            }
            Err(error) => return Err(explained(error).into()),
        };
        let next = self.record_of(&held, snapshot.generation.saturating_add(1));
        match self.tools.catalog.swap_snapshot(&next, snapshot.generation).await {
            Ok(()) => Ok(Some((held, next))),
            Err(
                CatalogError::SnapshotHeldByAnother { .. }
                | CatalogError::SnapshotGone {
                    state: SnapshotState::Releasing | SnapshotState::Released, ..
                },
            ) => {
                held.let_go().await;
                Ok(None)
            }
            Err(error) => Err(error.into()),
        }
    }

    /// Keeps the snapshot until it is handed over or let go of.
    async fn hold(&self, mut held: HeldSnapshot, snapshot: &Snapshot) -> Result<Outcome, Fault> {
        let Snapshot { job, holder, generation, snapshot_id, .. } = snapshot;
        tracing::info!(%job, generation, snapshot_id, tables = held.tables, "holding");
        let kept = match self.keep(&mut held, snapshot).await {
            // Alive to the end: only now may the backup count on what was read.
            Ok(Kept::ToTheEnd) => self.warn_of_horizon(&mut held).await.map(|()| Kept::ToTheEnd),
            other => other,
        };
        match kept {
            Ok(Kept::HandedOver) => {
                held.let_go().await;
                tracing::info!(%job, generation, "handed over");
                Ok(Outcome::Again)
            }
            Ok(Kept::GivenUp) => {
                held.let_go().await;
                Ok(Outcome::Released)
            }
            Ok(Kept::ToTheEnd) => {
                held.let_go().await;
                match self.tools.catalog.mark_released(*job, holder).await? {
                    SnapshotState::Released | SnapshotState::Abandoned => Ok(Outcome::Released),
                    state => Err(gone(state)),
                }
            }
            Err(fault) => {
                // The cause comes first: whoever reads under the snapshot finds only that it is lost.
                if fault.code.retry() == Retry::Never {
                    self.tools.catalog.record_fault(*job, &fault).await?;
                }
                self.tools.catalog.mark_lost(*job, holder).await?;
                held.let_go().await;
                Err(fault)
            }
        }
    }

    async fn keep(&self, held: &mut HeldSnapshot, snapshot: &Snapshot) -> Result<Kept, Fault> {
        let since = Instant::now();
        let mut renewed = Instant::now();
        loop {
            match self.tools.catalog.renew_lease(snapshot.job, &snapshot.holder, lease_end()).await {
                Ok(SnapshotState::Held) => renewed = Instant::now(),
                Ok(SnapshotState::Releasing) => return Ok(Kept::ToTheEnd),
                Ok(SnapshotState::Abandoned) => return Ok(Kept::GivenUp),
                Ok(state) => return Err(gone(state)),
                Err(CatalogError::SnapshotHeldByAnother { generation, .. })
                    if generation > snapshot.generation =>
                {
                    return Ok(Kept::HandedOver);
                }
                // A catalog that does not answer for a moment is no reason to give up what cannot be had again.
                Err(error) if error.code().retry() == Retry::Later && renewed.elapsed() < LEASE / 2 => {
                    tracing::warn!(job = %snapshot.job, "the lease could not be renewed: {error}");
                }
                Err(error) => return Err(error.into()),
            }
            if since.elapsed() >= self.limits.to_hold() {
                let message =
                    format!("nobody took the snapshot over within {} s of its time", GRACE.as_secs());
                return Err(Fault::new(Code::SnapshotExpired, message));
            }
            sleep(EVERY).await;
            let age = held.check().await?;
            if age >= self.limits.snapshot {
                let limit = self.limits.snapshot.as_secs();
                let message = format!("the backup did not end while its snapshot was younger than {limit} s");
                return Err(Fault::new(Code::SnapshotExpired, message));
            }
        }
    }

    /// Tells the job where the snapshot has kept the server from cleaning up for long.
    async fn warn_of_horizon(&self, held: &mut HeldSnapshot) -> Result<(), Fault> {
        let horizon = held.horizon().await?;
        let Some(warning) = warning_of(horizon) else { return Ok(()) };
        Ok(self.tools.catalog.record_warnings(self.input.job, &[warning]).await?)
    }

    /// Makes sure that the job goes on, where nobody holds the snapshot.
    async fn check_job(&self, snapshot: Option<&Snapshot>) -> Result<(), Fault> {
        if snapshot.is_some_and(|snapshot| {
            snapshot.state == SnapshotState::Held && snapshot.lease_until >= clock::now()
        }) {
            return Ok(());
        }
        self.tools.check_not_cancelled(self.input.job).await?;
        // The other lane has failed for good; its fault is the job's.
        self.tools.catalog.job_record(self.input.job).await?.fault.map_or(Ok(()), Err)
    }

    /// Why the chain has ended; records that it has.
    async fn broken(&self, snapshot: &Snapshot) -> Result<Fault, Fault> {
        let state = match self.tools.catalog.mark_lost(snapshot.job, &snapshot.holder).await {
            Ok(state) => state,
            // It is held after all.
            Err(CatalogError::SnapshotHeldByAnother { .. }) => SnapshotState::Held,
            Err(error) => return Err(error.into()),
        };
        Ok(CatalogError::SnapshotGone { job: snapshot.job, state }.into())
    }

    async fn has_moved_on(&self, from: &Snapshot) -> Result<bool, Fault> {
        let now = self.tools.catalog.snapshot(self.input.job).await?;
        Ok(now.is_none_or(|now| now.generation != from.generation || now.state != SnapshotState::Held))
    }

    /// A fresh login: tokens are good for 15 minutes.
    async fn login(&self) -> Result<Login, Fault> {
        self.tools.check_not_cancelled(self.input.job).await?;
        let instance = self.tools.catalog.instance(self.input.instance).await?;
        self.tools.login(&instance.data_source, self.input.job).await
    }

    fn record_of(&self, held: &HeldSnapshot, generation: u32) -> Snapshot {
        Snapshot {
            job: self.input.job,
            snapshot_id: held.id.clone(),
            holder: format!("{:016x}", holder_id(held.backend_pid(), clock::now())),
            generation,
            held_since: clock::now(),
            consistent_at: held.consistent_at,
            state: SnapshotState::Held,
            lease_until: lease_end(),
            tables: held.tables,
        }
    }
}

fn gone(state: SnapshotState) -> Fault {
    Fault::new(Code::SnapshotLost, format!("the snapshot is {state}"))
}

fn lease_end() -> Timestamp {
    let lease = SignedDuration::try_from(LEASE).unwrap_or(SignedDuration::ZERO);
    clock::now().saturating_add(lease).unwrap_or(Timestamp::MAX)
}

fn warning_of(horizon: Horizon) -> Option<String> {
    (horizon.age >= LONG_HELD || horizon.transactions >= MANY_TRANSACTIONS).then(|| {
        format!(
            "the backup's snapshot kept the server from removing dead rows for {} minutes and {} transactions; \
             see that autovacuum catches up, and have more tasks run at once (MaxConcurrency) or back up a standby",
            horizon.age.as_secs() / 60,
            horizon.transactions
        )
    })
}

/// Tells one holder from another: a server process and a moment are never the same twice.
fn holder_id(backend_pid: i32, now: Timestamp) -> u64 {
    let nanos = u64::try_from(now.as_nanosecond() & i128::from(u64::MAX >> 1)).unwrap_or_default();
    nanos.rotate_left(24) ^ u64::from(backend_pid.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_that_holds_back_vacuum_for_long_is_warned_of() {
        let horizon = |minutes, transactions| Horizon { age: Duration::from_mins(minutes), transactions };
        assert_eq!(warning_of(horizon(59, 49_999_999)), None);
        let warning = warning_of(horizon(75, 12)).unwrap();
        assert!(warning.contains("for 75 minutes and 12 transactions"), "{warning}");
        assert!(warning_of(horizon(1, 50_000_000)).is_some());
    }
}
