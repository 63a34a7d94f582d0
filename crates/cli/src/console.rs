//! Where words go: results to standard output, everything else to standard error.

use std::io::{self, IsTerminal, Write};

use permafrost_domain::wire::ErrorBody;
use permafrost_domain::{Code, Fault};
use serde::Serialize;

use crate::args::{Color, Output};

/// Standard output and standard error, and how to speak there.
#[derive(Debug)]
pub(crate) struct Console {
    output: Output,
    style: Style,
    live: Live,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Plain,
    Colored,
}

/// How the way of a job is shown.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Live {
    /// A bar on a terminal.
    Bar,
    /// A line every few seconds.
    Lines,
    /// Nothing: standard error is to hold nothing but an error's JSON.
    Silent,
}

impl Console {
    /// The console for these options, on the terminal or pipe that the process has.
    pub(crate) fn new(output: Output, color: Color, environment: &dyn Fn(&str) -> Option<String>) -> Self {
        let terminal = io::stderr().is_terminal();
        let no_color = environment("NO_COLOR").is_some_and(|value| !value.is_empty());
        let colored = terminal && color == Color::Auto && !no_color;
        let live = match (terminal, output) {
            (true, _) => Live::Bar,
            (false, Output::Table) => Live::Lines,
            (false, Output::Json) => Live::Silent,
        };
        Self { output, style: if colored { Style::Colored } else { Style::Plain }, live }
    }

    /// A console that neither colours nor shows a job's way.
    pub(crate) fn plain(output: Output) -> Self {
        Self { output, style: Style::Plain, live: Live::Silent }
    }

    /// The form of the result.
    pub(crate) fn output(&self) -> Output {
        self.output
    }

    /// How the way of a job is shown.
    pub(crate) fn live(&self) -> Live {
        self.live
    }

    /// The result: `value` as JSON, or the text that `table` makes of it.
    pub(crate) fn result<T: Serialize + ?Sized>(
        &self,
        value: &T,
        table: impl FnOnce(&T) -> String,
    ) -> Result<(), Fault> {
        let text = match self.output {
            Output::Table => table(value),
            Output::Json => serde_json::to_string_pretty(value)
                .map_err(|error| Fault::new(Code::FunctionFailed, format!("no JSON can be made: {error}")))?,
        };
        print(&text)
    }

    /// A word to the person beside the result; not in JSON mode.
    pub(crate) fn note(&self, text: &str) {
        if self.output == Output::Table {
            say(text);
        }
    }

    /// Asks the person whether to go on; no, where there is no terminal to ask at.
    ///
    /// # Errors
    /// The terminal cannot be read.
    pub(crate) fn ask(&self, question: &str) -> Result<bool, Fault> {
        if self.output == Output::Json || !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return Ok(false);
        }
        let mut err = io::stderr().lock();
        let mut answer = String::new();
        let asked = write!(err, "{question} [y/N] ").and_then(|()| err.flush());
        asked.and_then(|()| io::stdin().read_line(&mut answer)).map_err(|error| {
            Fault::new(Code::InvalidRequest, format!("the terminal cannot be read: {error}"))
                .hint("Check where standard input and standard error go.")
        })?;
        Ok(matches!(answer.trim(), "y" | "Y" | "yes"))
    }

    /// What went wrong.
    pub(crate) fn fault(&self, fault: &Fault) {
        let text = match self.output {
            Output::Table => describe(fault, self.style),
            Output::Json => {
                let body = ErrorBody { error: fault.clone() };
                serde_json::to_string_pretty(&body).unwrap_or_else(|_| fault.to_string())
            }
        };
        say(&text);
    }
}

/// A text that is a result by itself.
pub(crate) fn print(text: &str) -> Result<(), Fault> {
    let mut out = io::stdout().lock();
    match writeln!(out, "{}", text.trim_end()).and_then(|()| out.flush()) {
        // Whoever read has read enough (`| head`).
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => {
            Err(Fault::new(Code::InvalidRequest, format!("standard output cannot be written: {error}"))
                .hint("Check where standard output goes."))
        }
        Ok(()) => Ok(()),
    }
}

/// Writes a line to standard error. Where that is closed there is nobody left to tell.
pub(crate) fn say(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

/// The fault of arguments that clap refuses.
pub(crate) fn usage_fault(error: &clap::Error) -> Fault {
    let text = error.to_string();
    let message = text.lines().next().unwrap_or_default();
    Fault::new(Code::InvalidRequest, message.trim_start_matches("error: "))
        .hint("Run the command with --help to see what it takes.")
}

/// The fault of a process that cannot start its runtime.
pub(crate) fn cannot_start(error: &io::Error) -> Fault {
    Fault::new(Code::FunctionFailed, format!("the command cannot start: {error}"))
        .hint("Check the limits of processes and open files.")
}

fn describe(fault: &Fault, style: Style) -> String {
    let label = match style {
        Style::Plain => "error:",
        Style::Colored => "\u{1b}[1;31merror:\u{1b}[0m",
    };
    let mut text = format!("{label} {} [{}]", fault.message, fault.code);
    if let Some(object) = &fault.object {
        text.push_str("\nOBJECT: ");
        text.push_str(object);
    }
    text.push_str("\nHINT: ");
    text.push_str(&fault.hint);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_names_code_object_and_remedy() {
        let fault = Fault::new(Code::DatabaseUserLacksSelect, "role \"backup\" cannot read a table")
            .on("table app.ledger")
            .hint("Run GRANT SELECT ON app.ledger TO backup.");
        assert_eq!(
            describe(&fault, Style::Plain),
            "error: role \"backup\" cannot read a table [DatabaseUserLacksSelect]\n\
             OBJECT: table app.ledger\n\
             HINT: Run GRANT SELECT ON app.ledger TO backup."
        );
        assert!(describe(&fault, Style::Colored).starts_with("\u{1b}[1;31merror:\u{1b}[0m role"));
    }
}
