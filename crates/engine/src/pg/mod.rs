//! A PostgreSQL client of our own: small, and made for reading `COPY` data in blocks.
//!
//! PostgreSQL sends one message per row. A client that surfaces each of them pays per row; this one
//! takes [large reads](copy_out) from the socket and strips the message headers, so that the engine
//! sees blocks of whole rows.
//!
//! | file | subject |
//! |---|---|
//! | `options` | what it takes to connect: address, login, TLS mode |
//! | `connection` | connecting, scripts, queries |
//! | `copy_out`, `copy_in` | the two directions of `COPY`, in blocks |
//! | `copy_decoder` | the pure part of `copy_out`: bytes in, rows out |
//! | `login`, `tls`, `transport`, `wire` | what happens below: authentication, encryption, socket, messages |
//! | `cancel` | asking the server to stop a statement |
//! | `iam_token` | the password of an IAM login |
//! | `row`, `server_version`, `error` | what comes back |
//!
//! **Invariant:** a command that was not read to its end leaves the connection unusable
//! ([`QueryError::Abandoned`]), never out of step: no answer is ever taken for another command's.
//!
//! **Invariant:** no message, error or `Debug` output contains the password.

mod cancel;
mod connection;
mod copy_decoder;
mod copy_in;
mod copy_out;
mod error;
pub mod iam_token;
mod login;
mod options;
mod row;
mod server_version;
mod tls;
mod transport;
mod wire;

pub use cancel::CancelHandle;
pub use connection::{Connection, TransactionStatus};
pub use copy_in::CopyIn;
pub use copy_out::{CopyBlock, CopyOut};
pub use error::{ConnectError, ConnectStage, DbError, QueryError};
pub use options::{ConnectOptions, Password, PemError, TlsMode};
pub use row::{Column, Row, TextParse};
pub use server_version::{ServerVersion, UnknownServerVersion};
