//! Messages over the transport: one buffer in, one buffer out, and what the server says unasked.

use std::collections::HashMap;
use std::future::poll_fn;
use std::io;
use std::pin::Pin;
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, BytesMut};
use postgres_protocol::message::backend::{Header, Message};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};

use super::connection::TransactionStatus;
use super::transport::Transport;
use super::{DbError, QueryError};

/// What one read takes from the socket at most, and the size of the input buffer between commands.
pub(super) const READ_BYTES: usize = 256 * 1024;
/// No message of a login is nearly as long. A peer that claims more speaks another protocol.
const LOGIN_MESSAGE_BYTES_LIMIT: usize = 64 * 1024;
/// The server itself builds no longer ones.
const MESSAGE_BYTES_LIMIT: usize = 1 << 30;
/// After a failed write, how long to wait for the server's reason, which may be on its way.
const LAST_WORDS_WAIT: Duration = Duration::from_secs(2);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The server waits for a command.
    Idle,
    /// A command was sent and its answer not read to the end.
    Busy,
    /// The transport failed, or the peer broke the protocol.
    Closed,
}

/// A connection seen as messages.
pub(super) struct Wire {
    transport: Transport,
    input: BytesMut,
    output: BytesMut,
    parameters: HashMap<String, String>,
    message_bytes_limit: usize,
    state: State,
    /// Commands that were sent before the answer to the one before them had been read to its end.
    following: u32,
    transaction: TransactionStatus,
}

/// What [`Wire::flush_or_input`] came back for.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Flush {
    /// Everything is on its way, and the server has nothing to say yet.
    Done,
    /// The server said something; call again to go on.
    Input,
}

impl Wire {
    /// A wire on which the login is still to be done: it counts as busy.
    pub(super) fn new(transport: Transport) -> Self {
        Self {
            transport,
            input: BytesMut::with_capacity(READ_BYTES),
            output: BytesMut::new(),
            parameters: HashMap::new(),
            message_bytes_limit: LOGIN_MESSAGE_BYTES_LIMIT,
            state: State::Busy,
            following: 0,
            transaction: TransactionStatus::Idle,
        }
    }

    pub(super) fn transport(&self) -> &Transport {
        &self.transport
    }

    pub(super) fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters.get(name).map(String::as_str)
    }

    pub(super) fn transaction(&self) -> TransactionStatus {
        self.transaction
    }

    /// Begins a command. From here until `ReadyForQuery` the connection counts as abandoned, so that
    /// a future dropped halfway leaves it unusable rather than out of step.
    pub(super) fn begin(&mut self) -> Result<(), QueryError> {
        match self.state {
            State::Idle => {
                self.state = State::Busy;
                self.output.clear();
                Ok(())
            }
            State::Busy => Err(QueryError::Abandoned),
            State::Closed => Err(QueryError::ConnectionClosed(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Gives back a command that [`Wire::begin`] began and of which nothing was sent.
    pub(super) fn unbegin(&mut self) {
        self.output.clear();
        self.state = State::Idle;
    }

    /// Sends what is in [`Wire::output`] as a command behind the one that is being answered. The server carries it out
    /// by itself once it is done with that, and says twice that it is ready.
    pub(super) async fn follow(&mut self) -> Result<(), QueryError> {
        self.following += 1;
        self.flush().await
    }

    /// Where messages to the server are put until the next flush.
    pub(super) fn output(&mut self) -> &mut BytesMut {
        &mut self.output
    }

    /// What has been read and not yet been taken.
    pub(super) fn input(&mut self) -> &mut BytesMut {
        &mut self.input
    }

    /// Sends everything in [`Wire::output`].
    pub(super) async fn flush(&mut self) -> Result<(), QueryError> {
        let sending = async {
            self.transport.write_all(&self.output).await?;
            self.transport.flush().await
        };
        let sent = sending.await;
        self.output.clear();
        match sent {
            Ok(()) => Ok(()),
            Err(error) => Err(self.write_failed(error).await),
        }
    }

    /// Sends what is in [`Wire::output`], and reads at the same time: a server that has much to say
    /// while it is sent much must not wait for us as we wait for it.
    pub(super) async fn flush_or_input(&mut self) -> Result<Flush, QueryError> {
        self.reserve_input();
        let Self { transport, input, output, .. } = self;
        let mut transport = Pin::new(transport);
        let flushed = poll_fn(|cx| {
            let mut sent = false;
            loop {
                if output.is_empty() {
                    match transport.as_mut().poll_flush(cx) {
                        Poll::Ready(Ok(())) => sent = true,
                        Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                        Poll::Pending => {}
                    }
                    break;
                }
                match transport.as_mut().poll_write(cx, output) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(written)) => output.advance(written),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => break,
                }
            }
            let mut chunk = [0; 4096];
            let mut read = ReadBuf::new(&mut chunk);
            match transport.as_mut().poll_read(cx, &mut read) {
                Poll::Ready(Ok(())) if read.filled().is_empty() => {
                    Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()))
                }
                Poll::Ready(Ok(())) => {
                    input.extend_from_slice(read.filled());
                    Poll::Ready(Ok(Flush::Input))
                }
                Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
                Poll::Pending if sent => Poll::Ready(Ok(Flush::Done)),
                Poll::Pending => Poll::Pending,
            }
        })
        .await;
        match flushed {
            Ok(flush) => Ok(flush),
            Err(error) => Err(self.write_failed(error).await),
        }
    }

    /// Reads once, and waits for at least a byte. Returns how many bytes were read.
    pub(super) async fn fill(&mut self) -> Result<usize, QueryError> {
        self.reserve_input();
        let read = match self.transport.read_buf(&mut self.input).await {
            Ok(0) => Err(io::ErrorKind::UnexpectedEof.into()),
            read => read,
        };
        read.map_err(|error| self.closed(error))
    }

    /// Waits, and is not woken meanwhile by what arrives, unless it is a whole read.
    pub(super) async fn lull(&mut self, how_long: Duration) -> Result<(), QueryError> {
        self.transport.set_low_water(READ_BYTES).map_err(|error| self.closed(error))?;
        tokio::time::sleep(how_long).await;
        self.transport.set_low_water(1).map_err(|error| self.closed(error))
    }

    /// The next message that is not a notice, a changed parameter or a notification.
    pub(super) async fn next(&mut self) -> Result<Message, QueryError> {
        loop {
            if let Some(message) = self.next_or_unasked().await? {
                return Ok(message);
            }
        }
    }

    /// The next message; `None` if it was one that servers send unasked, which is then dealt with.
    /// Whatever follows it is not looked at.
    pub(super) async fn next_or_unasked(&mut self) -> Result<Option<Message>, QueryError> {
        loop {
            if let Some(message) = self.parse()? {
                return self.settle(message);
            }
            self.fill().await?;
        }
    }

    /// Like [`Wire::next`], without waiting: `None` if no whole message has been read yet.
    pub(super) fn buffered_message(&mut self) -> Result<Option<Message>, QueryError> {
        while let Some(message) = self.parse()? {
            if let Some(message) = self.settle(message)? {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// Takes a message off the input, if it is there as a whole.
    fn parse(&mut self) -> Result<Option<Message>, QueryError> {
        // Before the length is believed, and memory set aside for it.
        let claimed_bytes = match Header::parse(&self.input) {
            Ok(header) => header.map_or(0, |header| usize::try_from(header.len()).unwrap_or(usize::MAX)),
            Err(error) => return Err(self.violation(error.to_string())),
        };
        if claimed_bytes > self.message_bytes_limit {
            return Err(self.violation(format!("a message claims {claimed_bytes} bytes")));
        }
        Message::parse(&mut self.input).map_err(|error| self.violation(error.to_string()))
    }

    /// Deals with what concerns every command: messages sent unasked, and the end of a command.
    fn settle(&mut self, message: Message) -> Result<Option<Message>, QueryError> {
        match message {
            Message::NoticeResponse(body) => {
                let notice =
                    DbError::parse(body.fields()).map_err(|error| self.violation(error.to_string()))?;
                tracing::debug!(severity = notice.severity, sqlstate = notice.sqlstate, "{}", notice.message);
                return Ok(None);
            }
            Message::ParameterStatus(body) => {
                let (Ok(name), Ok(value)) = (body.name(), body.value()) else {
                    return Err(self.violation("a parameter that is not UTF-8".into()));
                };
                self.parameters.insert(name.to_owned(), value.to_owned());
                return Ok(None);
            }
            Message::NotificationResponse(_) => return Ok(None),
            Message::ReadyForQuery(ref body) => {
                self.transaction = match body.status() {
                    b'T' => TransactionStatus::InTransaction,
                    b'E' => TransactionStatus::Failed,
                    _ => TransactionStatus::Idle,
                };
                match self.following.checked_sub(1) {
                    Some(left) => self.following = left,
                    None => self.state = State::Idle,
                }
                self.message_bytes_limit = MESSAGE_BYTES_LIMIT;
            }
            _ => {}
        }
        Ok(Some(message))
    }

    /// Reads up to the last `ReadyForQuery` and throws away what comes before, except for the first error.
    pub(super) async fn drain(&mut self, mut first: Option<DbError>) -> Result<(), QueryError> {
        loop {
            let message = match self.next().await {
                Ok(message) => message,
                // After a fatal error the server closes the connection: the error says why.
                Err(lost) => return Err(first.map_or(lost, |error| QueryError::Server(Box::new(error)))),
            };
            match message {
                Message::ReadyForQuery(_) if self.state == State::Idle => break,
                Message::ErrorResponse(body) => {
                    let error =
                        DbError::parse(body.fields()).map_err(|error| self.violation(error.to_string()))?;
                    first.get_or_insert(error);
                }
                Message::CopyInResponse(_) => self.refuse_copy_in().await?,
                _ => {}
            }
        }
        first.map_or(Ok(()), |error| Err(QueryError::Server(Box::new(error))))
    }

    /// Reads an error's fields, then up to `ReadyForQuery`; what comes back is that error, unless the
    /// fields cannot be read.
    pub(super) async fn server_error(
        &mut self,
        body: &postgres_protocol::message::backend::ErrorResponseBody,
    ) -> QueryError {
        match DbError::parse(body.fields()) {
            Err(error) => self.violation(error.to_string()),
            Ok(error) => match self.drain(Some(error)).await {
                Err(error) => error,
                Ok(()) => self.violation("an error was lost".into()),
            },
        }
    }

    /// Ends a command whose first answer is not the one that was hoped for.
    pub(super) async fn reject(&mut self, first: Message, expected: &'static str) -> QueryError {
        let drained = match first {
            Message::ErrorResponse(body) => return self.server_error(&body).await,
            Message::ReadyForQuery(_) if self.state == State::Idle => Ok(()),
            Message::CopyInResponse(_) => match self.refuse_copy_in().await {
                Ok(()) => self.drain(None).await,
                Err(error) => Err(error),
            },
            _ => self.drain(None).await,
        };
        match drained {
            Err(QueryError::Server(error)) if error.sqlstate != "57014" => QueryError::Server(error),
            Ok(()) | Err(QueryError::Server(_)) => QueryError::WrongStatement { expected },
            Err(error) => error,
        }
    }

    /// Answers a server that waits for `COPY` data which will not come.
    pub(super) async fn refuse_copy_in(&mut self) -> Result<(), QueryError> {
        self.output.clear();
        postgres_protocol::message::frontend::copy_fail("no data was expected to be sent", &mut self.output)
            .map_err(|error| QueryError::Unsendable(error.to_string()))?;
        self.flush().await
    }

    /// Marks the connection as unusable, since the peer broke the protocol.
    pub(super) fn violation(&mut self, what: String) -> QueryError {
        self.state = State::Closed;
        QueryError::Protocol(what)
    }

    /// Says good-bye, as far as the peer still listens.
    pub(super) async fn close(mut self) {
        let mut goodbye = BytesMut::new();
        postgres_protocol::message::frontend::terminate(&mut goodbye);
        // Whatever fails here, the connection ends, which is what was asked for.
        if self.transport.write_all(&goodbye).await.is_ok() {
            self.transport.shutdown().await.ok();
        }
    }

    fn closed(&mut self, error: io::Error) -> QueryError {
        self.state = State::Closed;
        QueryError::ConnectionClosed(error)
    }

    /// A write fails when the server has closed the connection; its reason may still be readable.
    async fn write_failed(&mut self, error: io::Error) -> QueryError {
        self.state = State::Closed;
        let reading = tokio::time::timeout(LAST_WORDS_WAIT, async {
            loop {
                if let Message::ErrorResponse(body) = self.next().await? {
                    return DbError::parse(body.fields())
                        .map_err(|error| QueryError::Protocol(error.to_string()));
                }
            }
        });
        let last_words = reading.await;
        self.state = State::Closed;
        match last_words {
            Ok(Ok(reason)) => QueryError::Server(Box::new(reason)),
            _ => QueryError::ConnectionClosed(error),
        }
    }

    fn reserve_input(&mut self) {
        if self.input.is_empty() && self.input.capacity() > 4 * READ_BYTES {
            // One huge message is no reason to keep its memory.
            self.input = BytesMut::with_capacity(READ_BYTES);
        } else {
            self.input.reserve(READ_BYTES - self.input.len().min(READ_BYTES / 2));
        }
    }
}
