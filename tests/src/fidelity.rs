//! Whether one database is the other's equal: a database with every kind of object, and the comparison of any two.
//!
//! | module | subject |
//! |---|---|
//! | [`server`] | PostgreSQL servers 10 to 18, the clients on board, and a database on one of them |
//! | [`scratch`] | a database of a test's own, empty or with every kind of object, gone when the test ends |
//! | [`script`] | the scripts in `tests/fidelity`, by the version that added what they make |
//! | [`secret`] | a server's login, for the deployed stack |
//! | [`schema`] | what `pg_dump --schema-only` prints, by object |
//! | [`contents`] | all that is compared: definitions, rows, sequences, large objects, the database's own properties |
//! | [`difference`] | what differs, and the differences that are expected |
//! | [`stock`] | a copy by stock `pg_dump` and `pg_restore`, which the comparison must call equal |
//!
//! Like [`support`](crate::support), everything here panics where it cannot do its work.

pub mod contents;
pub mod difference;
pub mod schema;
pub mod scratch;
pub mod script;
pub mod secret;
pub mod server;
pub mod stock;

pub use contents::Contents;
pub use difference::{Difference, Expected};
pub use scratch::Scratch;
pub use secret::Secret;
pub use server::{Place, Server};

/// What differs between two databases, on whatever servers; empty where nothing does.
///
/// # Panics
/// One of them cannot be read, or the first holds no rows, in which case nothing would be compared.
pub async fn compare(original: &Place, restored: &Place) -> Vec<Difference> {
    let (original, restored) = (Contents::of(original).await, Contents::of(restored).await);
    assert!(original.holds_rows(), "the original is empty: nothing is compared");
    difference::between(&original, &restored)
}
