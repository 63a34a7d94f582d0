//! When a request is sent again.
//!
//! A GET changes nothing, and some requests end in the same state however often they are sent: these are repeated
//! whenever the answer may be another one next time. Other requests start something: they are repeated only where it is certain that the API did not see them, which is when no connection
//! was made, and when API Gateway throttled it (429, said before the function is asked). A 5xx or a broken
//! connection may come after the job was opened, so those are told to the caller instead: sending a second
//! time would answer `BackupAlreadyRunning` or `InstanceNameAlreadyInUse` for the caller's own first request.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use permafrost_domain::fault::Retry;

use crate::error::ClientError;

/// How often a request is sent in all.
pub(crate) const ATTEMPTS: u32 = 5;

/// Whether a request may be sent again after it may have had its effect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// It changes nothing, or nothing more when it is sent again.
    None,
    /// It starts something.
    Once,
}

/// Whether the request may be sent again after `error`.
pub(crate) fn may_repeat(error: &ClientError, effect: Effect) -> bool {
    match error {
        ClientError::Throttled => true,
        ClientError::Unreachable { source, .. } => source.is_connect() || effect == Effect::None,
        ClientError::Api { fault, status } => {
            effect == Effect::None && *status >= 500 && fault.code.retry() == Retry::Later
        }
        ClientError::Unexpected { status, .. } => {
            effect == Effect::None && matches!(status, 500 | 502 | 503 | 504)
        }
        ClientError::AccessDenied { .. }
        | ClientError::NoCredentials(_)
        | ClientError::NotSigned(_)
        | ClientError::NotSetUp(_)
        | ClientError::Endpoint(_) => false,
    }
}

/// How long to wait before attempt `attempt` (from 1): 0.2 s, doubled each time, and up to half as much again
/// at random, so that many callers do not come back at one moment.
pub(crate) fn delay_before(attempt: u32) -> Duration {
    let base_ms = 200_u64 << attempt.saturating_sub(1).min(4);
    let random = RandomState::new().hash_one(attempt);
    Duration::from_millis(base_ms + random % (base_ms / 2 + 1))
}

#[cfg(test)]
mod tests {
    use permafrost_domain::{Code, Fault};

    use super::*;

    fn api(code: Code) -> ClientError {
        ClientError::Api { fault: Box::new(Fault::new(code, "x")), status: code.category().http_status() }
    }

    fn unexpected(status: u16) -> ClientError {
        ClientError::Unexpected { endpoint: String::new(), status, detail: String::new() }
    }

    #[test]
    fn a_request_with_an_effect_is_repeated_only_where_it_had_none() {
        for (error, get, post) in [
            (ClientError::Throttled, true, true),
            (api(Code::CatalogUnavailable), true, false),
            (api(Code::ContainerNotAccessible), false, false),
            (api(Code::BackupAlreadyRunning), false, false),
            (api(Code::MaxConcurrentOperationLimitReached), false, false),
            (unexpected(502), true, false),
            (unexpected(200), false, false),
            (ClientError::AccessDenied { message: String::new() }, false, false),
        ] {
            assert_eq!(may_repeat(&error, Effect::None), get, "GET after {error:?}");
            assert_eq!(may_repeat(&error, Effect::Once), post, "POST after {error:?}");
        }
    }

    #[test]
    fn waiting_grows_and_is_bounded() {
        for (attempt, base_ms) in [(1, 200), (2, 400), (3, 800), (4, 1_600), (40, 3_200)] {
            let delay = delay_before(attempt);
            let (least, most) = (Duration::from_millis(base_ms), Duration::from_millis(base_ms * 3 / 2));
            assert!((least..=most).contains(&delay), "{attempt}: {delay:?}");
        }
    }
}
