//! The emulator's process: new for a run, without state.

use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;

use crate::error::BenchError;
use crate::server::free_port;
use crate::usage;

/// How long it may take to start on a machine that is busy.
const STARTS: Duration = Duration::from_mins(1);
/// How long between two looks whether it has started.
const LOOKS: Duration = Duration::from_millis(100);

/// An emulator that runs.
#[derive(Debug)]
pub(crate) struct Emulator {
    child: Child,
    port: u16,
}

impl Emulator {
    /// Starts the emulator `program`.
    pub(crate) fn start(program: &Path) -> Result<Self, BenchError> {
        if !program.is_file() {
            let message = format!("the emulator is not at {}: run `make vault` once", program.display());
            return Err(BenchError::Missing(message));
        }
        let port = free_port()?;
        let scratch = std::env::temp_dir();
        let child = Command::new(program)
            .env_clear()
            .env("PATH", "/usr/local/bin:/usr/bin:/bin")
            .envs([("LANG", "C.UTF-8"), ("AUTH", "false"), ("S3_PERSIST", "0"), ("PERSIST_STATE", "0")])
            .envs([("IOT_MTLS_ENABLED", "0"), ("SFTP_ENABLED", "0"), ("GATEWAY_PORT", &port.to_string())])
            .envs([("HOME", &scratch), ("TMPDIR", &scratch)])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(BenchError::io(format!("start {}", program.display())))?;
        let emulator = Self { child, port };
        let begin = Instant::now();
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_err() {
            if begin.elapsed() > STARTS {
                return Err(BenchError::Missing(format!("{} does not start", program.display())));
            }
            std::thread::sleep(LOOKS);
        }
        Ok(emulator)
    }

    /// What clients of it are made of.
    pub(crate) fn sdk(&self) -> SdkConfig {
        let credentials = Credentials::new("test", "test", None, None, "bench");
        SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(aws_smithy_http_client::Builder::new().build_http())
            .endpoint_url(format!("http://127.0.0.1:{}", self.port))
            .region(Region::new("us-east-1"))
            .credentials_provider(SharedCredentialsProvider::new(credentials))
            .build()
    }

    /// The CPU that it has used.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, BenchError> {
        Ok(usage::cpu_of(&self.child.id().to_string())?.own)
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It holds nothing that anybody needs; one that has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
