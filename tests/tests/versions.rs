//! A database with every kind of object comes back on every version, and from older versions on newer ones.
//!
//! `stock` runs PostgreSQL's own tools: what they keep, the comparison must call equal, and what they lose is listed
//! with its reason in `expected`. `permafrost` runs the deployed stack, which may lose no more than stock tools do.
//! `sensitivity` shows that the comparison tells databases apart.

/// A test for every version and for every change of version: each awaits `$compare(from, to)`.
macro_rules! every_version {
    ($compare:path) => {
        every_version! { $compare:
            version_10: 10 to 10, version_11: 11 to 11, version_12: 12 to 12, version_13: 13 to 13,
            version_14: 14 to 14, version_15: 15 to 15, version_16: 16 to 16, version_17: 17 to 17,
            version_18: 18 to 18, version_10_on_18: 10 to 18, version_12_on_18: 12 to 18,
            version_14_on_18: 14 to 18, version_15_on_18: 15 to 18, version_16_on_18: 16 to 18,
            version_17_on_18: 17 to 18, version_18_on_15: 18 to 15,
        }
    };
    ($compare:path: $($name:ident: $from:literal to $to:literal),* $(,)?) => { $(
        #[tokio::test]
        async fn $name() {
            $compare($from, $to).await;
        }
    )* };
}

mod versions {
    pub(crate) mod expected;
    mod permafrost;
    mod sensitivity;
    mod stock;
}
