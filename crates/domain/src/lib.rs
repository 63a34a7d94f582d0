//! The words and rules of Permafrost, without I/O.
//!
//! **Invariant:** nothing here reads a clock, a random source, the environment, a socket or a file: `now` and
//! random bits are arguments. Types are parsed at the edge and trusted inside.

pub mod calendar;
pub mod check;
pub mod data_source;
pub mod fault;
pub mod files;
pub mod ids;
pub mod immutability;
pub mod instance;
pub mod job;
pub mod names;
pub mod policy;
pub mod protection;
pub mod recovery_point;
pub mod restore_options;
pub mod retention;
pub mod schedule;
pub mod simulate;
pub mod tiering;
pub mod wire;

pub use fault::{Code, Fault};
pub use ids::{InstanceId, JobId, PointId, PolicyId};
