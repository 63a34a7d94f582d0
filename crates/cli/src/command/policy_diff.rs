//! `permafrost policy diff`: what a change of policy does, to points of a file, of a vault, or simulated ones.

use std::path::Path;

use jiff::Timestamp;
use permafrost_client::Client;
use permafrost_domain::instance::InstanceRef;
use permafrost_domain::policy::PolicySpec;
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::simulate::{self, Outcome, PolicyDiff};
use permafrost_domain::{Code, Fault};

use super::policy_file::{PolicyFile, read_policy, times};
use crate::args::policy::{DiffArgs, OldPolicy};
use crate::console::Console;
use crate::render;

/// A change from one file to another; needs no vault.
///
/// # Errors
/// A file cannot be read, or what it says.
pub(super) fn of_files(args: &DiffArgs, old: &Path, console: &Console) -> Result<(), Fault> {
    let change = Change::read(read_policy(old, console)?, args, console)?;
    change.show(args.points.as_deref(), console)
}

/// A change of a policy of the vault: to all points of every instance that is under it, or to those of a file.
///
/// # Errors
/// What the API answers; a file cannot be read, or what it says.
pub(super) async fn of_vault(client: &Client, args: &DiffArgs, console: &Console) -> Result<(), Fault> {
    let old = match &args.old {
        OldPolicy::Stored(old) => old,
        OldPolicy::File(old) => return of_files(args, old, console),
    };
    let change = Change::read(client.policy(old).await?.spec, args, console)?;
    if args.points.is_some() {
        return change.show(args.points.as_deref(), console);
    }
    let instances = client.policy_instances(old).take(usize::MAX).await?;
    let mut diffs = Vec::with_capacity(instances.len());
    for instance in instances {
        let points = client.recovery_points(&InstanceRef::Id(instance.id)).take(usize::MAX).await?;
        let diff = change.diff(&points);
        diffs.push(render::InstanceDiff { instance: instance.id, instance_name: instance.name, diff });
    }
    let Change { new, from, until, .. } = &change;
    console.result(&diffs, |diffs| render::policy_diffs(diffs, &new.zone(), *from, *until))
}

/// A change, and the time that is looked at.
struct Change<'a> {
    old: PolicySpec,
    new: PolicySpec,
    args: &'a DiffArgs,
    from: Timestamp,
    until: Timestamp,
}

impl<'a> Change<'a> {
    fn read(old: PolicySpec, args: &'a DiffArgs, console: &Console) -> Result<Self, Fault> {
        let new = read_policy(&args.new_file, console)?;
        let (from, until) = times(&args.time, &new)?;
        Ok(Self { old, new, args, from, until })
    }

    /// Shows what becomes of the points of a file, or of simulated ones.
    fn show(&self, points: Option<&Path>, console: &Console) -> Result<(), Fault> {
        let existing = points.map_or_else(|| Ok(self.simulated()), read_points)?;
        console.result(&self.diff(&existing), |diff| {
            render::policy_diff(diff, &self.new.zone(), self.from, self.until)
        })
    }

    /// What becomes of the points of an instance.
    fn diff(&self, existing: &[RecoveryPoint]) -> PolicyDiff {
        simulate::diff(&self.old, &self.new, existing, self.args.immutability.into(), self.from, self.until)
    }

    /// The points that the old policy leaves after the time that is looked at.
    fn simulated(&self) -> Vec<RecoveryPoint> {
        let earlier =
            self.from.saturating_sub(self.until.duration_since(self.from)).unwrap_or(Timestamp::MIN);
        simulate::simulate(&self.old, earlier, self.from, |_| Outcome::ON_TIME).records_at(self.from)
    }
}

fn read_points(path: &Path) -> Result<Vec<RecoveryPoint>, Fault> {
    let file = PolicyFile::read(path)?;
    serde_json::from_str(&file.text).map_err(|error| {
        Fault::new(Code::InvalidRequest, format!("no list of recovery points can be read: {error}"))
            .on(format!("file {}", file.name))
            .hint("Make it with `permafrost recovery-point list INSTANCE -o json`.")
    })
}
