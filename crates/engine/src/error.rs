//! What can go wrong in the engine, and the fault that it becomes.

use permafrost_domain::fault::chain;
use permafrost_domain::{Code, Fault};
use permafrost_pgarchive::ReadError;
use permafrost_vault::VaultError;

use crate::login::SecretError;
use crate::pg::{ConnectError, QueryError};

/// A failure of the engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// No connection.
    #[error("cannot connect to {server} as {user}")]
    Connect {
        /// `host:port/database`.
        server: String,
        /// The role.
        user: String,
        /// Why.
        source: ConnectError,
    },
    /// The secret does not give a login.
    #[error("cannot read the login from secret {arn}")]
    Secret {
        /// The secret.
        arn: String,
        /// Why.
        source: SecretError,
    },
    /// No IAM token can be made.
    #[error("cannot make an IAM token for {user}")]
    Token {
        /// The role.
        user: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The CA's certificates cannot be used.
    #[error("cannot use the CA's certificates")]
    Ca {
        /// Where they are from.
        origin: String,
        /// Why.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
    /// The server refused a statement, or went away.
    #[error("cannot {doing}")]
    Query {
        /// What was being done, as the rest of a sentence: `read table app.ledger`.
        doing: String,
        /// The object concerned.
        object: Option<String>,
        /// Why.
        source: QueryError,
    },
    /// A program of PostgreSQL's failed.
    #[error("{program} failed ({status}): {stderr}")]
    Program {
        /// `pg_dump`, `pg_restore`.
        program: &'static str,
        /// Its exit status.
        status: String,
        /// The end of what it said.
        stderr: String,
    },
    /// A program of PostgreSQL's could not be run.
    #[error("cannot run {program}")]
    Spawn {
        /// `pg_dump`, `pg_restore`.
        program: &'static str,
        /// Why.
        source: std::io::Error,
    },
    /// No program for the server's version is on board.
    #[error("no pg_dump for PostgreSQL {major} or newer is on board: {found}")]
    NoProgram {
        /// The server's major version.
        major: u32,
        /// What there is.
        found: String,
    },
    /// The table of contents cannot be read.
    #[error("cannot read the table of contents")]
    Toc(#[source] ReadError),
    /// The table of contents holds something that this engine does not know how to treat.
    #[error("the table of contents holds {what}")]
    TocContents {
        /// What, and why it is a problem.
        what: String,
    },
    /// The store failed.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The snapshot cannot be joined any more.
    #[error("the snapshot of the backup is gone: {reason}")]
    SnapshotLost {
        /// What tells.
        reason: String,
    },
    /// The list of tables kept changing while they were being locked.
    #[error("tables were created or dropped while they were being locked, {attempts} times in a row")]
    TablesKeepChanging {
        /// How often the list was read.
        attempts: u32,
    },
    /// The server's answer is not of the form that it must have.
    #[error("the server's answer cannot be read: {what}")]
    Answer {
        /// What is wrong with it.
        what: String,
    },
    /// Rows cannot be compressed, or a frame not be decompressed.
    #[error("the compression failed")]
    Compression(#[source] std::io::Error),
    /// What was read from the store is not what was written.
    #[error("{what} differs from its checksum")]
    Damaged {
        /// The frame and table.
        what: String,
    },
    /// Somebody asked to end the job.
    #[error("the job was cancelled")]
    Cancelled,
    /// A fault that was found as such.
    #[error("{}", .0.message)]
    Fault(Fault),
}

impl EngineError {
    /// An error of a statement, from what was being done.
    pub fn query(doing: impl Into<String>) -> impl FnOnce(QueryError) -> Self {
        let doing = doing.into();
        move |source| Self::Query { doing, object: None, source }
    }

    /// An error of a statement, from what was being done with which object.
    pub fn query_on(doing: impl Into<String>, object: impl Into<String>) -> impl FnOnce(QueryError) -> Self {
        let (doing, object) = (doing.into(), Some(object.into()));
        move |source| Self::Query { doing, object, source }
    }
}

impl From<Fault> for EngineError {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<EngineError> for Fault {
    fn from(error: EngineError) -> Self {
        let message = chain(&error);
        match error {
            EngineError::Connect { server, user, source } => connect_fault(&source, &server, &user, message),
            EngineError::Secret { arn, source } => {
                Fault::new(source.code(), message).on(format!("secret {arn}"))
            }
            EngineError::Token { .. } => Fault::new(Code::SecretUnavailable, message),
            EngineError::Ca { origin, .. } => Fault::new(Code::TlsVerificationFailed, message)
                .on(origin)
                .hint("Name the CA with `--tls-ca FILE`, or add the RDS bundle to the pg-client layer."),
            EngineError::Query { object, source, .. } => query_fault(&source, object, message),
            EngineError::Program { .. } | EngineError::Toc(_) | EngineError::TocContents { .. } => {
                Fault::new(Code::DumpFailed, message)
            }
            EngineError::Spawn { .. } | EngineError::NoProgram { .. } => {
                Fault::new(Code::DumpClientNotOnBoard, message)
            }
            EngineError::Vault(error) => error.into(),
            EngineError::Answer { .. } => Fault::new(Code::StatementFailed, message),
            EngineError::Compression(_) => Fault::new(Code::DumpFailed, message),
            EngineError::SnapshotLost { .. } => Fault::new(Code::SnapshotLost, message),
            EngineError::TablesKeepChanging { .. } => Fault::new(Code::LockNotAvailable, message),
            EngineError::Damaged { .. } => Fault::new(Code::ChecksumMismatch, message),
            EngineError::Cancelled => Fault::new(Code::JobCancelled, message),
            EngineError::Fault(fault) => fault,
        }
    }
}

fn connect_fault(source: &ConnectError, server: &str, user: &str, message: String) -> Fault {
    let database = server.rsplit_once('/').map_or(server, |(_, database)| database);
    let code = match source {
        ConnectError::NameNotResolved { .. } => Code::HostNotFound,
        ConnectError::Unreachable { .. } | ConnectError::TimedOut { .. } | ConnectError::Protocol(_) => {
            Code::MissingNetworkAccess
        }
        ConnectError::TlsNotOffered => Code::TlsNotAvailable,
        ConnectError::TlsVerification { .. } | ConnectError::TlsHandshake(_) | ConnectError::TlsSetup(_) => {
            Code::TlsVerificationFailed
        }
        ConnectError::AuthenticationFailed(_)
        | ConnectError::PasswordMissing
        | ConnectError::CleartextPasswordRefused
        | ConnectError::UnsupportedAuthentication { .. } => Code::DatabaseUserAuthFailed,
        ConnectError::DatabaseDoesNotExist(_) => Code::DatabaseNotFound,
        ConnectError::TooManyConnections(_) => Code::TooManyConnections,
        ConnectError::Server(error) => match error.sqlstate.as_str() {
            "42501" => {
                let grant = format!(
                    "GRANT CONNECT ON DATABASE {} TO {};",
                    crate::sql::ident(database),
                    crate::sql::ident(user)
                );
                return Fault::new(Code::MissingDatabasePermissions, message)
                    .on(format!("database {database}"))
                    .hint(format!("Run {grant}"));
            }
            // Starting up, shutting down, in recovery.
            state if state.starts_with("57P") => Code::ServerConnectionClosed,
            _ => Code::StatementFailed,
        },
        ConnectError::Broken { .. } => Code::ServerConnectionClosed,
    };
    let object = match code {
        Code::DatabaseUserAuthFailed => format!("role {user} on {server}"),
        Code::DatabaseNotFound => format!("database {database}"),
        _ => format!("server {server}"),
    };
    Fault::new(code, message).on(object)
}

fn query_fault(source: &QueryError, object: Option<String>, message: String) -> Fault {
    let code = match source {
        QueryError::ConnectionClosed(_) | QueryError::Protocol(_) | QueryError::Abandoned => {
            Code::ServerConnectionClosed
        }
        QueryError::CopyRowsDiffer { .. } => Code::ServerConnectionClosed,
        QueryError::Server(error) => match error.sqlstate.as_str() {
            "42501" => Code::MissingDatabasePermissions,
            "55P03" | "40P01" => Code::LockNotAvailable,
            "53300" => Code::TooManyConnections,
            state if state.starts_with("08") || state.starts_with("57P") => Code::ServerConnectionClosed,
            _ => Code::StatementFailed,
        },
        _ => Code::StatementFailed,
    };
    let mut fault = Fault::new(code, message);
    if let QueryError::Server(error) = source {
        if let Some(hint) = &error.hint {
            fault = fault.hint(hint);
        }
        if let (Some(schema), Some(table)) = (&error.schema, &error.table) {
            fault = fault.on(format!("table {schema}.{table}"));
        }
    }
    match object {
        Some(object) => fault.on(object),
        None => fault,
    }
}
