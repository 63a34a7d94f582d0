//! Arguments of `permafrost policy`.

use std::path::PathBuf;
use std::str::FromStr;

use clap::{Args, Subcommand, ValueEnum};
use jiff::Timestamp;
use jiff::civil::{Date, Time};
use permafrost_domain::immutability::Immutability;
use permafrost_domain::policy::PolicyRef;
use permafrost_domain::schedule::Zone;

use super::stored_policy::{CreatePolicyArgs, EditPolicyArgs, ShowPolicyArgs};

/// Backup policies: a schedule and how long its recovery points are kept.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyCommand {
    /// What is asked of files; needs no vault, but where a file is compared with a policy that is there.
    #[command(flatten)]
    File(PolicyFileCommand),
    /// What is asked of the policies of a vault.
    #[command(flatten)]
    Stored(StoredPolicyCommand),
}

/// What is done with the policies of a vault.
#[derive(Debug, Subcommand)]
pub(crate) enum StoredPolicyCommand {
    /// Make a policy, from a file or from options
    Create(Box<CreatePolicyArgs>),
    /// List the policies
    List,
    /// Show a policy: what it says, when it runs next, which instances are under it
    Show(ShowPolicyArgs),
    /// Change a policy; recovery points that exist keep their retention
    Edit(EditPolicyArgs),
    /// Delete a policy that no instance is under
    Delete {
        /// Its name or id
        policy: PolicyRef,
    },
}

/// What is asked of policies' files.
#[derive(Debug, Subcommand)]
pub(crate) enum PolicyFileCommand {
    /// Tell what a policy's file says, or every mistake in it
    Check {
        /// The file, YAML or JSON; - for standard input
        file: PathBuf,
    },
    /// Show which recovery points exist when, in which store, and why
    Simulate(SimulateArgs),
    /// Show what a change of a policy does to its points, those that exist and those to come
    Diff(DiffArgs),
}

/// What to simulate.
#[derive(Debug, Args)]
pub(crate) struct SimulateArgs {
    /// The policy's file, YAML or JSON; - for standard input
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) time: SimulatedTimeArgs,
    /// The form of the result; as --output says where it is not given
    #[arg(long, value_enum)]
    pub(crate) format: Option<SimulationFormat>,
    /// Write a picture of the timeline into this file, too
    #[arg(long, value_name = "FILE")]
    pub(crate) svg: Option<PathBuf>,
    /// A line of the table for each point, also where many are alike
    #[arg(long)]
    pub(crate) every_point: bool,
}

/// A change of policy.
#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// The policy as it was: its name or id in the vault, or a file (./NAME where its name has no dot; - for standard
    /// input)
    #[arg(value_name = "POLICY|OLD_FILE")]
    pub(crate) old: OldPolicy,
    /// The policy's file as it is to be; - for standard input
    pub(crate) new_file: PathBuf,
    /// The points that exist, as `permafrost recovery-point list INSTANCE -o json` prints them; - for standard
    /// input [default: of a policy in the vault those of every instance under it; of a file those that it leaves after
    /// --years, simulated]
    #[arg(long, value_name = "FILE")]
    pub(crate) points: Option<PathBuf>,
    /// Whether the vault lets the retention of existing points be shortened
    #[arg(long, value_enum, default_value_t = VaultImmutability::Enabled)]
    pub(crate) immutability: VaultImmutability,
    #[command(flatten)]
    pub(crate) time: SimulatedTimeArgs,
}

/// The policy that a change begins with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum OldPolicy {
    /// A policy of the vault.
    Stored(PolicyRef),
    /// A file, or standard input for `-`.
    File(PathBuf),
}

impl From<String> for OldPolicy {
    /// What can be the name or id of a policy is one, whatever files there are: no name has a dot or a slash.
    fn from(text: String) -> Self {
        text.parse().map_or_else(|_| Self::File(PathBuf::from(&text)), Self::Stored)
    }
}

/// The time that is simulated.
#[derive(Debug, Args)]
pub(crate) struct SimulatedTimeArgs {
    /// How many years to look ahead
    #[arg(long, value_name = "N", default_value = "10", value_parser = clap::value_parser!(u8).range(1..=50))]
    pub(crate) years: u8,
    /// The first moment: a date (its midnight in the policy's zone), or a moment in RFC 3339 [default: now]
    #[arg(long, value_name = "DATE")]
    pub(crate) from: Option<SimulationStart>,
}

/// The form of a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum SimulationFormat {
    /// A table for people.
    Table,
    /// One JSON document: an object for each point.
    Json,
    /// A picture.
    Svg,
}

/// The immutability of the vault that a diff is made for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum VaultImmutability {
    /// Retention may be shortened.
    Disabled,
    /// Governance locks: it may not.
    Enabled,
    /// Compliance locks: it cannot.
    Locked,
}

impl From<VaultImmutability> for Immutability {
    fn from(immutability: VaultImmutability) -> Self {
        match immutability {
            VaultImmutability::Disabled => Self::Disabled,
            VaultImmutability::Enabled => Self::Enabled,
            VaultImmutability::Locked => Self::Locked,
        }
    }
}

/// The first moment of a simulation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SimulationStart {
    /// The beginning of a day.
    Day(Date),
    /// A moment.
    At(Timestamp),
}

/// A text that is neither a date nor a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no date: expected 2027-01-01, or a moment like 2027-01-01T08:00:00Z")]
pub(crate) struct InvalidStart(String);

impl SimulationStart {
    /// The moment meant, in the zone of the policy.
    pub(crate) fn moment(self, zone: &Zone) -> Timestamp {
        match self {
            Self::Day(date) => zone.first_instant(date, Time::midnight()),
            Self::At(moment) => moment,
        }
    }
}

impl FromStr for SimulationStart {
    type Err = InvalidStart;
    fn from_str(text: &str) -> Result<Self, InvalidStart> {
        if let Ok(moment) = text.parse() {
            return Ok(Self::At(moment));
        }
        let digits = text.len() == "2027-01-01".len();
        match text.parse() {
            Ok(date) if digits => Ok(Self::Day(date)),
            _ => Err(InvalidStart(text.chars().take(40).collect())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_a_name_is_no_file() {
        for stored in ["gold", "gold-2", "bp-01kb0000000000000000000000"] {
            assert!(matches!(OldPolicy::from(stored.to_owned()), OldPolicy::Stored(_)), "{stored}");
        }
        for file in ["-", "gold.yaml", "./gold", "Gold", "/tmp/gold"] {
            assert_eq!(OldPolicy::from(file.to_owned()), OldPolicy::File(PathBuf::from(file)));
        }
    }

    #[test]
    fn a_simulation_starts_at_a_day_of_the_zone_or_at_a_moment() {
        let zone: Zone = "Australia/Sydney".parse().unwrap();
        for (text, moment) in [
            ("2027-01-01", "2026-12-31T13:00:00Z"),
            ("2027-07-01", "2027-06-30T14:00:00Z"),
            ("2027-01-01T00:00:00Z", "2027-01-01T00:00:00Z"),
            ("2027-01-01T00:00:00+02:00", "2026-12-31T22:00:00Z"),
        ] {
            assert_eq!(text.parse::<SimulationStart>().unwrap().moment(&zone).to_string(), moment, "{text}");
        }
        for bad in ["", "2027", "2027-13-01", "2027-02-29", "20270101", "2027-01-01T00:00:00", "today"] {
            assert!(bad.parse::<SimulationStart>().is_err(), "{bad}");
        }
    }
}
