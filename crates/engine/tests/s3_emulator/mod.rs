//! The emulator of S3 for a test: started on a free port, gone when dropped.
//!
//! Its program is `PERMAFROST_MINISTACK`, else the one that `make up` installs.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use tempfile::TempDir;

/// A running emulator.
pub(crate) struct Emulator {
    pub(crate) client: Client,
    process: Child,
    _directory: TempDir,
}

impl Emulator {
    pub(crate) fn start() -> Self {
        let program = program();
        let directory = tempfile::Builder::new().prefix("permafrost-s3-").tempdir().unwrap();
        let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
        let bin = program.parent().unwrap().display();
        let process = Command::new(&program)
            .env_clear()
            .env("PATH", format!("{bin}:/usr/local/bin:/usr/bin:/bin"))
            .envs([("LANG", "C.UTF-8"), ("AUTH", "false"), ("S3_PERSIST", "0"), ("PERSIST_STATE", "0")])
            .envs([("IOT_MTLS_ENABLED", "0"), ("SFTP_ENABLED", "0"), ("GATEWAY_PORT", &port.to_string())])
            .envs([("HOME", directory.path()), ("TMPDIR", directory.path())])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let emulator = Self { client: client(port), process, _directory: directory };
        let deadline = Instant::now() + Duration::from_mins(2);
        while !is_healthy(port) {
            assert!(Instant::now() < deadline, "{} does not start", program.display());
            std::thread::sleep(Duration::from_millis(100));
        }
        emulator
    }

    /// Makes a bucket that keeps versions.
    pub(crate) async fn create_bucket(&self, name: &str) {
        self.client.create_bucket().bucket(name).send().await.unwrap();
        let versions = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let kept = self.client.put_bucket_versioning().bucket(name).versioning_configuration(versions);
        kept.send().await.unwrap();
    }

    /// Copies what lies below `prefix` into `directory`, and returns the names.
    pub(crate) async fn download(&self, bucket: &str, prefix: &str, directory: &Path) -> Vec<String> {
        let mut names = Vec::new();
        let mut pages =
            self.client.list_objects_v2().bucket(bucket).prefix(format!("{prefix}/")).into_paginator().send();
        while let Some(page) = pages.next().await {
            for object in page.unwrap().contents() {
                let key = object.key().unwrap();
                let name = key.strip_prefix(prefix).unwrap().trim_start_matches('/');
                let body = self.client.get_object().bucket(bucket).key(key).send().await.unwrap().body;
                let path = directory.join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, body.collect().await.unwrap().into_bytes()).unwrap();
                names.push(name.to_owned());
            }
        }
        names
    }

    /// How many uploads have begun and neither ended nor been let go of.
    pub(crate) async fn open_uploads(&self, bucket: &str) -> usize {
        self.client.list_multipart_uploads().bucket(bucket).send().await.unwrap().uploads().len()
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        // It keeps nothing, so that there is nothing to save.
        let killed = self.process.kill().and_then(|()| self.process.wait());
        assert!(killed.is_ok() || std::thread::panicking(), "could not stop the emulator");
    }
}

fn client(port: u16) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .build();
    Client::from_conf(config)
}

fn is_healthy(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let request = "GET /_ministack/health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    let mut answer = [0; 64];
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read(&mut answer).is_ok_and(|read| answer[..read].windows(5).any(|word| word == b" 200 "))
}

fn program() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = std::env::var_os("PERMAFROST_MINISTACK")
        .map_or_else(|| workspace.join(".venv/bin/ministack"), PathBuf::from);
    assert!(
        program.is_file(),
        "the emulator is not at {}: run `make vault` once, or name its program in PERMAFROST_MINISTACK",
        program.display()
    );
    program
}
