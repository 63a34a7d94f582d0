//! Rules of the REST API and of the function behind it.

use std::collections::BTreeSet;

use serde_yaml_ng::Value;

use super::access::grants;
use super::document::{at, text};
use super::{Findings, Project};

/// Where everything of Step Functions stands.
const STATES: &str = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}";
/// State machines that no request starts.
const STARTED_BY_SCHEDULES: [&str; 2] = ["LifecycleStateMachine", "ScheduledBackupsStateMachine"];
const METHODS: [&str; 5] = ["DELETE", "GET", "PATCH", "POST", "PUT"];

/// Every route has an explicit method and asks for IAM authorisation; no two routes are the same.
///
/// The emulator loses `ANY`. The API calls the function by the function's own permission: with the caller's
/// credentials, every caller would need the right to call the function itself.
pub fn routes_ask_for_iam(project: &Project) -> Findings {
    let template = project.application();
    let mut findings = Findings::new();
    for (id, api) in template.resources("AWS::Serverless::Api") {
        if text(api, &["Auth", "DefaultAuthorizer"]) != Some("AWS_IAM") {
            findings.push(format!("{id} does not ask for IAM authorisation"));
        }
        if text(api, &["Auth", "InvokeRole"]) != Some("NONE") {
            findings.push(format!("{id} calls functions with the caller's credentials"));
        }
    }
    let mut routes = BTreeSet::new();
    for (function, event, properties) in events(project) {
        let at = format!("{function}: {event}");
        let method = text(properties, &["Method"]).unwrap_or_default();
        let path = text(properties, &["Path"]).unwrap_or_default();
        if !METHODS.contains(&method) {
            findings.push(format!("{at}: the method {method:?} is none"));
        }
        if text(properties, &["RestApiId"]) != Some("${Api}") {
            findings.push(format!("{at} belongs to another API"));
        }
        if properties.get("Auth").is_some() {
            findings.push(format!("{at} has an authorisation of its own"));
        }
        if !path.starts_with('/') || !routes.insert((method.to_owned(), path.to_owned())) {
            findings.push(format!("{at}: {method} {path} is no route, or one that is there already"));
        }
    }
    if routes.is_empty() {
        findings.push("the API has no route".to_owned());
    }
    findings
}

/// The events of every function: function, event, properties. Anything but an API's has no place here.
fn events(project: &Project) -> Vec<(&str, &str, &Value)> {
    let mut events = Vec::new();
    for (function, properties) in project.application().resources("AWS::Serverless::Function") {
        let written = at(properties, &["Events"]).and_then(Value::as_mapping);
        for (event, body) in written.into_iter().flatten() {
            if let (Some(event), Some(properties)) = (event.as_str(), body.get("Properties")) {
                events.push((function, event, properties));
            }
        }
    }
    events
}

/// The API's function is told the ARN of every state machine that a request starts, may start exactly these, and may
/// follow and stop their executions.
pub fn api_starts_the_machines_that_exist(project: &Project) -> Findings {
    let template = project.application();
    let Some(function) = template.properties("ApiFunction", "AWS::Serverless::Function") else {
        return vec!["there is no ApiFunction".to_owned()];
    };
    let mut findings = Findings::new();
    let mut needed = BTreeSet::new();
    let mut variables = BTreeSet::new();
    for (id, properties) in template.resources("AWS::Serverless::StateMachine") {
        let name = text(properties, &["Name"]).unwrap_or_default();
        if STARTED_BY_SCHEDULES.contains(&id) {
            continue;
        }
        let arn = format!("{STATES}:stateMachine:{name}");
        let verb = name.trim_start_matches("${VaultName}-").to_ascii_uppercase().replace('-', "_");
        let variable = format!("{verb}_STATE_MACHINE_ARN");
        if text(function, &["Environment", "Variables", &variable]) != Some(arn.as_str()) {
            findings.push(format!("ApiFunction: {variable} is not the ARN of {id}"));
        }
        variables.insert(variable);
        needed.insert(("states:StartExecution".to_owned(), arn));
        for action in ["states:DescribeExecution", "states:StopExecution"] {
            needed.insert((action.to_owned(), format!("{STATES}:execution:{name}:*")));
        }
    }
    let told = at(function, &["Environment", "Variables"]).and_then(Value::as_mapping);
    for variable in told.into_iter().flatten().filter_map(|(variable, _)| variable.as_str()) {
        if variable.ends_with("_STATE_MACHINE_ARN") && !variables.contains(variable) {
            findings.push(format!("ApiFunction: {variable} is the ARN of no state machine"));
        }
    }
    let granted: BTreeSet<(String, String)> =
        grants(template, "ApiRole").into_iter().filter(|(action, _)| action.starts_with("states:")).collect();
    findings
        .extend(needed.difference(&granted).map(|(action, on)| format!("ApiRole lacks {action} on {on}")));
    findings
        .extend(granted.difference(&needed).map(|(action, on)| format!("ApiRole needs no {action} on {on}")));
    findings
}
