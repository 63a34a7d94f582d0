//! pg_dump and pg_restore on board: `<dir>/<major>/bin/…` with the libraries they need in `<dir>/<major>/lib`.
//!
//! Children die with the function: a function that is killed must not leave a pg_dump behind that holds the
//! server's locks.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use tempfile::NamedTempFile;

use crate::error::EngineError;
use crate::login::Login;
use crate::pg::TlsMode;

/// How much of a program's own words is kept: the end says why it failed.
const STDERR_TAIL: usize = 4_000;

/// PostgreSQL's programs of all major versions on board.
#[derive(Debug, Clone)]
pub struct PgPrograms {
    dir: PathBuf,
}

/// The programs of one major version.
#[derive(Debug, Clone)]
pub struct PgProgramsOfMajor {
    /// The major version.
    pub major: u32,
    dir: PathBuf,
}

/// A program that is to be run, with its login.
///
/// The password is in its environment, never among its arguments; the CA is in a file that lives as long as
/// this value.
#[derive(Debug)]
pub struct Program {
    name: &'static str,
    command: Command,
    _ca: Option<NamedTempFile>,
}

impl PgPrograms {
    /// The programs below `dir`, a folder for each major version.
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into() }
    }

    /// The programs for a server of `major`: its own version's, else the next newer one's.
    ///
    /// # Errors
    /// [`EngineError::NoProgram`] where neither is on board.
    pub fn for_major(&self, major: u32) -> Result<PgProgramsOfMajor, EngineError> {
        let mut on_board = self.on_board();
        on_board.sort_unstable();
        match on_board.iter().find(|found| **found >= major) {
            Some(found) => Ok(PgProgramsOfMajor { major: *found, dir: self.dir.join(found.to_string()) }),
            None => Err(EngineError::NoProgram {
                major,
                found: format!("{} has {on_board:?}", self.dir.display()),
            }),
        }
    }

    fn on_board(&self) -> Vec<u32> {
        let Ok(folders) = std::fs::read_dir(&self.dir) else { return Vec::new() };
        folders
            .filter_map(|folder| folder.ok()?.file_name().to_str()?.parse().ok())
            .filter(|major: &u32| self.dir.join(format!("{major}/bin/pg_dump")).exists())
            .collect()
    }
}

impl PgProgramsOfMajor {
    /// The program `name` with the login in its environment.
    ///
    /// # Errors
    /// [`EngineError::Spawn`] where the CA cannot be written to a file for it.
    pub fn program(&self, name: &'static str, login: &Login) -> Result<Program, EngineError> {
        let options = &login.options;
        let Program { mut command, .. } = self.without_server(name);
        command
            .env("PGHOST", &options.host)
            .env("PGPORT", options.port.to_string())
            .env("PGUSER", &options.user)
            .env("PGAPPNAME", &options.application_name)
            .env("PGCONNECT_TIMEOUT", options.connect_timeout.as_secs().to_string())
            .env("PGPASSFILE", "/dev/null")
            .env(
                "PGSSLMODE",
                match options.tls {
                    TlsMode::VerifyFull { .. } => "verify-full",
                    TlsMode::Require => "require",
                    TlsMode::Disable => "disable",
                },
            )
            // With no such file, `require` does not turn into `verify-ca`.
            .env("PGSSLROOTCERT", "/nonexistent");
        if let Some(password) = &options.password {
            command.env("PGPASSWORD", password.expose());
        }
        let ca = match &login.ca_pem {
            Some(pem) => Some(ca_file(pem).map_err(|source| EngineError::Spawn { program: name, source })?),
            None => None,
        };
        if let Some(file) = &ca {
            command.env("PGSSLROOTCERT", file.path());
        }
        // As a connection string: a bare name that holds a "=" would be taken for one.
        command
            .arg(format!("--dbname=dbname='{}'", options.database.replace('\\', r"\\").replace('\'', r"\'")));
        Ok(Program { name, command, _ca: ca })
    }

    /// The program `name`, with no server to go to.
    pub fn without_server(&self, name: &'static str) -> Program {
        let mut command = Command::new(self.dir.join("bin").join(name));
        command
            .env_clear()
            .env("LD_LIBRARY_PATH", self.dir.join("lib"))
            .env("PATH", self.dir.join("bin"))
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped());
        die_with_the_function(&mut command);
        Program { name, command, _ca: None }
    }
}

fn ca_file(pem: &[u8]) -> std::io::Result<NamedTempFile> {
    let mut file = NamedTempFile::new()?;
    std::io::Write::write_all(&mut file, pem)?;
    Ok(file)
}

/// The kernel kills the child when the thread that started it ends, hence when the function does.
#[expect(unsafe_code, reason = "prctl has no safe form; it is async-signal-safe and touches no memory")]
fn die_with_the_function(command: &mut Command) {
    // SAFETY: between fork and exec only prctl is called.
    unsafe {
        command.pre_exec(|| {
            if libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL) == 0 {
                Ok(())
            } else {
                Err(std::io::Error::last_os_error())
            }
        });
    }
}

impl Program {
    /// Adds arguments. They are visible to everybody on the machine: no credentials.
    #[must_use]
    pub fn args<I: IntoIterator<Item = S>, S: AsRef<std::ffi::OsStr>>(mut self, args: I) -> Self {
        self.command.args(args);
        self
    }

    /// Adds a path as the last argument.
    #[must_use]
    pub fn path(mut self, path: &Path) -> Self {
        self.command.arg(path);
        self
    }

    /// Runs it to its end.
    ///
    /// # Errors
    /// [`EngineError::Program`] with its own words where it does not succeed.
    pub async fn run(self) -> Result<(), EngineError> {
        self.read_output(|_| Ok(Rest::Wait)).await.map(|_| ())
    }

    /// Runs it to its end and returns what it wrote to standard output.
    ///
    /// # Errors
    /// [`EngineError::Program`] where it does not succeed.
    pub async fn output(self) -> Result<Vec<u8>, EngineError> {
        let program = self.name;
        let mut output = Vec::new();
        let (result, output) = self
            .read_output(move |stdout| {
                stdout.read_to_end(&mut output).map_err(|source| EngineError::Spawn { program, source })?;
                Ok(Rest::WaitWith(std::mem::take(&mut output)))
            })
            .await?;
        debug_assert!(result.success());
        Ok(output)
    }

    /// Runs it and hands its standard output to `read`, on a thread of its own that lives as long as the
    /// child; what `read` returns says whether the rest of it matters.
    pub(crate) async fn read_output<F>(mut self, mut read: F) -> Result<(ExitStatus, Vec<u8>), EngineError>
    where
        F: FnMut(&mut dyn Read) -> Result<Rest, EngineError> + Send + 'static,
    {
        let program = self.name;
        let spawn_failed = move |source| EngineError::Spawn { program, source };
        let work = move || {
            let mut child = self.command.stdout(Stdio::piped()).spawn().map_err(spawn_failed)?;
            let mut stderr = child.stderr.take().expect("stderr is piped");
            let words = std::thread::spawn(move || {
                let mut words = Vec::new();
                // A pipe that breaks ends the words; the exit status is what counts.
                let _ = stderr.read_to_end(&mut words);
                words
            });
            let mut stdout = child.stdout.take().expect("stdout is piped");
            let read = read(&mut stdout);
            let killed = matches!(read, Ok(Rest::Kill));
            if killed {
                child.kill().map_err(spawn_failed)?;
            }
            drop(stdout);
            let status = child.wait().map_err(spawn_failed)?;
            let words = words.join().unwrap_or_default();
            if !killed && !status.success() {
                return Err(EngineError::Program {
                    program,
                    status: status.to_string(),
                    stderr: tail(&words),
                });
            }
            match read? {
                Rest::WaitWith(output) => Ok((status, output)),
                Rest::Wait | Rest::Kill => Ok((status, Vec::new())),
            }
        };
        match tokio::task::spawn_blocking(work).await {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }
}

/// What is to happen after a program's output was read.
pub(crate) enum Rest {
    /// It must succeed.
    Wait,
    /// It must succeed; this is its output.
    WaitWith(Vec<u8>),
    /// Enough was read.
    Kill,
}

fn tail(words: &[u8]) -> String {
    let text = String::from_utf8_lossy(words);
    let text = text.trim();
    let skipped = text.chars().count().saturating_sub(STDERR_TAIL);
    text.chars().skip(skipped).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_servers_own_version_is_taken_else_the_next_newer() {
        let dir = tempfile::tempdir().unwrap();
        for major in ["13", "15", "17"] {
            std::fs::create_dir_all(dir.path().join(major).join("bin")).unwrap();
            std::fs::write(dir.path().join(major).join("bin/pg_dump"), "").unwrap();
        }
        std::fs::create_dir_all(dir.path().join("16/bin")).unwrap();
        let programs = PgPrograms::new(dir.path());
        for (server, expected) in [(10, 13), (13, 13), (14, 15), (16, 17)] {
            assert_eq!(programs.for_major(server).unwrap().major, expected);
        }
        assert!(matches!(programs.for_major(18), Err(EngineError::NoProgram { major: 18, .. })));
    }
}
