//! The clock: read here alone.

use jiff::Timestamp;

/// The moment of the call.
#[expect(clippy::disallowed_methods, reason = "this program is an edge")]
pub(crate) fn now() -> Timestamp {
    Timestamp::now()
}
