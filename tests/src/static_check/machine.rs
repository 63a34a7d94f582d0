//! A state machine as the rules see it: its scopes, their states, and where each leads.

use std::collections::BTreeMap;

use serde_yaml_ng::Value;

use super::document::{items, text, texts};

/// A state machine's definition.
#[derive(Debug)]
pub struct Machine {
    /// The definition's file name without `.asl.yaml`.
    pub name: String,
    /// The file as it is written.
    pub source: String,
    /// The machine's own states first, then those of every branch and every item processor.
    pub scopes: Vec<Scope>,
}

/// States that lead to one another: the machine's own, a branch's, or an item processor's.
#[derive(Debug)]
pub struct Scope {
    /// The state that the scope stands in; nothing for the machine's own.
    pub inside: Option<String>,
    /// The state that the scope starts at.
    pub start: String,
    /// Its states by their names.
    pub states: BTreeMap<String, State>,
}

/// A state.
#[derive(Debug)]
pub struct State {
    /// Its name.
    pub name: String,
    /// Its type: `Task`, `Map`, `Choice`, ...
    pub kind: String,
    /// All that is written about it.
    pub body: Value,
}

impl Machine {
    /// The machine that a parsed definition describes.
    pub(super) fn new(name: String, source: String, definition: &Value) -> Self {
        let mut scopes = Vec::new();
        collect(definition, None, &mut scopes);
        Self { name, source, scopes }
    }

    /// The machine's own states, outside any branch.
    pub fn top(&self) -> Option<&Scope> {
        self.scopes.first()
    }

    /// Every state, those of branches and item processors included.
    pub fn states(&self) -> impl Iterator<Item = &State> {
        self.scopes.iter().flat_map(|scope| scope.states.values())
    }

    /// Every Task.
    pub fn tasks(&self) -> impl Iterator<Item = &State> {
        self.states().filter(|state| state.kind == "Task")
    }
}

fn collect(definition: &Value, inside: Option<&str>, scopes: &mut Vec<Scope>) {
    let states: BTreeMap<String, State> = definition
        .get("States")
        .and_then(Value::as_mapping)
        .into_iter()
        .flatten()
        .filter_map(|(name, body)| {
            let name = name.as_str()?.to_owned();
            let kind = text(body, &["Type"]).unwrap_or_default().to_owned();
            Some((name.clone(), State { name, kind, body: body.clone() }))
        })
        .collect();
    let nested: Vec<(String, Value)> = states
        .values()
        .flat_map(|state| {
            let branches = items(&state.body, &["Branches"]);
            branches
                .into_iter()
                .chain(state.body.get("ItemProcessor"))
                .map(|inner| (state.name.clone(), inner.clone()))
                .collect::<Vec<_>>()
        })
        .collect();
    let start = text(definition, &["StartAt"]).unwrap_or_default().to_owned();
    scopes.push(Scope { inside: inside.map(str::to_owned), start, states });
    for (name, inner) in nested {
        collect(&inner, Some(&name), scopes);
    }
}

impl State {
    /// The names of the states that may follow, by whatever way: `Next`, a choice, a caught error.
    pub fn followers(&self) -> Vec<String> {
        let body = &self.body;
        let mut names = texts(body, &["Next"]);
        names.extend(texts(body, &["Default"]));
        for list in ["Choices", "Catch"] {
            names.extend(items(body, &[list]).into_iter().flat_map(|item| texts(item, &["Next"])));
        }
        names
    }

    /// Whether its scope may end with it.
    pub fn ends(&self) -> bool {
        matches!(self.kind.as_str(), "Succeed" | "Fail")
            || self.body.get("End").and_then(Value::as_bool) == Some(true)
    }

    /// The retriers or catchers, each with the error names that it is for.
    pub fn handlers(&self, list: &str) -> Vec<(&Value, Vec<String>)> {
        items(&self.body, &[list]).into_iter().map(|item| (item, texts(item, &["ErrorEquals"]))).collect()
    }

    /// What stands for the called function's ARN, `${…}` included.
    pub fn function(&self) -> Option<&str> {
        text(&self.body, &["Arguments", "FunctionName"])
    }

    /// Whether the called function answers by a task token.
    pub fn waits_for_token(&self) -> bool {
        text(&self.body, &["Resource"]).is_some_and(|resource| resource.ends_with(".waitForTaskToken"))
    }

    /// The label of a distributed Map.
    pub fn distributed_label(&self) -> Option<&str> {
        let mode = text(&self.body, &["ItemProcessor", "ProcessorConfig", "Mode"]);
        (mode == Some("DISTRIBUTED")).then(|| text(&self.body, &["Label"]).unwrap_or_default())
    }
}
