//! YAML as CloudFormation writes it, with its short forms resolved as far as the rules need it.

use serde_yaml_ng::Value;
use serde_yaml_ng::value::TaggedValue;

/// The document with `!Ref X` as `${X}`, `!GetAtt X.Arn` as `${X.Arn}`, `!Sub` as its text, and `!If` as what
/// it gives where the condition holds. Other functions become their arguments.
pub(super) fn parse(text: &str) -> Result<Value, serde_yaml_ng::Error> {
    Ok(resolve(serde_yaml_ng::from_str(text)?))
}

fn resolve(value: Value) -> Value {
    match value {
        Value::Sequence(items) => Value::Sequence(items.into_iter().map(resolve).collect()),
        Value::Mapping(fields) => {
            Value::Mapping(fields.into_iter().map(|(name, value)| (name, resolve(value))).collect())
        }
        Value::Tagged(tagged) => resolve_function(*tagged),
        scalar => scalar,
    }
}

fn resolve_function(TaggedValue { tag, value }: TaggedValue) -> Value {
    match (tag.to_string().as_str(), value) {
        ("!Ref" | "!GetAtt", Value::String(name)) => Value::String(format!("${{{name}}}")),
        ("!If", Value::Sequence(branches)) => branches.into_iter().nth(1).map_or(Value::Null, resolve),
        (_, argument) => resolve(argument),
    }
}

/// The value at a path of keys.
pub(super) fn at<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter().try_fold(value, |value, key| value.get(key))
}

/// The text at a path of keys.
pub(super) fn text<'a>(value: &'a Value, path: &[&str]) -> Option<&'a str> {
    at(value, path).and_then(Value::as_str)
}

/// The items at a path of keys: a list's, or the value itself where it stands alone; none where nothing is.
pub(super) fn items<'a>(value: &'a Value, path: &[&str]) -> Vec<&'a Value> {
    match at(value, path) {
        None | Some(Value::Null) => Vec::new(),
        Some(Value::Sequence(items)) => items.iter().collect(),
        Some(single) => vec![single],
    }
}

/// The texts at a path of keys; see [`items`].
pub(super) fn texts(value: &Value, path: &[&str]) -> Vec<String> {
    items(value, path).into_iter().filter_map(Value::as_str).map(str::to_owned).collect()
}

/// The names of every `${…}` in a text.
pub(super) fn placeholders(text: &str) -> impl Iterator<Item = &str> {
    text.split("${").skip(1).filter_map(|rest| rest.split_once('}').map(|(name, _)| name))
}

/// A document's text without its comment lines.
pub(super) fn without_comments(text: &str) -> String {
    text.lines().filter(|line| !line.trim_start().starts_with('#')).collect::<Vec<_>>().join("\n")
}

/// `commit-recovery-point` as `CommitRecoveryPoint`.
pub(super) fn upper_camel_case(kebab: &str) -> String {
    kebab
        .split('-')
        .flat_map(|word| {
            let mut letters = word.chars();
            letters.next().map(|first| first.to_ascii_uppercase()).into_iter().chain(letters)
        })
        .collect()
}
