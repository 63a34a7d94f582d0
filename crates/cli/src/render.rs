//! Results as text for people. Tables fit 100 columns for names of usual length; ids are never cut or wrapped,
//! so that they can be copied.

mod instance;
mod job;
mod policy;
mod recovery_point;
mod rehydration;
mod retention_plan;
#[cfg(test)]
pub(crate) mod samples;
mod table;
pub(crate) mod units;

pub(crate) use instance::{instance, instances};
pub(crate) use job::{job, jobs, readiness};
pub(crate) use policy::{PolicyShown, policies, policy, policy_shown};
pub(crate) use recovery_point::{point, points};
pub(crate) use rehydration::estimate;
pub(crate) use retention_plan::{retention_plan, retention_plans};
