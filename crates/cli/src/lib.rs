//! The command `permafrost`: arguments in, requests to the API, tables or JSON out.
//!
//! **Invariants:** nothing here touches the catalog, the stores or a database: the API does all work. Standard
//! output bears the result and nothing else: with `--output json` exactly one JSON document. Everything else
//! (progress, notes, errors) goes to standard error. No option takes a credential.

mod args;
mod command;
mod console;
mod grants;
mod progress;
mod render;
mod settings;
mod since;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser;

use crate::args::{Cli, Output};
use crate::console::Console;

/// Runs the command with `args` (the program's name first) in an environment, and tells how to exit: 0, or the
/// exit code of the fault's category.
pub fn main(args: impl Iterator<Item = OsString>, environment: &dyn Fn(&str) -> Option<String>) -> ExitCode {
    let args: Vec<OsString> = args.collect();
    let cli = match Cli::try_parse_from(&args) {
        Ok(cli) => cli,
        Err(error) => return refuse(&error, &args),
    };
    let console = Console::new(cli.global.output, cli.global.color, environment);
    let outcome = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| console::cannot_start(&error))
        .and_then(|runtime| runtime.block_on(command::run(cli, environment, &console)));
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(fault) => {
            console.fault(&fault);
            ExitCode::from(fault.code.category().exit_code())
        }
    }
}

/// What clap has to say: help and version are results, the rest are errors, as JSON where JSON was asked for.
fn refuse(error: &clap::Error, args: &[OsString]) -> ExitCode {
    let asks_for_json =
        args.windows(2).any(|pair| (pair[0] == "--output" || pair[0] == "-o") && pair[1] == "json")
            || args.iter().any(|arg| arg == "--output=json" || arg == "-ojson");
    if error.use_stderr() && asks_for_json {
        let fault = console::usage_fault(error);
        Console::plain(Output::Json).fault(&fault);
    } else if error.print().is_err() {
        // Nobody reads; the exit code still tells.
    }
    ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2))
}
