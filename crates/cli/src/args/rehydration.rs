//! Arguments of rehydrating archived points.

use clap::{Args, ValueEnum};
use permafrost_domain::instance::InstanceRef;
use permafrost_domain::tiering::{RehydrationDays, RehydrationPriority};
use permafrost_domain::wire::{PointSelector, RehydrateRequest};

use super::WaitArgs;

/// A rehydration.
#[derive(Debug, Args)]
pub(crate) struct RehydrateArgs {
    /// The instance's name or id
    pub(crate) instance: InstanceRef,
    /// The point's id, or `latest`
    pub(crate) point: PointSelector,
    /// How soon; soon costs more
    #[arg(long, value_enum, default_value_t = Priority::Standard)]
    pub(crate) priority: Priority,
    /// For how many days the copy stays, 10 to 30
    #[arg(long, value_name = "N", default_value = "15")]
    pub(crate) days: RehydrationDays,
    /// Show how long it takes and what it costs, and start nothing
    #[arg(long)]
    pub(crate) estimate: bool,
    /// Start without asking
    #[arg(long, conflicts_with = "estimate")]
    pub(crate) yes: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

impl RehydrateArgs {
    /// What is asked for.
    pub(crate) fn request(&self) -> RehydrateRequest {
        RehydrateRequest { priority: self.priority.into(), days: self.days }
    }
}

/// What a restore does with a point in the archive store.
#[derive(Debug, Args)]
#[command(next_help_heading = "Points in the archive store")]
pub(crate) struct RestoreRehydrationArgs {
    /// Rehydrate the point first, and go on by itself; it takes hours, and soon costs more
    #[arg(long, value_name = "PRIORITY", value_enum)]
    pub(crate) rehydrate: Option<Priority>,
    /// For how many days the rehydrated copy stays, 10 to 30
    #[arg(long, value_name = "N", default_value = "15", requires = "rehydrate")]
    pub(crate) rehydrate_days: RehydrationDays,
}

impl RestoreRehydrationArgs {
    /// What is asked for, if it is.
    pub(crate) fn request(&self) -> Option<RehydrateRequest> {
        let request =
            |priority: Priority| RehydrateRequest { priority: priority.into(), days: self.rehydrate_days };
        self.rehydrate.map(request)
    }
}

/// How soon a point is rehydrated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Priority {
    /// Within hours, or two days from Deep Archive.
    Standard,
    /// Within minutes, or half a day from Deep Archive.
    High,
}

impl From<Priority> for RehydrationPriority {
    fn from(priority: Priority) -> Self {
        match priority {
            Priority::Standard => Self::Standard,
            Priority::High => Self::High,
        }
    }
}
