//! A private PostgreSQL server for a test: started on a free port of 127.0.0.1, gone when dropped.
//!
//! Binaries come from `PERMAFROST_PG_BIN`, else from the newest `/usr/lib/postgresql/*/bin`. A server
//! refuses to run as root, so root starts it as `postgres` or `nobody`. The first test of a build runs
//! `initdb`; the others copy its result.

// Every test binary has its own copy of this module and uses a part of it.
#![allow(dead_code)]

use std::fs;
use std::io::Write;
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use permafrost_engine::pg::{ConnectOptions, Connection, Password, TlsMode};
use tempfile::TempDir;

/// The superuser `postgres` and every role made by [`Server::create_role`] log in with it.
pub(crate) const PASSWORD: &str = "correct horse 'battery' stäple";

const START_LIMIT: Duration = Duration::from_mins(1);
const HBA: &str = "\
host all cleartext_user 127.0.0.1/32 password
host all md5_user 127.0.0.1/32 md5
host all trusted_user 127.0.0.1/32 trust
hostssl all tls_user 127.0.0.1/32 scram-sha-256
host all tls_user 127.0.0.1/32 reject
host all all 127.0.0.1/32 scram-sha-256
";

/// A running server.
pub(crate) struct Server {
    port: u16,
    process: Child,
    directory: TempDir,
}

/// The files of a server's certificate, in PEM.
pub(crate) struct Certificate {
    pub(crate) chain: String,
    pub(crate) key: String,
}

impl Server {
    /// Starts a server without TLS.
    pub(crate) fn start() -> Self {
        Self::start_with(None, &[])
    }

    /// Starts a server with TLS, if a certificate is given, and with more settings.
    pub(crate) fn start_with(certificate: Option<&Certificate>, settings: &[&str]) -> Self {
        let binaries = binaries();
        let account = Account::for_servers();
        let directory = tempfile::Builder::new().prefix("permafrost-pg-").tempdir().unwrap();
        account.give(directory.path());
        let data = directory.path().join("data");
        copy_tree(&template(&binaries, &account), &data);

        let mut settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        let mut hba = fs::OpenOptions::new().append(true).open(data.join("pg_hba.conf")).unwrap();
        hba.write_all(b"host replication all 127.0.0.1/32 scram-sha-256\n").unwrap();
        if let Some(Certificate { chain, key }) = certificate {
            for (name, text) in [("server.crt", chain), ("server.key", key)] {
                let path = data.join(name);
                fs::write(&path, text).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
                account.give(&path);
            }
            settings.push("ssl=on".into());
        }

        Self::launch(directory, &settings)
    }

    /// Starts a hot standby that follows this server.
    pub(crate) fn standby(&self, settings: &[&str]) -> Self {
        let account = Account::for_servers();
        let directory = tempfile::Builder::new().prefix("permafrost-pg-").tempdir().unwrap();
        account.give(directory.path());
        let copied = account
            .command(&binaries().join("pg_basebackup"))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres", "--no-password"])
            .args(["--checkpoint=fast", "--no-sync", "--write-recovery-conf", "-D"])
            .arg(directory.path().join("data"))
            .env("PGPASSWORD", PASSWORD)
            .output()
            .unwrap();
        assert!(copied.status.success(), "no base backup: {}", String::from_utf8_lossy(&copied.stderr));
        let settings: Vec<String> = settings.iter().map(ToString::to_string).collect();
        Self::launch(directory, &settings)
    }

    /// Starts a server whose data are in the folder `data` of `directory`.
    fn launch(directory: TempDir, settings: &[String]) -> Self {
        let (binaries, account) = (binaries(), Account::for_servers());
        let data = directory.path().join("data");
        // Somebody else can take the port between our look and the server's start.
        for _ in 0..5 {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let log = directory.path().join("log");
            let mut command = account.command(&binaries.join("postgres"));
            command.arg("-D").arg(&data).args(["-c", &format!("port={port}")]);
            for setting in settings {
                command.args(["-c", setting]);
            }
            command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(fs::File::create(&log).unwrap());
            let mut process = command.spawn().expect("the server can be started");
            if await_ready(&mut process, &log) {
                return Self { port, process, directory };
            }
            let log = fs::read_to_string(&log).unwrap();
            assert!(log.contains("Address already in use"), "the server did not start:\n{log}");
        }
        panic!("no port stayed free");
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How the superuser logs in, without TLS.
    pub(crate) fn options(&self) -> ConnectOptions {
        ConnectOptions {
            host: "127.0.0.1".into(),
            port: self.port,
            database: "postgres".into(),
            user: "postgres".into(),
            password: Some(Password::new(PASSWORD)),
            tls: TlsMode::Disable,
            application_name: "permafrost test".into(),
            connect_timeout: Duration::from_secs(20),
        }
    }

    pub(crate) async fn connect(&self) -> Connection {
        Connection::connect(&self.options()).await.expect("the superuser can log in")
    }

    /// Makes a role that logs in with [`PASSWORD`].
    pub(crate) async fn create_role(&self, connection: &mut Connection, name: &str) {
        let password = PASSWORD.replace('\'', "''");
        connection.execute(&format!("CREATE ROLE {name} LOGIN PASSWORD '{password}'")).await.unwrap();
    }

    /// Runs one of PostgreSQL's clients as the superuser.
    pub(crate) fn client(&self, name: &str, arguments: &[&str]) -> Output {
        Command::new(binaries().join(name))
            .args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", "postgres"])
            .args(arguments)
            .env("PGPASSWORD", PASSWORD)
            .env("PGCLIENTENCODING", "UTF8")
            .stdin(Stdio::null())
            .output()
            .expect("the client can be started")
    }

    /// What the server has logged so far.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }

    /// Ends the server as a crash would: no client is told.
    pub(crate) fn crash(&mut self) {
        signal(&self.process, "QUIT");
        self.process.wait().unwrap();
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Ok(None) = self.process.try_wait() {
            signal(&self.process, "QUIT");
            self.process.wait().ok();
        }
    }
}

fn signal(process: &Child, signal: &str) {
    let status = Command::new("kill").args([&format!("-{signal}"), &process.id().to_string()]).status();
    assert!(status.unwrap().success(), "the server can be signalled");
}

/// Whether the server came up; false if it ended.
fn await_ready(process: &mut Child, log: &Path) -> bool {
    let deadline = Instant::now() + START_LIMIT;
    while process.try_wait().unwrap().is_none() {
        let text = fs::read_to_string(log).unwrap();
        let ready = ["ready to accept connections", "ready to accept read-only connections"];
        if ready.iter().any(|ready| text.contains(&format!("database system is {ready}"))) {
            return true;
        }
        assert!(Instant::now() < deadline, "the server is not ready after {START_LIMIT:?}:\n{text}");
        sleep(Duration::from_millis(20));
    }
    false
}

fn binaries() -> PathBuf {
    if let Some(directory) = std::env::var_os("PERMAFROST_PG_BIN") {
        return directory.into();
    }
    let newest = fs::read_dir("/usr/lib/postgresql").ok().and_then(|majors| {
        majors
            .filter_map(Result::ok)
            .filter_map(|major| {
                Some((major.file_name().to_str()?.parse::<u32>().ok()?, major.path().join("bin")))
            })
            .filter(|(_, bin)| bin.join("initdb").exists() && bin.join("postgres").exists())
            .max()
    });
    newest.map(|(_, bin)| bin).expect(
        "no PostgreSQL server was found: install one (on Debian: apt-get install postgresql), or set \
         PERMAFROST_PG_BIN to the directory that holds initdb and postgres",
    )
}

/// A data directory as `initdb` leaves it, made once per build and version.
fn template(binaries: &Path, account: &Account) -> PathBuf {
    let version = Command::new(binaries.join("postgres")).arg("--version").output().unwrap().stdout;
    let version: String =
        String::from_utf8(version).unwrap().chars().filter(char::is_ascii_alphanumeric).collect();
    let template = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("pg-template-{version}"));
    if template.exists() {
        return template;
    }

    let work = tempfile::Builder::new().prefix("permafrost-initdb-").tempdir().unwrap();
    account.give(work.path());
    let (data, password) = (work.path().join("data"), work.path().join("password"));
    fs::write(&password, PASSWORD).unwrap();
    account.give(&password);
    let initdb = account
        .command(&binaries.join("initdb"))
        .arg("-D")
        .arg(&data)
        .args(["-U", "postgres", "-E", "UTF8", "--locale=C", "-A", "scram-sha-256", "--no-sync", "-N"])
        .arg(format!("--pwfile={}", password.display()))
        .output()
        .unwrap();
    assert!(initdb.status.success(), "initdb failed: {}", String::from_utf8_lossy(&initdb.stderr));
    fs::write(data.join("pg_hba.conf"), HBA).unwrap();
    let settings = "listen_addresses = '127.0.0.1'\nunix_socket_directories = ''\nfsync = off\n\
                    shared_buffers = '64MB'\nlogging_collector = off\nlc_messages = 'C'\n";
    fs::write(data.join("postgresql.auto.conf"), settings).unwrap();

    // Tests in other processes may be here as well: whoever renames first has made it.
    let candidate =
        tempfile::Builder::new().prefix("pg-candidate-").tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    copy_tree(&data, &candidate.path().join("data"));
    if let Err(error) = fs::rename(candidate.path().join("data"), &template) {
        assert!(template.exists(), "the template cannot be put in its place: {error}");
    }
    template
}

fn copy_tree(from: &Path, to: &Path) {
    let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(status.success(), "cannot copy {} to {}", from.display(), to.display());
}

/// Whose processes and files the server's are.
enum Account {
    Own,
    Other { uid: u32, gid: u32 },
}

impl Account {
    fn for_servers() -> Self {
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            return Self::Own;
        }
        let id = |flag: &str, name: &str| {
            let output = Command::new("id").args([flag, name]).output().unwrap();
            String::from_utf8(output.stdout).ok()?.trim().parse().ok()
        };
        ["postgres", "nobody"]
            .into_iter()
            .find_map(|name| Some(Self::Other { uid: id("-u", name)?, gid: id("-g", name)? }))
            .expect("a server cannot run as root, and neither postgres nor nobody exists here")
    }

    fn command(&self, program: &Path) -> Command {
        // The server also ends when the test's process is killed.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "QUIT"]);
        if let Self::Other { uid, gid } = self {
            command.args([&format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups"]);
        }
        command.arg(program).env("LC_ALL", "C");
        command
    }

    fn give(&self, path: &Path) {
        if let Self::Other { uid, gid } = self {
            chown(path, Some(*uid), Some(*gid)).unwrap();
        }
    }
}
