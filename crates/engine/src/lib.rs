//! The dump and restore engine: PostgreSQL on one side, the vault on the other.

pub mod pg;
