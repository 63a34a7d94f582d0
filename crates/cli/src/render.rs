//! Results as text for people. Tables fit 100 columns for names of usual length; ids are never cut or wrapped,
//! so that they can be copied.

mod instance;
mod job;
mod recovery_point;
#[cfg(test)]
pub(crate) mod samples;
mod table;
pub(crate) mod units;

pub(crate) use instance::{instance, instances};
pub(crate) use job::{job, jobs, readiness};
pub(crate) use recovery_point::{point, points};
