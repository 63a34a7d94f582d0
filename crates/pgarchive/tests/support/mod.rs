//! A private PostgreSQL server for one test, made of whatever binaries the machine has.

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::fs::chown;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const HOW_TO_INSTALL: &str = "no PostgreSQL server and clients found; install them (Debian: \
    apt-get install postgresql) or name the directory that holds initdb, postgres, pg_dump and \
    pg_restore in PERMAFROST_PG_BIN";

/// A running server with its own data and socket; both are gone when it is dropped.
pub(crate) struct Server {
    bin: PathBuf,
    account: Account,
    dir: TempDir,
}

/// Whom the server runs as: PostgreSQL refuses to run as root.
enum Account {
    Ourselves,
    Other { uid: u32, gid: u32 },
}

impl Server {
    /// Initialises and starts a server.
    pub(crate) fn start() -> Self {
        let bin = find_binaries();
        let account = Account::find();
        // Not the configured temporary directory: a socket's path may have 107 bytes only.
        let dir = tempfile::Builder::new().prefix("pgarchive-").tempdir_in("/tmp").unwrap();
        if let Account::Other { uid, gid } = account {
            chown(dir.path(), Some(uid), Some(gid)).unwrap();
        }
        let server = Self { bin, account, dir };
        let data = server.dir.path().join("data");
        let initdb = ["--auth=trust", "--username=postgres", "--no-sync", "--encoding=UTF8", "--locale=C"];
        run(server.as_account("initdb").args(initdb).arg("-D").arg(&data));
        let options = format!(
            "-c listen_addresses='' -c unix_socket_directories={} -c fsync=off -c shared_buffers=16MB",
            server.dir.path().display()
        );
        let log = server.dir.path().join("log");
        run(server
            .as_account("pg_ctl")
            .args(["start", "--wait", "--silent", "-o", &options, "-D"])
            .arg(&data)
            .arg("-l")
            .arg(log));
        server
    }

    /// A directory that the test may fill; it is removed with the server.
    pub(crate) fn scratch(&self, name: &str) -> PathBuf {
        let path = self.dir.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    }

    /// One of PostgreSQL's client programs, set up to reach this server.
    pub(crate) fn client(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.env_clear().env("PGHOST", self.dir.path()).env("PGUSER", "postgres").env("LC_ALL", "C");
        command
    }

    /// What a client program prints; the test fails if the program does.
    pub(crate) fn output<I: AsRef<OsStr>>(
        &self,
        program: &str,
        args: impl IntoIterator<Item = I>,
    ) -> Vec<u8> {
        run(self.client(program).args(args)).stdout
    }

    /// Runs a script; it stops at the first error, which fails the test.
    pub(crate) fn sql(&self, database: &str, script: &str) -> String {
        let mut command = self.client("psql");
        command
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-d", database])
            .env("PGCLIENTENCODING", "UTF8");
        String::from_utf8(run_with_input(&mut command, script.as_bytes()).stdout).unwrap()
    }

    fn as_account(&self, program: &str) -> Command {
        let program = self.bin.join(program);
        let mut command = Command::new(program);
        if let Account::Other { uid, gid } = self.account {
            command.uid(uid).gid(gid);
        }
        // Servers outlive `pg_ctl`: they must not hold on to the pipes of whoever waits for it.
        command.current_dir("/").env("LC_ALL", "C").stdin(Stdio::null());
        command
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let data = self.dir.path().join("data");
        let mut stop = self.as_account("pg_ctl");
        stop.args(["stop", "--wait", "--silent", "--mode=immediate", "-D"]).arg(data);
        let stopped = stop.status().is_ok_and(|status| status.success());
        // A panic while panicking would hide the test's own failure.
        assert!(stopped || std::thread::panicking(), "could not stop the server");
    }
}

impl Account {
    fn find() -> Self {
        if id(&["-u"]) != Some(0) {
            return Self::Ourselves;
        }
        for name in ["postgres", "nobody"] {
            if let (Some(uid), Some(gid)) = (id(&["-u", name]), id(&["-g", name])) {
                return Self::Other { uid, gid };
            }
        }
        panic!("running as root, and neither postgres nor nobody exists to run the server as");
    }
}

fn id(args: &[&str]) -> Option<u32> {
    let output = Command::new("id").args(args).output().unwrap();
    std::str::from_utf8(&output.stdout).unwrap().trim().parse().ok().filter(|_| output.status.success())
}

/// `PERMAFROST_PG_BIN`, else the newest of Debian's, else the `PATH`.
fn find_binaries() -> PathBuf {
    let is_complete = |dir: &PathBuf| {
        ["initdb", "postgres", "pg_ctl", "psql", "pg_dump", "pg_restore"]
            .iter()
            .all(|program| dir.join(program).is_file())
    };
    if let Some(named) = std::env::var_os("PERMAFROST_PG_BIN") {
        let named = PathBuf::from(named);
        assert!(is_complete(&named), "PERMAFROST_PG_BIN is {}: {HOW_TO_INSTALL}", named.display());
        return named;
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    debian_directories()
        .into_iter()
        .chain(std::env::split_paths(&path))
        .find(is_complete)
        .unwrap_or_else(|| panic!("{HOW_TO_INSTALL}"))
}

fn debian_directories() -> Vec<PathBuf> {
    let Ok(majors) = Path::new("/usr/lib/postgresql").read_dir() else { return Vec::new() };
    let mut majors: Vec<u32> =
        majors.filter_map(|entry| entry.unwrap().file_name().to_str()?.parse().ok()).collect();
    majors.sort_unstable_by(|a, b| b.cmp(a));
    majors.iter().map(|major| format!("/usr/lib/postgresql/{major}/bin").into()).collect()
}

/// Runs a command that must succeed.
pub(crate) fn run(command: &mut Command) -> Output {
    let output = command.output().unwrap_or_else(|error| panic!("{command:?}: {error}"));
    assert_success(command, &output);
    output
}

/// Runs a command that must succeed, with this on its standard input.
pub(crate) fn run_with_input(command: &mut Command, input: &[u8]) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}"));
    let mut stdin = child.stdin.take().unwrap();
    let output = std::thread::scope(|scope| {
        // A command that fails early does not read on; its own message tells more.
        scope.spawn(move || stdin.write_all(input).ok());
        child.wait_with_output().unwrap()
    });
    assert_success(command, &output);
    output
}

fn assert_success(command: &Command, output: &Output) {
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{command:?} failed with {}:\n{message}", output.status);
}

/// A reader that counts what is taken from it.
#[allow(dead_code, reason = "each binary of tests has its own copy, and not all of them read")]
pub(crate) struct Counting<R> {
    /// Where the bytes come from.
    pub(crate) inner: R,
    /// How many were taken.
    pub(crate) taken: usize,
}

impl<R: Read> Read for Counting<R> {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.taken += count;
        Ok(count)
    }
}
