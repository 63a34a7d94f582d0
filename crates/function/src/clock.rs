//! The clock: the one place where functions read it.

use std::time::SystemTime;

use jiff::Timestamp;

/// What time it is.
#[expect(clippy::disallowed_methods, reason = "this is the edge at which time enters")]
pub fn now() -> Timestamp {
    Timestamp::now()
}

/// What time it is, as AWS's libraries take it.
pub fn system_now() -> SystemTime {
    now().into()
}
