//! `permafrost`: the command line of Permafrost.

use std::process::ExitCode;

fn main() -> ExitCode {
    permafrost_cli::main(std::env::args_os(), &|name| std::env::var(name).ok())
}
