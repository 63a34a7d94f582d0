//! What the tests of the catalog stand on: the emulator, a table per test, and records to begin with.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(dead_code, reason = "every test binary uses a part of it")]

pub(crate) mod emulator;
pub(crate) mod samples;
