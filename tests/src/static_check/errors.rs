//! Rules of the errors that state machines retry and catch.

use permafrost_domain::fault::{Code, Retry};
use serde_yaml_ng::Value;

use super::{Findings, Machine, Project, State};

/// Step Functions' own error names.
const STATES_ERRORS: &[&str] = &[
    "States.ALL",
    "States.BranchFailed",
    "States.DataLimitExceeded",
    "States.ExceedToleratedFailureThreshold",
    "States.HeartbeatTimeout",
    "States.ItemReaderFailed",
    "States.NoChoiceMatched",
    "States.Permissions",
    "States.QueryEvaluationError",
    "States.ResultWriterFailed",
    "States.Runtime",
    "States.TaskFailed",
    "States.Timeout",
];

/// Errors of the Lambda service: the call did not go through, or nobody knows whether it did.
const SERVICE_ERRORS: &[&str] = &[
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
];

/// A function that ended without an answer. `Lambda.Unknown` is also a throttled call on the emulator.
const DEATHS: &[&str] = &["Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout"];

/// A code that is final for whoever asked, but that a step in the middle of a job may outlive.
const RETRIED_THOUGH_FINAL: &[Code] = &[Code::MissingNetworkAccess];

/// Every error name in Retry and Catch exists: Step Functions', Lambda's, or a code of the registry.
pub fn error_names_exist(project: &Project) -> Findings {
    let mut findings = Findings::new();
    for (machine, state) in states(project) {
        for list in ["Retry", "Catch"] {
            for name in state.handlers(list).into_iter().flat_map(|(_, errors)| errors) {
                let known = [STATES_ERRORS, SERVICE_ERRORS, DEATHS].concat().contains(&name.as_str())
                    || name.parse::<Code>().is_ok();
                if !known {
                    findings.push(format!("{}: {}: {list} names {name}", machine.name, state.name));
                }
            }
        }
    }
    findings
}

/// A retrier names what it is for, never everything, and of our codes only those that pass by themselves.
pub fn retries_name_what_passes(project: &Project) -> Findings {
    let mut findings = Findings::new();
    for (machine, state) in states(project) {
        let at = format!("{}: {}", machine.name, state.name);
        for name in state.handlers("Retry").into_iter().flat_map(|(_, errors)| errors) {
            if matches!(name.as_str(), "States.ALL" | "States.TaskFailed") {
                findings.push(format!("{at} retries {name}, which is everything"));
            }
            let Ok(code) = name.parse::<Code>() else { continue };
            if code.retry() == Retry::Never && !RETRIED_THOUGH_FINAL.contains(&code) {
                findings.push(format!("{at} retries {name}, which does not pass by itself"));
            }
        }
    }
    findings
}

/// Every Task outlives a failure of the Lambda service, a dead function, and a catalog that did not answer.
pub fn tasks_retry_passing_failures(project: &Project) -> Findings {
    let mut findings = Findings::new();
    for (machine, state) in states(project).filter(|(_, state)| state.kind == "Task") {
        let retried: Vec<String> =
            state.handlers("Retry").into_iter().flat_map(|(_, errors)| errors).collect();
        let expected =
            [SERVICE_ERRORS, &["Lambda.Unknown", "Runtime.ExitError", "CatalogUnavailable"]].concat();
        for name in expected {
            if !retried.iter().any(|retried| retried == name) {
                findings.push(format!("{}: {} does not retry {name}", machine.name, state.name));
            }
        }
    }
    findings
}

/// Every retrier backs off, with jitter, up to a limit, and gives up.
pub fn retries_have_limits(project: &Project) -> Findings {
    let mut findings = Findings::new();
    for (machine, state) in states(project) {
        for (retrier, errors) in state.handlers("Retry") {
            let at = format!("{}: {}: the retrier of {}", machine.name, state.name, errors.join(", "));
            for field in ["IntervalSeconds", "BackoffRate", "MaxAttempts", "MaxDelaySeconds"] {
                if retrier.get(field).and_then(Value::as_u64).is_none() {
                    findings.push(format!("{at} has no {field}"));
                }
            }
            if retrier.get("JitterStrategy").and_then(Value::as_str) != Some("FULL") {
                findings.push(format!("{at} has no jitter"));
            }
        }
    }
    findings
}

fn states(project: &Project) -> impl Iterator<Item = (&Machine, &State)> {
    project.machines.iter().flat_map(|machine| machine.states().map(move |state| (machine, state)))
}
