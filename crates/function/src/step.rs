//! The inputs that state machines give to functions.

use permafrost_domain::{InstanceId, JobId};
use serde::Deserialize;

/// A step of a job that is about an instance.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct InstanceStep {
    /// The job.
    pub job: JobId,
    /// The instance.
    pub instance: InstanceId,
}

/// A step of a job.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct JobStep {
    /// The job.
    pub job: JobId,
}

/// The answer of a step that has nothing to tell.
#[derive(Debug, Clone, Copy, serde::Serialize)]
pub struct Done {}
