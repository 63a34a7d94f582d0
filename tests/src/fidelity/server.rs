//! PostgreSQL servers by major version, the clients on board, and a database on a server.

use std::path::PathBuf;
use std::process::Stdio;
use std::time::Duration;

use permafrost_engine::pg::{ConnectOptions, Connection, Password, TlsMode};
use tokio::process::Command;

use crate::support::Stack;

const SERVERS: &str = "PERMAFROST_TEST_SERVERS";
const CLIENTS: &str = "PERMAFROST_TEST_PG_CLIENTS";

/// A PostgreSQL server that tests may fill, reached without TLS as a superuser.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// The major version: 10 to 18.
    pub major: u32,
    /// Its address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its superuser.
    pub user: String,
    /// The superuser's password. A server that trusts everybody does not look at it.
    pub password: String,
}

/// A database on a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The server.
    pub server: Server,
    /// The database's name.
    pub database: String,
}

impl Server {
    /// The server of a major version: of `PERMAFROST_TEST_SERVERS`, words of the form `15=user:password@host:port`.
    ///
    /// # Panics
    /// There is none.
    pub fn of(major: u32) -> Self {
        let text = std::env::var(SERVERS).unwrap_or_default();
        let found = text.split_whitespace().filter_map(parse).find(|server| server.major == major);
        found.unwrap_or_else(|| panic!("{SERVERS} names no server of version {major}: {text:?}"))
    }

    /// A database of this server, which need not exist.
    pub fn place(&self, database: &str) -> Place {
        Place { server: self.clone(), database: database.to_owned() }
    }
}

impl Place {
    /// A superuser's session.
    ///
    /// # Panics
    /// The server refuses it.
    pub async fn connect(&self) -> Connection {
        let opened = Connection::connect(&self.options()).await;
        opened.unwrap_or_else(|error| panic!("cannot connect to {self:?}: {error:?}"))
    }

    /// How a superuser connects.
    pub fn options(&self) -> ConnectOptions {
        ConnectOptions {
            host: self.server.host.clone(),
            port: self.server.port,
            database: self.database.clone(),
            user: self.server.user.clone(),
            password: Some(Password::new(self.server.password.clone())),
            tls: TlsMode::Disable,
            application_name: "permafrost tests".to_owned(),
            connect_timeout: Duration::from_secs(10),
        }
    }

    /// A program of PostgreSQL's that connects here as the superuser: in the version given, or in the next on board.
    ///
    /// # Panics
    /// There is none of that version or newer.
    pub fn client(&self, program: &str, major: u32) -> Command {
        let on_board = clients();
        let chosen = on_board.iter().find(|(version, _)| *version >= major);
        let (_, folder) = chosen.unwrap_or_else(|| panic!("no client of version {major}: {on_board:?}"));
        let mut command = Command::new(folder.join(program));
        command
            .env_clear()
            .env("LC_ALL", "C.UTF-8")
            .env("PGHOST", &self.server.host)
            .env("PGPORT", self.server.port.to_string())
            .env("PGUSER", &self.server.user)
            .env("PGPASSWORD", &self.server.password)
            // In the form of a connection string: a name may hold anything.
            .arg(format!("--dbname=dbname='{}'", self.database.replace('\\', r"\\").replace('\'', r"\'")))
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command
    }
}

/// The newest major version of PostgreSQL's clients on board.
///
/// # Panics
/// There is none.
pub fn newest_client() -> u32 {
    clients().last().expect("there are clients of PostgreSQL").0
}

/// The clients on board by version, the oldest first: `<major>/bin` below the folder that `PERMAFROST_TEST_PG_CLIENTS`
/// names, else below the one that the functions use.
fn clients() -> Vec<(u32, PathBuf)> {
    let folder = std::env::var_os(CLIENTS).map_or_else(|| Stack::get().pg_clients_dir.clone(), PathBuf::from);
    let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<(u32, PathBuf)> = entries
        .map(|entry| entry.expect("a folder can be read to its end"))
        .filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path().join("bin"))))
        .collect();
    found.sort();
    found
}

/// `15=user:password@host:port`
fn parse(word: &str) -> Option<Server> {
    let (major, rest) = word.split_once('=')?;
    let (login, address) = rest.rsplit_once('@')?;
    let (user, password) = login.split_once(':')?;
    let (host, port) = address.rsplit_once(':')?;
    Some(Server {
        major: major.parse().ok()?,
        host: host.to_owned(),
        port: port.parse().ok()?,
        user: user.to_owned(),
        password: password.to_owned(),
    })
}
