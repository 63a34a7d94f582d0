//! The IAM token against the command line tool itself, with its clock stopped. Frozen outputs of the
//! same script are in the module's unit tests, which need no Python.

#![allow(clippy::unwrap_used, reason = "a test ends at the first surprise")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use permafrost_engine::pg::iam_token::auth_token;

const ACCESS_KEY: &str = "AKIDEXAMPLE";
const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";

fn python() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    std::env::var_os("PERMAFROST_PYTHON").map_or_else(|| root.join(".venv/bin/python"), PathBuf::from)
}

#[test]
fn equals_what_the_command_line_tool_prints_now() {
    let python = python();
    assert!(
        python.exists(),
        "no Python with awscli at {}: run `make vault` once, or set PERMAFROST_PYTHON",
        python.display()
    );
    // 2024-02-29T12:00:01Z, a leap day.
    let (moment, iso) = (SystemTime::UNIX_EPOCH + Duration::from_secs(1_709_208_001), "2024-02-29T12:00:01");
    let session_token = "FwoGZXIvYXdzEA//+=/".repeat(20);
    for (region, host, port, user, token) in [
        ("eu-central-1", "db.cluster-abc.eu-central-1.rds.amazonaws.com", 5432, "backup", None),
        ("us-gov-west-1", "db.xyz.us-gov-west-1.rds.amazonaws.com", 6543, "back_up", Some(&session_token)),
        ("ap-south-2", "Proxy.Example.COM", 443, "naïve user/+&=?#", None),
    ] {
        let mut command = Command::new(&python);
        command
            .arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/aws_db_auth_token.py"))
            .args([iso, "--hostname", host, "--port", &port.to_string()])
            .args(["--username", user, "--region", region])
            .env_clear()
            .env("HOME", env!("CARGO_TARGET_TMPDIR"))
            .env("PATH", "/usr/bin:/bin")
            .env("LC_ALL", "C.UTF-8")
            .env("AWS_ACCESS_KEY_ID", ACCESS_KEY)
            .env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        if let Some(token) = token {
            command.env("AWS_SESSION_TOKEN", token);
        }
        let printed = command.output().unwrap();
        assert!(printed.status.success(), "{}", String::from_utf8_lossy(&printed.stderr));

        let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, token.cloned(), None, "test");
        let ours = auth_token(&credentials, region, host, port, user, moment).unwrap();
        assert_eq!(format!("{}\n", ours.expose()), String::from_utf8(printed.stdout).unwrap());
    }
}
