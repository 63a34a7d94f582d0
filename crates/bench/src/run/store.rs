//! The S3 server's process: a new one for each run, so that its memory and its CPU are that run's.

use std::io::BufRead;
use std::process::{Child, Command, Stdio};

use super::Bench;
use crate::error::BenchError;
use crate::s3::server::Listening;
use crate::usage;

/// Megabytes that the server holds at most: more than any database here needs compressed.
const LIMIT_MB: u64 = 8 * 1024;

/// An S3 server that runs.
#[derive(Debug)]
pub(crate) struct StoreProcess {
    child: Child,
    port: u16,
}

impl StoreProcess {
    /// Starts a server that holds nothing.
    pub(crate) fn start(bench: &Bench) -> Result<Self, BenchError> {
        let mut child = Command::new(&bench.own)
            .args(["s3-server", "--limit-mb", &LIMIT_MB.to_string()])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(BenchError::io("start the S3 server"))?;
        let mut line = String::new();
        if let Some(stdout) = child.stdout.take() {
            std::io::BufReader::new(stdout)
                .read_line(&mut line)
                .map_err(BenchError::io("read the S3 server's port"))?;
        }
        let mut store = Self { child, port: 0 };
        let listening: Listening =
            serde_json::from_str(&line).map_err(BenchError::json("the S3 server's port"))?;
        store.port = listening.port;
        Ok(store)
    }

    /// Its address.
    pub(crate) fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The CPU that it has used.
    pub(crate) fn cpu_seconds(&self) -> Result<f64, BenchError> {
        Ok(usage::cpu_of(&self.child.id().to_string())?.own)
    }
}

impl Drop for StoreProcess {
    fn drop(&mut self) {
        // It holds nothing that anybody needs; one that has ended already is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
