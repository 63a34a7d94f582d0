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

    /// Where the segments of an archived point are.
    pub const ARCHIVE: &str = "archive.json";
    /// What is to be deleted of a point that expires.
    pub const EXPIRY: &str = "expiry.json";

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

    /// The point that the object at `key` belongs to, and its name; `None` where it belongs to none.
    pub fn parse(key: &str) -> Option<(Self, &str)> {
        let (instance, rest) = key.strip_prefix("instances/")?.split_once('/')?;
        let (point, name) = rest.strip_prefix("points/")?.split_once('/')?;
        let layout = Self { instance: instance.parse().ok()?, point: point.parse().ok()? };
        (!name.is_empty()).then_some((layout, name))
    }

    /// Whether `name` is that of a segment.
    pub fn is_segment(name: &str) -> bool {
        name.starts_with("segments/")
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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn a_key_tells_its_point_and_name() {
        let instance = InstanceId::new(Timestamp::UNIX_EPOCH, 1);
        let layout = PointLayout::new(instance, PointId::new(Timestamp::UNIX_EPOCH, 2));
        for name in [PointLayout::MANIFEST, "segments/1.a.0", "tasks/3.json"] {
            assert_eq!(PointLayout::parse(&layout.key(name)), Some((layout, name)));
        }
        for other in [VAULT_KEY, "instances/", &layout.key(""), "instances/x/points/y/manifest.json"] {
            assert_eq!(PointLayout::parse(other), None, "{other}");
        }
    }
}
