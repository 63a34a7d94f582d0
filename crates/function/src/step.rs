//! The inputs that state machines give to functions.

use jiff::Timestamp;
use permafrost_domain::{InstanceId, JobId, PointId};
use serde::Deserialize;

/// A step of a job that is about an instance.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct InstanceStep {
    /// The job.
    pub job: JobId,
    /// The instance.
    pub instance: InstanceId,
}

/// A step of a job of the lifecycle, which is about a recovery point.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct PointStep {
    /// The job.
    pub job: JobId,
    /// The instance.
    pub instance: InstanceId,
    /// The point.
    pub point: PointId,
    /// What time it is, where the stack takes that from its inputs.
    #[serde(default)]
    pub now: Option<Timestamp>,
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

/// The answer of a step that may have to be asked again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Progressed {
    /// Something is left to do: the step is to be asked again.
    Running,
    /// All is done.
    Done,
}
