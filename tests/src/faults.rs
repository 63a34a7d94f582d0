//! Injected faults: functions that are killed and requests that fail, without a line in the product for it.
//!
//! [`FaultyStack`] is a copy of the deployed functions and state machines: the same binaries, roles, environments
//! and definitions, but every binary runs behind `bootstrap.py`, which looks at each event and does what a [`Rule`]
//! says. Jobs that the copy carries out stand in the same catalog, store and server as all others. The deployed
//! functions themselves are left alone, so other tests go on meanwhile, and a test run that is killed leaves
//! nothing to be put back.
//!
//! What differs is how long a snapshot is held, by one holder and by all: seconds, where the deployed ones take many
//! minutes ([`Variant`]).
//!
//! A job's id is known before its execution starts, so that a rule about it is there before its first event.

mod copy;
mod job;
mod rule;

pub use copy::{FaultyStack, Variant};
pub use rule::{How, Injection, Kill, Rule, When};
