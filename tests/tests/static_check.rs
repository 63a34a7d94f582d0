//! The rules that templates, state machines and functions keep, and for each rule that it sees a violation.
//!
//! Needs no stack. A violation is seeded into the project's own files, so that a rule which stopped looking
//! at them fails too.

#![allow(clippy::unwrap_used, reason = "a helper that cannot read the project's files has failed the test")]

use std::path::Path;

use permafrost_tests::static_check::{
    Findings, Project, Sources, access, api, errors, functions, machines, schedules,
};

type Rule = fn(&Project) -> Findings;

fn sources() -> Sources {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    Sources::read(root).unwrap()
}

fn holds(rule: Rule) {
    let findings = rule(&sources().parse().unwrap());
    assert!(findings.is_empty(), "{}", findings.join("\n"));
}

/// A file of the project, and what is changed in it.
enum Seed<'a> {
    Template(&'a str, &'a str),
    Machine(&'a str, &'a str, &'a str),
}

use Seed::{Machine, Template};

/// Asserts that the rule finds the violation, in words that hold `expected`, and found nothing without it.
fn sees(rule: Rule, seed: &Seed<'_>, expected: &str) {
    holds(rule);
    let mut sources = sources();
    let (file, from, to) = match *seed {
        Template(from, to) => (sources.templates.get_mut("template.yaml").unwrap(), from, to),
        Machine(name, from, to) => (sources.machines.get_mut(&format!("{name}.asl.yaml")).unwrap(), from, to),
    };
    assert!(file.contains(from), "nothing to change: {from:?}");
    *file = file.replacen(from, to, 1);
    let findings = rule(&sources.parse().unwrap());
    assert!(findings.iter().any(|finding| finding.contains(expected)), "{expected:?} not in {findings:#?}");
}

// ---- State machines ----

/// Every Task has a timeout, longer than its function's own.
#[test]
fn tasks_time_out() {
    let rule = machines::tasks_time_out;
    sees(
        rule,
        &Machine("backup", "    TimeoutSeconds: 150\n", ""),
        "ValidatePermissions has no TimeoutSeconds",
    );
    sees(
        rule,
        &Machine("backup", "TimeoutSeconds: 930", "TimeoutSeconds: 900"),
        "HoldSnapshot gives up after 900 s",
    );
    sees(rule, &Machine("backup", "TimeoutSeconds: 150", "TimeoutSeconds: soon"), "is no number");
}

/// Every path from every state comes by CloseJob before it ends.
#[test]
fn paths_close_the_job() {
    let rule = machines::paths_close_the_job;
    let abandon = "        Next: AbandonBackup\n";
    sees(rule, &Machine("backup", abandon, "        Next: EndFailed\n"), "EndFailed ends the execution");
    sees(
        rule,
        &Machine("backup", "    Next: Dump\n", "    End: true\n"),
        "ValidatePermissions ends the execution",
    );
    sees(
        rule,
        &Machine("backup", "ErrorEquals: [States.ALL]", "ErrorEquals: [States.Timeout]"),
        "ValidatePermissions lets a failure end the execution",
    );
    let circle = Machine("restore", "    Next: FinishRestore\n", "    Next: RunLevels\n");
    sees(rule, &circle, "RunLevels may come round for ever");
    let spin = "    Next: Spin\n  Spin:\n    Type: Pass\n    Next: Spin\n";
    sees(rule, &Machine("backup", "    Next: Dump\n", spin), "no path leads from Spin to CloseJob");
    sees(rule, &Machine("restore", "Next: ReportOutcome", "Next: FinishRestore"), "FinishRestore runs after");
    sees(rule, &Machine("configure-protection", "  CloseJob:\n", "  EndJob:\n"), "has no CloseJob");
    // Of a machine without jobs.
    let caught = "    Catch:\n      - ErrorEquals: [States.ALL]\n";
    let some = "    Catch:\n      - ErrorEquals: [States.Timeout]\n";
    sees(
        rule,
        &Machine("scheduled-backups", caught, some),
        "PlanScheduledBackups lets a failure end the execution",
    );
    let closes = Machine("scheduled-backups", "        EndInstance:\n", "        CloseJob:\n");
    sees(rule, &closes, "is said to have no job and closes one");
    // Of a machine that closes a job for each item.
    sees(
        rule,
        &Machine("lifecycle", "                  Next: CheckCopies\n", "                  End: true\n"),
        "TierToArchive ends the execution",
    );
    let caught = "            Catch:\n              - ErrorEquals: [States.ALL]\n";
    let some = "            Catch:\n              - ErrorEquals: [States.Timeout]\n";
    sees(rule, &Machine("lifecycle", caught, some), "ApplyRetention lets a failure end the execution");
    sees(
        rule,
        &Machine("lifecycle", "                CloseJob:\n", "                EndJob:\n"),
        "has no CloseJob",
    );
}

/// Every state is reached, leads somewhere, and where it leads to exists; names are unique in a machine.
#[test]
fn states_are_connected() {
    let rule = machines::states_are_connected;
    sees(
        rule,
        &Machine("backup", "    Next: CommitRecoveryPoint\n", "    Next: CloseJob\n"),
        "CommitRecoveryPoint in the machine is never reached",
    );
    sees(rule, &Machine("backup", "    Next: Dump\n", "    Next: Dmup\n"), "leads to Dmup");
    sees(rule, &Machine("backup", "            End: true\n", ""), "RelaySnapshot in Dump leads nowhere");
    sees(
        rule,
        &Machine("backup", "          EndDump:\n", "          EndCompleted:\n"),
        "has a name that another state has",
    );
    sees(
        rule,
        &Machine("restore", "  RunLevels:\n", "  RunRestoreTask:\n"),
        "RunRestoreTask in RunRestoreTasks has a name that another state has",
    );
}

/// Every `${Substitution}` is defined, and every defined one is used.
#[test]
fn substitutions_are_defined_and_used() {
    let rule = machines::substitutions_are_defined_and_used;
    sees(
        rule,
        &Machine("backup", "${PlanDumpFunctionArn}", "${DumpPlanFunctionArn}"),
        "${DumpPlanFunctionArn} is not defined",
    );
    sees(rule, &Machine("backup", "${MaxTasks}", "8"), "the substitution MaxTasks is not used");
    sees(rule, &Template("        MaxTasks: !Ref MaxTasks\n", ""), "${MaxTasks} is not defined");
}

/// Every Task calls a function of the stack by Lambda's own integration, and is named as the function.
#[test]
fn tasks_are_named_as_their_functions() {
    let rule = machines::tasks_are_named_as_their_functions;
    sees(
        rule,
        &Machine(
            "backup",
            "FunctionName: ${AbandonBackupFunctionArn}",
            "FunctionName: ${CloseJobFunctionArn}",
        ),
        "AbandonBackup calls CloseJob",
    );
    sees(
        rule,
        &Machine("backup", "states:::lambda:invoke", "states:::aws-sdk:lambda:invoke"),
        "not Lambda's integration",
    );
    sees(
        rule,
        &Template(
            "CloseJobFunctionArn: !GetAtt CloseJobFunction.Arn",
            "CloseJobFunctionArn: !GetAtt JobFunction.Arn",
        ),
        "CloseJob calls no function of the template",
    );
}

/// Every definition is deployed as a standard machine of its own name, in JSONata; every machine has one.
#[test]
fn machines_are_named_as_their_files() {
    let rule = machines::machines_are_named_as_their_files;
    sees(
        rule,
        &Template("Name: !Sub ${VaultName}-backup\n", "Name: !Sub ${VaultName}-dump\n"),
        "backup: Name is not",
    );
    sees(rule, &Template("Type: STANDARD", "Type: EXPRESS"), "Type is not STANDARD");
    sees(
        rule,
        &Template("statemachines/restore.asl.yaml", "statemachines/backup.asl.yaml"),
        "restore: DefinitionUri",
    );
    sees(rule, &Machine("backup", "QueryLanguage: JSONata\n", ""), "not JSONata");
}

/// A distributed Map hands its whole input to its children, tolerates no failure, and is labelled as itself.
#[test]
fn distributed_maps_pass_their_input_on() {
    let rule = machines::distributed_maps_pass_their_input_on;
    sees(
        rule,
        &Machine("backup", "Items: '{% $states.input %}'", "Items: '{% $states.input.tasks %}'"),
        "whole input",
    );
    sees(rule, &Machine("restore", "    ToleratedFailurePercentage: 0\n", ""), "tolerates failures");
    sees(rule, &Machine("restore", "    Label: RunRestoreTasks\n", ""), "has the label");
}

// ---- Errors ----

/// Every error name in Retry and Catch exists: Step Functions', Lambda's, or a code of the registry.
#[test]
fn error_names_exist() {
    let rule = errors::error_names_exist;
    sees(rule, &Machine("backup", "- LockNotAvailable", "- LockUnavailable"), "names LockUnavailable");
    sees(rule, &Machine("backup", "[States.ALL]", "[States.Any]"), "Catch names States.Any");
}

/// A retrier names what it is for, never everything, and of our codes only those that pass by themselves.
#[test]
fn retries_name_what_passes() {
    let rule = errors::retries_name_what_passes;
    sees(rule, &Machine("backup", "Runtime.ExitError, ", "States.TaskFailed, "), "retries States.TaskFailed");
    sees(
        rule,
        &Machine("backup", "- LockNotAvailable", "- DatabaseUserAuthFailed"),
        "does not pass by itself",
    );
}

/// Every Task outlives a failure of the Lambda service, a dead function, and a catalog that did not answer.
#[test]
fn tasks_retry_passing_failures() {
    let rule = errors::tasks_retry_passing_failures;
    sees(
        rule,
        &Machine("backup", "          - Lambda.ServiceException\n", ""),
        "does not retry Lambda.ServiceException",
    );
    sees(
        rule,
        &Machine("restore", "          - CatalogUnavailable\n", ""),
        "does not retry CatalogUnavailable",
    );
}

/// Every retrier backs off, with jitter, up to a limit, and gives up.
#[test]
fn retries_have_limits() {
    let rule = errors::retries_have_limits;
    sees(rule, &Machine("backup", "        MaxAttempts: 6\n", ""), "has no MaxAttempts");
    sees(rule, &Machine("backup", "JitterStrategy: FULL", "JitterStrategy: NONE"), "has no jitter");
}

// ---- Roles ----

/// A state machine's role allows exactly what the definition calls.
#[test]
fn machine_roles_allow_exactly_their_calls() {
    let rule = access::machine_roles_allow_exactly_their_calls;
    let commit = "                  - !GetAtt CommitRecoveryPointFunction.Arn\n";
    sees(
        rule,
        &Template(commit, ""),
        "BackupStateMachineRole lacks lambda:InvokeFunction on ${CommitRecoveryPointFunction.Arn}",
    );
    let extra = format!("{commit}                  - !GetAtt ApiFunction.Arn\n");
    sees(
        rule,
        &Template(commit, &extra),
        "BackupStateMachineRole needs no lambda:InvokeFunction on ${ApiFunction.Arn}",
    );
    sees(
        rule,
        &Template(
            "execution:${VaultName}-restore/RunRestoreTasks:*",
            "execution:${VaultName}-restore/Tasks:*",
        ),
        "RestoreStateMachineRole lacks states:DescribeExecution",
    );
    sees(
        rule,
        &Template("Role: !GetAtt BackupStateMachineRole.Arn", "Role: !GetAtt RestoreStateMachineRole.Arn"),
        "RestoreStateMachineRole lacks lambda:InvokeFunction",
    );
    sees(
        rule,
        &Template("Principal: {Service: states.amazonaws.com}", "Principal: {Service: lambda.amazonaws.com}"),
        "trusts others than Step Functions",
    );
    sees(
        rule,
        &Machine("configure-protection", "${CloseJobFunctionArn}", "${ValidatePermissionsFunctionArn}"),
        "ConfigureProtectionStateMachineRole needs no lambda:InvokeFunction on ${CloseJobFunction.Arn}",
    );
}

/// Every function has a role of its own, which Lambda alone may take and which writes to its log group alone.
#[test]
fn functions_have_roles_of_their_own() {
    let rule = access::functions_have_roles_of_their_own;
    sees(
        rule,
        &Template("Role: !GetAtt RunDumpTaskRole.Arn", "Role: !GetAtt PlanDumpRole.Arn"),
        "the role is not RunDumpTaskRole",
    );
    sees(
        rule,
        &Template("Resource: !GetAtt PlanDumpLogGroup.Arn", "Resource: !GetAtt ApiLogGroup.Arn"),
        "PlanDumpRole does not write",
    );
    sees(
        rule,
        &Template(
            "Principal: {Service: lambda.amazonaws.com}",
            "Principal: {Service: [lambda.amazonaws.com, ec2.amazonaws.com]}",
        ),
        "trusts others than Lambda",
    );
}

/// Exactly the functions that are called with a task token may answer one.
#[test]
fn token_holders_may_answer() {
    let rule = access::token_holders_may_answer;
    sees(
        rule,
        &Machine("backup", "states:::lambda:invoke\n", "states:::lambda:invoke.waitForTaskToken\n"),
        "ValidatePermissionsRole gets a task token and may not answer it",
    );
    sees(
        rule,
        &Template("Action: [dynamodb:UpdateItem]", "Action: [dynamodb:UpdateItem, states:SendTaskSuccess]"),
        "may answer task tokens and gets none",
    );
}

/// No statement allows a pattern of actions, and none allows every resource save those with their reason.
#[test]
fn wildcards_are_argued_for() {
    let rule = access::wildcards_are_argued_for;
    sees(rule, &Template("Action: [dynamodb:UpdateItem]", "Action: ['dynamodb:*']"), "allows dynamodb:*");
    sees(
        rule,
        &Template("Resource: !GetAtt PlanDumpLogGroup.Arn", "Resource: '*'"),
        "PlanDumpRole: WriteLogs allows every resource",
    );
    sees(
        rule,
        &Template("s3:::${BackupBucketName}/instances/*", "s3:::${BackupBucketName}/*"),
        "allows every resource",
    );
    sees(
        rule,
        &Template("secret:${SecretNamePrefix}*", "secret:*"),
        "ReadLoginSecrets allows every resource",
    );
    sees(
        rule,
        &Template("          # AWS offers no resource-level permission for Describe actions.\n", ""),
        "without saying why",
    );
    sees(rule, &Template("Sid: ConnectAsDatabaseUser", "Sid: Connect"), "is excused and not there");
}

/// Nobody deletes from a store but three roles of the lifecycle, by version; nobody changes or bypasses what keeps
/// others from doing so.
#[test]
fn only_the_lifecycle_deletes_from_a_store() {
    let rule = access::only_the_lifecycle_deletes_from_a_store;
    let from = "Action: [s3:GetObject, s3:PutObject]";
    for action in ["s3:DeleteObject", "s3:DeleteObjectVersion", "s3:*", "s3:BypassGovernanceRetention"] {
        let to = format!("Action: [s3:GetObject, '{action}']");
        sees(rule, &Template(from, &to), &format!("allows {action}"));
    }
    sees(
        rule,
        &Template("Action: [s3:DeleteObjectVersion]", "Action: [s3:DeleteObject]"),
        "TierToArchiveRole: DeleteArchivedSegments allows s3:DeleteObject",
    );
    sees(
        rule,
        &Template(
            "Action: [s3:DeleteObjectVersion]\n                Resource: !Sub arn:${AWS::Partition}:s3:::${BackupBucketName}/instances/*/segments/*",
            "Action: [s3:DeleteObjectVersion]\n                Resource: !Sub arn:${AWS::Partition}:s3:::${BackupBucketName}/*",
        ),
        "DeleteArchivedSegments deletes from",
    );
    sees(rule, &Template("Sid: DeleteOrphans", "Sid: Sweep"), "is excused and not there");
}

/// Two roles put objects under legal hold and let them go, as the catalog says; nobody else does.
#[test]
fn only_two_roles_change_legal_holds() {
    let rule = access::only_two_roles_change_legal_holds;
    let from = "Action: [s3:GetObject, s3:PutObject]";
    let to = "Action: [s3:GetObject, s3:PutObject, s3:PutObjectLegalHold]";
    sees(rule, &Template(from, to), "changes legal holds");
    let named = Template("[s3:PutObject, s3:PutObjectLegalHold, ", "[s3:PutObject, ");
    sees(rule, &named, "TierToArchiveRole: NameCopies is excused and changes none");
}

/// The role of a schedule allows starting its target, and nothing else.
#[test]
fn schedule_roles_allow_exactly_their_start() {
    let rule = access::schedule_roles_allow_exactly_their_start;
    let target = "Arn: !Ref LifecycleStateMachine";
    sees(rule, &Template(target, "Arn: !Ref BackupStateMachine"), "does not allow exactly to start");
    let trust = "  LifecycleScheduleRole:\n    Type: AWS::IAM::Role\n    Properties:\n      Description: !Sub Role of the schedule ${VaultName}-lifecycle\n      AssumeRolePolicyDocument:\n        Version: '2012-10-17'\n        Statement:\n          - Effect: Allow\n            Action: sts:AssumeRole\n            Principal: {Service: scheduler.amazonaws.com}\n";
    let other = trust.replace("scheduler.amazonaws.com", "states.amazonaws.com");
    sees(rule, &Template(trust, &other), "trusts others");
    sees(
        rule,
        &Template(
            "RoleArn: !GetAtt LifecycleScheduleRole.Arn",
            "RoleArn: !GetAtt BackupStateMachineRole.Arn",
        ),
        "trusts others than the scheduler",
    );
}

/// Rights on a VPC's interfaces exist only where the functions are in a VPC.
#[test]
fn network_rights_are_conditional() {
    let rule = access::network_rights_are_conditional;
    sees(
        rule,
        &Template("    Condition: InVpc\n", ""),
        "NetworkInterfacePolicy: DescribeNetwork is allowed outside a VPC",
    );
}

// ---- Functions ----

/// The template's functions are the directories under `functions/`, each making the binary of its own name.
#[test]
fn functions_are_directories_and_binaries() {
    let rule = functions::functions_are_directories_and_binaries;
    sees(
        rule,
        &Template("  PlanDumpFunction:\n", "  DumpPlanFunction:\n"),
        "functions/plan-dump is not deployed",
    );
    sees(rule, &Template("Binary: close-job", "Binary: api"), "CloseJobFunction is built from Some(\"api\")");
    sees(
        rule,
        &Template("FunctionName: !Sub ${VaultName}-api", "FunctionName: api"),
        "ApiFunction: FunctionName",
    );

    let mut sources = sources();
    let manifest = sources.manifests.get_mut("api").unwrap();
    *manifest = manifest.replace("name = \"api\"", "name = \"rest-api\"");
    let moved = sources.manifests.remove("close-job").unwrap();
    sources.manifests.insert("end-job".to_owned(), moved);
    let findings = rule(&sources.parse().unwrap()).join("\n");
    for expected in [
        "functions/api makes the binary rest-api",
        "functions/end-job is not deployed",
        "there is no functions/close-job",
    ] {
        assert!(findings.contains(expected), "{expected:?} not in {findings}");
    }
}

/// Every function has a log group of its own, named as Lambda would name it, whose logs do not stay forever.
#[test]
fn functions_have_log_groups_with_retention() {
    let rule = functions::functions_have_log_groups_with_retention;
    sees(rule, &Template("  CloseJobLogGroup:\n", "  JobLogGroup:\n"), "CloseJobFunction has no log group");
    sees(rule, &Template("      RetentionInDays: !Ref LogRetentionDays\n", ""), "keeps its logs forever");
    sees(rule, &Template("/aws/lambda/${VaultName}-api", "/aws/lambda/api"), "ApiLogGroup is not named");
    sees(
        rule,
        &Template("LogGroup: !Ref ApiLogGroup", "LogGroup: !Ref CloseJobLogGroup"),
        "ApiFunction does not log",
    );
}

/// A function that may log in to a server has the clients' layer and the VPC's network, and no other has.
#[test]
fn functions_that_log_in_have_layer_and_network() {
    let rule = functions::functions_that_log_in_have_layer_and_network;
    sees(
        rule,
        &Template("      Layers: [!Ref PgClientLayer]\n", ""),
        "ValidatePermissionsFunction logs in to servers and lacks the layer",
    );
    sees(
        rule,
        &Template("        - !Ref DatabaseLoginPolicy\n", ""),
        "ValidatePermissionsFunction logs in to servers not, and has",
    );
}

/// Every parameter of every template is used in it.
#[test]
fn parameters_are_used() {
    let rule = functions::parameters_are_used;
    sees(
        rule,
        &Template("        ARCHIVE_CLASS: !Ref ArchiveClass\n", ""),
        "the parameter ArchiveClass is not used",
    );
    sees(
        rule,
        &Template("Conditions:\n", "  # !Ref Colour\n  Colour:\n    Type: String\n\nConditions:\n"),
        "the parameter Colour is not used",
    );
}

// ---- API ----

/// Every route has an explicit method and asks for IAM authorisation; no two routes are the same.
#[test]
fn routes_ask_for_iam() {
    let rule = api::routes_ask_for_iam;
    sees(rule, &Template("Method: POST", "Method: ANY"), "the method \"ANY\" is none");
    sees(rule, &Template("DefaultAuthorizer: AWS_IAM", "DefaultAuthorizer: NONE"), "does not ask for IAM");
    sees(rule, &Template("        InvokeRole: NONE\n", ""), "with the caller's credentials");
    sees(
        rule,
        &Template("Path: /jobs}", "Path: /jobs, Auth: {Authorizer: NONE}}"),
        "has an authorisation of its own",
    );
    sees(
        rule,
        &Template("Method: POST, Path: /instances}", "Method: GET, Path: /instances}"),
        "one that is there already",
    );
    sees(rule, &Template("RestApiId: !Ref Api,", "RestApiId: !Ref OtherApi,"), "belongs to another API");
}

/// The API's function is told the ARN of every state machine, may start exactly these, and may follow and
/// stop their executions.
#[test]
fn api_starts_the_machines_that_exist() {
    let rule = api::api_starts_the_machines_that_exist;
    let own = "stateMachine:${VaultName}-configure-protection\n          BACKUP_STATE_MACHINE_ARN:";
    let others = own.replace("BACKUP", "DUMP");
    sees(rule, &Template(own, &others), "BACKUP_STATE_MACHINE_ARN is not the ARN");
    sees(rule, &Template(own, &others), "DUMP_STATE_MACHINE_ARN is the ARN of no");
    sees(
        rule,
        &Template("Name: !Sub ${VaultName}-backup\n", "Name: !Sub ${VaultName}-dump\n"),
        "ApiRole needs no states:StartExecution",
    );
    sees(
        rule,
        &Template("[states:DescribeExecution, states:StopExecution]", "[states:DescribeExecution]"),
        "ApiRole lacks states:StopExecution",
    );
}

// ---- Schedules ----

/// A schedule may start the machine of scheduled backups and nothing else; the functions that keep schedules are
/// told what they point at, and no other function may touch one or pass a role on.
#[test]
fn schedules_start_scheduled_backups() {
    let rule = schedules::schedules_start_scheduled_backups;
    sees(
        rule,
        &Template(
            "Principal: {Service: scheduler.amazonaws.com}",
            "Principal: {Service: lambda.amazonaws.com}",
        ),
        "SchedulerRole trusts others than EventBridge Scheduler",
    );
    let start = "                Resource: !Sub arn:${AWS::Partition}:states:${AWS::Region}:${AWS::AccountId}:stateMachine:${VaultName}-scheduled-backups\n";
    let other = start.replace("scheduled-backups", "restore");
    sees(rule, &Template(start, &other), "SchedulerRole lacks states:StartExecution");
    sees(rule, &Template(start, &other), "SchedulerRole needs no states:StartExecution");
    sees(
        rule,
        &Template("          SCHEDULE_ROLE_ARN: !GetAtt SchedulerRole.Arn\n", ""),
        "PlanScheduledBackupsFunction: SCHEDULE_ROLE_ARN is not",
    );
    sees(rule, &Template("scheduler:DeleteSchedule, ", ""), "ApiRole lacks scheduler:DeleteSchedule");
    sees(
        rule,
        &Template("Action: [dynamodb:UpdateItem]", "Action: [dynamodb:UpdateItem, iam:PassRole]"),
        "may touch schedules and is not told of them",
    );
}
