//! The places where something could have been written, each read whole.

use std::fmt;
use std::path::Path;
use std::time::SystemTime;

use permafrost_domain::job::Job;
use permafrost_tests::signed;
use permafrost_tests::support::{Aws, Cli, Stack};
use serde_json::{Value, json};

/// Texts, each with its place.
pub(crate) struct Haystack {
    name: &'static str,
    texts: Vec<(String, Vec<u8>)>,
}

impl Haystack {
    /// These texts.
    pub(crate) fn new(name: &'static str, texts: Vec<(String, Vec<u8>)>) -> Self {
        Self { name, texts }
    }

    /// Where `needle` stands.
    pub(crate) fn places_of(&self, needle: &str) -> Vec<String> {
        let needle = needle.as_bytes();
        let holding =
            self.texts.iter().filter(|(_, text)| text.windows(needle.len()).any(|window| window == needle));
        holding.map(|(place, _)| place.clone()).collect()
    }
}

impl fmt::Display for Haystack {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({} texts)", self.name, self.texts.len())
    }
}

/// What time it is.
#[expect(clippy::disallowed_methods, reason = "a test is an edge at which time enters")]
pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

fn millis(time: SystemTime) -> u128 {
    time.duration_since(SystemTime::UNIX_EPOCH).expect("it is after 1970").as_millis()
}

/// Every item of the catalog's table.
pub(crate) async fn catalog() -> Haystack {
    let scan = Aws::root().dynamodb().scan().table_name(&Stack::get().table).into_paginator();
    let items = scan.items().send().try_collect().await.expect("the table can be scanned");
    let texts = items.iter().map(|item| (format!("{:?}", item.get("pk")), format!("{item:?}").into_bytes()));
    Haystack::new("the items of the catalog", texts.collect())
}

/// Every version of every object that was written since, segments decompressed, too.
pub(crate) async fn stores(since: SystemTime) -> Haystack {
    let s3 = Aws::root().s3();
    let mut texts = Vec::new();
    for bucket in [&Stack::get().backup_bucket, &Stack::get().archive_bucket] {
        let (mut key_marker, mut version_marker) = (None, None);
        loop {
            let list = s3.list_object_versions().bucket(bucket);
            let list = list.set_key_marker(key_marker).set_version_id_marker(version_marker);
            let page = list.send().await.expect("the store can be listed");
            for version in page.versions() {
                let written = version.last_modified.and_then(|time| SystemTime::try_from(time).ok());
                // S3 knows whole seconds.
                if written.is_some_and(|written| millis(written) + 1_000 < millis(since)) {
                    continue;
                }
                let key = version.key.clone().expect("an object has a key");
                let get = s3.get_object().bucket(bucket).key(&key).set_version_id(version.version_id.clone());
                let answer = get.send().await.expect("the object can be read");
                let head = format!("{:?}", answer.metadata).into_bytes();
                let body = answer.body.collect().await.expect("the object comes whole").to_vec();
                if key.contains("/segments/") {
                    let rows = zstd::stream::decode_all(body.as_slice()).expect("a segment decompresses");
                    texts.push((format!("rows of {key}"), rows));
                }
                texts.push((format!("metadata of {key}"), head));
                texts.push((key, body));
            }
            if page.is_truncated != Some(true) {
                break;
            }
            (key_marker, version_marker) = (page.next_key_marker, page.next_version_id_marker);
        }
    }
    Haystack::new("the objects of the stores", texts)
}

/// Every log event of every log group since.
pub(crate) async fn logs(since: SystemTime) -> Haystack {
    let mut texts = Vec::new();
    let groups = log_pages("DescribeLogGroups", json!({}), "logGroups").await;
    for group in groups {
        let name = group["logGroupName"].as_str().expect("a log group has a name");
        let wanted = json!({"logGroupName": name, "startTime": millis(since)});
        for event in log_pages("FilterLogEvents", wanted, "events").await {
            texts.push((format!("{name} {}", event["logStreamName"]), event.to_string().into_bytes()));
        }
    }
    Haystack::new("the log events", texts)
}

async fn log_pages(operation: &str, mut request: Value, items: &str) -> Vec<Value> {
    let stack = Stack::get();
    let target = format!("Logs_20140328.{operation}");
    let headers = [("content-type", "application/x-amz-json-1.1"), ("x-amz-target", &target)];
    let mut found = Vec::new();
    loop {
        let url = format!("{}/", stack.endpoint);
        let answer = signed::post(&stack.root, "logs", &url, &headers, &request.to_string()).await;
        assert_eq!(answer.status, 200, "{operation}: {}", answer.body);
        let mut page: Value = serde_json::from_str(&answer.body).expect("the answer is JSON");
        if let Value::Array(more) = page[items].take() {
            found.extend(more);
        }
        match page["nextToken"].take() {
            Value::String(next) if request["nextToken"] != next.as_str() => {
                request["nextToken"] = next.into();
            }
            _ => return found,
        }
    }
}

/// Input, output, cause and history of the jobs' executions, of their Map runs and of the Map's children.
pub(crate) async fn executions(jobs: &[&Job]) -> Haystack {
    let sfn = Aws::root().sfn();
    let mut texts = Vec::new();
    for job in jobs {
        let execution = job.execution.clone().expect("a job that has ended names its execution");
        read_execution(&sfn, &execution, &mut texts).await;
        let runs = sfn.list_map_runs().execution_arn(&execution).send().await;
        for run in runs.expect("the Map runs can be listed").map_runs {
            let described = sfn.describe_map_run().map_run_arn(&run.map_run_arn).send().await;
            texts.push((run.map_run_arn.clone(), format!("{described:?}").into_bytes()));
            let children =
                sfn.list_executions().map_run_arn(&run.map_run_arn).into_paginator().items().send();
            for child in children.try_collect().await.expect("the children can be listed") {
                read_execution(&sfn, &child.execution_arn, &mut texts).await;
            }
        }
    }
    Haystack::new("the executions", texts)
}

async fn read_execution(sfn: &aws_sdk_sfn::Client, execution: &str, texts: &mut Vec<(String, Vec<u8>)>) {
    let described = sfn.describe_execution().execution_arn(execution).send().await;
    let described = described.expect("the execution can be described");
    // Fields that the SDK holds back from its own debug texts.
    for (part, text) in [("input", described.input), ("output", described.output), ("cause", described.cause)]
    {
        texts.push((format!("{part} of {execution}"), text.unwrap_or_default().into_bytes()));
    }
    let stack = Stack::get();
    let mut request = json!({"executionArn": execution, "includeExecutionData": true});
    loop {
        let url = format!("{}/", stack.endpoint);
        let headers = [
            ("content-type", "application/x-amz-json-1.0"),
            ("x-amz-target", "AWSStepFunctions.GetExecutionHistory"),
        ];
        let answer = signed::post(&stack.root, "states", &url, &headers, &request.to_string()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let page: Value = serde_json::from_str(&answer.body).expect("the answer is JSON");
        texts.push((format!("history of {execution}"), answer.body.into_bytes()));
        match page["nextToken"].as_str() {
            Some(next) => request["nextToken"] = next.into(),
            None => return,
        }
    }
}

/// The environment of every function, as its configuration shows it.
pub(crate) async fn function_environments() -> Haystack {
    let functions = Aws::root().lambda().list_functions().into_paginator().items().send();
    let functions = functions.try_collect().await.expect("the functions can be listed");
    let texts = functions.iter().map(|function| {
        let variables = function.environment.as_ref().and_then(|environment| environment.variables.clone());
        (function.function_name.clone().unwrap_or_default(), format!("{variables:?}").into_bytes())
    });
    Haystack::new("the environments of the functions", texts.collect())
}

/// What the command line shows of the instance, its points and the jobs.
pub(crate) async fn command_line(cli: &Cli, instance: &str, jobs: &[&Job]) -> Haystack {
    let ids: Vec<String> = jobs.iter().map(|job| job.id.to_string()).collect();
    let mut commands = vec![
        vec!["instance", "list"],
        vec!["instance", "show", instance],
        vec!["recovery-point", "list", instance],
        vec!["recovery-point", "show", instance],
        vec!["job", "list", "--instance", instance],
    ];
    for id in &ids {
        commands.extend([vec!["job", "show", id], vec!["job", "watch", id]]);
    }
    let mut texts = Vec::new();
    for command in commands {
        for outcome in [cli.run(&command).await, cli.run_for_people(&command).await] {
            assert_eq!(outcome.exit_code, Some(0), "{outcome}");
            texts.push((command.join(" "), format!("{}{}", outcome.stdout, outcome.stderr).into_bytes()));
        }
    }
    Haystack::new("the words of the command line", texts)
}

/// Every file that the emulator has written since, its log and its objects among them, but for the one in which
/// Secrets Manager keeps the secrets.
pub(crate) fn emulator_state(since: SystemTime) -> Haystack {
    let home = Stack::get().emulator_log.parent().expect("the log is in the emulator's folder");
    let mut texts = Vec::new();
    read_files(home, since, &mut texts);
    Haystack::new("the files of the emulator", texts)
}

fn read_files(directory: &Path, since: SystemTime, texts: &mut Vec<(String, Vec<u8>)>) {
    // Files come and go meanwhile; what is gone is not there to be read.
    let Ok(entries) = std::fs::read_dir(directory) else { return };
    for entry in entries.flatten() {
        let (path, Ok(metadata)) = (entry.path(), entry.metadata()) else { continue };
        let of_secrets_manager = entry.file_name().to_string_lossy().starts_with("secretsmanager");
        if metadata.is_dir() {
            read_files(&path, since, texts);
        } else if metadata.is_file()
            && !of_secrets_manager
            && metadata.modified().is_ok_and(|modified| modified >= since)
            && let Ok(content) = std::fs::read(&path)
        {
            texts.push((path.display().to_string(), content));
        }
    }
}
