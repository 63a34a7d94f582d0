//! Rules of the roles: what each may do, and that it is what is needed.

use std::collections::BTreeSet;

use serde_yaml_ng::Value;

use super::document::{items, text, texts};
use super::{Findings, Machine, Project, Template};

/// Where everything of Step Functions stands.
const STATES: &str = "arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}";

/// Allow statements whose resource is a wildcard: policy, statement, and why it cannot be narrower.
const WILDCARDS: &[(&str, &str, &str)] = &[
    (
        "DatabaseLoginPolicy",
        "ConnectAsDatabaseUser",
        "servers and users are known when an instance is protected",
    ),
    ("NetworkInterfacePolicy", "DescribeNetwork", "AWS offers no resource-level permission"),
    ("NetworkInterfacePolicy", "AttachNetworkInterfaces", "Lambda names the interfaces"),
    ("PlanFilesRole", "WriteFiles", "folders are known when a restore is asked for; buckets bear a prefix"),
    (
        "RestoreFilesRole",
        "WriteFiles",
        "folders are known when a restore is asked for; buckets bear a prefix",
    ),
    ("FinishFilesRole", "WriteFiles", "folders are known when a restore is asked for; buckets bear a prefix"),
];

/// A statement that allows something.
struct Allow<'a> {
    /// The role or managed policy that it stands in.
    holder: &'a str,
    sid: &'a str,
    actions: Vec<String>,
    resources: Vec<String>,
}

impl Allow<'_> {
    fn pairs(&self) -> BTreeSet<(String, String)> {
        let pair = |action: &String| {
            let action = action.clone();
            self.resources.iter().map(move |resource| (action.clone(), resource.clone())).collect::<Vec<_>>()
        };
        self.actions.iter().flat_map(pair).collect()
    }
}

/// A state machine's role allows exactly what the definition calls, and is that machine's alone.
pub fn machine_roles_allow_exactly_their_calls(project: &Project) -> Findings {
    let mut findings = Findings::new();
    for machine in &project.machines {
        let name = &machine.name;
        let role = project.machine_properties(machine).and_then(|machine| text(machine, &["Role"]));
        let Some(role) = role.and_then(|role| role.strip_prefix("${")?.strip_suffix(".Arn}")) else {
            findings.push(format!("{name} has no role of the template"));
            continue;
        };
        if trusted(project, role) != ["states.amazonaws.com"] {
            findings.push(format!("{role} trusts others than Step Functions"));
        }
        let granted: BTreeSet<(String, String)> =
            allowed_to(project.application(), role).iter().flat_map(Allow::pairs).collect();
        let needed = needs(project, machine);
        findings
            .extend(needed.difference(&granted).map(|(action, on)| format!("{role} lacks {action} on {on}")));
        findings.extend(
            granted.difference(&needed).map(|(action, on)| format!("{role} needs no {action} on {on}")),
        );
    }
    findings
}

/// What a machine does: the functions that it calls, and itself where a Map is distributed.
fn needs(project: &Project, machine: &Machine) -> BTreeSet<(String, String)> {
    let mut needs = BTreeSet::new();
    for function in machine.tasks().filter_map(|state| state.function()) {
        let arn = match project.called_function(machine, function) {
            Some((id, _)) => format!("${{{id}.Arn}}"),
            None => function.to_owned(),
        };
        needs.insert(("lambda:InvokeFunction".to_owned(), arn));
    }
    for label in machine.states().filter_map(|state| state.distributed_label()) {
        let own = format!("${{VaultName}}-{}", machine.name);
        needs.insert(("states:StartExecution".to_owned(), format!("{STATES}:stateMachine:{own}")));
        for action in ["states:DescribeExecution", "states:StopExecution"] {
            needs.insert((action.to_owned(), format!("{STATES}:execution:{own}:*")));
            needs.insert((action.to_owned(), format!("{STATES}:execution:{own}/{label}:*")));
        }
    }
    needs
}

/// Every function has a role of its own, which Lambda alone may take and which writes to its log group alone.
pub fn functions_have_roles_of_their_own(project: &Project) -> Findings {
    let mut findings = Findings::new();
    for (id, function) in project.application().resources("AWS::Serverless::Function") {
        let stem = id.trim_end_matches("Function");
        let role = format!("{stem}Role");
        if text(function, &["Role"]) != Some(format!("${{{role}.Arn}}").as_str()) {
            findings.push(format!("{id}: the role is not {role}"));
        }
        if trusted(project, &role) != ["lambda.amazonaws.com"] {
            findings.push(format!("{role} trusts others than Lambda"));
        }
        let logs: BTreeSet<(String, String)> = allowed_to(project.application(), &role)
            .iter()
            .flat_map(Allow::pairs)
            .filter(|(action, _)| action.starts_with("logs:"))
            .collect();
        let group = format!("${{{stem}LogGroup.Arn}}");
        let expected = ["logs:CreateLogStream", "logs:PutLogEvents"]
            .map(|action| (action.to_owned(), group.clone()))
            .into_iter()
            .collect();
        if logs != expected {
            findings.push(format!("{role} does not write to its own log group alone"));
        }
    }
    findings
}

/// Exactly the functions that are called with a task token may answer one.
pub fn token_holders_may_answer(project: &Project) -> Findings {
    let mut called = BTreeSet::new();
    for machine in &project.machines {
        for state in machine.tasks().filter(|state| state.waits_for_token()) {
            let function = state.function().and_then(|function| project.called_function(machine, function));
            called.extend(function.map(|(id, _)| format!("{}Role", id.trim_end_matches("Function"))));
        }
    }
    let mut findings = Findings::new();
    for (role, _) in project.application().resources("AWS::IAM::Role") {
        let answers: BTreeSet<String> = allowed_to(project.application(), role)
            .into_iter()
            .flat_map(|allow| allow.actions)
            .filter(|action| action.starts_with("states:SendTask"))
            .collect();
        let complete = ["states:SendTaskFailure", "states:SendTaskSuccess"].map(str::to_owned);
        if called.contains(role) && !complete.iter().all(|action| answers.contains(action)) {
            findings.push(format!("{role} gets a task token and may not answer it"));
        }
        if !called.contains(role) && !answers.is_empty() {
            findings.push(format!("{role} may answer task tokens and gets none"));
        }
    }
    findings
}

/// No statement allows a pattern of actions, and none allows every resource save the listed ones, each with
/// its reason above it in the template.
pub fn wildcards_are_argued_for(project: &Project) -> Findings {
    let mut findings = Findings::new();
    let template = project.application();
    for allow in all_allows(template) {
        let at = format!("{}: {}", allow.holder, allow.sid);
        for action in allow.actions.iter().filter(|action| action.contains('*')) {
            findings.push(format!("{at} allows {action}"));
        }
        if !allow.resources.iter().any(|resource| is_wildcard(resource)) {
            continue;
        }
        if !WILDCARDS.iter().any(|(holder, sid, _)| (*holder, *sid) == (allow.holder, allow.sid)) {
            findings.push(format!("{at} allows every resource"));
        }
        if !has_comment(&template.source, allow.sid) {
            findings.push(format!("{at} allows every resource without saying why"));
        }
    }
    for (holder, sid, _) in WILDCARDS {
        if !all_allows(template).iter().any(|allow| (allow.holder, allow.sid) == (*holder, *sid)) {
            findings.push(format!("{holder}: {sid} is excused and not there"));
        }
    }
    findings
}

/// Whether an ARN's last part, its type apart, names nothing.
fn is_wildcard(resource: &str) -> bool {
    // `${AWS::Region}` holds the separator; with the references gone, six parts are left.
    let mut plain = resource.to_owned();
    for variable in ["${AWS::Partition}", "${AWS::Region}", "${AWS::AccountId}"] {
        plain = plain.replace(variable, "x");
    }
    let Some(last) = plain.splitn(6, ':').nth(5) else { return plain.contains('*') };
    let named = last.split_once(['/', ':']).map_or(last, |(_, name)| name);
    named.contains('*') && named.chars().all(|letter| "*/:".contains(letter))
}

/// Whether the line above a statement is a comment.
fn has_comment(source: &str, sid: &str) -> bool {
    let line = format!("- Sid: {sid}");
    let lines: Vec<&str> = source.lines().map(str::trim).collect();
    lines.windows(2).any(|pair| pair[1] == line && pair[0].starts_with('#'))
}

/// Statements that allow deleting from a store: role, statement, the pattern of keys, and why. By version alone: a
/// deletion without a version would hide objects from everybody who reads the current one.
const DELETIONS: &[(&str, &str, &str, &str)] = &[
    (
        "TierToArchiveRole",
        "DeleteArchivedSegments",
        "/instances/*/segments/*",
        "they are in the archive store",
    ),
    ("ExpireRecoveryPointRole", "DeletePoints", "/instances/*", "their time is over"),
    ("SweepOrphansRole", "DeleteOrphans", "/instances/*", "no point names them"),
];

/// Statements that allow putting objects under legal hold, which is also letting them go: role, statement, and why.
const HOLDS: &[(&str, &str, &str)] = &[
    ("SetLegalHoldRole", "HoldBackups", "somebody holds a point, or releases it"),
    ("TierToArchiveRole", "NameCopies", "what names the copies of a held point is held"),
    ("TierToArchiveRole", "WriteCopies", "copies of a held point are held"),
];

/// Nobody puts objects under legal hold, and nobody lets them go, but the two roles that do it as the catalog says.
pub fn only_two_roles_change_legal_holds(project: &Project) -> Findings {
    let mut findings = Findings::new();
    let allows = all_allows(project.application());
    let changes = |allow: &&Allow<'_>| allow.actions.iter().any(|action| action == "s3:PutObjectLegalHold");
    for allow in allows.iter().filter(changes) {
        if !HOLDS.iter().any(|(holder, sid, _)| (*holder, *sid) == (allow.holder, allow.sid)) {
            findings.push(format!("{}: {} changes legal holds", allow.holder, allow.sid));
        }
    }
    for (holder, sid, _) in HOLDS {
        if !allows.iter().filter(changes).any(|allow| (allow.holder, allow.sid) == (*holder, *sid)) {
            findings.push(format!("{holder}: {sid} is excused and changes none"));
        }
    }
    findings
}

/// Nobody deletes from a store but three roles of the lifecycle, objects of instances alone and by version; nobody
/// changes or bypasses what keeps others from doing so.
pub fn only_the_lifecycle_deletes_from_a_store(project: &Project) -> Findings {
    let forbidden = ["s3:delete", "s3:bypass", "s3:putbucket", "s3:putlifecycle", "s3:*", "*"];
    let mut findings = Findings::new();
    let allows = all_allows(project.application());
    for allow in &allows {
        let at = format!("{}: {}", allow.holder, allow.sid);
        let excused = DELETIONS.iter().find(|(holder, sid, ..)| (*holder, *sid) == (allow.holder, allow.sid));
        for action in &allow.actions {
            let word = action.to_ascii_lowercase();
            let deletes_versions = excused.is_some() && action == "s3:DeleteObjectVersion";
            if !deletes_versions && forbidden.iter().any(|start| word.starts_with(start)) {
                findings.push(format!("{at} allows {action}"));
            }
        }
        let Some((.., keys, _)) = excused else { continue };
        for resource in &allow.resources {
            let stores = ["${BackupBucketName}", "${ArchiveBucketName}"];
            if !stores.iter().any(|store| *resource == format!("arn:${{AWS::Partition}}:s3:::{store}{keys}"))
            {
                findings.push(format!("{at} deletes from {resource}"));
            }
        }
    }
    for (holder, sid, ..) in DELETIONS {
        if !allows.iter().any(|allow| (allow.holder, allow.sid) == (*holder, *sid)) {
            findings.push(format!("{holder}: {sid} is excused and not there"));
        }
    }
    findings
}

/// The role of every schedule is the scheduler's alone and allows starting the schedule's target, nothing else.
pub fn schedule_roles_allow_exactly_their_start(project: &Project) -> Findings {
    let template = project.application();
    let mut findings = Findings::new();
    for (id, schedule) in template.resources("AWS::Scheduler::Schedule") {
        let target = text(schedule, &["Target", "Arn"]).unwrap_or_default();
        let role = text(schedule, &["Target", "RoleArn"]).unwrap_or_default();
        let Some(role) = role.strip_prefix("${").and_then(|role| role.strip_suffix(".Arn}")) else {
            findings.push(format!("{id} has no role of the template"));
            continue;
        };
        if trusted(project, role) != ["scheduler.amazonaws.com"] {
            findings.push(format!("{role} trusts others than the scheduler"));
        }
        let needed = BTreeSet::from([("states:StartExecution".to_owned(), target.to_owned())]);
        if grants(template, role) != needed {
            findings.push(format!("{role} does not allow exactly to start {target}"));
        }
    }
    findings
}

/// Rights on a VPC's interfaces stand in policies that exist only where the functions are in a VPC.
pub fn network_rights_are_conditional(project: &Project) -> Findings {
    let template = project.application();
    all_allows(template)
        .iter()
        .filter(|allow| allow.actions.iter().any(|action| action.starts_with("ec2:")))
        .filter(|allow| text(&template.document, &["Resources", allow.holder, "Condition"]) != Some("InVpc"))
        .map(|allow| format!("{}: {} is allowed outside a VPC too", allow.holder, allow.sid))
        .collect()
}

/// Every pair of action and resource that a role is allowed, its managed policies taken in.
pub(super) fn grants(template: &Template, role: &str) -> BTreeSet<(String, String)> {
    allowed_to(template, role).iter().flat_map(Allow::pairs).collect()
}

fn allowed_to<'a>(template: &'a Template, role: &str) -> Vec<Allow<'a>> {
    let mut holders = vec![role.to_owned()];
    if let Some(properties) = template.properties(role, "AWS::IAM::Role") {
        let attached = texts(properties, &["ManagedPolicyArns"]);
        holders.extend(attached.iter().map(|policy| policy.replace(['$', '{', '}'], "")));
    }
    all_allows(template).into_iter().filter(|allow| holders.iter().any(|id| id == allow.holder)).collect()
}

fn all_allows(template: &Template) -> Vec<Allow<'_>> {
    let roles = template.resources("AWS::IAM::Role").into_iter().flat_map(|(id, role)| {
        let policies = items(role, &["Policies"]);
        policies.into_iter().flat_map(move |policy| allows(id, policy)).collect::<Vec<_>>()
    });
    let managed = template.resources("AWS::IAM::ManagedPolicy");
    roles.chain(managed.into_iter().flat_map(|(id, policy)| allows(id, policy))).collect()
}

fn allows<'a>(holder: &'a str, policy: &'a Value) -> Vec<Allow<'a>> {
    items(policy, &["PolicyDocument", "Statement"])
        .into_iter()
        .filter(|statement| text(statement, &["Effect"]) == Some("Allow"))
        .map(|statement| Allow {
            holder,
            sid: text(statement, &["Sid"]).unwrap_or_default(),
            actions: texts(statement, &["Action"]),
            resources: texts(statement, &["Resource"]),
        })
        .collect()
}

/// The services that may take a role.
pub(super) fn trusted(project: &Project, role: &str) -> Vec<String> {
    let Some(role) = project.application().properties(role, "AWS::IAM::Role") else { return Vec::new() };
    items(role, &["AssumeRolePolicyDocument", "Statement"])
        .into_iter()
        .flat_map(|statement| texts(statement, &["Principal", "Service"]))
        .collect()
}
