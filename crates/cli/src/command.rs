//! The commands, one file per noun.

mod backup;
mod instance;
mod job;
mod policy_diff;
mod policy_file;
mod policy_options;
mod protection;
mod recovery_point;
mod rehydration;
mod restore;
mod restore_files;
mod retention;
mod stored_policy;
mod target;
mod wait;

use clap::CommandFactory;
use jiff::Timestamp;
use permafrost_domain::Fault;

use crate::args::policy::{PolicyCommand, PolicyFileCommand};
use crate::args::{Cli, Command};
use crate::console::{self, Console};
use crate::grants;
use crate::settings::Settings;

/// Carries a command out.
///
/// # Errors
/// What the API, the way there, or the job that was waited for ended with.
pub(crate) async fn run(
    cli: Cli,
    environment: &dyn Fn(&str) -> Option<String>,
    console: &Console,
) -> Result<(), Fault> {
    let Cli { global, command } = cli;
    if let Command::Policy(PolicyCommand::File(command)) = &command
        && let Some(done) = policy_file::run(command, console)
    {
        return done;
    }
    // These need no vault, either.
    match command {
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut Cli::command(), "permafrost", &mut script);
            return console::print(&String::from_utf8_lossy(&script));
        }
        Command::Grants(args) => {
            let grants = grants::of(&args, global.region.as_deref());
            return console.result(&grants, grants::Grants::to_text);
        }
        _ => {}
    }
    let client = Settings::resolve(&global, environment)?.connect(environment).await?;
    match command {
        Command::Instance(command) => instance::run(&client, command, console).await,
        Command::Backup(args) => backup::run(&client, &args, console).await,
        Command::RecoveryPoint(command) => recovery_point::run(&client, command, console).await,
        Command::Restore(args) => restore::run(&client, *args, console).await,
        Command::RestoreFiles(args) => restore_files::run(&client, args, console).await,
        Command::Job(command) => job::run(&client, command, console).await,
        Command::Policy(PolicyCommand::Stored(command)) => {
            stored_policy::run(&client, command, console).await
        }
        Command::Policy(PolicyCommand::File(PolicyFileCommand::Diff(args))) => {
            policy_diff::of_vault(&client, &args, console).await
        }
        Command::Retention(command) => retention::run(&client, command, console).await,
        Command::Completions { .. } | Command::Grants(_) | Command::Policy(PolicyCommand::File(_)) => Ok(()),
    }
}

/// The moment it is.
#[expect(
    clippy::disallowed_methods,
    reason = "the command line is at the edge: it tells how long ago things were"
)]
fn now() -> Timestamp {
    Timestamp::now()
}
