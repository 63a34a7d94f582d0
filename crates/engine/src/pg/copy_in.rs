//! Loading a table from blocks of bytes.

use bytes::BufMut;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::copy_out::copied_rows;
use super::wire::{Flush, Wire};
use super::{DbError, QueryError};

/// The most that goes into one `CopyData` message; the server holds a message in memory as a whole.
const MESSAGE_BYTES: usize = 128 * 1024;
/// How much is gathered before it is sent.
const OUTPUT_BYTES: usize = 256 * 1024;

/// A `COPY ... FROM STDIN` that is running. Dropped without [`CopyIn::finish`] or [`CopyIn::fail`], it
/// makes the connection unusable, and the server, once the connection is closed, keeps none of the rows.
pub struct CopyIn<'a> {
    wire: &'a mut Wire,
    /// A call failed or was dropped halfway; there is nothing to go on with.
    interrupted: bool,
}

impl<'a> CopyIn<'a> {
    pub(super) fn new(wire: &'a mut Wire) -> Self {
        wire.output().clear();
        Self { wire, interrupted: false }
    }

    /// Sends data, cut anywhere: pieces need not end where rows end. Small pieces are gathered.
    ///
    /// # Errors
    /// The server's error as soon as it arrives, which can be calls after the data that it is about;
    /// the connection stays usable after it, unless it was fatal. Or a broken connection.
    pub async fn send(&mut self, data: &[u8]) -> Result<(), QueryError> {
        self.enter()?;
        for piece in data.chunks(MESSAGE_BYTES) {
            put_copy_data(self.wire.output(), piece);
            if self.wire.output().len() >= OUTPUT_BYTES {
                self.flush().await?;
            }
        }
        self.interrupted = false;
        Ok(())
    }

    /// Ends the data and returns the number of rows that the server took.
    ///
    /// # Errors
    /// The server's error, or a broken connection: whether the rows were taken is then unknown.
    pub async fn finish(mut self) -> Result<u64, QueryError> {
        self.enter()?;
        self.flush().await?;
        // From here on what arrives is an answer, which a quick server may give before the next line is reached.
        frontend::copy_done(self.wire.output());
        self.wire.flush().await?;
        let rows = match self.wire.next().await? {
            Message::CommandComplete(body) => body.tag().ok().and_then(copied_rows),
            Message::ErrorResponse(body) => return Err(self.wire.server_error(&body).await),
            _ => None,
        };
        let Some(rows) = rows else {
            return Err(self.wire.violation("a COPY ended without its number of rows".into()));
        };
        self.wire.drain(None).await?;
        Ok(rows)
    }

    /// Gives the copy up: the server rolls the statement back. `reason` appears in its log.
    ///
    /// # Errors
    /// An error of the server's other than the one asked for, or a broken connection.
    pub async fn fail(mut self, reason: &str) -> Result<(), QueryError> {
        self.enter()?;
        // What has been gathered is whole messages, and would be thrown away by the server anyway.
        self.wire.output().clear();
        frontend::copy_fail(&reason.replace('\0', " "), self.wire.output())
            .map_err(|error| QueryError::Unsendable(error.to_string()))?;
        self.wire.flush().await?;
        match self.wire.drain(None).await {
            Err(QueryError::Server(error)) if error.sqlstate == "57014" => Ok(()),
            Err(error) => Err(error),
            Ok(()) => Err(self.wire.violation("a COPY that was given up has succeeded".into())),
        }
    }

    /// Begins a call, which until its end counts as one that was dropped halfway.
    fn enter(&mut self) -> Result<(), QueryError> {
        if std::mem::replace(&mut self.interrupted, true) { Err(QueryError::Abandoned) } else { Ok(()) }
    }

    /// Sends what has been gathered, while listening. After an error the server reads on up to the
    /// data's end and ignores it, so everything gathered is still sent: no message is left half-sent.
    async fn flush(&mut self) -> Result<(), QueryError> {
        let mut error: Option<DbError> = None;
        loop {
            let flush = match self.wire.flush_or_input().await {
                Ok(flush) => flush,
                Err(lost) => return Err(error.map_or(lost, |error| QueryError::Server(Box::new(error)))),
            };
            while error.is_none()
                && let Some(message) = self.wire.buffered_message()?
            {
                let Message::ErrorResponse(body) = message else {
                    return Err(self.wire.violation("an unexpected message while sending COPY data".into()));
                };
                match DbError::parse(body.fields()) {
                    Ok(parsed) => error = Some(parsed),
                    Err(malformed) => return Err(self.wire.violation(malformed.to_string())),
                }
            }
            if flush == Flush::Done {
                break;
            }
        }
        match error {
            None => Ok(()),
            Some(error) => self.wire.drain(Some(error)).await,
        }
    }
}

fn put_copy_data(output: &mut bytes::BytesMut, data: &[u8]) {
    // The length counts itself; a piece is never near 4 GiB.
    let length = u32::try_from(data.len() + 4).unwrap_or(u32::MAX);
    output.put_u8(b'd');
    output.put_u32(length);
    output.put_slice(data);
}
