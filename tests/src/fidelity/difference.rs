//! What differs between two databases, and which differences are expected, with the reason.

use std::collections::BTreeSet;
use std::fmt;

use super::Contents;
use super::contents::{Fact, Subject};

/// One fact that is not the same in both databases.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// What it is about.
    pub fact: Fact,
    /// How.
    pub how: How,
}

/// How a fact differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum How {
    /// The restored database lacks it; this is how it is in the original.
    Missing(String),
    /// The original lacks it; this is how it is in the restored database.
    Extra(String),
    /// Both have it.
    Changed {
        /// In the original.
        original: String,
        /// In the restored database.
        restored: String,
    },
}

/// Differences that are right, as the servers' versions are not the same.
#[derive(Debug, Clone, Copy)]
pub struct Expected {
    /// What they are about.
    pub subject: Subject,
    /// The object, or the beginning of objects' names with a `*` at its end.
    pub object: &'static str,
    /// Why, for people.
    pub reason: &'static str,
}

/// The differences, those of one kind together.
pub fn between(original: &Contents, restored: &Contents) -> Vec<Difference> {
    let facts: BTreeSet<&Fact> = original.facts.keys().chain(restored.facts.keys()).collect();
    let mut found: Vec<Difference> = facts
        .into_iter()
        .filter_map(|fact| {
            let how = match (original.facts.get(fact), restored.facts.get(fact)) {
                (Some(original), Some(restored)) if original == restored => return None,
                (Some(original), Some(restored)) => {
                    How::Changed { original: original.clone(), restored: restored.clone() }
                }
                (Some(original), None) => How::Missing(original.clone()),
                (None, Some(restored)) => How::Extra(restored.clone()),
                (None, None) => return None,
            };
            Some(Difference { fact: fact.clone(), how })
        })
        .collect();
    found.extend(order(original, restored));
    found
}

/// Asserts that nothing differs but what is expected, and that all of that does.
///
/// # Panics
/// It is not so; every difference is named.
pub fn assert_expected(found: &[Difference], expected: &[Expected]) {
    let unexpected: Vec<String> = found
        .iter()
        .filter(|difference| !expected.iter().any(|expected| expected.covers(difference)))
        .map(Difference::to_string)
        .collect();
    let absent: Vec<String> = expected
        .iter()
        .filter(|expected| !found.iter().any(|difference| expected.covers(difference)))
        .map(|expected| format!("{expected:?}\n"))
        .collect();
    assert!(
        unexpected.is_empty() && absent.is_empty(),
        "{} differences that are not expected:\n{}\n{} that are expected and not there:\n{}",
        unexpected.len(),
        unexpected.concat(),
        absent.len(),
        absent.concat()
    );
}

impl Expected {
    fn covers(&self, difference: &Difference) -> bool {
        let object = &difference.fact.object;
        let same_object = match self.object.strip_suffix('*') {
            Some(start) => object.starts_with(start),
            None => object == self.object,
        };
        self.subject == difference.fact.subject && same_object
    }
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.how {
            How::Missing(original) => {
                writeln!(f, "{}: missing", self.fact)?;
                lines(f, '-', original.lines())
            }
            How::Extra(restored) => {
                writeln!(f, "{}: extra", self.fact)?;
                lines(f, '+', restored.lines())
            }
            How::Changed { original, restored } => {
                writeln!(f, "{}: changed", self.fact)?;
                changed(f, original, restored)
            }
        }
    }
}

/// The objects that both have, where the one before is another: only the first, as all after it may be moved by it.
/// Defaults are left out: they follow a table's columns, whose order is in the table's own definition.
fn order(original: &Contents, restored: &Contents) -> Option<Difference> {
    let common = |contents: &Contents, other: &Contents| -> Vec<String> {
        let has = |object: &String| {
            other.facts.contains_key(&Fact { subject: Subject::Definition, object: object.clone() })
        };
        contents
            .order
            .iter()
            .filter(|object| !object.starts_with("DEFAULT ") && has(object))
            .cloned()
            .collect()
    };
    let (left, right) = (common(original, restored), common(restored, original));
    let at = left.iter().zip(&right).position(|(left, right)| left != right)?;
    let before = at.checked_sub(1).map_or("nothing", |before| &left[before]).to_owned();
    let how = How::Changed { original: left[at].clone(), restored: right[at].clone() };
    Some(Difference { fact: Fact { subject: Subject::Order, object: format!("after {before}") }, how })
}

/// The lines that differ: without those that both texts begin with, and end with.
fn changed(f: &mut fmt::Formatter<'_>, original: &str, restored: &str) -> fmt::Result {
    let (left, right): (Vec<&str>, Vec<&str>) = (original.lines().collect(), restored.lines().collect());
    let start = left.iter().zip(&right).take_while(|(left, right)| left == right).count();
    let most = left.len().min(right.len()) - start;
    let end = left
        .iter()
        .rev()
        .zip(right.iter().rev())
        .take(most)
        .take_while(|(left, right)| left == right)
        .count();
    lines(f, '-', left[start..left.len() - end].iter().copied())?;
    lines(f, '+', right[start..right.len() - end].iter().copied())
}

fn lines<'a>(f: &mut fmt::Formatter<'_>, sign: char, lines: impl Iterator<Item = &'a str>) -> fmt::Result {
    const SHOWN: usize = 12;
    let mut lines = lines.peekable();
    for line in lines.by_ref().take(SHOWN) {
        writeln!(f, "    {sign} {line}")?;
    }
    if lines.peek().is_some() { writeln!(f, "    {sign} …") } else { Ok(()) }
}
