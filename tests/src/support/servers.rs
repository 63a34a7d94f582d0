//! PostgreSQL servers: the stack's own, and one of every major version with hot standbys on demand.
//!
//! The servers of `local/servers.py` are started when a test first asks for them; the command that starts them lets
//! one caller at a time do so. Where they are is in `.local/servers.json`.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use permafrost_engine::pg::{ConnectError, ConnectOptions, Connection, Password, Row, TlsMode};
use permafrost_engine::sql::literal;
use serde::Deserialize;

use super::Stack;

/// The major versions that there is a server of.
pub const MAJORS: RangeInclusive<u32> = 10..=18;

/// A server and its superuser's login.
#[derive(Debug, Clone)]
pub struct Server {
    /// Its major version.
    pub major: u32,
    /// Its address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Its superuser.
    pub user: String,
    /// The superuser's password.
    pub password: Password,
}

/// What `.local/servers.json` says of a server.
#[derive(Deserialize)]
struct Record {
    major: u32,
    host: String,
    port: u16,
    user: String,
    password: String,
}

impl Server {
    /// The server of a major version, started if it does not run.
    ///
    /// # Panics
    /// There is no such version, or it cannot be started.
    pub async fn of(major: u32) -> Self {
        Self::named(&major.to_string()).await
    }

    /// A hot standby that follows the server of a major version (12 or newer), both started if they do not run.
    ///
    /// It is behind by milliseconds; [`Server::has_caught_up`] waits for it.
    ///
    /// # Panics
    /// There is none of this version, or it cannot be started.
    pub async fn standby_of(major: u32) -> Self {
        Self::named(&format!("{major}-standby")).await
    }

    /// The stack's own server, which is of whichever version the machine has.
    ///
    /// # Panics
    /// The stack is not running.
    pub fn of_the_stack() -> Self {
        let stack = Stack::get();
        let postgres = &stack.postgres;
        Self {
            major: postgres.major,
            host: postgres.host.clone(),
            port: postgres.port,
            user: postgres.user.clone(),
            password: Password::new(stack.superuser_password()),
        }
    }

    /// How the superuser connects to a database.
    pub fn superuser(&self, database: &str) -> ConnectOptions {
        ConnectOptions {
            host: self.host.clone(),
            port: self.port,
            database: database.to_owned(),
            user: self.user.clone(),
            password: Some(self.password.clone()),
            tls: TlsMode::Disable,
            application_name: "permafrost tests".to_owned(),
            connect_timeout: Duration::from_secs(10),
        }
    }

    /// A superuser's session in a database.
    ///
    /// # Panics
    /// The server refuses it.
    pub async fn connect(&self, database: &str) -> Connection {
        Connection::connect(&self.superuser(database))
            .await
            .unwrap_or_else(|error| panic!("cannot connect to {database} of {}: {error:?}", self.major))
    }

    /// The rows of a query in any database, asked as the superuser.
    ///
    /// # Panics
    /// The query fails.
    pub async fn query_in(&self, database: &str, query: &str) -> Vec<Row> {
        let mut connection = self.connect(database).await;
        let rows = connection.query(query, &[]).await;
        let rows = rows.unwrap_or_else(|error| panic!("{error}, of the query {query}"));
        connection.close().await;
        rows
    }

    /// Whether the server has a database of this name.
    ///
    /// # Panics
    /// The server refuses.
    pub async fn has_database(&self, name: &str) -> bool {
        let query = format!("SELECT 1 FROM pg_database WHERE datname = {}", literal(name));
        !self.query_in("postgres", &query).await.is_empty()
    }

    /// Waits until this standby has replayed all that its primary has written so far.
    ///
    /// # Panics
    /// It takes longer than 30 s.
    pub async fn has_caught_up(&self, primary: &Self) {
        let written = primary.query_in("postgres", "SELECT pg_current_wal_lsn()").await;
        let written = written[0].get(0).expect("a primary has a position in its log").to_owned();
        let replayed = format!("SELECT pg_last_wal_replay_lsn() >= {}::pg_lsn", literal(&written));
        for _ in 0..300 {
            if self.query_in("postgres", &replayed).await[0].get(0) == Some("t") {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("the standby of {} has not replayed its log up to {written}", self.major);
    }

    /// A client program for this server: of its own version, else of the next newer one that the functions have.
    ///
    /// # Panics
    /// There is none.
    pub fn client(&self, program: &str) -> PathBuf {
        let dir = &Stack::get().pg_clients_dir;
        (self.major..=*MAJORS.end())
            .map(|major| dir.join(major.to_string()).join("bin").join(program))
            .find(|path| path.exists())
            .unwrap_or_else(|| panic!("{} has no {program} for PostgreSQL {}", dir.display(), self.major))
    }

    async fn named(name: &str) -> Self {
        let state = Stack::directory();
        if let Some(server) = Self::recorded(&state, name)
            && server.takes_logins().await
        {
            return server;
        }
        start(&state, name).await;
        Self::recorded(&state, name)
            .unwrap_or_else(|| panic!("the server {name} was started, and is not written down"))
    }

    fn recorded(state: &Path, name: &str) -> Option<Self> {
        let path = state.join("servers.json");
        let text = match std::fs::read_to_string(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            text => text.unwrap_or_else(|error| panic!("cannot read {}: {error}", path.display())),
        };
        let mut records: BTreeMap<String, Record> = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{} does not describe servers: {error}", path.display()));
        let Record { major, host, port, user, password } = records.remove(name)?;
        Some(Self { major, host, port, user, password: Password::new(password) })
    }

    /// Whether a login works. What else than an absent or starting server makes it fail is a fault of the test's.
    async fn takes_logins(&self) -> bool {
        match Connection::connect(&self.superuser("postgres")).await {
            Ok(connection) => {
                connection.close().await;
                true
            }
            Err(error @ ConnectError::AuthenticationFailed(_)) => {
                panic!("the server on port {} is another's: {error:?}", self.port)
            }
            Err(_) => false,
        }
    }
}

/// Starts a server; the command waits for others of its kind to end.
async fn start(state: &Path, name: &str) {
    let checkout = state.parent().expect("the stack's directory is in a checkout");
    let started = tokio::process::Command::new(checkout.join(".venv/bin/python"))
        .args(["-m", "local", "servers", name])
        .current_dir(checkout)
        .output()
        .await
        .unwrap_or_else(|error| panic!("cannot start the server {name}: {error}: run `make servers`"));
    assert!(
        started.status.success(),
        "cannot start the server {name}: {}{}",
        String::from_utf8_lossy(&started.stdout),
        String::from_utf8_lossy(&started.stderr)
    );
}
