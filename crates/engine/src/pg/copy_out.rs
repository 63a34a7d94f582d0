//! Reading a table in blocks of whole rows.

use std::time::Duration;

use bytes::Buf;
use postgres_protocol::message::backend::Message;
use postgres_protocol::message::frontend;

use super::QueryError;
use super::copy_decoder::{CopyDecoder, Stop};
use super::wire::{READ_BYTES, Wire};

/// A statement that has brought less, behind one that has, takes every piece as it comes: small tables are not to wait.
const UNHURRIED_BYTES: usize = 1024 * 1024;
/// How long the server is left alone: at 1 GB/s less than a socket's buffer holds.
const LULL: Duration = Duration::from_millis(2);

/// A `COPY ... TO STDOUT` that is running. Dropped before its end was read, it makes the connection
/// unusable.
pub struct CopyOut<'a> {
    wire: &'a mut Wire,
    decoder: CopyDecoder,
    rows: u64,
    state: CopyState,
    /// Whether another statement was sent behind this one.
    followed: bool,
    /// Bytes taken from the socket for this statement.
    read_bytes: usize,
    /// Whether the statement before this one has brought much.
    unhurried: bool,
    /// Whether the last read brought little.
    lull: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CopyState {
    Running,
    /// A call is being carried out, or failed, or was dropped halfway.
    Interrupted,
    Ended,
}

/// What one call of [`CopyOut::read_rows`] appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CopyBlock {
    /// How many whole rows.
    pub rows: u64,
    /// Whether these were the last ones. The server has then confirmed their number.
    pub end: bool,
}

impl<'a> CopyOut<'a> {
    /// Reads the beginning of the answer to a statement that was sent.
    pub(super) async fn begin(wire: &'a mut Wire) -> Result<Self, QueryError> {
        let mut copy = Self {
            wire,
            decoder: CopyDecoder::default(),
            rows: 0,
            state: CopyState::Interrupted,
            followed: false,
            read_bytes: 0,
            unhurried: false,
            lull: false,
        };
        copy.run().await?;
        Ok(copy)
    }

    async fn run(&mut self) -> Result<(), QueryError> {
        match self.wire.next().await? {
            Message::CopyOutResponse(body) if body.format() == 0 => {
                self.state = CopyState::Running;
                Ok(())
            }
            message => Err(self.wire.reject(message, "a COPY TO STDOUT in text format").await),
        }
    }

    /// Sends the statement that is to follow this one, another `COPY ... TO STDOUT`. The server goes on with it by
    /// itself when it is done with this one, and does not wait until the rows have been read and looked after.
    ///
    /// An error of this one ends both, as within a transaction the server itself would have it.
    ///
    /// # Errors
    /// A broken connection, or [`QueryError::Abandoned`] where this one has ended, or one follows already.
    pub async fn follow_with(&mut self, sql: &str) -> Result<(), QueryError> {
        if self.followed || self.state != CopyState::Running {
            return Err(QueryError::Abandoned);
        }
        if let Err(error) = frontend::query(sql, self.wire.output()) {
            self.wire.output().clear();
            return Err(QueryError::Unsendable(error.to_string()));
        }
        self.state = CopyState::Interrupted;
        self.wire.follow().await?;
        (self.state, self.followed) = (CopyState::Running, true);
        Ok(())
    }

    /// Goes over to the statement that follows, once this one was read to its end: what is read next are its rows.
    ///
    /// # Errors
    /// Those of starting it, or [`QueryError::Abandoned`] where none follows or this one has not ended.
    pub async fn next(&mut self) -> Result<(), QueryError> {
        if self.state != CopyState::Ended || !std::mem::take(&mut self.followed) {
            return Err(QueryError::Abandoned);
        }
        self.state = CopyState::Interrupted;
        self.unhurried = self.read_bytes >= UNHURRIED_BYTES;
        (self.rows, self.read_bytes) = (0, 0);
        self.run().await
    }

    /// Appends whole rows to `out` until this call has appended `target_bytes` or the copy has ended.
    /// A row is never split over two calls: one that is larger than the target is appended whole. At
    /// least one row is appended unless the copy has ended.
    ///
    /// `end` is true only after the server has said that the data is complete and the statement has
    /// succeeded, and has counted as many rows as arrived. A connection that breaks, or a server that
    /// stops, is always an error, after which `out` ends with the last whole row.
    ///
    /// # Errors
    /// The server's error (the connection stays usable, unless it was fatal), a broken connection, a
    /// wrong number of rows, or [`QueryError::Abandoned`] after an earlier call that failed or was
    /// dropped halfway.
    pub async fn read_rows(
        &mut self,
        out: &mut Vec<u8>,
        target_bytes: usize,
    ) -> Result<CopyBlock, QueryError> {
        match self.state {
            CopyState::Running => {}
            CopyState::Interrupted => return Err(QueryError::Abandoned),
            CopyState::Ended => return Ok(CopyBlock { rows: 0, end: true }),
        }
        self.state = CopyState::Interrupted;
        match self.read(out, target_bytes).await {
            Ok(block) => {
                self.state = if block.end { CopyState::Ended } else { CopyState::Running };
                Ok(block)
            }
            Err(error) => {
                out.truncate(out.len() - self.decoder.unfinished_bytes());
                Err(error)
            }
        }
    }

    /// How many rows of this statement have been read so far.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// Reads from the socket. The server sends 8 KiB at a time: a client that takes each piece as it comes spends
    /// more on waking up than on the rows. One that the server does not keep busy lets it be for a moment instead, in
    /// which the server goes on and fills the socket's buffer.
    async fn read_more(&mut self) -> Result<(), QueryError> {
        if self.lull && (self.unhurried || self.read_bytes >= UNHURRIED_BYTES) {
            self.wire.lull(LULL).await?;
        }
        let read = self.wire.fill().await?;
        self.read_bytes = self.read_bytes.saturating_add(read);
        self.lull = read < READ_BYTES / 2;
        Ok(())
    }

    async fn read(&mut self, out: &mut Vec<u8>, target_bytes: usize) -> Result<CopyBlock, QueryError> {
        let target_len = out.len().saturating_add(target_bytes.max(1));
        let before = self.rows;
        loop {
            let decoded = self.decoder.decode(self.wire.input(), out, target_len);
            let decoded = decoded.map_err(|error| self.wire.violation(error.to_string()))?;
            self.wire.input().advance(decoded.consumed);
            self.rows += decoded.rows;
            match decoded.stop {
                Stop::TargetReached => return Ok(CopyBlock { rows: self.rows - before, end: false }),
                Stop::NeedInput => self.read_more().await?,
                Stop::OtherMessage => {
                    if self.other_message().await? {
                        return Ok(CopyBlock { rows: self.rows - before, end: true });
                    }
                }
            }
        }
    }

    /// Handles what is not data: true at the confirmed end, false for a notice or a parameter.
    async fn other_message(&mut self) -> Result<bool, QueryError> {
        match self.wire.next_or_unasked().await? {
            None => return Ok(false),
            Some(Message::CopyDone) => {}
            Some(Message::ErrorResponse(body)) => return Err(self.wire.server_error(&body).await),
            Some(_) => return Err(self.wire.violation("an unexpected message within COPY data".into())),
        }
        let reported = match self.wire.next().await? {
            Message::CommandComplete(body) => body.tag().ok().and_then(copied_rows),
            Message::ErrorResponse(body) => return Err(self.wire.server_error(&body).await),
            _ => None,
        };
        let Some(reported) = reported else {
            return Err(self.wire.violation("a COPY ended without its number of rows".into()));
        };
        match self.wire.next().await? {
            Message::ReadyForQuery(_) => {}
            Message::ErrorResponse(body) => return Err(self.wire.server_error(&body).await),
            _ => return Err(self.wire.violation("a COPY was followed by another statement".into())),
        }
        if reported == self.rows {
            Ok(true)
        } else {
            Err(QueryError::CopyRowsDiffer { counted: self.rows, reported })
        }
    }
}

/// The number of rows in the tag `COPY 17`.
pub(super) fn copied_rows(tag: &str) -> Option<u64> {
    tag.strip_prefix("COPY ")?.parse().ok()
}
