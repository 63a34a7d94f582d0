//! The emulator of S3, DynamoDB and IAM, started once per test process on a free port, without state. It asks IAM what
//! callers may do; the keys `test`, `test` are those of the account itself, which may do everything.
//!
//! A shell stands between: it ends the emulator and removes its directory when the test process closes the pipe
//! to it, however that process ends.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::time::{Duration, Instant};

const WATCHDOG: &str = r#"
exec 3<&0
"$1" >"$2/log" 2>&1 </dev/null 3<&- &
server=$!
(cat <&3 >/dev/null; kill -TERM "$server") 2>/dev/null &
wait "$server"
: >"$2/ended"
cat <&3 >/dev/null
rm -rf "$2"
"#;

/// A running emulator.
struct Emulator {
    endpoint: String,
    /// Its stdin is the pipe: the emulator lives as long as this process holds it.
    _watchdog: Child,
}

static EMULATOR: OnceLock<Emulator> = OnceLock::new();

/// The emulator's address.
pub(crate) fn endpoint() -> &'static str {
    &EMULATOR.get_or_init(start).endpoint
}

fn start() -> Emulator {
    let program = program();
    let mut log = String::new();
    for _ in 0..3 {
        match try_start(&program) {
            Ok(emulator) => return emulator,
            Err(said) => log = said,
        }
    }
    panic!("{} does not start; it says:\n{log}", program.display());
}

/// One try on a port that is free now; otherwise what the emulator said before it ended.
fn try_start(program: &Path) -> Result<Emulator, String> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let directory = tempfile::Builder::new().prefix("permafrost-stores-").tempdir().unwrap().keep();
    let bin = program.parent().unwrap().display();
    let mut watchdog = Command::new("/bin/sh")
        .args(["-c", WATCHDOG, "watchdog"])
        .args([program, &directory])
        .env_clear()
        .env("PATH", format!("{bin}:/usr/local/bin:/usr/bin:/bin"))
        .envs([("LANG", "C.UTF-8"), ("AUTH", "true"), ("S3_PERSIST", "0"), ("PERSIST_STATE", "0")])
        .envs([("IOT_MTLS_ENABLED", "0"), ("SFTP_ENABLED", "0"), ("GATEWAY_PORT", &port.to_string())])
        .envs([("HOME", &directory), ("TMPDIR", &directory)])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("/bin/sh starts");
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut healthy = false;
    while !healthy && Instant::now() < deadline && !directory.join("ended").exists() {
        std::thread::sleep(Duration::from_millis(50));
        healthy = is_healthy(port);
    }
    if healthy {
        return Ok(Emulator { endpoint: format!("http://127.0.0.1:{port}"), _watchdog: watchdog });
    }
    let log = std::fs::read_to_string(directory.join("log")).unwrap_or_default();
    drop(watchdog.stdin.take());
    watchdog.wait().unwrap();
    Err(log)
}

fn is_healthy(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let request = "GET /_ministack/health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    let mut answer = [0; 64];
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read(&mut answer).is_ok_and(|read| answer[..read].windows(5).any(|word| word == b" 200 "))
}

/// The emulator's program.
fn program() -> PathBuf {
    let program = std::env::var_os("PERMAFROST_MINISTACK").map_or_else(
        || {
            let crates = Path::new(env!("CARGO_MANIFEST_DIR"));
            let workspace = crates.ancestors().find(|folder| folder.join("Cargo.lock").is_file());
            workspace.unwrap_or(crates).join(".venv/bin/ministack")
        },
        PathBuf::from,
    );
    assert!(
        program.is_file(),
        "the emulator is not at {}: run `make vault` once, or name its program in PERMAFROST_MINISTACK",
        program.display()
    );
    program
}
