//! The command `permafrost`, as a person runs it: with keys that may call the API and nothing else.

use std::fmt;
use std::process::Stdio;

use permafrost_domain::Fault;
use permafrost_domain::wire::ErrorBody;
use serde::de::DeserializeOwned;

use super::Stack;
use super::stack::Keys;

/// Somebody with the command line.
#[derive(Debug, Clone)]
pub struct Cli {
    keys: Keys,
    endpoint: String,
}

/// What a command left behind.
#[derive(Debug)]
pub struct Outcome {
    command: String,
    /// Its exit code; `None` if a signal ended it.
    pub exit_code: Option<i32>,
    /// What it wrote to standard output.
    pub stdout: String,
    /// What it wrote to standard error.
    pub stderr: String,
}

impl Cli {
    /// The person whose keys `make up` wrote: may call the API, and nothing else.
    ///
    /// # Panics
    /// The keys cannot be read.
    pub fn operator() -> Self {
        let file = &Stack::get().operator_file;
        let text = std::fs::read_to_string(file)
            .unwrap_or_else(|error| panic!("cannot read {}: {error}", file.display()));
        let keys = serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("{} holds no keys: {error}", file.display()));
        Self::with_keys(keys)
    }

    /// Somebody with these keys.
    pub fn with_keys(keys: Keys) -> Self {
        Self { keys, endpoint: Stack::get().api_url.clone() }
    }

    /// Whose keys these are.
    pub fn keys(&self) -> &Keys {
        &self.keys
    }

    /// Runs `permafrost <arguments> --output json` to its end.
    ///
    /// # Panics
    /// The program cannot be run.
    pub async fn run<S: AsRef<str>>(&self, arguments: &[S]) -> Outcome {
        self.run_with_output("json", arguments).await
    }

    /// Runs `permafrost <arguments>` to its end, as a person does who reads its tables.
    ///
    /// # Panics
    /// The program cannot be run.
    pub async fn run_for_people<S: AsRef<str>>(&self, arguments: &[S]) -> Outcome {
        self.run_with_output("table", arguments).await
    }

    async fn run_with_output<S: AsRef<str>>(&self, output: &str, arguments: &[S]) -> Outcome {
        let arguments: Vec<&str> = arguments.iter().map(AsRef::as_ref).collect();
        let program = &Stack::get().command_line;
        // Nothing of the caller's: neither a profile nor a config file nor other keys.
        let done = tokio::process::Command::new(program)
            .args(&arguments)
            .args(["--output", output])
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .env("HOME", "/nonexistent")
            .env("PERMAFROST_ENDPOINT", &self.endpoint)
            .env("AWS_REGION", &Stack::get().region)
            .env("AWS_ACCESS_KEY_ID", &self.keys.access_key_id)
            .env("AWS_SECRET_ACCESS_KEY", &self.keys.secret_access_key)
            .env("AWS_EC2_METADATA_DISABLED", "true")
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .output()
            .await
            .unwrap_or_else(|error| panic!("cannot run {}: {error}", program.display()));
        Outcome {
            command: arguments.join(" "),
            exit_code: done.status.code(),
            stdout: String::from_utf8(done.stdout).expect("the command writes UTF-8"),
            stderr: String::from_utf8(done.stderr).expect("the command writes UTF-8"),
        }
    }

    /// Runs a command that is expected to succeed, and reads its result.
    ///
    /// # Panics
    /// It fails, or its result is another.
    pub async fn ask<T: DeserializeOwned>(&self, arguments: &[&str]) -> T {
        let outcome = self.run(arguments).await;
        assert_eq!(outcome.exit_code, Some(0), "{outcome}");
        outcome.result()
    }
}

impl Outcome {
    /// The result, whether or not the command succeeded: a failed job is a result too.
    ///
    /// # Panics
    /// There is none, or it is of another type.
    pub fn result<T: DeserializeOwned>(&self) -> T {
        serde_json::from_str(&self.stdout)
            .unwrap_or_else(|error| panic!("{error} in the result of a command: {self}"))
    }

    /// The fault that the command failed with.
    ///
    /// # Panics
    /// There is none.
    pub fn fault(&self) -> Fault {
        let body: ErrorBody = serde_json::from_str(&self.stderr)
            .unwrap_or_else(|error| panic!("{error} in the fault of a command: {self}"));
        body.error
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { command, exit_code, stdout, stderr } = self;
        write!(f, "`permafrost {command}` ended with {exit_code:?}\n{stdout}\n{stderr}")
    }
}
