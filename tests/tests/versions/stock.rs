//! PostgreSQL's own tools, judged by the comparison: what they bring back must be called equal.

use permafrost_tests::fidelity::difference::assert_expected;
use permafrost_tests::fidelity::{Scratch, Server, compare, stock};

use super::expected::{self, Complaints};

/// Every server brings back its own.
macro_rules! same_version {
    ($($name:ident: $major:literal),* $(,)?) => { $(
        #[tokio::test]
        async fn $name() {
            bring_back($major, $major).await;
        }
    )* };
}

/// One server brings back another's.
macro_rules! other_version {
    ($($name:ident: $from:literal to $to:literal),* $(,)?) => { $(
        #[tokio::test]
        async fn $name() {
            bring_back($from, $to).await;
        }
    )* };
}

same_version! {
    version_10: 10,
    version_11: 11,
    version_12: 12,
    version_13: 13,
    version_14: 14,
    version_15: 15,
    version_16: 16,
    version_17: 17,
    version_18: 18,
}

other_version! {
    version_10_on_18: 10 to 18,
    version_12_on_18: 12 to 18,
    version_14_on_18: 14 to 18,
    version_15_on_18: 15 to 18,
    version_16_on_18: 16 to 18,
    version_17_on_18: 17 to 18,
    version_18_on_15: 18 to 15,
}

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
