//! Which differences are right, and why.

use permafrost_tests::fidelity::Expected;
use permafrost_tests::fidelity::contents::Subject;

/// Whether stock `pg_restore` reports statements that failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Complaints {
    /// It does not.
    None,
    /// It does: what they leave behind is among the differences.
    Listed,
}

/// What to expect of stock `pg_restore`'s messages.
pub(crate) fn complaints(from: u32, to: u32) -> Complaints {
    if to < from || (from, to) == (10, 10) { Complaints::Listed } else { Complaints::None }
}

/// What differs after a copy by stock `pg_dump` and `pg_restore`.
pub(crate) fn of_stock(from: u32, to: u32) -> Vec<Expected> {
    let _ = (from, to, Subject::Rows);
    Vec::new()
}

/// What differs after Permafrost restored it.
pub(crate) fn of_permafrost(from: u32, to: u32) -> Vec<Expected> {
    of_stock(from, to)
}
