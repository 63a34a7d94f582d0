//! The snapshot that a backup reads: who holds it, and until when its holder is taken to be alive.
//!
//! ```text
//! Held ──> Releasing ──> Released      asked to let go, has let go
//!   ├────────┴─────────> Abandoned     the backup is given up
//!   └──────────────────> Lost          the holder's connection broke
//! ```
//!
//! **Hand over.** A chain of holders keeps *one* snapshot of PostgreSQL alive; every hop is a new `generation`
//! with a new id and holder, and the same `consistent_at` ([`Catalog::swap_snapshot`]).
//!
//! **Starting over.** A holder that fails before anybody read under its snapshot may be replaced by one with
//! *another* snapshot of PostgreSQL ([`Catalog::put_first_snapshot`]). Once somebody has read, that would mix
//! two moments in one backup. So who reads data asks for the snapshot by [`Catalog::use_snapshot`], which marks
//! it as used in the same write that finds it held; after that no first snapshot is ever put again, and a broken
//! chain fails the backup.

use std::fmt;

use jiff::Timestamp;
use permafrost_domain::JobId;
use permafrost_domain::job::{Job, JobStatus, KEPT};
use serde::{Deserialize, Serialize};

use crate::Catalog;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::job::{WORKING, decode_job};
use crate::keys::{Key, PK};
use crate::record::{Record, decode, encode, number, text};
use crate::transaction::{Outcome, Part, Transaction};
use crate::write::Written;

/// The attribute that stands for `lease_until` in conditions: microseconds since 1970. (Timestamps as text do
/// not sort by time.)
const LEASE_UNTIL_US: &str = "lease_until_us";
/// The attribute that says that somebody may have read under the snapshot.
const USED_AT: &str = "used_at";

/// What became of a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum SnapshotState {
    /// A holder keeps it.
    Held,
    /// Nobody needs it any more; its holder is asked to let go.
    Releasing,
    /// Its holder has let go.
    Released,
    /// The backup was given up.
    Abandoned,
    /// Its holder lost it.
    Lost,
}

impl SnapshotState {
    /// Every state.
    pub const ALL: [SnapshotState; 5] =
        [Self::Held, Self::Releasing, Self::Released, Self::Abandoned, Self::Lost];

    /// The states in which a holder keeps the snapshot.
    pub const ALIVE: [SnapshotState; 2] = [Self::Held, Self::Releasing];

    /// The states from which a snapshot may enter this one; conditions are made from it.
    pub fn predecessors(self) -> &'static [SnapshotState] {
        match self {
            Self::Held => &[],
            Self::Releasing | Self::Lost => &[Self::Held],
            Self::Released | Self::Abandoned => &Self::ALIVE,
        }
    }
}

impl fmt::Display for SnapshotState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Held => "Held",
            Self::Releasing => "Releasing",
            Self::Released => "Released",
            Self::Abandoned => "Abandoned",
            Self::Lost => "Lost",
        })
    }
}

/// The snapshot of a backup job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The backup job.
    pub job: JobId,
    /// PostgreSQL's id of the snapshot, as exported by the current holder.
    pub snapshot_id: String,
    /// The current holder: random, made anew by every function that tries to hold.
    pub holder: String,
    /// The hop in the chain of holders; the first is 1.
    pub generation: u32,
    /// When its current holder took it.
    pub held_since: Timestamp,
    /// The moment whose data it shows; the same in every hop.
    pub consistent_at: Timestamp,
    /// What became of it.
    pub state: SnapshotState,
    /// Until when its holder is taken to be alive.
    pub lease_until: Timestamp,
    /// Tables that its holder has locked.
    pub tables: u64,
}

impl Record for Snapshot {
    fn key(&self) -> Key {
        Key::Snapshot(self.job)
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(self.consistent_at.saturating_add(KEPT).unwrap_or(Timestamp::MAX))
    }
}

impl Snapshot {
    fn held_by_another(self) -> CatalogError {
        CatalogError::SnapshotHeldByAnother {
            job: self.job,
            holder: self.holder,
            generation: self.generation,
            lease_until: self.lease_until,
        }
    }
}

impl Catalog {
    /// Records the first snapshot of a backup, where there is none, or where the one of an earlier try is lost or
    /// its lease is over *and* nobody has used it. A snapshot that was released or abandoned stays.
    ///
    /// # Errors
    /// `SnapshotHeldByAnother` while the lease of an earlier try runs: wait for its end and try again.
    /// `SnapshotGone` where the job's snapshot can never be replaced. `JobCancelled`, `JobNotRunning`,
    /// `JobNotFound`. The same call again succeeds and changes nothing.
    pub async fn put_first_snapshot(&self, first: &Snapshot, now: Timestamp) -> Result<(), CatalogError> {
        let working = Expression::new().only_if_one_of("status", WORKING);
        let unused = || Expression::new().only_if_absent(USED_AT);
        let lost = unused().only_if("state", text(SnapshotState::Lost));
        let over = unused()
            .only_if("state", text(SnapshotState::Held))
            .only_if_below(LEASE_UNTIL_US, number(now.as_microsecond()));
        let replaceable = Expression::new().only_if_absent(PK).or(lost.or(over));
        let mut item = encode(first)?;
        item.insert(LEASE_UNTIL_US.to_owned(), number(first.lease_until.as_microsecond()));
        let transaction = Transaction::new().check(Part::Job, Key::Job(first.job), working).put(
            Part::Snapshot,
            item,
            replaceable,
        );
        let Outcome::Refused(mut refusal) = self.transact(transaction).await? else { return Ok(()) };
        if let Some(job) = refusal.of(Part::Job) {
            return Err(not_working(first.job, job.map(decode_job).transpose()?));
        }
        let Some(item) = refusal.of(Part::Snapshot).flatten() else {
            return Err(CatalogError::SnapshotNotFound(first.job));
        };
        let used = item.contains_key(USED_AT);
        let there: Snapshot = decode(item)?;
        let own = there.holder == first.holder && there.snapshot_id == first.snapshot_id;
        match there.state {
            _ if own => Ok(()),
            SnapshotState::Held if !used && there.lease_until.as_microsecond() >= now.as_microsecond() => {
                Err(there.held_by_another())
            }
            state => Err(CatalogError::SnapshotGone { job: first.job, state }),
        }
    }

    /// Hands the snapshot over to a next holder, who has imported it, holds its locks and has exported it again:
    /// `next` has the generation after `expected_generation` and the same `consistent_at`.
    ///
    /// # Errors
    /// `SnapshotHeldByAnother` where another hop was faster, `SnapshotGone` where nobody needs it any more,
    /// `SnapshotNotFound`. The same call again succeeds and changes nothing.
    pub async fn swap_snapshot(&self, next: &Snapshot, expected_generation: u32) -> Result<(), CatalogError> {
        let key = next.key();
        if next.generation != expected_generation.saturating_add(1) {
            let found = format!("generation {} does not follow {expected_generation}", next.generation);
            return Err(CatalogError::Conflict { key: key.to_string(), found });
        }
        let expression = lease(next.lease_until)
            .set("snapshot_id", text(&next.snapshot_id))
            .set("holder", text(&next.holder))
            .set("generation", number(next.generation))
            .set("held_since", text(next.held_since))
            .set("tables", number(next.tables))
            .only_if("state", text(SnapshotState::Held))
            .only_if("generation", number(expected_generation))
            .only_if("consistent_at", text(next.consistent_at));
        let there: Snapshot = match self.update(&key, expression).await? {
            Written::Done(_) => return Ok(()),
            Written::Refused(None) => return Err(CatalogError::SnapshotNotFound(next.job)),
            Written::Refused(Some(item)) => decode(item)?,
        };
        let own = there.holder == next.holder && there.generation == next.generation;
        match there.state {
            _ if own => Ok(()),
            SnapshotState::Held if there.generation == expected_generation => Err(CatalogError::Conflict {
                key: key.to_string(),
                found: format!("its data is of {}, not of {}", there.consistent_at, next.consistent_at),
            }),
            SnapshotState::Held => Err(there.held_by_another()),
            state => Err(CatalogError::SnapshotGone { job: next.job, state }),
        }
    }

    /// The snapshot of `job`, for those who hold it or look at it. Who reads data under it asks by
    /// [`Catalog::use_snapshot`].
    ///
    /// # Errors
    /// None of its own.
    pub async fn snapshot(&self, job: JobId) -> Result<Option<Snapshot>, CatalogError> {
        self.record(&Key::Snapshot(job)).await
    }

    /// The snapshot of `job` to read data under: marks it as used, so that it is never replaced by another
    /// snapshot of PostgreSQL. May be repeated; the id changes with every hop.
    ///
    /// # Errors
    /// `SnapshotGone` where it is not held or its holder's lease is over. `SnapshotNotFound` where there is
    /// none yet.
    pub async fn use_snapshot(&self, job: JobId, now: Timestamp) -> Result<Snapshot, CatalogError> {
        let expression = Expression::new()
            .set_if_absent(USED_AT, text(now))
            .only_if("state", text(SnapshotState::Held))
            .only_if_at_least(LEASE_UNTIL_US, number(now.as_microsecond()));
        match self.update(&Key::Snapshot(job), expression).await? {
            Written::Done(item) => decode(item),
            Written::Refused(None) => Err(CatalogError::SnapshotNotFound(job)),
            Written::Refused(Some(item)) => {
                Err(CatalogError::SnapshotGone { job, state: decode::<Snapshot>(item)?.state })
            }
        }
    }

    /// Says that `holder` is alive until `until`, and returns what is asked of it: go on (`Held`), let go
    /// (`Releasing`), or that it is over.
    ///
    /// # Errors
    /// `SnapshotHeldByAnother` after a hand over, `SnapshotNotFound`.
    pub async fn renew_lease(
        &self,
        job: JobId,
        holder: &str,
        until: Timestamp,
    ) -> Result<SnapshotState, CatalogError> {
        let expression =
            lease(until).only_if("holder", text(holder)).only_if_one_of("state", SnapshotState::ALIVE);
        self.change_as_holder(job, holder, expression).await
    }

    /// Asks the holder to let go: nobody reads under the snapshot any more. Returns the state after it, which is
    /// another than `Releasing` where the holder has let go already, or the snapshot was lost or abandoned.
    ///
    /// # Errors
    /// `SnapshotNotFound`.
    pub async fn request_release(&self, job: JobId) -> Result<SnapshotState, CatalogError> {
        self.enter(job, SnapshotState::Releasing).await?.ok_or(CatalogError::SnapshotNotFound(job))
    }

    /// Records that `holder` has let go. Returns the state after it: an abandoned snapshot stays abandoned.
    ///
    /// # Errors
    /// `SnapshotHeldByAnother`, `SnapshotNotFound`.
    pub async fn mark_released(&self, job: JobId, holder: &str) -> Result<SnapshotState, CatalogError> {
        let expression = entering(SnapshotState::Released).only_if("holder", text(holder));
        self.change_as_holder(job, holder, expression).await
    }

    /// Records that `holder` has lost the snapshot: its connection broke. Returns the state after it. Said by the
    /// holder itself, or by who finds its lease over.
    ///
    /// # Errors
    /// `SnapshotHeldByAnother`, `SnapshotNotFound`.
    pub async fn mark_lost(&self, job: JobId, holder: &str) -> Result<SnapshotState, CatalogError> {
        let expression = entering(SnapshotState::Lost).only_if("holder", text(holder));
        self.change_as_holder(job, holder, expression).await
    }

    /// Gives the snapshot up, so that its holder lets go. Nothing where there is none, or where it is over.
    ///
    /// # Errors
    /// None of its own.
    pub async fn abandon_snapshot(&self, job: JobId) -> Result<(), CatalogError> {
        self.enter(job, SnapshotState::Abandoned).await.map(drop)
    }

    /// Moves the snapshot to `state` where the table allows it; the state after it, if there is a snapshot.
    async fn enter(&self, job: JobId, state: SnapshotState) -> Result<Option<SnapshotState>, CatalogError> {
        match self.update(&Key::Snapshot(job), entering(state)).await? {
            Written::Done(item) | Written::Refused(Some(item)) => Ok(Some(decode::<Snapshot>(item)?.state)),
            Written::Refused(None) => Ok(None),
        }
    }

    /// Changes the snapshot as its holder; the state after it.
    async fn change_as_holder(
        &self,
        job: JobId,
        holder: &str,
        expression: Expression,
    ) -> Result<SnapshotState, CatalogError> {
        match self.update(&Key::Snapshot(job), expression).await? {
            Written::Refused(None) => Err(CatalogError::SnapshotNotFound(job)),
            Written::Done(item) | Written::Refused(Some(item)) => {
                let there: Snapshot = decode(item)?;
                if there.holder == holder { Ok(there.state) } else { Err(there.held_by_another()) }
            }
        }
    }
}

/// Gives the lease its end, as field and as number.
fn lease(until: Timestamp) -> Expression {
    Expression::new().set("lease_until", text(until)).set(LEASE_UNTIL_US, number(until.as_microsecond()))
}

/// The move to `state`, from where the table allows it.
fn entering(state: SnapshotState) -> Expression {
    Expression::new().set("state", text(state)).only_if_one_of("state", state.predecessors())
}

/// Why a job that is not `WORKING` cannot go on.
pub(crate) fn not_working(id: JobId, job: Option<Job>) -> CatalogError {
    match job.map(|job| job.status) {
        None => CatalogError::JobNotFound(id),
        Some(JobStatus::Cancelling | JobStatus::Cancelled) => CatalogError::JobCancelled(id),
        Some(status) => CatalogError::JobNotRunning { job: id, status },
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn a_snapshot_comes_back_from_its_item(
            nanos: [i64; 3], generation: u32, tables: u64, id in ".{0,40}", holder in ".{0,40}",
            state in prop::sample::select(SnapshotState::ALL.to_vec()),
        ) {
            let [held_since, consistent_at, lease_until] = nanos.map(|n| Timestamp::from_nanosecond(n.into()).unwrap());
            let job = JobId::new(consistent_at, 1);
            let snapshot_id = id;
            let snapshot =
                Snapshot { job, snapshot_id, holder, generation, held_since, consistent_at, state, lease_until, tables };
            prop_assert_eq!(decode::<Snapshot>(encode(&snapshot).unwrap()).unwrap(), snapshot);
        }
    }

    #[test]
    fn words_are_those_of_the_records() {
        for state in SnapshotState::ALL {
            assert_eq!(serde_json::to_value(state).unwrap(), state.to_string());
        }
    }

    #[test]
    fn nothing_leaves_an_end_and_nothing_returns_to_held() {
        for state in SnapshotState::ALL {
            assert!(!state.predecessors().contains(&state), "{state} to itself");
            for from in state.predecessors() {
                assert!(SnapshotState::ALIVE.contains(from), "{from} is an end");
            }
        }
        assert!(SnapshotState::Held.predecessors().is_empty());
    }
}
