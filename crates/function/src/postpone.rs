//! Putting off what is due for a point that a lock or a legal hold keeps.

use jiff::{SignedDuration, Timestamp};
use permafrost_domain::Fault;
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_vault::VaultError;
use permafrost_vault::object_lock::LegalHold;

use crate::tools::Tools;

/// How long a point whose object is under legal hold is left alone: a hold has no end that could be waited for.
const UNTIL_HELD_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// Where `error` says that an object is locked, what is due for `point` is put off to the lock's end, and to a day
/// later under legal hold. The error for the job in any case.
pub async fn postpone_locked(
    tools: &Tools,
    point: &RecoveryPoint,
    error: VaultError,
    now: Timestamp,
) -> Fault {
    let until = match &error {
        VaultError::Locked { lock, .. } => {
            let held = now.saturating_add(UNTIL_HELD_AGAIN).unwrap_or(Timestamp::MAX);
            let end = lock.retention.map(|(_, until)| until).filter(|until| *until > now);
            match lock.hold {
                LegalHold::On => end.map_or(held, |end| end.max(held)),
                LegalHold::Off => end.unwrap_or(held),
            }
        }
        _ => return error.into(),
    };
    let fault = Fault::from(error);
    match tools.catalog.postpone_point(point, until).await {
        Ok(()) => Fault { message: format!("{}; put off to {until}", fault.message), ..fault },
        Err(failed) => {
            // It stays due, and is met again in an hour.
            tracing::warn!(point = %point.id, "what is due could not be put off: {failed}");
            fault
        }
    }
}
