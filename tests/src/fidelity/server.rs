//! PostgreSQL servers by major version, the clients on board, and a database on a server.

use std::path::PathBuf;
use std::process::Stdio;

use permafrost_engine::pg::{ConnectOptions, Connection};
use tokio::process::Command;

use crate::support::Stack;

pub use crate::support::servers::Server;

/// Where the clients are, if not where the stack says.
const CLIENTS: &str = "PERMAFROST_TEST_PG_CLIENTS";

/// A database on a server.
#[derive(Debug, Clone)]
pub struct Place {
    /// The server.
    pub server: Server,
    /// The database's name.
    pub database: String,
}

impl Place {
    /// A database of a server, which need not exist.
    pub fn on(server: &Server, database: &str) -> Self {
        Self { server: server.clone(), database: database.to_owned() }
    }

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
        self.server.superuser(&self.database)
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
            .env("PGPASSWORD", self.server.password.expose())
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
