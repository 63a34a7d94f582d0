//! Putting off what is due for a point that cannot be done now: it would be met again every hour, before others.

use jiff::{SignedDuration, Timestamp};
use permafrost_domain::fault::Retry;
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::{Code, Fault};
use permafrost_vault::VaultError;
use permafrost_vault::object_lock::LegalHold;

use crate::tools::Tools;

/// How long a point is left alone that somebody has to look after: there is no end that could be waited for.
const UNTIL_LOOKED_AT_AGAIN: SignedDuration = SignedDuration::from_hours(24);

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
            let held = a_day_after(now);
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

/// Where a step with `point` has failed for a reason that does not pass by itself, what is due for it is put off by a
/// day. A locked point was put off already. The fault for the job in any case.
pub async fn postpone_failed(tools: &Tools, point: &RecoveryPoint, fault: Fault, now: Timestamp) -> Fault {
    if fault.code.retry() == Retry::Later || fault.code == Code::ObjectLocked {
        return fault;
    }
    if let Err(failed) = tools.catalog.postpone_point(point, a_day_after(now)).await {
        // Whoever changed the point in between knows better what is due for it.
        tracing::warn!(point = %point.id, "what is due could not be put off: {failed}");
    }
    fault
}

fn a_day_after(now: Timestamp) -> Timestamp {
    now.saturating_add(UNTIL_LOOKED_AT_AGAIN).unwrap_or(Timestamp::MAX)
}
