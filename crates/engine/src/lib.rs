//! The dump and restore engine: PostgreSQL on one side, the vault on the other.
//!
//! | module | subject |
//! |---|---|
//! | [`pg`] | the PostgreSQL client |
//! | [`login`] | from a data source to a login: IAM tokens, secrets, TLS |
//! | [`programs`] | pg_dump and pg_restore on board |
//! | [`session`] | the settings under which data is read and written |
//! | [`readiness`] | whether a backup or a restore can work, and what is missing |
//! | [`snapshot`] | lock, then snapshot |
//! | [`dump`] | the plan of a dump, and the copying of its tasks |
//! | [`restore`] | the new database: prepare, load, finish, abandon |
//!
//! **Invariant:** table data never touches a disk here, and no more than two segments of it are in memory.

pub mod dump;
pub mod error;
pub mod login;
pub mod pg;
pub mod programs;
pub mod readiness;
pub mod restore;
pub mod session;
pub mod snapshot;
pub mod sql;
mod toc;

pub use error::EngineError;
pub use login::{Login, Logins};
pub use programs::PgPrograms;
