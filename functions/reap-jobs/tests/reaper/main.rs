//! The reaper, on the emulator: which jobs it ends, and that it ends them wherever it dies.

#![allow(clippy::unwrap_used, reason = "a helper that cannot set a test up has failed it")]

mod crash;
mod machines;
mod reap;
