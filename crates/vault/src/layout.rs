//! Where things stand in the store.

use permafrost_domain::{InstanceId, PointId};

/// The key of the object that names the vault and its format.
pub const VAULT_KEY: &str = "vault.json";

/// The keys of one recovery point. Documents name objects by their *name*, the part behind the point's folder.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PointLayout {
    instance: InstanceId,
    point: PointId,
}

impl PointLayout {
    /// The table of contents.
    pub const TOC: &str = "toc.dat";
    /// Roles without passwords, tablespaces, settings.
    pub const GLOBALS: &str = "globals.sql";
    /// What is to be copied.
    pub const PLAN: &str = "plan.json";
    /// The object that names all others.
    pub const MANIFEST: &str = "manifest.json";

    /// The layout of a point.
    pub fn new(instance: InstanceId, point: PointId) -> Self {
        Self { instance, point }
    }

    /// The instance.
    pub fn instance(&self) -> InstanceId {
        self.instance
    }

    /// The point.
    pub fn point(&self) -> PointId {
        self.point
    }

    /// The key of the object `name` of this point.
    pub fn key(&self, name: &str) -> String {
        format!("instances/{}/points/{}/{name}", self.instance, self.point)
    }

    /// The name of a task's result.
    pub fn task_result(task: u32) -> String {
        format!("tasks/{task}.json")
    }

    /// The name of a segment: `attempt` tells one run of a task from another.
    pub fn segment(task: u32, attempt: &str, n: u32) -> String {
        format!("segments/{task}.{attempt}.{n}")
    }
}
