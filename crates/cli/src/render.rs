//! Results as text for people. Tables fit 100 columns for names of usual length; ids are never cut or wrapped,
//! so that they can be copied.

mod instance;
mod job;
mod policy;
mod policy_diff;
mod policy_problems;
mod recovery_point;
#[cfg(test)]
pub(crate) mod samples;
mod table;
mod timeline;
pub(crate) mod units;

pub(crate) use instance::{instance, instances};
pub(crate) use job::{job, jobs, readiness};
pub(crate) use policy::{policy_explained, policy_points, policy_simulation, policy_timeline};
pub(crate) use policy_diff::policy_diff;
pub(crate) use policy_problems::policy_problems;
pub(crate) use recovery_point::{point, points};
