//! PostgreSQL's own tools, judged by the comparison: what they bring back must be called equal.

use permafrost_tests::fidelity::difference::assert_expected;
use permafrost_tests::fidelity::{Scratch, Server, compare, stock};

use super::expected::{self, Complaints};

every_version!(bring_back);

/// Every server brings back its own, and one another's.
async fn bring_back(from: u32, to: u32) {
    let original = Scratch::with_everything(&Server::of(from).await).await;
    let restored = Scratch::empty(&Server::of(to).await).await;
    let complaints = stock::copy(original.place(), restored.place()).await;
    if expected::complaints(from, to) == Complaints::None {
        assert!(complaints.is_empty(), "pg_restore complained: {complaints:#?}");
    }
    let differences = compare(original.place(), restored.place()).await;
    assert_expected(&differences, &expected::of_stock(from, to));
}
