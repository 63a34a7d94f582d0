//! The emulator of AWS as a process of its own: on a free port, without state, gone when nobody needs it.
//!
//! It asks IAM what callers may do. The keys `test`, `test` are those of the account itself, which may do everything.
//!
//! A shell stands between: it ends the emulator and removes its directory when whoever started it closes the pipe to it,
//! however that process ends.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

/// How long it may take to start on a machine that is busy.
const STARTS_WITHIN: Duration = Duration::from_mins(1);
/// How long between two looks whether it has started.
const LOOKS: Duration = Duration::from_millis(50);
/// How often it is tried: somebody else may have taken the port that was free.
const TRIES: u32 = 3;

const WATCHDOG: &str = r#"
exec 3<&0
"$1" >"$2/log" 2>&1 </dev/null 3<&- &
server=$!
echo "$server"
exec >&-
(cat <&3 >/dev/null; kill -TERM "$server") 2>/dev/null &
wait "$server"
: >"$2/ended"
cat <&3 >/dev/null
rm -rf "$2"
"#;

/// Why there is no emulator.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its program is not where it should be.
    #[error(
        "the emulator is not at {}: run `make vault` once, or name its program in PERMAFROST_MINISTACK",
        .0.display()
    )]
    Missing(PathBuf),
    /// It ended, or did not answer in time.
    #[error("{} does not start; it says:\n{said}", .program.display())]
    Silent {
        /// The program that was started.
        program: PathBuf,
        /// What it wrote.
        said: String,
    },
    /// The machine did not let it start.
    #[error("the emulator cannot be started")]
    Io(#[from] std::io::Error),
}

/// An emulator that runs as long as this lives, and no longer than this process.
#[derive(Debug)]
pub struct Emulator {
    port: u16,
    process: String,
    /// Its stdin is the pipe that the emulator's life hangs on.
    watchdog: Child,
}

impl Emulator {
    /// Starts `program`, and returns when it answers.
    ///
    /// # Errors
    /// The program is missing, or it does not answer within a minute, three times.
    pub fn start(program: &Path) -> Result<Self, StartError> {
        if !program.is_file() {
            return Err(StartError::Missing(program.to_owned()));
        }
        let mut said = String::new();
        for _ in 0..TRIES {
            let directory = tempfile::Builder::new().prefix("permafrost-emulator-").tempdir()?.keep();
            let emulator = Self::spawn(program, &directory)?;
            if emulator.answers(&directory) {
                return Ok(emulator);
            }
            said = std::fs::read_to_string(directory.join("log")).unwrap_or_default();
        }
        Err(StartError::Silent { program: program.to_owned(), said })
    }

    /// The emulator of this process, started by the first who asks.
    ///
    /// # Panics
    /// It does not start: a test that needs it has failed.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Emulator> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&program()).unwrap_or_else(|error| panic!("{error}")))
    }

    /// The URL of all of its services.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The number of its process.
    pub fn process(&self) -> &str {
        &self.process
    }

    fn spawn(program: &Path, directory: &Path) -> Result<Self, StartError> {
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port();
        let bin = program.parent().unwrap_or(program).display();
        let mut watchdog = Command::new("/bin/sh")
            .args(["-c", WATCHDOG, "watchdog"])
            .args([program, directory])
            .env_clear()
            .env("PATH", format!("{bin}:/usr/local/bin:/usr/bin:/bin"))
            .envs([("LANG", "C.UTF-8"), ("AUTH", "true"), ("S3_PERSIST", "0"), ("PERSIST_STATE", "0")])
            .envs([("IOT_MTLS_ENABLED", "0"), ("SFTP_ENABLED", "0"), ("GATEWAY_PORT", &port.to_string())])
            .envs([("HOME", directory), ("TMPDIR", directory)])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut process = String::new();
        if let Some(stdout) = watchdog.stdout.take() {
            BufReader::new(stdout).read_line(&mut process)?;
        }
        Ok(Self { port, process: process.trim().to_owned(), watchdog })
    }

    /// Whether it answers before it ends or its time is up.
    fn answers(&self, directory: &Path) -> bool {
        let deadline = Instant::now() + STARTS_WITHIN;
        while Instant::now() < deadline && !directory.join("ended").exists() {
            std::thread::sleep(LOOKS);
            if is_healthy(self.port) {
                return true;
            }
        }
        false
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        // It holds nothing that anybody needs; one that has ended already is as good.
        let _ = self.watchdog.wait();
    }
}

fn is_healthy(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    let request = "GET /_ministack/health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    let mut answer = [0; 64];
    stream.set_read_timeout(Some(Duration::from_secs(5))).is_ok()
        && stream.write_all(request.as_bytes()).is_ok()
        && stream.read(&mut answer).is_ok_and(|read| answer[..read].windows(5).any(|word| word == b" 200 "))
}

/// The emulator's program: `PERMAFROST_MINISTACK`, else the one that `make vault` installs in this checkout.
fn program() -> PathBuf {
    std::env::var_os("PERMAFROST_MINISTACK").map_or_else(
        || {
            let here = Path::new(env!("CARGO_MANIFEST_DIR"));
            let checkout = here.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
            checkout.unwrap_or(here).join(".venv/bin/ministack")
        },
        PathBuf::from,
    )
}
