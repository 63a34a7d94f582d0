//! Programs that are run and measured: stock ones, and this one's own commands.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::error::BenchError;
use crate::server;

/// A program with its arguments, connected to the server by its environment.
#[derive(Debug, Clone)]
pub(crate) struct Invocation {
    program: PathBuf,
    args: Vec<String>,
}

impl Invocation {
    /// `program` with `args`.
    pub(crate) fn new<S: AsRef<str>>(program: impl Into<PathBuf>, args: impl IntoIterator<Item = S>) -> Self {
        Self { program: program.into(), args: args.into_iter().map(|arg| arg.as_ref().to_owned()).collect() }
    }

    /// With one more argument.
    #[must_use]
    pub(crate) fn arg(mut self, arg: impl Into<String>) -> Self {
        self.args.push(arg.into());
        self
    }

    fn command(&self, port: u16) -> Command {
        let mut command = Command::new(&self.program);
        command
            .args(&self.args)
            .env("PGHOST", "127.0.0.1")
            .env("PGPORT", port.to_string())
            .env("PGUSER", "postgres")
            .env("PGSSLMODE", "disable")
            .env("PGGSSENCMODE", "disable")
            .stdin(Stdio::null());
        command
    }
}

/// Runs a program to its end and returns its standard output.
pub(crate) fn output_of(invocation: &Invocation, port: u16) -> Result<String, BenchError> {
    let child =
        invocation.command(port).stdout(Stdio::piped()).spawn().map_err(not_started(&invocation.program))?;
    let output = child.wait_with_output().map_err(not_started(&invocation.program))?;
    succeeded(&invocation.program, output.status)?;
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Runs programs, each reading what the one before it writes; the last one's output is thrown away.
pub(crate) fn run_piped(stages: &[Invocation], port: u16) -> Result<(), BenchError> {
    let mut children: Vec<(&Path, Child)> = Vec::new();
    let mut input = Stdio::null();
    for (place, stage) in stages.iter().enumerate() {
        let last = place + 1 == stages.len();
        let output = if last { Stdio::null() } else { Stdio::piped() };
        let mut child =
            stage.command(port).stdin(input).stdout(output).spawn().map_err(not_started(&stage.program))?;
        input = child.stdout.take().map_or_else(Stdio::null, Stdio::from);
        children.push((&stage.program, child));
    }
    // The first that failed is the cause; those behind it only read less.
    let ended: Vec<_> = children
        .into_iter()
        .map(|(program, mut child)| {
            child.wait().map_err(not_started(program)).and_then(|status| succeeded(program, status))
        })
        .collect();
    ended.into_iter().collect()
}

/// Runs programs from one queue, `at_once` at a time, and throws their output away.
pub(crate) fn run_queued(queue: Vec<Invocation>, at_once: usize, port: u16) -> Result<(), BenchError> {
    let queue = Mutex::new(VecDeque::from(queue));
    let next = || queue.lock().unwrap_or_else(PoisonError::into_inner).pop_front();
    std::thread::scope(|scope| {
        let work = || {
            while let Some(invocation) = next() {
                run_piped(std::slice::from_ref(&invocation), port)?;
            }
            Ok(())
        };
        let workers: Vec<_> = (0..at_once).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| match worker.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}

/// A pg_dump that compresses with zstd, and its major version: the newest in `folders` and on the path.
pub(crate) fn zstd_pg_dump(folders: &[PathBuf], port: u16) -> Option<(PathBuf, u32)> {
    let below = folders.iter().flat_map(|folder| {
        let majors = std::fs::read_dir(folder).into_iter().flatten().filter_map(Result::ok);
        majors
            .map(|major| major.path().join("bin/pg_dump"))
            .chain([folder.join("bin/pg_dump"), folder.join("pg_dump")])
    });
    below
        .chain(on_path("pg_dump"))
        .filter_map(|program| Some((server::major_of(&program).ok()?, program)))
        .filter(|(_, program)| {
            // It says so only when it is asked to do it.
            let asked = Invocation::new(program, ["--schema-only", "-Fc", "-Z", "zstd:1", "postgres"]);
            let mut command = asked.command(port);
            command.stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok_and(|status| status.success())
        })
        .max()
        .map(|(major, program)| (program, major))
}

/// The program of this name on the path.
pub(crate) fn on_path(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(name)).find(|program| program.is_file())
}

fn not_started(program: &Path) -> impl FnOnce(std::io::Error) -> BenchError {
    BenchError::io(format!("run {}", program.display()))
}

fn succeeded(program: &Path, status: std::process::ExitStatus) -> Result<(), BenchError> {
    if status.success() {
        return Ok(());
    }
    Err(BenchError::Program { program: program.display().to_string(), words: status.to_string() })
}
