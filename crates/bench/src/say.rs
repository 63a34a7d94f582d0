//! Where words go: progress and tables to standard error, a child's answer to standard output.

use std::io::Write;

use serde::Serialize;

use crate::error::BenchError;

/// Writes a line for whoever watches. Nobody watching is no reason to stop.
pub(crate) fn line(text: &str) {
    let _ = writeln!(std::io::stderr(), "{text}");
}

/// Writes a child's answer: one line of JSON.
pub(crate) fn answer(value: &impl Serialize) -> Result<(), BenchError> {
    let mut text = serde_json::to_string(value).map_err(BenchError::json("an answer"))?;
    text.push('\n');
    let mut stdout = std::io::stdout().lock();
    let written = stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush());
    written.map_err(BenchError::io("write an answer"))
}
