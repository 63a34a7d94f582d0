//! What the tests of the deployed stack stand on: the running stack, the real command line, databases of a test's
//! own, and comparisons by other means than the product's.
//!
//! | module | subject |
//! |---|---|
//! | [`stack`] | where everything is: `.local/stack.json` |
//! | [`aws`] | clients of the emulator, as root for arranging and as a role for proving what it may |
//! | [`bank`] | money that moves all the time, and what is exact in a copy of one moment |
//! | [`cli`] | the command `permafrost`, run as the person who may call the API and nothing else |
//! | [`servers`] | PostgreSQL of every major version, and standbys |
//! | [`database`] | a database with roles and secrets of its own, gone when the test ends |
//! | [`jobs`] | protect, back up, restore |
//! | [`contents`] | what a database holds: schema text, rows, sequences |
//! | [`point`] | a recovery point's objects as they lie in the store |
//! | [`proxy`] | a wire to the server that can be cut |
//! | [`tls_front`] | TLS before the server, with an authority of its own |
//! | [`iam_gate`] | logging in there by IAM token |
//!
//! Everything here panics where it cannot do its work: a test whose arrangement fails has failed.

pub mod aws;
pub mod bank;
pub mod cli;
pub mod contents;
pub mod database;
pub mod iam_gate;
pub mod jobs;
pub mod point;
pub mod proxy;
pub mod servers;
pub mod stack;
pub mod tls_front;

pub use aws::Aws;
pub use cli::Cli;
pub use contents::Contents;
pub use database::Database;
pub use jobs::Protection;
pub use servers::Server;
pub use stack::Stack;

/// A word that no other test has: eight hexadecimal digits.
pub fn unique() -> String {
    let random = getrandom::u64().expect("the system has random numbers");
    format!("{random:016x}")[..8].to_owned()
}
