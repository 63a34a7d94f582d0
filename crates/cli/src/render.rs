//! Results as text for people. Tables fit 100 columns for names of usual length; ids are never cut or wrapped,
//! so that they can be copied.

mod instance;
mod job;
mod policy;
mod policy_diff;
mod policy_problems;
mod recovery_point;
mod rehydration;
mod retention_plan;
#[cfg(test)]
pub(crate) mod samples;
mod stored_policy;
mod table;
mod timeline;
pub(crate) mod units;

pub(crate) use instance::{instance, instances};
pub(crate) use job::{job, jobs, readiness};
pub(crate) use policy::{policy_explained, policy_points, policy_simulation, policy_timeline};
pub(crate) use policy_diff::{InstanceDiff, policy_diff, policy_diffs};
pub(crate) use policy_problems::policy_problems;
pub(crate) use recovery_point::{point, points};
pub(crate) use rehydration::estimate;
pub(crate) use retention_plan::{retention_plan, retention_plans};
pub(crate) use stored_policy::{PolicyShown, policies, policy, policy_shown};
