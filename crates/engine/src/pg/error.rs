//! What can go wrong, told apart as far as a reader would act differently.

use std::fmt;
use std::io;
use std::time::Duration;

use fallible_iterator::FallibleIterator;
use postgres_protocol::message::backend::ErrorFields;

/// How far a connection had come when its time was up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ConnectStage {
    /// The name was being resolved.
    Resolving,
    /// Nobody answered on the port: typically a firewall or a security group.
    Connecting,
    /// The port answered; encryption was being agreed on.
    Encrypting,
    /// The server was to check the login.
    LoggingIn,
}

impl fmt::Display for ConnectStage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resolving => "resolving the name",
            Self::Connecting => "connecting",
            Self::Encrypting => "negotiating TLS",
            Self::LoggingIn => "logging in",
        })
    }
}

/// Why there is no connection.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The host's name has no address.
    #[error("the name {host} does not resolve")]
    NameNotResolved {
        /// As asked for.
        host: String,
        /// The resolver's word.
        source: io::Error,
    },
    /// The name resolves, but no address accepts a connection on the port.
    #[error("cannot connect to {host} port {port}")]
    Unreachable {
        /// As asked for.
        host: String,
        /// As asked for.
        port: u16,
        /// Of the last address that was tried: refused, no route, and the like.
        source: io::Error,
    },
    /// The time allowed was not enough.
    #[error("{host} port {port} did not answer within {} ms while {stage}", limit.as_millis())]
    TimedOut {
        /// As asked for.
        host: String,
        /// As asked for.
        port: u16,
        /// Where the time went.
        stage: ConnectStage,
        /// The whole time allowed for connecting.
        limit: Duration,
    },
    /// The server speaks no TLS, and the mode asks for it.
    #[error("the server does not offer TLS")]
    TlsNotOffered,
    /// The server's certificate was refused.
    #[error("the server's certificate was refused: {reason}")]
    TlsVerification {
        /// Signed by a stranger, another host's, expired, and so on.
        reason: String,
    },
    /// TLS failed for another reason than the certificate.
    #[error("the TLS handshake failed")]
    TlsHandshake(#[source] io::Error),
    /// The host's name cannot stand in a certificate, or the trusted certificates are unusable.
    #[error("cannot set up TLS: {0}")]
    TlsSetup(String),
    /// Wrong password, unknown role, or no entry in `pg_hba.conf` (SQLSTATE 28P01 or 28000).
    #[error("authentication failed: {0}")]
    AuthenticationFailed(Box<DbError>),
    /// SQLSTATE 3D000.
    #[error("no such database: {0}")]
    DatabaseDoesNotExist(Box<DbError>),
    /// SQLSTATE 53300.
    #[error("the server has no free connection: {0}")]
    TooManyConnections(Box<DbError>),
    /// The server refused the login for another reason.
    #[error("the server refused the connection: {0}")]
    Server(Box<DbError>),
    /// The server asks for a password and none was given.
    #[error("the server asks for a password and none was given")]
    PasswordMissing,
    /// The server asks for the password in clear text over a connection that is not encrypted.
    #[error("refused to send the password in clear text over an unencrypted connection")]
    CleartextPasswordRefused,
    /// The server wants a way of authentication that this client does not speak.
    #[error("the server asks for {method} authentication, which is not supported")]
    UnsupportedAuthentication {
        /// The method's name.
        method: String,
    },
    /// The connection broke before the login was complete.
    #[error("the connection broke while {stage}")]
    Broken {
        /// When it broke.
        stage: ConnectStage,
        /// The socket's word.
        source: io::Error,
    },
    /// The peer does not speak PostgreSQL's protocol, or an option cannot be expressed in it.
    #[error("protocol violation: {0}")]
    Protocol(String),
}

impl ConnectError {
    /// Sorts a server's refusal by its SQLSTATE.
    pub(super) fn from_server(error: DbError) -> Self {
        let error = Box::new(error);
        match error.sqlstate.as_str() {
            "28P01" | "28000" => Self::AuthenticationFailed(error),
            "3D000" => Self::DatabaseDoesNotExist(error),
            "53300" => Self::TooManyConnections(error),
            _ => Self::Server(error),
        }
    }

    /// The server's own words, where it had any.
    pub fn server_error(&self) -> Option<&DbError> {
        match self {
            Self::AuthenticationFailed(error)
            | Self::DatabaseDoesNotExist(error)
            | Self::TooManyConnections(error)
            | Self::Server(error) => Some(error),
            _ => None,
        }
    }
}

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum QueryError {
    /// The server refused or gave up the command.
    #[error("{0}")]
    Server(Box<DbError>),
    /// The connection is gone; whether the command took effect is unknown.
    #[error("the connection to the server is closed")]
    ConnectionClosed(#[source] io::Error),
    /// An answer that the protocol does not allow here; the connection is unusable from now on.
    #[error("protocol violation: {0}")]
    Protocol(String),
    /// An earlier command was not read to its end, so the connection cannot be used any more.
    #[error("the connection is unusable: an earlier command was not read to its end")]
    Abandoned,
    /// The statement is of another kind than the method carries out.
    #[error("the statement is not {expected}")]
    WrongStatement {
        /// What the method takes.
        expected: &'static str,
    },
    /// A statement or parameter that the protocol cannot carry: a NUL byte, or too many parameters.
    #[error("cannot be sent to the server: {0}")]
    Unsendable(String),
    /// A `COPY` ended with another number of rows than arrived or than were sent.
    #[error("copy is incomplete: {counted} rows were received, the server sent {reported}")]
    CopyRowsDiffer {
        /// Rows that arrived.
        counted: u64,
        /// Rows by the server's count.
        reported: u64,
    },
    /// A value is not what the caller expects.
    #[error("column {column:?} is {value}, not {expected}")]
    Value {
        /// The column's name.
        column: String,
        /// `NULL`, or the text in quotes.
        value: String,
        /// The type's name.
        expected: &'static str,
    },
    /// A value is not valid UTF-8, although the session's encoding should be.
    #[error("column {column:?} holds text that is not UTF-8")]
    NotUtf8 {
        /// The column's name.
        column: String,
    },
    /// The row has no such column.
    #[error("the row has {columns} columns, and column number {index} was asked for")]
    NoColumn {
        /// Counted from 0.
        index: usize,
        /// How many there are.
        columns: usize,
    },
}

impl QueryError {
    /// The five characters of the server's error, where there is one.
    pub fn sqlstate(&self) -> Option<&str> {
        match self {
            Self::Server(error) => Some(&error.sqlstate),
            _ => None,
        }
    }
}

/// An error or notice in the server's own words.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DbError {
    /// `ERROR`, `FATAL`, `PANIC`, `WARNING`, `NOTICE` and so on; not translated from 9.6 on.
    pub severity: String,
    /// Five characters, such as `42P01`; empty if the server sent none.
    pub sqlstate: String,
    /// The primary message, in the server's language.
    pub message: String,
    /// More about the problem.
    pub detail: Option<String>,
    /// What to do about it.
    pub hint: Option<String>,
    /// Where it happened: the call stack, or the line and column of a `COPY`.
    pub context: Option<String>,
    /// The schema concerned.
    pub schema: Option<String>,
    /// The table concerned.
    pub table: Option<String>,
    /// The column concerned.
    pub column: Option<String>,
    /// The constraint concerned.
    pub constraint: Option<String>,
    /// In the statement, in characters from 1.
    pub position: Option<u32>,
}

impl DbError {
    pub(super) fn parse(mut fields: ErrorFields<'_>) -> io::Result<Self> {
        let mut error = Self::default();
        let mut localized_severity = None;
        while let Some(field) = fields.next()? {
            // Before the login is complete the server may answer in any encoding.
            let value = String::from_utf8_lossy(field.value_bytes()).into_owned();
            match field.type_() {
                b'S' => localized_severity = Some(value),
                b'V' => error.severity = value,
                b'C' => error.sqlstate = value,
                b'M' => error.message = value,
                b'D' => error.detail = Some(value),
                b'H' => error.hint = Some(value),
                b'W' => error.context = Some(value),
                b's' => error.schema = Some(value),
                b't' => error.table = Some(value),
                b'c' => error.column = Some(value),
                b'n' => error.constraint = Some(value),
                b'P' => error.position = value.parse().ok(),
                _ => {}
            }
        }
        if error.severity.is_empty() {
            error.severity = localized_severity.unwrap_or_default();
        }
        Ok(error)
    }
}

/// `relation "x" does not exist (42P01)`, then detail and context; the hint is left to the edge.
impl fmt::Display for DbError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.sqlstate)?;
        if let Some(detail) = &self.detail {
            write!(f, "; {detail}")?;
        }
        if let Some(context) = &self.context {
            write!(f, "; {context}")?;
        }
        Ok(())
    }
}

impl std::error::Error for DbError {}
