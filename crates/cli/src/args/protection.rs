//! Arguments of what changes the protection of an instance.

use clap::{Args, ValueEnum};
use permafrost_domain::instance::{InstanceName, InstanceRef};
use permafrost_domain::policy::PolicyRef;
use permafrost_domain::protection::SoftDeleteDays;

use super::WaitArgs;

/// A change of policy.
#[derive(Debug, Args)]
pub(crate) struct ChangePolicyArgs {
    /// The instance's name or id
    pub(crate) instance: InstanceRef,
    /// The policy's name or id
    #[arg(required_unless_present = "none")]
    pub(crate) policy: Option<PolicyRef>,
    /// Put the instance under no policy: it is backed up when somebody asks
    #[arg(long, conflicts_with = "policy")]
    pub(crate) none: bool,
    /// Give existing points the retention that the policy says; never a shorter one while the vault is immutable
    #[arg(long, conflicts_with = "none")]
    pub(crate) reevaluate: bool,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// A way of stopping protection.
#[derive(Debug, Args)]
pub(crate) struct StopArgs {
    /// The instance's name or id
    pub(crate) instance: InstanceRef,
    /// How long its recovery points stay
    #[arg(long, value_enum, required_unless_present = "delete_data")]
    pub(crate) retain: Option<RetainMode>,
    /// Delete every recovery point, after a time in which that can be undone
    #[arg(long, conflicts_with = "retain", requires_all = ["confirm_name", "reason"])]
    pub(crate) delete_data: bool,
    /// The instance's name once more, for --delete-data
    #[arg(long, value_name = "NAME", requires = "delete_data")]
    pub(crate) confirm_name: Option<InstanceName>,
    /// Why, for --delete-data
    #[arg(long, value_name = "TEXT", requires = "delete_data")]
    pub(crate) reason: Option<String>,
    /// For how many days --delete-data can be undone, 14 to 180 [default: 14]
    #[arg(long, value_name = "N", requires = "delete_data")]
    pub(crate) undo_days: Option<SoftDeleteDays>,
}

/// How long the points of a stopped instance stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum RetainMode {
    /// All of them, until somebody deletes them.
    Forever,
    /// As long as each was stamped for; the newest one for ever.
    AsPerPolicy,
}
