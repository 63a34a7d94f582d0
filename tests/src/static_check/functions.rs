//! Rules of the functions: that template, directories and binaries are the same, and of what each is given.

use std::collections::BTreeSet;

use serde_yaml_ng::Value;

use super::document::{at, items, placeholders, text, upper_camel_case, without_comments};
use super::{Findings, Project};

/// The template's functions are the directories under `functions/`, each making the binary of its own name.
pub fn functions_are_directories_and_binaries(project: &Project) -> Findings {
    let mut findings = Findings::new();
    let functions = project.application().resources("AWS::Serverless::Function");
    let deployed: BTreeSet<&str> = functions.iter().map(|(id, _)| *id).collect();
    for (directory, binary) in &project.binaries {
        if directory != binary {
            findings.push(format!("functions/{directory} makes the binary {binary}"));
        }
        let id = format!("{}Function", upper_camel_case(directory));
        if !deployed.contains(id.as_str()) {
            findings.push(format!("functions/{directory} is not deployed as {id}"));
        }
    }
    for (id, properties) in &functions {
        let name = text(properties, &["FunctionName"]).unwrap_or_default();
        let Some(verb) = name.strip_prefix("${VaultName}-") else {
            findings.push(format!("{id}: FunctionName is {name:?}"));
            continue;
        };
        if *id != format!("{}Function", upper_camel_case(verb)) {
            findings.push(format!("{id} is named {verb}"));
        }
        if !project.binaries.contains_key(verb) {
            findings.push(format!("{id}: there is no functions/{verb}"));
        }
        let document = &project.application().document;
        let built = text(document, &["Resources", id, "Metadata", "BuildProperties", "Binary"]);
        if built != Some(verb) {
            findings.push(format!("{id} is built from {built:?}"));
        }
    }
    findings
}

/// Every function has a log group of its own, named as Lambda would name it, whose logs do not stay forever.
pub fn functions_have_log_groups_with_retention(project: &Project) -> Findings {
    let template = project.application();
    let mut findings = Findings::new();
    for (id, function) in template.resources("AWS::Serverless::Function") {
        let group = format!("{}LogGroup", id.trim_end_matches("Function"));
        if text(function, &["LoggingConfig", "LogGroup"]) != Some(format!("${{{group}}}").as_str()) {
            findings.push(format!("{id} does not log to {group}"));
        }
        let Some(properties) = template.properties(&group, "AWS::Logs::LogGroup") else {
            findings.push(format!("{id} has no log group {group}"));
            continue;
        };
        let name = format!("/aws/lambda/{}", text(function, &["FunctionName"]).unwrap_or_default());
        if text(properties, &["LogGroupName"]) != Some(name.as_str()) {
            findings.push(format!("{group} is not named {name}"));
        }
        let retention = properties.get("RetentionInDays").and_then(|days| template.number(days));
        if retention.is_none() {
            findings.push(format!("{group} keeps its logs forever"));
        }
    }
    findings
}

/// Functions that run pg_restore without a server, to print SQL.
const PRINTS_SCRIPTS: [&str; 1] = ["RestoreFilesFunction"];

/// A function that may log in to a server has the clients' layer and the VPC's network, and no other has.
pub fn functions_that_log_in_have_layer_and_network(project: &Project) -> Findings {
    let template = project.application();
    let mut findings = Findings::new();
    for (id, function) in template.resources("AWS::Serverless::Function") {
        let role = format!("{}Role", id.trim_end_matches("Function"));
        let policies = template
            .properties(&role, "AWS::IAM::Role")
            .map(|role| items(role, &["ManagedPolicyArns"]))
            .unwrap_or_default();
        let attached = |policy: &str| policies.iter().any(|arn| arn.as_str() == Some(policy));
        let logs_in = attached("${DatabaseLoginPolicy}");
        let layer =
            items(function, &["Layers"]).iter().any(|layer| layer.as_str() == Some("${PgClientLayer}"));
        let has = [
            ("the layer", layer),
            ("the VPC's network", function.get("VpcConfig").is_some()),
            ("the VPC's rights", attached("${NetworkInterfacePolicy}")),
        ];
        for (what, has) in has {
            let prints = what == "the layer" && PRINTS_SCRIPTS.contains(&id);
            if has != (logs_in || prints) {
                let word = if logs_in { "and lacks" } else { "not, and has" };
                findings.push(format!("{id} logs in to servers {word} {what}"));
            }
        }
    }
    findings
}

/// Every parameter of every template is used in it.
pub fn parameters_are_used(project: &Project) -> Findings {
    let mut findings = Findings::new();
    for (name, template) in &project.templates {
        let source = without_comments(&template.source);
        let referred = |parameter: &str| {
            source.split("!Ref ").skip(1).any(|rest| {
                rest.split(|letter: char| !letter.is_ascii_alphanumeric()).next() == Some(parameter)
            }) || placeholders(&source).any(|placeholder| placeholder == parameter)
        };
        let parameters = at(&template.document, &["Parameters"]).and_then(Value::as_mapping);
        for parameter in parameters.into_iter().flatten().filter_map(|(parameter, _)| parameter.as_str()) {
            if !referred(parameter) {
                findings.push(format!("{name}: the parameter {parameter} is not used"));
            }
        }
    }
    findings
}
