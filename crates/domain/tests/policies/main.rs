//! Policies from the outside: files, schedules, verdicts, plans, and the laws that hold for all of them.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod arbitrary;
mod files;
mod plans;
mod points;
mod reevaluation;
mod schedules;
mod verdicts;
