//! Reads a policy from its tree. It goes on after a problem: all of them are told at once.

use std::collections::BTreeSet;
use std::fmt::Display;
use std::str::FromStr;

use crate::policy::PolicySpec;
use crate::policy::node::{Entry, Node, Value};
use crate::policy::problem::{PolicyProblem, PolicyProblems, Position};

/// The policy of a tree.
pub(super) fn spec(root: &Node) -> Result<PolicySpec, PolicyProblems> {
    let mut reader = Reader { problems: Vec::new() };
    let spec = reader.spec(root);
    match (PolicyProblems::of(reader.problems), spec) {
        (None, Some(spec)) => Ok(spec),
        (Some(problems), _) => Err(problems),
        // The reader returns nothing only where it has told a problem.
        (None, None) => Err(PolicyProblem {
            position: root.position,
            path: String::new(),
            message: "the policy cannot be read".to_owned(),
            allowed: None,
        }
        .into()),
    }
}

/// Collects problems. What it returns is absent only where it has told a problem.
pub(super) struct Reader {
    problems: Vec<PolicyProblem>,
}

/// The fields of a mapping.
pub(super) struct Fields<'a> {
    pub(super) path: String,
    pub(super) position: Option<Position>,
    entries: &'a [Entry],
}

impl<'a> Fields<'a> {
    /// The field of this name.
    pub(super) fn get(&self, key: &str) -> Option<Field<'a>> {
        let entry = self.entries.iter().find(|entry| entry.key == key)?;
        Some(Field { path: join(&self.path, key), key_position: entry.position, node: &entry.node })
    }
}

/// A field of a mapping.
#[derive(Clone)]
pub(super) struct Field<'a> {
    pub(super) path: String,
    pub(super) key_position: Option<Position>,
    pub(super) node: &'a Node,
}

impl Reader {
    fn spec(&mut self, root: &Node) -> Option<PolicySpec> {
        let whole = Field { path: String::new(), key_position: root.position, node: root };
        let fields = self.fields(&whole, &["schedule", "retention"])?;
        let schedule = fields.get("schedule").map(|field| self.schedule(&field));
        let retention = fields.get("retention").map(|field| self.retention(&field));
        // An absent part takes its default; one that could not be read has told why.
        Some(PolicySpec {
            schedule: match schedule {
                Some(schedule) => Some(schedule?),
                None => None,
            },
            retention: match retention {
                Some(retention) => retention?,
                None => PolicySpec::default().retention,
            },
        })
    }

    /// Tells a problem.
    pub(super) fn tell(
        &mut self,
        position: Option<Position>,
        path: &str,
        message: impl Into<String>,
        allowed: Option<String>,
    ) {
        self.problems.push(PolicyProblem {
            position,
            path: path.to_owned(),
            message: message.into(),
            allowed,
        });
    }

    /// The fields of a mapping: tells those that are none of `known`, and those that stand there twice.
    pub(super) fn fields<'a>(&mut self, field: &Field<'a>, known: &[&str]) -> Option<Fields<'a>> {
        let Value::Map(entries) = &field.node.value else {
            let allowed = format!("a mapping of {}", known.join(", "));
            self.tell(field.node.position, &field.path, what_it_is(&field.node.value), Some(allowed));
            return None;
        };
        for (index, entry) in entries.iter().enumerate() {
            let path = join(&field.path, &entry.key);
            if !known.contains(&entry.key.as_str()) {
                let message = format!("{:?} is no field here", shorten(&entry.key));
                self.tell(entry.position, &path, message, Some(one_of(known)));
            } else if entries[..index].iter().any(|earlier| earlier.key == entry.key) {
                self.tell(entry.position, &path, "stands here twice", Some("it once".to_owned()));
            }
        }
        Some(Fields { path: field.path.clone(), position: field.node.position, entries })
    }

    /// The value of a field that has one.
    pub(super) fn value<T: FromStr>(&mut self, field: &Field<'_>, allowed: &str) -> Option<T> {
        let read = match &field.node.value {
            Value::Scalar(text) => text.parse().map_err(|_| format!("{:?} is not allowed", shorten(text))),
            other => Err(what_it_is(other)),
        };
        match read {
            Ok(value) => Some(value),
            Err(message) => {
                self.tell(field.node.position, &field.path, message, Some(allowed.to_owned()));
                None
            }
        }
    }

    /// The values of a list, or of a single value in place of one; at least one, none twice.
    pub(super) fn set<T: FromStr + Ord + Copy + Display>(
        &mut self,
        field: &Field<'_>,
        allowed: &str,
    ) -> Option<BTreeSet<T>> {
        let items = match &field.node.value {
            Value::List(items) if items.is_empty() => {
                let allowed = format!("at least one of {allowed}");
                self.tell(field.node.position, &field.path, "the list is empty", Some(allowed));
                return None;
            }
            Value::List(items) => items.as_slice(),
            Value::Scalar(_) => std::slice::from_ref(field.node),
            other => {
                let allowed = format!("a list of {allowed}");
                self.tell(field.node.position, &field.path, what_it_is(other), Some(allowed));
                return None;
            }
        };
        let mut set = BTreeSet::new();
        let mut complete = true;
        for (index, node) in items.iter().enumerate() {
            let path = match &field.node.value {
                Value::List(_) => format!("{}[{index}]", field.path),
                _ => field.path.clone(),
            };
            let item = Field { path, key_position: node.position, node };
            match self.value::<T>(&item, allowed) {
                Some(value) if !set.insert(value) => {
                    self.tell(node.position, &item.path, format!("{value} stands here twice"), None);
                    complete = false;
                }
                Some(_) => {}
                None => complete = false,
            }
        }
        complete.then_some(set)
    }

    /// The field of this name, which must be there.
    pub(super) fn required<'a>(
        &mut self,
        fields: &Fields<'a>,
        key: &str,
        allowed: &str,
    ) -> Option<Field<'a>> {
        let field = fields.get(key);
        if field.is_none() {
            self.tell(fields.position, &join(&fields.path, key), "is missing", Some(allowed.to_owned()));
        }
        field
    }

    /// Tells that a field says nothing where it stands.
    pub(super) fn forbid(&mut self, fields: &Fields<'_>, key: &str, why: &str) {
        if let Some(field) = fields.get(key) {
            self.tell(field.key_position, &field.path, why, None);
        }
    }
}

/// `one`, or `one, two or three`.
pub(super) fn one_of<T: Display>(words: &[T]) -> String {
    match words {
        [] => "nothing".to_owned(),
        [only] => only.to_string(),
        [first @ .., last] => {
            let first: Vec<String> = first.iter().map(ToString::to_string).collect();
            format!("{} or {last}", first.join(", "))
        }
    }
}

fn join(path: &str, key: &str) -> String {
    let key = shorten(key);
    if path.is_empty() { key } else { format!("{path}.{key}") }
}

fn shorten(text: &str) -> String {
    text.chars().take(60).collect()
}

fn what_it_is(value: &Value) -> String {
    match value {
        Value::Nothing => "has no value",
        Value::Scalar(_) => "is a single value",
        Value::List(_) => "is a list",
        Value::Map(_) => "is a mapping",
    }
    .to_owned()
}
