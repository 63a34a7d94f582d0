//! A PostgreSQL server of the benchmark's own: made once, kept between runs for its databases, stopped at the end.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use permafrost_engine::Login;
use permafrost_engine::pg::{ConnectOptions, Connection, TlsMode};

use crate::error::BenchError;
use crate::usage;

/// The superuser, whom the server trusts on 127.0.0.1.
const USER: &str = "postgres";

/// The server's settings. What they hold can be made again, so it does not wait for the disk; everything fits into
/// memory, so that a run finds what the run before it found; nothing else runs in the background.
const SETTINGS: &[(&str, &str)] = &[
    ("listen_addresses", "127.0.0.1"),
    ("unix_socket_directories", ""),
    ("max_connections", "50"),
    ("max_locks_per_transaction", "2048"),
    ("shared_buffers", "2GB"),
    ("maintenance_work_mem", "256MB"),
    ("max_wal_size", "8GB"),
    ("checkpoint_timeout", "1h"),
    ("fsync", "off"),
    ("full_page_writes", "off"),
    ("synchronous_commit", "off"),
    ("autovacuum", "off"),
    ("timezone", "UTC"),
];

/// A server that runs.
#[derive(Debug)]
pub(crate) struct Server {
    /// Its programs.
    pub(crate) bin: PathBuf,
    /// Its port on 127.0.0.1.
    pub(crate) port: u16,
    /// Its major version.
    pub(crate) major: u32,
    data: PathBuf,
    user: Option<(u32, u32)>,
}

impl Server {
    /// Starts the server whose files are in `scratch`, after making them where there are none.
    pub(crate) fn start(bin: &Path, scratch: &Path) -> Result<Self, BenchError> {
        let user = server_user()?;
        let major = major_of(&bin.join("postgres"))?;
        let data = scratch.join(format!("data{major}"));
        let mut server = Self { bin: bin.to_owned(), port: free_port()?, major, data, user };
        if !server.data.join("PG_VERSION").exists() {
            server.make_cluster(scratch)?;
        }
        // One that a killed run has left.
        server.stop();
        let mut options = format!("-c port={}", server.port);
        for (name, value) in SETTINGS {
            let value = if value.is_empty() { "''" } else { value };
            options.extend([" -c ", name, "=", value]);
        }
        let log = server.data.join("server.log");
        server.run(
            server
                .command("pg_ctl")
                .args(["start", "-w", "-t", "60", "-D"])
                .arg(&server.data)
                .arg("-l")
                .arg(log)
                .args(["-o", &options]),
        )?;
        server.port = server.recorded_port()?;
        Ok(server)
    }

    /// How the engine logs in.
    pub(crate) fn login(&self, database: &str) -> Login {
        login(self.port, database)
    }

    /// Carries out statements, one after the other.
    pub(crate) async fn execute(&self, database: &str, statements: &[String]) -> Result<(), BenchError> {
        let mut connection = self.login(database).connect().await?;
        for statement in statements {
            connection.execute(statement).await.map_err(failed(statement))?;
        }
        connection.close().await;
        Ok(())
    }

    /// The rows of a query, as text.
    pub(crate) async fn query(&self, database: &str, query: &str) -> Result<Vec<Vec<String>>, BenchError> {
        let mut connection: Connection = self.login(database).connect().await?;
        let rows = connection.query(query, &[]).await.map_err(failed(query))?;
        connection.close().await;
        let columns = |row: &permafrost_engine::pg::Row| {
            (0..row.len()).map(|column| row.get(column).unwrap_or_default().to_owned()).collect()
        };
        Ok(rows.iter().map(columns).collect())
    }

    /// CPU seconds of the server and of all its backends that have ended.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, BenchError> {
        let file = self.data.join("postmaster.pid");
        let text = fs::read_to_string(&file).map_err(BenchError::io("read postmaster.pid"))?;
        let cpu = usage::cpu_of(text.lines().next().unwrap_or_default())?;
        Ok(cpu.own + cpu.children)
    }

    fn recorded_port(&self) -> Result<u16, BenchError> {
        let file = self.data.join("postmaster.pid");
        let text = fs::read_to_string(&file).map_err(BenchError::io("read postmaster.pid"))?;
        text.lines()
            .nth(3)
            .and_then(|port| port.trim().parse().ok())
            .ok_or_else(|| BenchError::Wrong("postmaster.pid has no port".to_owned()))
    }

    fn make_cluster(&self, scratch: &Path) -> Result<(), BenchError> {
        fs::create_dir_all(scratch).map_err(BenchError::io(format!("make {}", scratch.display())))?;
        fs::create_dir_all(&self.data).map_err(BenchError::io(format!("make {}", self.data.display())))?;
        if let Some((uid, gid)) = self.user {
            std::os::unix::fs::chown(&self.data, Some(uid), Some(gid))
                .map_err(BenchError::io("give the cluster to the server's user"))?;
        }
        self.run(
            self.command("initdb")
                .args([
                    "--username",
                    USER,
                    "--auth",
                    "trust",
                    "--encoding",
                    "UTF8",
                    "--locale",
                    "C",
                    "--no-sync",
                ])
                .arg("--pgdata")
                .arg(&self.data),
        )
    }

    /// Stops the server, if it runs. A server that cannot be stopped is found by the next start.
    fn stop(&self) {
        let mut command = self.command("pg_ctl");
        command.args(["stop", "-m", "fast", "-w", "-D"]).arg(&self.data);
        let _ = command.stdout(Stdio::null()).stderr(Stdio::null()).status();
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(self.bin.join(program));
        command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::null());
        if let Some((uid, gid)) = self.user {
            command.uid(uid).gid(gid);
        }
        command
    }

    fn run(&self, command: &mut Command) -> Result<(), BenchError> {
        let program = command.get_program().to_string_lossy().into_owned();
        // Not a pipe: the server, which `pg_ctl` leaves behind, would keep it open.
        let status = command.status().map_err(BenchError::io(format!("start {program}")))?;
        if status.success() {
            return Ok(());
        }
        Err(BenchError::Program {
            program,
            words: format!("{status}; see {}", self.data.join("server.log").display()),
        })
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.stop();
    }
}

/// How the engine logs in to the server at `port`.
pub(crate) fn login(port: u16, database: &str) -> Login {
    let options = ConnectOptions {
        host: "127.0.0.1".to_owned(),
        port,
        database: database.to_owned(),
        user: USER.to_owned(),
        password: None,
        tls: TlsMode::Disable,
        application_name: "permafrost benchmark".to_owned(),
        connect_timeout: std::time::Duration::from_secs(15),
    };
    Login { options, ca_pem: None }
}

/// The newest server among Debian's packages.
pub(crate) fn newest_installed() -> Result<PathBuf, BenchError> {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().filter_map(Result::ok);
    versions
        .filter_map(|entry| {
            let bin = entry.path().join("bin");
            let major: u32 = entry.file_name().to_str()?.parse().ok()?;
            bin.join("initdb").exists().then_some((major, bin))
        })
        .max()
        .map(|(_, bin)| bin)
        .ok_or_else(|| BenchError::Missing("there is no PostgreSQL server here; say --pg-bin DIR".to_owned()))
}

/// The major version that a program says it is of.
pub(crate) fn major_of(program: &Path) -> Result<u32, BenchError> {
    let doing = format!("start {}", program.display());
    let output = Command::new(program).arg("--version").output().map_err(BenchError::io(doing))?;
    let words = String::from_utf8_lossy(&output.stdout);
    words
        .split(|c: char| !c.is_ascii_digit())
        .find_map(|number| number.parse().ok())
        .ok_or_else(|| BenchError::Wrong(format!("{} says no version: {words:?}", program.display())))
}

/// As whom the server runs: PostgreSQL refuses to run as root.
fn server_user() -> Result<Option<(u32, u32)>, BenchError> {
    let own = fs::metadata("/proc/self").map_err(BenchError::io("read /proc/self"))?;
    if std::os::unix::fs::MetadataExt::uid(&own) != 0 {
        return Ok(None);
    }
    let passwd = fs::read_to_string("/etc/passwd").map_err(BenchError::io("read /etc/passwd"))?;
    let of = |name: &str| {
        passwd.lines().find_map(|line| {
            let fields: Vec<&str> = line.split(':').collect();
            (fields.first() == Some(&name)).then_some(())?;
            Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
        })
    };
    match of("postgres").or_else(|| of("nobody")) {
        Some(user) => Ok(Some(user)),
        None => {
            Err(BenchError::Missing("root may not run PostgreSQL, and there is no user postgres".to_owned()))
        }
    }
}

/// A port of 127.0.0.1 that nobody uses now.
pub(crate) fn free_port() -> Result<u16, BenchError> {
    let listener =
        std::net::TcpListener::bind(("127.0.0.1", 0)).map_err(BenchError::io("find a free port"))?;
    Ok(listener.local_addr().map_err(BenchError::io("find a free port"))?.port())
}

fn failed(statement: &str) -> impl FnOnce(permafrost_engine::pg::QueryError) -> BenchError {
    let words: String = statement.chars().take(120).collect();
    move |error| BenchError::Program { program: "the server".to_owned(), words: format!("{words}: {error}") }
}
