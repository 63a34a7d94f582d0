//! The copy of the deployed functions and state machines.
//!
//! Race: tests are processes of their own and all want the copy. The first makes it under a lock; the others find
//! by its description that it was made from what is deployed now.

use std::collections::HashMap;
use std::fs::File;
use std::io::{Cursor, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use aws_sdk_lambda::primitives::Blob;
use aws_sdk_lambda::types::{Environment, FunctionCode, FunctionConfiguration, LoggingConfig};
use permafrost_catalog::Catalog;
use permafrost_domain::JobId;
use serde_json::{Value, json};
use sha2::Digest;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use zip::write::SimpleFileOptions;
use zip::{ZipArchive, ZipWriter};

use super::rule::{Injection, Rule};
use crate::support::{Aws, Stack};

/// The wrapper that stands before every binary of the copy.
const BOOTSTRAP: &str = include_str!("bootstrap.py");
/// The functions that carry jobs out.
const FUNCTIONS: [&str; 14] = [
    "abandon-backup",
    "abandon-restore",
    "close-job",
    "commit-recovery-point",
    "finish-restore",
    "hold-snapshot",
    "plan-dump",
    "prepare-restore",
    "rehydrate-point",
    "release-snapshot",
    "run-dump-task",
    "run-post-data",
    "run-restore-task",
    "validate-permissions",
];
/// The state machines, without the vault's prefix.
const MACHINES: [&str; 2] = ["backup", "restore"];
/// What a copy does otherwise than what is deployed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Variant {
    /// The word between the vault's name and a function's or state machine's.
    word: &'static str,
    /// How long a function holds the snapshot before the next takes it over.
    pub holder_lifetime: Duration,
    /// How old a snapshot may become. On AWS a backup that fails ends its holders at once; on the emulator a parallel
    /// state waits for all of its branches, and hence for the holders' end.
    pub snapshot_limit: Duration,
    /// About how many bytes a task copies, where not as deployed.
    task_bytes: Option<u64>,
    /// After how long a restore leaves a statement to the server: less than a test's index takes.
    post_data_time: Duration,
}

impl Variant {
    /// One holder for each backup, which gives up soon.
    pub const FAULTY: Self = Self {
        word: "faulty",
        holder_lifetime: Duration::from_mins(1),
        snapshot_limit: Duration::from_secs(40),
        task_bytes: None,
        post_data_time: Duration::from_secs(2),
    };
    /// Holders that live for seconds, and tasks that take about as long.
    pub const RELAY: Self = Self {
        word: "relay",
        holder_lifetime: Duration::from_secs(5),
        snapshot_limit: Duration::from_mins(5),
        task_bytes: Some(256 * 1024),
        post_data_time: Duration::from_secs(2),
    };

    /// The name of the copy of a function or state machine.
    fn copied(&self, name: &str) -> String {
        format!("{}-{}-{name}", Stack::get().vault_name, self.word)
    }

    /// The ARN of the copy of a state machine.
    pub(super) fn machine_arn(&self, machine: &str) -> String {
        arn_of_machine(&self.copied(machine))
    }

    /// The environment of the copy of a function, from the original's.
    fn vary(&self, function: &str, variables: &mut HashMap<String, String>) {
        let mut set = |name: &str, value: u64| variables.insert(name.to_owned(), value.to_string());
        match function {
            "hold-snapshot" => {
                set("HOLDER_LIFETIME_SECONDS", self.holder_lifetime.as_secs());
                set("SNAPSHOT_LIMIT_SECONDS", self.snapshot_limit.as_secs());
            }
            "plan-dump" => {
                self.task_bytes.map(|bytes| set("DUMP_TASK_BYTES", bytes));
            }
            "run-post-data" => {
                set("POST_DATA_SECONDS", self.post_data_time.as_secs());
            }
            _ => {}
        }
    }
}

/// The copy of the deployed functions and state machines, in which rules hold.
#[derive(Debug)]
pub struct FaultyStack {
    pub(super) sfn: aws_sdk_sfn::Client,
    pub(super) catalog: Catalog,
    pub(super) variant: Variant,
    rules: PathBuf,
}

impl FaultyStack {
    /// The copy of what is deployed now; made unless it is there.
    ///
    /// # Panics
    /// The emulator refuses.
    pub async fn of_what_is_deployed() -> Self {
        Self::varied(Variant::FAULTY).await
    }

    /// The same, other than what is deployed in more ways.
    ///
    /// # Panics
    /// The emulator refuses.
    pub async fn varied(variant: Variant) -> Self {
        let stack = Stack::get();
        let state = stack.operator_file.parent().expect("the stack's files are in a folder");
        let rules = state.join("faults/rules");
        std::fs::create_dir_all(&rules).expect("the directory of rules can be made");
        let lock = File::create(state.join("faults/lock")).expect("the lock's file can be made");
        let lock = tokio::task::spawn_blocking(move || lock.lock().map(|()| lock)).await;
        let lock = lock.expect("waiting does not panic").expect("the lock can be had");

        let (lambda, sfn) = (Aws::root().lambda(), Aws::root().sfn());
        for function in FUNCTIONS {
            copy_function(&lambda, variant, function, &rules).await;
        }
        for machine in MACHINES {
            copy_machine(&sfn, variant, machine).await;
        }
        drop(lock);
        Self { sfn, catalog: Catalog::new(Aws::root().dynamodb(), &stack.table), variant, rules }
    }

    /// Puts `rule` in force for the events of `job`, until the returned value is dropped.
    pub fn inject(&self, job: JobId, rule: Rule) -> Injection {
        rule.enforce(&self.rules, job)
    }

    /// The catalog, as root.
    pub fn catalog(&self) -> &Catalog {
        &self.catalog
    }
}

fn arn_of_machine(name: &str) -> String {
    let stack = Stack::get();
    format!("arn:aws:states:{}:{}:stateMachine:{name}", stack.region, stack.account_id)
}

async fn copy_function(lambda: &aws_sdk_lambda::Client, variant: Variant, function: &str, rules: &Path) {
    let (original, name) = (format!("{}-{function}", Stack::get().vault_name), variant.copied(function));
    let original = lambda.get_function().function_name(original).send().await;
    let original = original.unwrap_or_else(|error| panic!("{function} is not deployed: {error:?}"));
    let configuration = original.configuration.expect("a function has a configuration");
    let settings = json!({"function": function, "rules": rules});
    let description = description(&configuration, &settings, variant);
    if let Ok(copy) = lambda.get_function_configuration().function_name(&name).send().await {
        if copy.description() == Some(description.as_str()) {
            return;
        }
        let deleted = lambda.delete_function().function_name(&name).send().await;
        deleted.unwrap_or_else(|error| panic!("cannot delete the outdated {name}: {error:?}"));
    }
    let code = original.code.and_then(|code| code.location).expect("a function's code has an address");
    let package = wrap(&fetch(&code).await, &settings);
    let mut variables = configuration.environment.and_then(|environment| environment.variables);
    variant.vary(function, variables.get_or_insert_default());
    let log_group = configuration.logging_config.and_then(|logging| logging.log_group);
    lambda
        .create_function()
        .function_name(&name)
        .description(description)
        .code(FunctionCode::builder().zip_file(Blob::new(package)).build())
        .set_role(configuration.role)
        .set_runtime(configuration.runtime)
        .set_handler(configuration.handler)
        .set_timeout(configuration.timeout)
        .set_memory_size(configuration.memory_size)
        .set_architectures(configuration.architectures)
        .environment(Environment::builder().set_variables(variables).build())
        .logging_config(LoggingConfig::builder().set_log_group(log_group).build())
        .send()
        .await
        .unwrap_or_else(|error| panic!("cannot make {name}: {error:?}"));
}

/// The package at the address that the emulator names: plain HTTP, one answer, then the end.
async fn fetch(url: &str) -> Vec<u8> {
    let (host, path) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .unwrap_or_else(|| panic!("{url} is not the emulator's"));
    // Whatever name the emulator gives itself, it answers at its address.
    let address = Stack::get().endpoint.trim_start_matches("http://");
    let mut connection = TcpStream::connect(address).await.expect("the emulator answers");
    let request = format!("GET /{path} HTTP/1.0\r\nHost: {host}\r\n\r\n");
    connection.write_all(request.as_bytes()).await.expect("the request can be sent");
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.expect("the package comes whole");
    let body = answer.windows(4).position(|end| end == b"\r\n\r\n").expect("the answer has a head") + 4;
    answer.split_off(body)
}

/// What tells one copy from another: the original's code and configuration, and the wrapper.
fn description(original: &FunctionConfiguration, settings: &Value, variant: Variant) -> String {
    let code = original.code_sha256().unwrap_or_default();
    let revision = original.revision_id().unwrap_or_default();
    let wrapper = hex::encode(sha2::Sha256::digest(format!("{BOOTSTRAP}{settings}{variant:?}")));
    format!("Behind injected faults: {code} {revision} {}", &wrapper[..16])
}

/// The function's package with the wrapper before its binary.
fn wrap(package: &[u8], settings: &Value) -> Vec<u8> {
    let mut original = ZipArchive::new(Cursor::new(package)).expect("the package is a zip archive");
    let mut wrapped = ZipWriter::new(Cursor::new(Vec::new()));
    let binary = original.by_name("bootstrap").expect("the package has a bootstrap");
    assert!(binary.size() > 100_000, "the deployed bootstrap is a binary");
    wrapped.raw_copy_file_rename(binary, "bootstrap.real").expect("the binary can be copied");
    let program = SimpleFileOptions::default().unix_permissions(0o755);
    for (name, content) in [("bootstrap", BOOTSTRAP), ("faults.json", &settings.to_string())] {
        wrapped.start_file(name, program).expect("a file can be added");
        wrapped.write_all(content.as_bytes()).expect("a file can be written");
    }
    wrapped.finish().expect("the archive can be finished").into_inner()
}

/// Copies a state machine, so that it calls the copies of its functions.
async fn copy_machine(sfn: &aws_sdk_sfn::Client, variant: Variant, machine: &str) {
    let vault = &Stack::get().vault_name;
    let original = arn_of_machine(&format!("{vault}-{machine}"));
    let original = sfn.describe_state_machine().state_machine_arn(original).send().await;
    let original = original.unwrap_or_else(|error| panic!("{machine} is not deployed: {error:?}"));
    let functions = |of: String| format!(":function:{of}");
    let definition =
        original.definition.replace(&functions(format!("{vault}-")), &functions(variant.copied("")));
    let copy = variant.machine_arn(machine);
    match sfn.describe_state_machine().state_machine_arn(&copy).send().await {
        Ok(there) if there.definition == definition && there.role_arn == original.role_arn => {}
        Ok(_) => {
            let update = sfn.update_state_machine().state_machine_arn(&copy).definition(definition);
            let updated = update.role_arn(original.role_arn).send().await;
            updated.unwrap_or_else(|error| panic!("cannot update {copy}: {error:?}"));
        }
        Err(_) => {
            let create = sfn.create_state_machine().name(variant.copied(machine)).definition(definition);
            let created = create.role_arn(original.role_arn).send().await;
            created.unwrap_or_else(|error| panic!("cannot make {copy}: {error:?}"));
        }
    }
}
