//! A session on a server: connecting, scripts, queries.

use std::fmt;
use std::sync::Arc;

use postgres_protocol::IsNull;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend::{self, BindError};
use tokio::time::{Instant, timeout_at};

use super::login::{self, BackendKey};
use super::row::decode_columns;
use super::transport::{connect_tcp, timed_out};
use super::wire::Wire;
use super::{
    CancelHandle, ConnectError, ConnectOptions, ConnectStage, CopyIn, CopyOut, QueryError, Row,
    ServerVersion, tls,
};

/// A session on a server. One command runs at a time; a command that is not read to its end (a dropped
/// future, a dropped [`CopyOut`]) makes the connection unusable.
pub struct Connection {
    wire: Wire,
    key: BackendKey,
    server_version: ServerVersion,
    cancel: CancelHandle,
}

/// Where the session stands, as the server said after the last command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransactionStatus {
    /// In no transaction.
    Idle,
    /// In a transaction.
    InTransaction,
    /// In a transaction that has failed and only waits for its `ROLLBACK`.
    Failed,
}

impl Connection {
    /// Connects and logs in.
    ///
    /// # Errors
    /// See [`ConnectError`]; each way of not getting a connection has its own variant.
    pub async fn connect(options: &ConnectOptions) -> Result<Self, ConnectError> {
        let deadline = Instant::now() + options.connect_timeout;
        let tcp = connect_tcp(options, deadline).await?;
        let transport = timeout_at(deadline, tls::negotiate(tcp, &options.host, &options.tls))
            .await
            .map_err(|_| timed_out(options, ConnectStage::Encrypting))??;
        let mut wire = Wire::new(transport);
        let key = timeout_at(deadline, login::log_in(&mut wire, options))
            .await
            .map_err(|_| timed_out(options, ConnectStage::LoggingIn))??;

        let server_version = wire
            .parameter("server_version")
            .ok_or_else(|| ConnectError::Protocol("the server does not say its version".into()))?
            .parse()
            .map_err(|error: super::UnknownServerVersion| ConnectError::Protocol(error.to_string()))?;
        let cancel = CancelHandle::new(options, key);
        Ok(Self { wire, key, server_version, cancel })
    }

    /// The server's version.
    pub fn server_version(&self) -> ServerVersion {
        self.server_version
    }

    /// The process that serves this session, as in `pg_stat_activity`.
    pub fn backend_pid(&self) -> i32 {
        self.key.process_id
    }

    /// A parameter that the server reports by itself, at its present value: `server_encoding`,
    /// `client_encoding`, `standard_conforming_strings` and so on.
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.wire.parameter(name)
    }

    /// Whether the session is in a transaction.
    pub fn transaction_status(&self) -> TransactionStatus {
        self.wire.transaction()
    }

    /// What is needed to cancel this session's statement from elsewhere.
    pub fn cancel_handle(&self) -> CancelHandle {
        self.cancel.clone()
    }

    /// Runs a script of one or more statements and throws their results away. Statements that are not
    /// in an explicit transaction form one of their own: if one fails, all do.
    ///
    /// # Errors
    /// The first error of the server's; the connection stays usable after it. `COPY` from or to the
    /// client is refused with [`QueryError::WrongStatement`].
    pub async fn execute(&mut self, sql: &str) -> Result<(), QueryError> {
        const WRONG: QueryError =
            QueryError::WrongStatement { expected: "one without data for or from the client" };
        self.send_simple(sql).await?;
        let mut copied = false;
        loop {
            match self.wire.next().await? {
                Message::ReadyForQuery(_) => return if copied { Err(WRONG) } else { Ok(()) },
                Message::ErrorResponse(body) => {
                    let error = self.wire.server_error(&body).await;
                    return Err(if copied && error.sqlstate() == Some("57014") { WRONG } else { error });
                }
                Message::CopyOutResponse(_) => copied = true,
                Message::CopyInResponse(_) => {
                    copied = true;
                    self.wire.refuse_copy_in().await?;
                }
                _ => {}
            }
        }
    }

    /// Runs one statement with parameters `$1`, `$2` and so on, and returns all of its rows. Values go
    /// and come in the text form of their types; the server infers the parameters' types.
    ///
    /// # Errors
    /// The server's error, after which the connection stays usable; or text that is not UTF-8.
    pub async fn query(&mut self, sql: &str, params: &[Option<&str>]) -> Result<Vec<Row>, QueryError> {
        self.wire.begin()?;
        if let Err(error) = encode_query(sql, params, self.wire.output()) {
            self.wire.unbegin();
            return Err(error);
        }
        self.wire.flush().await?;

        let mut columns = Arc::from([]);
        let mut rows = Vec::new();
        let mut failed = None;
        loop {
            match self.wire.next().await? {
                Message::ReadyForQuery(_) => return failed.map_or(Ok(rows), Err),
                Message::RowDescription(body) => columns = decode_columns(&body)?,
                Message::DataRow(body) if failed.is_none() => match Row::decode(&columns, &body) {
                    Ok(row) => rows.push(row),
                    Err(error) => failed = Some(error),
                },
                Message::ErrorResponse(body) => return Err(self.wire.server_error(&body).await),
                Message::CopyOutResponse(_) => {
                    failed = Some(QueryError::WrongStatement { expected: "a query" });
                }
                Message::CopyInResponse(_) => {
                    // The server answers with an error and, having skipped to the Sync, is ready.
                    self.wire.refuse_copy_in().await?;
                    let mut sync = bytes::BytesMut::new();
                    frontend::sync(&mut sync);
                    self.wire.output().extend_from_slice(&sync);
                    self.wire.flush().await?;
                    return match self.wire.drain(None).await {
                        Err(QueryError::Server(error)) if error.sqlstate == "57014" => {
                            Err(QueryError::WrongStatement { expected: "a query" })
                        }
                        other => other.map(|()| rows),
                    };
                }
                _ => {}
            }
        }
    }

    /// Starts a `COPY ... TO STDOUT` in text format, or CSV without a header.
    ///
    /// # Errors
    /// The server's error, or [`QueryError::WrongStatement`]; the connection stays usable after them.
    pub async fn copy_out(&mut self, sql: &str) -> Result<CopyOut<'_>, QueryError> {
        self.send_simple(sql).await?;
        CopyOut::begin(&mut self.wire).await
    }

    /// Starts a `COPY ... FROM STDIN`.
    ///
    /// # Errors
    /// The server's error, or [`QueryError::WrongStatement`]; the connection stays usable after them.
    pub async fn copy_in(&mut self, sql: &str) -> Result<CopyIn<'_>, QueryError> {
        const EXPECTED: &str = "a COPY FROM STDIN";
        self.send_simple(sql).await?;
        match self.wire.next().await? {
            Message::CopyInResponse(_) => Ok(CopyIn::new(&mut self.wire)),
            message => Err(self.wire.reject(message, EXPECTED).await),
        }
    }

    /// Ends the session. Whatever transaction is open is rolled back by the server.
    pub async fn close(self) {
        self.wire.close().await;
    }

    async fn send_simple(&mut self, sql: &str) -> Result<(), QueryError> {
        self.wire.begin()?;
        if let Err(error) = frontend::query(sql, self.wire.output()) {
            self.wire.unbegin();
            return Err(QueryError::Unsendable(error.to_string()));
        }
        self.wire.flush().await
    }
}

/// Says whose session it is, and nothing of its login.
impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection")
            .field("backend_pid", &self.backend_pid())
            .field("server_version", &self.server_version)
            .finish_non_exhaustive()
    }
}

/// Parse, Bind, Describe, Execute, Sync in one go.
fn encode_query(sql: &str, params: &[Option<&str>], output: &mut bytes::BytesMut) -> Result<(), QueryError> {
    let unsendable = |error: std::io::Error| QueryError::Unsendable(error.to_string());
    frontend::parse("", sql, [], output).map_err(unsendable)?;
    let serialize = |param: Option<&str>, buffer: &mut bytes::BytesMut| {
        Ok(match param {
            None => IsNull::Yes,
            Some(text) => {
                buffer.extend_from_slice(text.as_bytes());
                IsNull::No
            }
        })
    };
    frontend::bind("", "", [], params.iter().copied(), serialize, [], output).map_err(
        |error| match error {
            BindError::Serialization(error) => unsendable(error),
            BindError::Conversion(error) => QueryError::Unsendable(error.to_string()),
        },
    )?;
    frontend::describe(b'P', "", output).map_err(unsendable)?;
    frontend::execute("", 0, output).map_err(unsendable)?;
    frontend::sync(output);
    Ok(())
}
