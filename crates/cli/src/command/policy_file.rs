//! `permafrost policy check`, `simulate` and `diff`: what is asked of files alone.

use permafrost_domain::Fault;

use crate::args::policy::PolicyFileCommand;
use crate::console::Console;

pub(super) fn run(command: PolicyFileCommand, console: &Console) -> Result<(), Fault> {
    let _ = console;
    match command {
        PolicyFileCommand::Check { .. } | PolicyFileCommand::Simulate(_) | PolicyFileCommand::Diff(_) => {
            Ok(())
        }
    }
}
