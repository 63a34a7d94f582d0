//! Asking the server, over a connection of its own, to stop a statement.

use bytes::BytesMut;
use postgres_protocol::message::frontend;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, timeout_at};

use super::login::BackendKey;
use super::transport::{connect_tcp, timed_out};
use super::{ConnectError, ConnectOptions, ConnectStage, tls};

/// What is needed to cancel the statement that a [`Connection`](super::Connection) is running. Holds
/// the session's secret key and no password.
#[derive(Clone)]
pub struct CancelHandle {
    options: ConnectOptions,
    key: BackendKey,
}

impl CancelHandle {
    pub(super) fn new(options: &ConnectOptions, key: BackendKey) -> Self {
        Self { options: ConnectOptions { password: None, ..options.clone() }, key }
    }

    /// Asks the server to cancel what the session is doing, if anything, and returns when the server
    /// has taken note. The statement then ends with an error of SQLSTATE 57014, or it was faster.
    ///
    /// # Errors
    /// The server could not be reached; whether the request was understood is never told.
    pub async fn cancel(&self) -> Result<(), ConnectError> {
        let options = &self.options;
        let deadline = Instant::now() + options.connect_timeout;
        let tcp = connect_tcp(options, deadline).await?;
        let asking = async {
            let mut transport = tls::negotiate(tcp, &options.host, &options.tls).await?;
            let mut request = BytesMut::new();
            frontend::cancel_request(self.key.process_id, self.key.secret, &mut request);
            let sending = async {
                transport.write_all(&request).await?;
                transport.flush().await
            };
            sending
                .await
                .map_err(|source| ConnectError::Broken { stage: ConnectStage::LoggingIn, source })?;
            // The server closes the connection once it has passed the request on. How it does so
            // (cleanly, or by a reset) says nothing.
            let mut nothing = [0; 1];
            transport.read_exact(&mut nothing).await.ok();
            Ok(())
        };
        timeout_at(deadline, asking).await.map_err(|_| timed_out(options, ConnectStage::LoggingIn))?
    }
}

impl std::fmt::Debug for CancelHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CancelHandle").field("process_id", &self.key.process_id).finish_non_exhaustive()
    }
}
