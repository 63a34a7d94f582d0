//! The floor: what the server can send, read by a client that does nothing with it.
//!
//! Nothing that reads rows as text can be faster than this, on as many connections.

use std::collections::VecDeque;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Mutex;

use crate::args::CopyOptions;
use crate::error::BenchError;

/// What one read takes from the socket at most.
const READ_BYTES: usize = 256 * 1024;
/// The message by which the server says that it waits for the next command, outside of a transaction.
const READY: &[u8] = b"Z\0\0\0\x05I";
/// What is kept of the answer: enough for the last messages.
const TAIL_BYTES: usize = 256;

/// Carries out COPY statements on several connections and throws the rows away.
pub(crate) fn copy_to_nothing(options: &CopyOptions) -> Result<(), BenchError> {
    let queue = Mutex::new(VecDeque::from(options.statements.clone()));
    let next = || queue.lock().unwrap_or_else(std::sync::PoisonError::into_inner).pop_front();
    std::thread::scope(|scope| {
        let connections: Vec<_> = (0..options.connections)
            .map(|_| {
                scope.spawn(|| {
                    let mut reader = Reader::connect(options.port, &options.database)?;
                    while let Some(statement) = next() {
                        reader.read(&statement)?;
                    }
                    Ok(())
                })
            })
            .collect();
        connections.into_iter().try_for_each(|connection| match connection.join() {
            Ok(result) => result,
            Err(panic) => std::panic::resume_unwind(panic),
        })
    })
}

/// The least client there can be: it logs in where the server trusts it, and looks at the end of what it reads.
struct Reader {
    stream: TcpStream,
    buffer: Vec<u8>,
}

impl Reader {
    fn connect(port: u16, database: &str) -> Result<Self, BenchError> {
        let stream =
            TcpStream::connect(("127.0.0.1", port)).map_err(BenchError::io("connect to the server"))?;
        let mut reader = Self { stream, buffer: vec![0; READ_BYTES] };
        let mut startup = 196_608_u32.to_be_bytes().to_vec();
        for word in ["user", "postgres", "database", database, ""] {
            startup.extend_from_slice(word.as_bytes());
            startup.push(0);
        }
        reader.send(&startup)?;
        reader.wait_until_ready("log in")?;
        Ok(reader)
    }

    fn read(&mut self, statement: &str) -> Result<(), BenchError> {
        let mut query = statement.as_bytes().to_vec();
        query.push(0);
        self.stream.write_all(b"Q").map_err(BenchError::io("send a statement"))?;
        self.send(&query)?;
        self.wait_until_ready(statement)
    }

    /// Sends a message's body behind its length.
    fn send(&mut self, body: &[u8]) -> Result<(), BenchError> {
        let length = u32::try_from(body.len() + 4).map_err(|_| BenchError::Wrong("too long".to_owned()))?;
        let message = [&length.to_be_bytes(), body].concat();
        self.stream.write_all(&message).map_err(BenchError::io("send a statement"))
    }

    /// Reads up to the end of the answer. `READY` cannot stand inside of rows: text holds no zero byte, and the
    /// message that a zero byte begins the length of is preceded by its tag, not by a `Z`.
    fn wait_until_ready(&mut self, doing: &str) -> Result<(), BenchError> {
        let failed = |words: &[u8]| BenchError::Program {
            program: "the server".to_owned(),
            words: format!("{doing}: {}", String::from_utf8_lossy(words).replace('\0', " ")),
        };
        let mut tail: Vec<u8> = Vec::with_capacity(2 * TAIL_BYTES);
        loop {
            let count = self.stream.read(&mut self.buffer).map_err(BenchError::io("read from the server"))?;
            if count == 0 {
                return Err(failed(&tail));
            }
            tail.extend_from_slice(&self.buffer[count.saturating_sub(TAIL_BYTES)..count]);
            tail.drain(..tail.len().saturating_sub(TAIL_BYTES));
            if tail.ends_with(READY) {
                // A statement that failed, before or among its rows, ends without saying how many there were.
                let copied = tail.windows(5).any(|word| word == b"COPY ");
                return if copied || !doing.starts_with("COPY ") { Ok(()) } else { Err(failed(&tail)) };
            }
        }
    }
}
