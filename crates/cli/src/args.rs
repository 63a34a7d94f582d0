//! The command's arguments: nouns with verbs, and the short ones `backup`, `restore` and `grants`.

use std::num::NonZeroU16;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use permafrost_domain::JobId;
use permafrost_domain::data_source::{DatabaseName, Host, ObjectName, RoleName, SecretArn};
use permafrost_domain::files::{BucketName, KeyPrefix};
use permafrost_domain::ids::PlanId;
use permafrost_domain::instance::{InstanceName, InstanceRef};
use permafrost_domain::job::JobStatus;
use permafrost_domain::policy::PolicyRef;
use permafrost_domain::restore_options::TableName;
use permafrost_domain::retention::RuleName;
use permafrost_domain::wire::PointSelector;

use crate::args::policy::PolicyCommand;
use crate::args::protection::{ChangePolicyArgs, StopArgs};
use crate::args::rehydration::{RehydrateArgs, RestoreRehydrationArgs};
use crate::since::Since;

pub(crate) mod policy;
pub(crate) mod protection;
pub(crate) mod rehydration;
pub(crate) mod stored_policy;

/// Back up PostgreSQL databases on AWS for years, and restore them.
///
/// Every command is one or a few signed requests to the API of a vault. The API's URL is the output
/// ApiUrl of the deployed stack; AWS credentials come from where the AWS command line takes them.
#[derive(Debug, Parser)]
#[command(name = "permafrost", version, disable_help_subcommand = true, max_term_width = 100)]
#[command(after_help = EXAMPLES, after_long_help = LONG_HELP)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  permafrost instance protect --name shop --host db.example --database shop --secret-arn ARN
  permafrost backup shop
  permafrost recovery-point list shop
  permafrost restore shop --to-database shop_copy
  permafrost restore-files shop --to-bucket permafrost-restores-me --prefix shop/today
  permafrost job list --since 2d --status Failed";

const LONG_HELP: &str = "\
Examples:
  permafrost instance protect --name shop --host db.example --database shop --secret-arn ARN
  permafrost backup shop
  permafrost recovery-point list shop
  permafrost restore shop --to-database shop_copy
  permafrost restore-files shop --to-bucket permafrost-restores-me --prefix shop/today
  permafrost job list --since 2d --status Failed

Configuration (a flag goes before the environment, the environment before the file):
  --endpoint  PERMAFROST_ENDPOINT              endpoint = \"https://ID.execute-api.REGION.amazonaws.com/v1\"
  --region    AWS_REGION, AWS_DEFAULT_REGION   region = \"REGION\"
  --profile   AWS_PROFILE                      profile = \"NAME\"
The file is $XDG_CONFIG_HOME/permafrost/config.toml, or ~/.config/permafrost/config.toml.

Exit codes:
  0 done            3 no such thing   6 the database, its server or its login
  1 internal        4 conflict        7 the stores, the key or the catalog
  2 bad request     5 not allowed     8 cancelled
A command that waits for a job exits with the code of what the job failed of.";

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    /// The API's URL, with its stage [env: PERMAFROST_ENDPOINT]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) endpoint: Option<String>,
    /// The AWS region to sign for [env: AWS_REGION, AWS_DEFAULT_REGION]
    #[arg(long, global = true)]
    pub(crate) region: Option<String>,
    /// The AWS profile to take credentials from [env: AWS_PROFILE]
    #[arg(long, global = true, value_name = "NAME")]
    pub(crate) profile: Option<String>,
    /// Tables for people, or one JSON document
    #[arg(long, short, global = true, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
    /// Whether errors may be coloured; `auto`: on a terminal, unless NO_COLOR is set
    #[arg(long, global = true, value_enum, default_value_t = Color::Auto)]
    pub(crate) color: Color,
}

/// The form of the result.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Output {
    /// Tables for people.
    Table,
    /// One JSON document.
    Json,
}

/// Whether to colour.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Color {
    /// On a terminal.
    Auto,
    /// Never.
    Never,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Protected databases: protect, list, show, change-policy, suspend, resume, stop, undelete
    #[command(subcommand, visible_alias = "instances")]
    Instance(InstanceCommand),
    /// Back up a protected database now
    Backup(BackupArgs),
    /// Recovery points: list, show, hold, release, rehydrate
    #[command(subcommand, visible_aliases = ["rp", "points"])]
    RecoveryPoint(PointCommand),
    /// Restore a recovery point into a new database
    Restore(Box<RestoreArgs>),
    /// Write a recovery point as files for pg_restore or psql into a bucket
    RestoreFiles(RestoreFilesArgs),
    /// Jobs: list, show, watch, suspend, resume, cancel
    #[command(subcommand, visible_alias = "jobs")]
    Job(JobCommand),
    /// Backup policies: create, list, show, edit, delete, check, simulate, diff
    #[command(subcommand, visible_alias = "policies")]
    Policy(PolicyCommand),
    /// Retention: what is archived, what is deleted, what is kept, and why
    #[command(subcommand)]
    Retention(RetentionCommand),
    /// Print the SQL and IAM statements that grant exactly what is needed
    Grants(GrantsArgs),
    /// Print a completion script for a shell
    Completions {
        /// The shell
        #[arg(value_enum)]
        shell: clap_complete::Shell,
    },
}

/// Protected databases.
#[derive(Debug, Subcommand)]
pub(crate) enum InstanceCommand {
    /// Put a database under protection; waits for the readiness checks
    Protect(Box<ProtectArgs>),
    /// List the protected databases
    List,
    /// Show one
    Show {
        /// Its name or id
        instance: InstanceRef,
    },
    /// Put an instance under another policy, or under none
    ChangePolicy(ChangePolicyArgs),
    /// Suspend the scheduled backups of an instance
    Suspend {
        /// Its name or id
        instance: InstanceRef,
    },
    /// Protect an instance again whose backups were suspended or whose protection was stopped
    Resume {
        /// Its name or id
        instance: InstanceRef,
    },
    /// Stop protection: keep the recovery points for ever, or as their policy says, or delete them
    Stop(StopArgs),
    /// Take a deletion back; protection stays stopped
    Undelete {
        /// Its name or id
        instance: InstanceRef,
    },
}

/// A database to protect.
#[derive(Debug, Args)]
pub(crate) struct ProtectArgs {
    /// The name to call it by: a-z, 0-9 and '-'
    #[arg(long)]
    pub(crate) name: InstanceName,
    /// The server's name or address, as the functions reach it
    #[arg(long)]
    pub(crate) host: Host,
    /// The server's port
    #[arg(long, default_value = "5432")]
    pub(crate) port: NonZeroU16,
    /// The database
    #[arg(long)]
    pub(crate) database: DatabaseName,
    /// The policy, by name or id, that backs it up and keeps its points [default: none]
    #[arg(long)]
    pub(crate) policy: Option<PolicyRef>,
    #[command(flatten)]
    pub(crate) login: LoginArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// How Permafrost logs in to the server.
#[derive(Debug, Args)]
#[command(next_help_heading = "Login (neither way stores a password)")]
pub(crate) struct LoginArgs {
    /// The Secrets Manager secret with the login: {"username": …, "password": …}, or a plain password
    #[arg(long, value_name = "ARN", conflicts_with = "iam")]
    pub(crate) secret_arn: Option<SecretArn>,
    /// Log in by IAM database tokens of RDS or Aurora
    #[arg(long, requires = "user")]
    pub(crate) iam: bool,
    /// The role; needed for --iam, and where the secret is a plain password
    #[arg(long)]
    pub(crate) user: Option<RoleName>,
}

/// How the connection to the server is protected.
#[derive(Debug, Args)]
#[command(next_help_heading = "TLS")]
pub(crate) struct TlsArgs {
    /// How the connection is protected [default: verify-full; for a restore: as the instance's own]
    #[arg(long, value_name = "MODE", value_enum)]
    pub(crate) tls: Option<TlsMode>,
    /// A PEM file with the CA that signed the server's certificate [default: the RDS bundle]
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
}

/// A TLS mode.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum TlsMode {
    /// Encrypted; certificate and host name are checked.
    VerifyFull,
    /// Encrypted; the server's identity is not checked.
    Require,
    /// Not encrypted.
    Disable,
}

/// Whether to wait for the job.
#[derive(Debug, Args)]
#[command(next_help_heading = None)]
pub(crate) struct WaitArgs {
    /// Start the job and do not wait for its end
    #[arg(long)]
    pub(crate) no_wait: bool,
}

/// A backup.
#[derive(Debug, Args)]
pub(crate) struct BackupArgs {
    /// The instance's name or id
    pub(crate) instance: InstanceRef,
    /// The rule of the instance's policy that says how long the point is kept: default, daily, weekly, …
    #[arg(long)]
    pub(crate) rule: Option<RuleName>,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// Recovery points.
#[derive(Debug, Subcommand)]
pub(crate) enum PointCommand {
    /// List an instance's recovery points, the newest first
    List {
        /// The instance's name or id
        instance: InstanceRef,
        /// Show no more than this many [default: all]
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// Show a recovery point and the tables in it
    Show {
        /// The instance's name or id
        instance: InstanceRef,
        /// The point's id, or `latest`
        #[arg(default_value = "latest")]
        point: PointSelector,
    },
    /// Put a recovery point under legal hold, with all its objects: nothing and nobody deletes it
    Hold(HoldArgs),
    /// Take a recovery point out of legal hold
    Release(HoldArgs),
    /// Copy a point back from the archive store for some days; says first how long it takes and what it costs
    Rehydrate(RehydrateArgs),
}

/// A hold, or a release.
#[derive(Debug, Args)]
pub(crate) struct HoldArgs {
    /// The instance's name or id
    pub(crate) instance: InstanceRef,
    /// The point's id
    pub(crate) point: PointSelector,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// A restore. What is not said about the server is taken from the instance.
#[derive(Debug, Args)]
pub(crate) struct RestoreArgs {
    /// The instance's name or id
    pub(crate) instance: InstanceRef,
    /// The new database's name; must be free on the target server
    #[arg(long, value_name = "NAME")]
    pub(crate) to_database: DatabaseName,
    /// The point to restore: an id, or `latest`
    #[arg(long, default_value = "latest")]
    pub(crate) point: PointSelector,
    /// The target server [default: the instance's own]
    #[arg(long)]
    pub(crate) host: Option<Host>,
    /// The target server's port [default: the instance's own]
    #[arg(long)]
    pub(crate) port: Option<NonZeroU16>,
    #[command(flatten)]
    pub(crate) options: OptionArgs,
    #[command(flatten)]
    pub(crate) rehydration: RestoreRehydrationArgs,
    #[command(flatten)]
    pub(crate) login: LoginArgs,
    #[command(flatten)]
    pub(crate) tls: TlsArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// What of the point is restored, and how.
#[derive(Debug, Args)]
#[command(next_help_heading = "What to restore, and how")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of its own")]
pub(crate) struct OptionArgs {
    /// Restore only this schema, and what it depends on; may be repeated
    #[arg(long = "schema", value_name = "NAME")]
    pub(crate) schemas: Vec<ObjectName>,
    /// Restore only this table (view, sequence, …), and what it depends on; may be repeated
    ///
    /// Names are taken as they are, upper and lower case apart. A part that holds a dot stands in double quotes:
    /// '"my.schema".orders'.
    #[arg(long = "table", value_name = "SCHEMA.NAME")]
    pub(crate) tables: Vec<TableName>,
    /// Restore definitions and no data
    #[arg(long, conflicts_with = "data_only")]
    pub(crate) schema_only: bool,
    /// Restore data and the definitions that it needs: no indexes, constraints, triggers, policies or grants
    #[arg(long)]
    pub(crate) data_only: bool,
    /// Who owns what is restored: `preserve` who owned it before, `flatten` the role that restores
    #[arg(long, value_enum, default_value_t = Owner::Preserve, conflicts_with = "map_roles")]
    pub(crate) owner: Owner,
    /// Take another role in place of one of the backup, as owner, in grants and policies; may be repeated
    #[arg(long = "map-role", value_name = "OLD=NEW", value_parser = pair::<RoleName>)]
    pub(crate) map_roles: Vec<(RoleName, RoleName)>,
    /// Restore no grants and no default privileges
    #[arg(long)]
    pub(crate) no_privileges: bool,
    /// Take another tablespace in place of one of the backup; may be repeated
    #[arg(long = "map-tablespace", value_name = "OLD=NEW", value_parser = pair::<ObjectName>)]
    pub(crate) map_tablespaces: Vec<(ObjectName, ObjectName)>,
    /// Put everything into the new database's default tablespace
    #[arg(long, conflicts_with = "map_tablespaces")]
    pub(crate) no_tablespaces: bool,
}

/// Who owns what is restored.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Owner {
    /// Who owned it before; these roles must exist on the target.
    Preserve,
    /// The role that restores.
    Flatten,
}

/// Two names with an equals sign between them.
fn pair<T>(text: &str) -> Result<(T, T), String>
where
    T: std::str::FromStr,
    T::Err: std::fmt::Display,
{
    let (old, new) = text.split_once('=').ok_or_else(|| "expected OLD=NEW".to_owned())?;
    let name = |text: &str| text.parse::<T>().map_err(|error| error.to_string());
    Ok((name(old)?, name(new)?))
}

/// A restore as files.
#[derive(Debug, Args)]
pub(crate) struct RestoreFilesArgs {
    /// The instance's name or id
    pub(crate) instance: InstanceRef,
    /// The bucket; its name begins as the stack's parameter RestoreBucketPrefix says
    #[arg(long, value_name = "BUCKET")]
    pub(crate) to_bucket: BucketName,
    /// The folder in the bucket; must be empty
    #[arg(long, value_name = "FOLDER")]
    pub(crate) prefix: KeyPrefix,
    /// The point to restore: an id, or `latest`
    #[arg(long, default_value = "latest")]
    pub(crate) point: PointSelector,
    /// What to write
    #[arg(long, value_enum, default_value_t = Format::Directory)]
    pub(crate) format: Format,
    /// How to compress it
    #[arg(long, value_enum, default_value_t = Compression::Stored)]
    pub(crate) compression: Compression,
    #[command(flatten)]
    pub(crate) rehydration: RestoreRehydrationArgs,
    #[command(flatten)]
    pub(crate) wait: WaitArgs,
}

/// What a restore as files writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Format {
    /// As pg_dump -Fd: a folder that pg_restore reads with several connections.
    Directory,
    /// As pg_dump -Fc: one file for pg_restore.
    Custom,
    /// As pg_dump -Fp: an SQL script for psql.
    Plain,
}

/// How restored files are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Compression {
    /// As the backup is: the fastest, S3 copies most of it by itself.
    Stored,
    /// Zstandard, for pg_restore 16 and newer.
    Zstd,
    /// gzip, for every pg_restore.
    Gzip,
    /// Not at all.
    None,
}

/// Jobs.
#[derive(Debug, Subcommand)]
pub(crate) enum JobCommand {
    /// List jobs, the newest first
    List {
        /// How far back: 90m, 12h, 7d, 4w, or a moment in RFC 3339
        #[arg(long, default_value = "7d")]
        since: Since,
        /// Only jobs of this instance
        #[arg(long)]
        instance: Option<InstanceRef>,
        /// Only jobs of this status: Queued, InProgress, Completed, CompletedWithWarnings, Failed, …
        #[arg(long)]
        status: Option<JobStatus>,
        /// Show no more than this many [default: all]
        #[arg(long, value_name = "N")]
        limit: Option<usize>,
    },
    /// Show a job
    Show {
        /// The job's id
        job: JobId,
    },
    /// Follow a job until it ends
    Watch {
        /// The job's id
        job: JobId,
    },
    /// Let a running backup copy nothing for a while; its snapshot stays held
    Suspend {
        /// The job's id
        job: JobId,
    },
    /// Let a suspended backup go on: it copies what is missing
    Resume {
        /// The job's id
        job: JobId,
    },
    /// Ask a running job to end
    Cancel {
        /// The job's id
        job: JobId,
    },
}

/// Retention.
#[derive(Debug, Subcommand)]
pub(crate) enum RetentionCommand {
    /// List the newest plans, or show one: what a run of retention set out to do, point by point
    Plan {
        /// The plan's id [default: a list of plans]
        plan: Option<PlanId>,
        /// List no more than this many
        #[arg(long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
}

/// What to print grants for.
#[derive(Debug, Args)]
pub(crate) struct GrantsArgs {
    /// What the role is for
    #[arg(long = "for", value_enum, default_value_t = Purpose::Backup)]
    pub(crate) purpose: Purpose,
    /// The role that Permafrost logs in as
    #[arg(long, default_value = "permafrost")]
    pub(crate) user: RoleName,
    /// The database to back up
    #[arg(long, default_value = "postgres")]
    pub(crate) database: DatabaseName,
    /// The server's major version; decides between pg_read_all_data (14 and newer) and single grants
    #[arg(long, value_name = "MAJOR", default_value_t = 17, value_parser = clap::value_parser!(u16).range(10..=18))]
    pub(crate) server_version: u16,
    /// Log in by IAM database tokens of RDS or Aurora instead of a secret
    #[arg(long, conflicts_with = "secret_arn")]
    pub(crate) iam: bool,
    /// The secret that holds the login
    #[arg(long, value_name = "ARN")]
    pub(crate) secret_arn: Option<SecretArn>,
    /// The RDS instance's or Aurora cluster's resource id (db-… or cluster-…), for --iam
    #[arg(long, value_name = "ID", requires = "iam")]
    pub(crate) resource_id: Option<String>,
    /// The AWS account of the database, for --iam
    #[arg(long, value_name = "ID", requires = "iam")]
    pub(crate) account: Option<String>,
}

/// What a role is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Purpose {
    /// To read a database.
    Backup,
    /// To make a new database.
    Restore,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    fn parse(line: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(line.split_whitespace())
    }

    #[test]
    fn the_arguments_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn no_option_takes_a_credential() {
        fn walk(command: &clap::Command) {
            for arg in command.get_arguments() {
                let name = arg.get_id().as_str();
                assert!(
                    ["password", "token", "access_key"].iter().all(|word| !name.contains(word)),
                    "{} {name}",
                    command.get_name()
                );
            }
            command.get_subcommands().for_each(walk);
        }
        walk(&Cli::command());
        assert!(parse("permafrost instance protect --password x").is_err());
    }

    #[test]
    fn logins_exclude_each_other() {
        let protect = "permafrost instance protect --name shop --host db --database shop";
        assert!(parse(&format!("{protect} --iam")).is_err(), "--iam needs --user");
        assert!(parse(&format!("{protect} --iam --user u")).is_ok());
        let arn = "arn:aws:secretsmanager:eu-central-1:1:secret:permafrost/shop";
        assert!(parse(&format!("{protect} --secret-arn {arn}")).is_ok());
        assert!(parse(&format!("{protect} --secret-arn {arn} --iam --user u")).is_err());
    }

    #[test]
    fn options_of_a_restore_exclude_each_other() {
        let restore = "permafrost restore shop --to-database copy";
        for good in [
            "--schema app --table a.b --table \"x.y\".z --schema-only",
            "--map-role a=b --map-role c=d --no-privileges --map-tablespace fast=slow",
            "--data-only --owner flatten --no-tablespaces",
        ] {
            assert!(parse(&format!("{restore} {good}")).is_ok(), "{good}");
        }
        for bad in [
            "--schema-only --data-only",
            "--owner flatten --map-role a=b",
            "--no-tablespaces --map-tablespace a=b",
            "--table orders",
            "--map-role a",
            "--map-role =b",
            "--owner me",
        ] {
            assert!(parse(&format!("{restore} {bad}")).is_err(), "{bad}");
        }
    }

    #[test]
    fn global_options_stand_anywhere() {
        let cli = parse("permafrost jobs list -o json --region eu-central-1").unwrap();
        assert_eq!(cli.global.output, Output::Json);
        assert_eq!(cli.global.region.as_deref(), Some("eu-central-1"));
    }
}
