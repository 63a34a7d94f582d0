//! Rules of the state machines' shape: timeouts, ways out, substitutions, names.

use std::collections::BTreeSet;

use serde_yaml_ng::Value;

use super::document::{at, placeholders, text, upper_camel_case, without_comments};
use super::{Findings, Machine, Project, Scope, State};

/// The state in which every execution's job is closed.
const CLOSE_JOB: &str = "CloseJob";
/// The machines that close no job at all, and why.
const WITHOUT_A_JOB: [(&str, &str); 1] =
    [("scheduled-backups", "each backup that it starts has a job, and an execution that closes it")];

/// Every Task has a timeout, longer than its function's own: a function must be dead before it is tried again.
pub fn tasks_time_out(project: &Project) -> Findings {
    let mut findings = Findings::new();
    for (machine, state) in tasks(project) {
        let at = format!("{}: {}", machine.name, state.name);
        let Some(written) = state.body.get("TimeoutSeconds") else {
            findings.push(format!("{at} has no TimeoutSeconds"));
            continue;
        };
        let Some(timeout) = seconds(project, machine, written) else {
            findings.push(format!("{at}: TimeoutSeconds is no number"));
            continue;
        };
        let function = state.function().and_then(|function| project.called_function(machine, function));
        let Some((_, function)) = function else { continue };
        let own = function.get("Timeout").and_then(Value::as_u64).unwrap_or(3);
        if timeout <= own {
            findings.push(format!("{at} gives up after {timeout} s, its function lives {own} s"));
        }
    }
    findings
}

/// A number of a definition, its substitution and the parameter's default taken in.
fn seconds(project: &Project, machine: &Machine, written: &Value) -> Option<u64> {
    let Some(name) = written.as_str() else { return written.as_u64() };
    let name = name.strip_prefix("${")?.strip_suffix('}')?;
    let substituted = Value::String(project.substitution(machine, name)?.to_owned());
    project.application().number(&substituted)
}

/// Every path from every state comes by CloseJob before it ends, none goes round in a circle, and nothing but
/// the end follows CloseJob.
///
/// A machine that is no job itself closes one for each item of a Map: there the paths of an item are looked at. They may
/// come round where a step is asked again; outside of it, every failure is caught.
pub fn paths_close_the_job(project: &Project) -> Findings {
    let mut findings = Findings::new();
    for (name, _) in WITHOUT_A_JOB {
        if !project.machines.iter().any(|machine| machine.name == name) {
            findings.push(format!("{name} is excused and not there"));
        }
    }
    for machine in &project.machines {
        let Some(top) = machine.top() else { continue };
        if WITHOUT_A_JOB.iter().any(|(name, _)| *name == machine.name) {
            for state in machine.states().filter(|state| can_fail(state) && !catches_all(state)) {
                findings.push(format!("{}: {} lets a failure end the execution", machine.name, state.name));
            }
            if machine.states().any(|state| state.name == CLOSE_JOB) {
                findings.push(format!("{} is said to have no job and closes one", machine.name));
            }
            continue;
        }
        if top.states.contains_key(CLOSE_JOB) {
            findings.extend(paths_of(&machine.name, top, Rounds::Never));
            continue;
        }
        let mut of_items = machine.scopes.iter().filter(|scope| scope.states.contains_key(CLOSE_JOB));
        let (Some(of_item), None) = (of_items.next(), of_items.next()) else {
            findings.push(format!("{} has no {CLOSE_JOB}", machine.name));
            continue;
        };
        findings.extend(paths_of(&machine.name, of_item, Rounds::WhileAsked));
        let others = machine.scopes.iter().filter(|scope| !std::ptr::eq(*scope, of_item));
        for state in others.flat_map(|scope| scope.states.values()) {
            if can_fail(state) && !catches_all(state) {
                findings.push(format!("{}: {} lets a failure end the execution", machine.name, state.name));
            }
        }
    }
    findings
}

/// Whether paths may come round.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rounds {
    Never,
    /// Where a step is asked again.
    WhileAsked,
}

/// What is wrong with the paths to CloseJob in the scope that has it.
fn paths_of(name: &str, scope: &Scope, rounds: Rounds) -> Findings {
    let mut findings = Findings::new();
    let before = reachable(scope, &scope.start, Some(CLOSE_JOB));
    let after: BTreeSet<&str> =
        scope.states[CLOSE_JOB].followers().iter().flat_map(|next| reachable(scope, next, None)).collect();
    for state in before.iter().filter_map(|name| scope.states.get(*name)) {
        if state.ends() {
            findings.push(format!("{name}: {} ends the execution, the job is left open", state.name));
        }
        let goes_on = |next: &String| reachable(scope, next, None);
        if rounds == Rounds::Never
            && state.followers().iter().any(|next| goes_on(next).contains(state.name.as_str()))
        {
            findings.push(format!("{name}: {} may come round for ever", state.name));
        }
        if !reachable(scope, &state.name, None).contains(CLOSE_JOB) {
            findings.push(format!("{name}: no path leads from {} to {CLOSE_JOB}", state.name));
        }
        if can_fail(state) && !catches_all(state) {
            findings.push(format!("{name}: {} lets a failure end the execution", state.name));
        }
    }
    for state in after.iter().filter_map(|name| scope.states.get(*name)) {
        if !matches!(state.kind.as_str(), "Choice" | "Succeed" | "Fail") {
            findings.push(format!("{name}: {} runs after the job was closed", state.name));
        }
    }
    findings
}

fn can_fail(state: &State) -> bool {
    matches!(state.kind.as_str(), "Task" | "Map" | "Parallel")
}

fn catches_all(state: &State) -> bool {
    state.handlers("Catch").last().is_some_and(|(_, errors)| errors == &["States.ALL"])
}

/// The states that can be reached from one, itself included, without passing `stop`.
fn reachable<'a>(scope: &'a Scope, from: &str, stop: Option<&str>) -> BTreeSet<&'a str> {
    let mut seen = BTreeSet::new();
    let mut next = vec![from.to_owned()];
    while let Some(name) = next.pop() {
        if stop == Some(name.as_str()) {
            continue;
        }
        let Some((name, state)) = scope.states.get_key_value(&name) else { continue };
        if seen.insert(name.as_str()) {
            next.extend(state.followers());
        }
    }
    seen
}

/// Every state is reached, leads somewhere, and where it leads to exists; names are unique in a machine.
pub fn states_are_connected(project: &Project) -> Findings {
    let mut findings = Findings::new();
    for machine in &project.machines {
        let mut names = BTreeSet::new();
        for scope in &machine.scopes {
            let place = scope.inside.as_deref().unwrap_or("the machine");
            let reached = reachable(scope, &scope.start, None);
            for state in scope.states.values() {
                let at = format!("{}: {} in {place}", machine.name, state.name);
                if !names.insert(state.name.as_str()) {
                    findings.push(format!("{at} has a name that another state has"));
                }
                if !reached.contains(state.name.as_str()) {
                    findings.push(format!("{at} is never reached"));
                }
                let followers = state.followers();
                if followers.is_empty() && !state.ends() {
                    findings.push(format!("{at} leads nowhere"));
                }
                for follower in followers.iter().filter(|name| !scope.states.contains_key(*name)) {
                    findings.push(format!("{at} leads to {follower}, which is not there"));
                }
            }
        }
    }
    findings
}

/// Every `${Substitution}` is defined in the template, and every defined one is used.
pub fn substitutions_are_defined_and_used(project: &Project) -> Findings {
    let mut findings = Findings::new();
    for machine in &project.machines {
        let name = &machine.name;
        let Some(properties) = project.machine_properties(machine) else {
            findings.push(format!("{name}: the template has no such state machine"));
            continue;
        };
        let defined: BTreeSet<&str> = at(properties, &["DefinitionSubstitutions"])
            .and_then(Value::as_mapping)
            .into_iter()
            .flatten()
            .filter_map(|(name, _)| name.as_str())
            .collect();
        let source = without_comments(&machine.source);
        let used: BTreeSet<&str> = placeholders(&source).collect();
        for missing in used.difference(&defined) {
            findings.push(format!("{name}: ${{{missing}}} is not defined"));
        }
        for idle in defined.difference(&used) {
            findings.push(format!("{name}: the substitution {idle} is not used"));
        }
    }
    findings
}

/// Every Task calls a function of the stack, by Lambda's own integration, and is named as the function.
pub fn tasks_are_named_as_their_functions(project: &Project) -> Findings {
    let mut findings = Findings::new();
    for (machine, state) in tasks(project) {
        let at = format!("{}: {}", machine.name, state.name);
        let resource = text(&state.body, &["Resource"]).unwrap_or_default();
        let integration = resource.trim_end_matches(".waitForTaskToken");
        if integration != "arn:${Partition}:states:::lambda:invoke" {
            findings.push(format!("{at} calls {resource}, which is not Lambda's integration"));
        }
        let function = state.function().and_then(|function| project.called_function(machine, function));
        let Some((_, properties)) = function else {
            findings.push(format!("{at} calls no function of the template"));
            continue;
        };
        let name = text(properties, &["FunctionName"]).unwrap_or_default();
        let verb = upper_camel_case(name.trim_start_matches("${VaultName}-"));
        if state.name != verb {
            findings.push(format!("{at} calls {verb}"));
        }
    }
    findings
}

/// Every definition is deployed as a standard machine of its own name, in JSONata; every machine has one.
pub fn machines_are_named_as_their_files(project: &Project) -> Findings {
    let mut findings = Findings::new();
    for machine in &project.machines {
        let name = &machine.name;
        let Some(properties) = project.machine_properties(machine) else {
            findings.push(format!("{name}: the template has no such state machine"));
            continue;
        };
        let expected = [
            ("Name", format!("${{VaultName}}-{name}")),
            ("DefinitionUri", format!("../statemachines/{name}.asl.yaml")),
            ("Type", "STANDARD".to_owned()),
        ];
        for (property, value) in expected {
            if text(properties, &[property]) != Some(value.as_str()) {
                findings.push(format!("{name}: {property} is not {value}"));
            }
        }
        if !machine.source.lines().any(|line| line == "QueryLanguage: JSONata") {
            findings.push(format!("{name}: the query language is not JSONata"));
        }
    }
    let deployed = project.application().resources("AWS::Serverless::StateMachine").len();
    if deployed != project.machines.len() {
        findings.push(format!("{deployed} state machines have {} definitions", project.machines.len()));
    }
    findings
}

/// A distributed Map hands its whole input to its children, tolerates no failure, and has a label.
///
/// The emulator reads neither `Items` nor `ItemSelector` there: anything but the whole input would run
/// differently on AWS. The label is what the role names.
pub fn distributed_maps_pass_their_input_on(project: &Project) -> Findings {
    let mut findings = Findings::new();
    for machine in &project.machines {
        for state in machine.states() {
            let Some(label) = state.distributed_label() else { continue };
            let at = format!("{}: {}", machine.name, state.name);
            if label != state.name {
                findings.push(format!("{at} has the label {label:?}"));
            }
            if text(&state.body, &["Items"]) != Some("{% $states.input %}") {
                findings.push(format!("{at}: Items is not the whole input"));
            }
            if state.body.get("ItemSelector").is_some() {
                findings.push(format!("{at} has an ItemSelector"));
            }
            if state.body.get("ToleratedFailurePercentage").and_then(Value::as_u64) != Some(0) {
                findings.push(format!("{at} tolerates failures"));
            }
        }
    }
    findings
}

fn tasks(project: &Project) -> impl Iterator<Item = (&Machine, &State)> {
    project.machines.iter().flat_map(|machine| machine.tasks().map(move |state| (machine, state)))
}
