//! Readiness: whether a backup or a restore can work, and what is missing, with remedies that can be pasted.
//!
//! Every check runs, whatever the others found, except where there is no connection to run it on.

pub mod source;
pub mod target;
