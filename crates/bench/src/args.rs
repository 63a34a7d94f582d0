//! The command line.

use std::path::PathBuf;

use clap::{Parser, Subcommand, ValueEnum};
use permafrost_domain::{InstanceId, JobId};

/// Measures dumps and restores against stock programs and against the server's own speed.
#[derive(Debug, Parser)]
#[command(version)]
pub(crate) struct Args {
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Build the databases, measure, and write JSON, a table and plots.
    Run(RunOptions),
    /// Write the table and the plots for the documents from JSON that is there.
    Report {
        /// Where the JSON is.
        #[arg(long, default_value = "target/bench")]
        out: PathBuf,
        /// Where the documents' copy goes.
        #[arg(long, default_value = "docs/benchmarks")]
        documents: PathBuf,
    },
    /// An S3 server in memory, on a port that it says.
    #[command(hide = true)]
    S3Server {
        /// The most that it holds.
        #[arg(long)]
        limit_mb: u64,
    },
    /// Uploads standard input.
    #[command(hide = true)]
    Upload {
        /// The S3 server.
        #[arg(long)]
        s3: String,
    },
    /// Reads tables and throws them away.
    #[command(hide = true)]
    CopyToNothing(CopyOptions),
    /// One dump, with its workers.
    #[command(hide = true)]
    Dump(DumpOptions),
    /// A worker of a dump: reads numbers of tasks, answers each.
    #[command(hide = true)]
    DumpWorker(DumpWorkerOptions),
    /// One restore, with its workers.
    #[command(hide = true)]
    Restore(RestoreOptions),
    /// A worker of a restore: reads numbers of tasks, answers each.
    #[command(hide = true)]
    LoadWorker(RestoreOptions),
}

/// A subject to measure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Part {
    /// Dumps of one giant table.
    DumpGiant,
    /// Dumps of thirty mixed tables.
    DumpMixed,
    /// Restores of the giant table.
    RestoreGiant,
    /// Restores of the mixed tables.
    RestoreMixed,
    /// Dumps and restores of very many small tables.
    Tables,
    /// Planning what is due of very many recovery points.
    Retention,
}

/// What to measure, and how.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RunOptions {
    /// Size of the giant table on the server's disk.
    #[arg(long, default_value_t = 1024)]
    pub(crate) giant_mb: u64,
    /// Size of the thirty mixed tables together.
    #[arg(long, default_value_t = 1024)]
    pub(crate) mixed_mb: u64,
    /// How many small tables; a quarter and a half of them are measured too.
    #[arg(long, default_value_t = 20_000)]
    pub(crate) tables: u64,
    /// How many recovery points the catalog has; a 25th of them is measured too.
    #[arg(long, default_value_t = 500_000)]
    pub(crate) points: u32,
    /// How many of them are due, each of another instance.
    #[arg(long, default_value_t = 500)]
    pub(crate) due: u32,
    /// The emulator's program.
    #[arg(long, default_value = ".venv/bin/ministack")]
    pub(crate) ministack: PathBuf,
    /// How often each is measured, in turn with the others.
    #[arg(long, default_value_t = 3)]
    pub(crate) repeats: u32,
    /// Measure these parts alone.
    #[arg(long, value_delimiter = ',')]
    pub(crate) only: Vec<Part>,
    /// Run these programs alone (a name as in the table; more by saying it again).
    #[arg(long = "subject")]
    pub(crate) subjects: Vec<String>,
    /// The server's programs; Debian's newest if absent.
    #[arg(long)]
    pub(crate) pg_bin: Option<PathBuf>,
    /// Folders with more clients, whose newest pg_dump runs as a peer: `<dir>/<major>/bin`, or `<dir>/bin`.
    #[arg(long, value_delimiter = ',')]
    pub(crate) clients: Vec<PathBuf>,
    /// The server's files and what stock programs write. Databases in it are used again.
    #[arg(long)]
    pub(crate) scratch: Option<PathBuf>,
    /// Where the JSON goes.
    #[arg(long, default_value = "target/bench")]
    pub(crate) out: PathBuf,
    /// How many seconds to wait before a run for other programs to leave the machine alone.
    #[arg(long, default_value_t = 60)]
    pub(crate) patience_s: u64,
    /// How often a run that others have disturbed is done again.
    #[arg(long, default_value_t = 3)]
    pub(crate) again: u32,
    /// End with failure where an expectation is missed.
    #[arg(long)]
    pub(crate) check: bool,
}

/// How to read tables to nowhere.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct CopyOptions {
    /// The server's port on 127.0.0.1.
    #[arg(long)]
    pub(crate) port: u16,
    /// The database.
    #[arg(long)]
    pub(crate) database: String,
    /// Connections.
    #[arg(long)]
    pub(crate) connections: usize,
    /// The COPY statements, which the connections take from one queue.
    pub(crate) statements: Vec<String>,
}

/// Where segments go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Destination {
    /// Into the S3 server.
    S3,
    /// Nowhere: they are dropped inside the process, in place of the SDK's HTTP connection.
    Null,
}

/// One dump.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DumpOptions {
    #[command(flatten)]
    pub(crate) place: Place,
    /// Where segments go.
    #[arg(long)]
    pub(crate) destination: Destination,
    /// The backup job.
    #[arg(long)]
    pub(crate) job: JobId,
}

/// One worker of a dump.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct DumpWorkerOptions {
    #[command(flatten)]
    pub(crate) dump: DumpOptions,
    /// The snapshot.
    #[arg(long)]
    pub(crate) snapshot: String,
}

/// One restore, or one worker of it.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct RestoreOptions {
    #[command(flatten)]
    pub(crate) place: Place,
    /// The backup job whose point is restored.
    #[arg(long)]
    pub(crate) backup: JobId,
    /// The restore job.
    #[arg(long)]
    pub(crate) job: JobId,
}

/// The server, the database, the store.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Place {
    /// The server's port on 127.0.0.1.
    #[arg(long)]
    pub(crate) port: u16,
    /// The database that is read, or made.
    #[arg(long)]
    pub(crate) database: String,
    /// The S3 server.
    #[arg(long)]
    pub(crate) s3: String,
    /// PostgreSQL's programs: `<dir>/<major>/bin`.
    #[arg(long)]
    pub(crate) programs: PathBuf,
    /// The instance.
    #[arg(long)]
    pub(crate) instance: InstanceId,
    /// Workers.
    #[arg(long, default_value_t = 2)]
    pub(crate) workers: usize,
}

impl Place {
    /// The arguments that say this place again.
    pub(crate) fn args(&self) -> Vec<String> {
        [
            ("--port", self.port.to_string()),
            ("--database", self.database.clone()),
            ("--s3", self.s3.clone()),
            ("--programs", self.programs.display().to_string()),
            ("--instance", self.instance.to_string()),
            ("--workers", self.workers.to_string()),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect()
    }
}
