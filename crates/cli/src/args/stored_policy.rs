//! Arguments of what is done with the policies of a vault.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use permafrost_domain::policy::{PolicyName, PolicyRef};

/// A new policy: from a file, or from options.
#[derive(Debug, Args)]
pub(crate) struct CreatePolicyArgs {
    /// The name to call it by: a-z, 0-9 and '-'
    pub(crate) name: PolicyName,
    /// The policy's file, YAML or JSON; - for standard input
    #[arg(long, short, value_name = "FILE", conflicts_with_all = ["every", "keep", "daily", "weekly", "monthly", "yearly"])]
    pub(crate) file: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) schedule: ScheduleArgs,
    #[command(flatten)]
    pub(crate) rules: RuleArgs,
}

/// When backups run. What cannot be said here can be said in a file.
#[derive(Debug, Args)]
#[command(next_help_heading = "Schedule (none: backups run when somebody asks)")]
pub(crate) struct ScheduleArgs {
    /// How often
    #[arg(long, value_enum)]
    pub(crate) every: Option<Every>,
    /// Every so many hours: 1, 2, 3, 4, 6, 8 or 12; for --every hour
    #[arg(long, value_name = "HOURS", requires = "every")]
    pub(crate) interval: Option<u8>,
    /// A weekday (sunday), or a day of the month (1 to 31, last); may be repeated
    #[arg(long, value_name = "DAY", requires = "every")]
    pub(crate) on: Vec<String>,
    /// A time of day, HH:MM; may be repeated
    #[arg(long, value_name = "TIME", requires = "every")]
    pub(crate) at: Vec<String>,
    /// The IANA zone of the times, for instance Europe/Berlin
    #[arg(long, value_name = "ZONE", requires = "every")]
    pub(crate) time_zone: Option<String>,
    /// Over how long the backups of many instances are spread, PT0M to PT6H [default: PT60M]
    #[arg(long, value_name = "DURATION", requires = "every")]
    pub(crate) start_window: Option<String>,
}

/// How long points are kept. The first successful backup of a period is the one that its rule keeps.
#[derive(Debug, Args)]
#[command(
    next_help_heading = "Retention (P10D, P2W, P3M, P1Y; with :P10Y for so long in the archive store then)"
)]
pub(crate) struct RuleArgs {
    /// How long a point stays that no other rule keeps [default: P3M]
    #[arg(long, value_name = "DURATION")]
    pub(crate) keep: Option<String>,
    /// How long the first backup of a day stays
    #[arg(long, value_name = "DURATION")]
    pub(crate) daily: Option<String>,
    /// How long the first backup of a week stays
    #[arg(long, value_name = "DURATION")]
    pub(crate) weekly: Option<String>,
    /// How long the first backup of a month stays
    #[arg(long, value_name = "DURATION")]
    pub(crate) monthly: Option<String>,
    /// How long the first backup of a year stays
    #[arg(long, value_name = "DURATION")]
    pub(crate) yearly: Option<String>,
}

/// How often backups run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Every {
    /// Every so many hours.
    Hour,
    /// Every day.
    Day,
    /// On days of the week.
    Week,
    /// On days of the month.
    Month,
}

/// A policy to show.
#[derive(Debug, Args)]
pub(crate) struct ShowPolicyArgs {
    /// Its name or id
    pub(crate) policy: PolicyRef,
    /// Print it as a file, to be changed and handed to `policy edit`
    #[arg(long)]
    pub(crate) as_file: bool,
}

/// A change of a policy.
#[derive(Debug, Args)]
pub(crate) struct EditPolicyArgs {
    /// Its name or id
    pub(crate) policy: PolicyRef,
    /// The file that it is to be as, YAML or JSON; - for standard input
    #[arg(long, short, value_name = "FILE", required_unless_present = "rename")]
    pub(crate) file: Option<PathBuf>,
    /// Its new name
    #[arg(long, value_name = "NAME")]
    pub(crate) rename: Option<PolicyName>,
    /// Change nothing unless the policy is of this revision still [default: the one that it is of]
    #[arg(long, value_name = "N")]
    pub(crate) from_revision: Option<u32>,
}
