//! Rules of the schedules, which are no resources of the template: functions make them, one for each policy.

use std::collections::BTreeSet;

use super::access::{grants, trusted};
use super::document::text;
use super::{Findings, Project};

/// Where the machine stands that every schedule starts.
const TARGET: &str = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:${VaultName}-scheduled-backups";
/// Where the vault's schedules stand.
const SCHEDULES: &str =
    "arn:${AWS::Partition}:scheduler:${AWS::Region}:${AWS::AccountId}:schedule/${VaultName}/*";
/// The role that schedules start executions with.
const ROLE: &str = "SchedulerRole";

/// A schedule may start the machine of scheduled backups and nothing else; the functions that keep schedules are
/// told what they point at, and no other function may touch one or pass a role on.
///
/// The emulator checks neither the role of a schedule nor who may pass it on.
pub fn schedules_start_scheduled_backups(project: &Project) -> Findings {
    let template = project.application();
    let mut findings = Findings::new();
    if trusted(project, ROLE) != ["scheduler.amazonaws.com"] {
        findings.push(format!("{ROLE} trusts others than EventBridge Scheduler"));
    }
    let start = BTreeSet::from([("states:StartExecution".to_owned(), TARGET.to_owned())]);
    compare(&mut findings, ROLE, &start, &grants(template, ROLE));
    let group = template.properties("ScheduleGroup", "AWS::Scheduler::ScheduleGroup");
    if group.and_then(|group| text(group, &["Name"])) != Some("${VaultName}") {
        findings.push("the template has no schedule group of the vault's name".to_owned());
    }
    let actions = ["CreateSchedule", "DeleteSchedule", "GetSchedule", "UpdateSchedule"];
    let mut keep: BTreeSet<(String, String)> =
        actions.map(|action| (format!("scheduler:{action}"), SCHEDULES.to_owned())).into_iter().collect();
    keep.insert(("iam:PassRole".to_owned(), format!("${{{ROLE}.Arn}}")));
    for (id, function) in template.resources("AWS::Serverless::Function") {
        let role = format!("{}Role", id.trim_end_matches("Function"));
        let granted: BTreeSet<(String, String)> = grants(template, &role)
            .into_iter()
            .filter(|(action, _)| action.starts_with("scheduler:") || action.starts_with("iam:"))
            .collect();
        let told = |variable: &str| text(function, &["Environment", "Variables", variable]);
        if told("SCHEDULE_GROUP").is_none() {
            if !granted.is_empty() {
                findings.push(format!("{role} may touch schedules and is not told of them"));
            }
            continue;
        }
        let role_arn = format!("${{{ROLE}.Arn}}");
        let variables = [
            ("SCHEDULE_GROUP", "${VaultName}"),
            ("SCHEDULE_ROLE_ARN", role_arn.as_str()),
            ("SCHEDULE_TARGET_ARN", TARGET),
        ];
        for (variable, expected) in variables {
            if told(variable) != Some(expected) {
                findings.push(format!("{id}: {variable} is not {expected}"));
            }
        }
        compare(&mut findings, &role, &keep, &granted);
    }
    findings
}

/// Adds what `role` lacks of what it needs, and what it is granted beyond.
fn compare(
    findings: &mut Findings,
    role: &str,
    needed: &BTreeSet<(String, String)>,
    granted: &BTreeSet<(String, String)>,
) {
    findings.extend(needed.difference(granted).map(|(action, on)| format!("{role} lacks {action} on {on}")));
    findings
        .extend(granted.difference(needed).map(|(action, on)| format!("{role} needs no {action} on {on}")));
}
