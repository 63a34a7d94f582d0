//! A policy's text as a tree that knows where everything stands. YAML 1.2, of which JSON is a part; a policy needs
//! neither anchors nor tags, so they are refused.

use saphyr_parser::{Event, Marker, Parser, ScalarStyle, ScanError, Span, StrInput};

use crate::policy::problem::{PolicyProblem, Position};

/// The longest text that is read, in bytes.
const MAX_BYTES: usize = 64 * 1024;

/// The deepest nesting that is read.
const MAX_DEPTH: usize = 16;

/// A value and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Node {
    pub(super) position: Option<Position>,
    pub(super) value: Value,
}

/// A value. What a scalar means is for its reader to say: `02:00` is a time and `6` a number only where one is asked
/// for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Nothing,
    Scalar(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// A field of a mapping.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) key: String,
    pub(super) position: Option<Position>,
    pub(super) node: Node,
}

impl Node {
    /// The tree of a text.
    ///
    /// # Errors
    /// The one problem that keeps the text from being read.
    pub(super) fn parse(text: &str) -> Result<Self, PolicyProblem> {
        if text.len() > MAX_BYTES {
            return Err(problem(None, format!("the text is longer than {MAX_BYTES} bytes")));
        }
        let mut events = Events(Parser::new_from_str(text));
        loop {
            match events.next()? {
                (Event::StreamStart | Event::DocumentStart(_), _) => {}
                (Event::StreamEnd | Event::DocumentEnd, _) => {
                    return Err(problem(None, "the text is empty"));
                }
                (event, span) => {
                    let root = events.node(event, span, 0)?;
                    return events.end().map(|()| root);
                }
            }
        }
    }

    /// The tree of a value that came without a text.
    pub(super) fn of_json(value: &serde_json::Value) -> Self {
        let value = match value {
            serde_json::Value::Null => Value::Nothing,
            serde_json::Value::Bool(truth) => Value::Scalar(truth.to_string()),
            serde_json::Value::Number(number) => Value::Scalar(number.to_string()),
            serde_json::Value::String(text) => Value::Scalar(text.clone()),
            serde_json::Value::Array(items) => Value::List(items.iter().map(Self::of_json).collect()),
            serde_json::Value::Object(fields) => Value::Map(
                fields
                    .iter()
                    .map(|(key, value)| Entry {
                        key: key.clone(),
                        position: None,
                        node: Self::of_json(value),
                    })
                    .collect(),
            ),
        };
        Self { position: None, value }
    }
}

/// The parser's events.
struct Events<'a>(Parser<'a, StrInput<'a>>);

impl<'a> Events<'a> {
    fn next(&mut self) -> Result<(Event<'a>, Span), PolicyProblem> {
        match self.0.next_event() {
            Some(event) => event.map_err(|error| unreadable(&error)),
            None => Err(problem(None, "the text ends too early")),
        }
    }

    /// The node that begins with `event`.
    fn node(&mut self, event: Event<'a>, span: Span, depth: usize) -> Result<Node, PolicyProblem> {
        let position = Some(place(&span.start));
        if depth > MAX_DEPTH {
            return Err(problem(position, format!("nested deeper than {MAX_DEPTH} levels")));
        }
        let value = match event {
            Event::Scalar(_, _, _, Some(_))
            | Event::SequenceStart(_, Some(_))
            | Event::MappingStart(_, Some(_)) => {
                return Err(problem(position, "a policy takes no YAML tags; write the plain value"));
            }
            Event::Scalar(_, _, 1.., _)
            | Event::SequenceStart(1.., _)
            | Event::MappingStart(1.., _)
            | Event::Alias(_) => {
                return Err(problem(
                    position,
                    "a policy takes no YAML anchors and aliases; write the value out",
                ));
            }
            Event::Scalar(text, ScalarStyle::Plain, ..) if matches!(&*text, "" | "~" | "null") => {
                Value::Nothing
            }
            Event::Scalar(text, ..) => Value::Scalar(text.into_owned()),
            Event::SequenceStart(..) => Value::List(self.list(depth)?),
            Event::MappingStart(..) => Value::Map(self.map(depth)?),
            Event::Nothing
            | Event::StreamStart
            | Event::StreamEnd
            | Event::DocumentStart(_)
            | Event::DocumentEnd
            | Event::SequenceEnd
            | Event::MappingEnd => return Err(problem(position, "a value is missing here")),
        };
        Ok(Node { position, value })
    }

    fn list(&mut self, depth: usize) -> Result<Vec<Node>, PolicyProblem> {
        let mut items = Vec::new();
        loop {
            match self.next()? {
                (Event::SequenceEnd, _) => return Ok(items),
                (event, span) => items.push(self.node(event, span, depth + 1)?),
            }
        }
    }

    fn map(&mut self, depth: usize) -> Result<Vec<Entry>, PolicyProblem> {
        let mut entries = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                return Ok(entries);
            }
            let Node { position, value: Value::Scalar(key) } = self.node(event, span, depth + 1)? else {
                return Err(problem(Some(place(&span.start)), "a field's name is missing here"));
            };
            let (event, span) = self.next()?;
            let mut node = self.node(event, span, depth + 1)?;
            if node.value == Value::Nothing {
                // The place of nothing is where the next thing begins.
                node.position = position;
            }
            entries.push(Entry { key, position, node });
        }
    }

    /// Reads on to the end: one text is one policy.
    fn end(&mut self) -> Result<(), PolicyProblem> {
        loop {
            match self.next()? {
                (Event::StreamEnd, _) => return Ok(()),
                (Event::DocumentEnd, _) => {}
                (_, span) => {
                    return Err(problem(Some(place(&span.start)), "the text holds more than one policy"));
                }
            }
        }
    }
}

fn unreadable(error: &ScanError) -> PolicyProblem {
    problem(Some(place(error.marker())), format!("neither YAML nor JSON: {}", error.info()))
}

/// The parser counts lines from 1 and columns from 0.
fn place(marker: &Marker) -> Position {
    Position { line: marker.line(), column: marker.col() + 1 }
}

fn problem(position: Option<Position>, message: impl Into<String>) -> PolicyProblem {
    PolicyProblem { position, path: String::new(), message: message.into(), allowed: None }
}
