//! The binary itself against a server that answers as scripted: what reaches standard output, standard error
//! and the exit code. What the API really does is covered by the tests of the deployed stack.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output};
use std::sync::mpsc::{Receiver, channel};

const JOB: &str = r#"{"id": "job-01kb0000000000000000000000", "operation": "Backup",
    "instance": "bi-01kb0000000000000000000000", "instance_name": "shop", "started_by": "arn:aws:iam::1:user/ann",
    "created_at": "2026-11-22T08:00:00Z", "#;

/// A server that answers the requests one after the other and hands over what it was asked.
fn serve(answers: Vec<(u16, String)>) -> (String, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}/v1", listener.local_addr().unwrap());
    let (sender, asked) = channel();
    std::thread::spawn(move || {
        for (status, body) in answers {
            let (mut stream, _) = listener.accept().unwrap();
            sender.send(read(&stream)).unwrap();
            let length = body.len();
            write!(
                stream,
                "HTTP/1.1 {status} X\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}"
            )
            .unwrap();
        }
    });
    (endpoint, asked)
}

fn read(stream: &TcpStream) -> String {
    let mut reader = BufReader::new(stream);
    let mut request = String::new();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length: ") {
            length = value.trim().parse().unwrap();
        }
        if line.trim().is_empty() {
            break;
        }
        request.push_str(&line);
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    request + &String::from_utf8(body).unwrap()
}

fn permafrost(endpoint: &str, args: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_permafrost"))
        .args(args.split_whitespace())
        .env_clear()
        .env("PERMAFROST_ENDPOINT", endpoint)
        .env("AWS_REGION", "eu-central-1")
        .env("AWS_ACCESS_KEY_ID", "AKID")
        .env("AWS_SECRET_ACCESS_KEY", "VERYSECRET")
        .env("AWS_EC2_METADATA_DISABLED", "true")
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

fn page(items: &str) -> (u16, String) {
    (200, format!(r#"{{"items": [{items}]}}"#))
}

#[test]
fn a_list_is_one_json_document() {
    let job = format!(r#"{JOB} "status": "Completed", "ended_at": "2026-11-22T08:00:12Z"}}"#);
    let (endpoint, asked) = serve(vec![page(&job)]);
    let output = permafrost(&endpoint, "job list -o json --since 2026-11-01T00:00:00Z");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let jobs: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    assert_eq!(jobs[0]["status"], "Completed");
    assert_eq!(stderr(&output), "");
    let request = asked.recv().unwrap();
    assert!(
        request.starts_with("GET /v1/jobs?limit=100&since=2026-11-01T00%3A00%3A00Z HTTP/1.1\r\n"),
        "{request}"
    );
    assert!(
        request.contains("Credential=AKID/") && request.contains("/eu-central-1/execute-api/aws4_request")
    );
    assert!(!request.contains("VERYSECRET"));
}

#[test]
fn an_empty_list_says_how_to_begin() {
    let (endpoint, _asked) = serve(vec![page("")]);
    let output = permafrost(&endpoint, "instance list");
    assert!(stdout(&output).starts_with("No database is protected yet"), "{}", stdout(&output));
}

#[test]
fn a_backup_is_waited_for_and_its_failure_is_the_exit_code() {
    let failed = format!(
        r#"{JOB} "status": "Failed", "ended_at": "2026-11-22T08:00:12Z", "fault": {{
            "code": "DatabaseUserLacksSelect", "message": "cannot read a table", "object": "table app.ledger",
            "hint": "Grant it."}}}}"#
    );
    let answers = || {
        vec![
            (202, r#"{"job": "job-01kb0000000000000000000000"}"#.to_owned()),
            (200, format!(r#"{JOB} "status": "InProgress"}}"#)),
            (200, failed.clone()),
        ]
    };
    let (endpoint, asked) = serve(answers());
    let output = permafrost(&endpoint, "backup shop");
    assert_eq!(output.status.code(), Some(6), "{}", stderr(&output));
    assert!(stdout(&output).contains("Status:       Failed"), "{}", stdout(&output));
    let words =
        "error: cannot read a table [DatabaseUserLacksSelect]\nOBJECT: table app.ledger\nHINT: Grant it.\n";
    assert!(stderr(&output).ends_with(words), "{}", stderr(&output));
    let begin = "job-01kb0000000000000000000000\nBackup";
    assert!(stderr(&output).starts_with(begin), "{}", stderr(&output));
    assert!(asked.recv().unwrap().starts_with("POST /v1/instances/shop/backups HTTP/1.1"));

    let (endpoint, _asked) = serve(answers());
    let output = permafrost(&endpoint, "--output json backup shop");
    assert_eq!(output.status.code(), Some(6));
    let job: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let error: serde_json::Value = serde_json::from_str(&stderr(&output)).unwrap();
    assert_eq!(
        (job["fault"]["code"].clone(), job["status"].as_str()),
        (error["error"]["code"].clone(), Some("Failed"))
    );
}

#[test]
fn a_restore_takes_from_the_instance_what_is_not_said() {
    let instance = r#"{"id": "bi-01kb0000000000000000000000", "name": "shop", "status": "Protected",
        "created_at": "2026-11-01T08:00:00Z", "data_source": {"host": "db.example", "port": 5433,
        "database": "shop", "login": {"method": "iam", "user": "backup"}, "tls": {"mode": "require"}}}"#;
    let started = r#"{"job": "job-01kb0000000000000000000000"}"#;
    let (endpoint, asked) = serve(vec![(200, instance.to_owned()), (202, started.to_owned())]);
    let output = permafrost(&endpoint, "restore shop --to-database copy --host other.example --no-wait");
    assert_eq!(stdout(&output), "job-01kb0000000000000000000000\n", "{}", stderr(&output));
    asked.recv().unwrap();
    let request = asked.recv().unwrap();
    let body: serde_json::Value = serde_json::from_str(&request[request.find('{').unwrap()..]).unwrap();
    let target = serde_json::json!({
        "host": "other.example", "port": 5433, "database": "copy",
        "login": {"method": "iam", "user": "backup"}, "tls": {"mode": "require"},
    });
    assert_eq!(body, serde_json::json!({"point": "latest", "target": target}));
}

#[test]
fn every_kind_of_failure_has_its_exit_code() {
    let fault = |code: &str| format!(r#"{{"error": {{"code": "{code}", "message": "x", "hint": "Y."}}}}"#);
    for (status, body, exit_code) in [
        (403, r#"{"Message": "User: arn:aws:iam::1:user/eve is not authorized"}"#.to_owned(), 5),
        (404, fault("InstanceNotFound"), 3),
        (409, fault("BackupAlreadyRunning"), 4),
        (400, fault("InvalidRequest"), 2),
        (503, fault("ContainerNotAccessible"), 7),
        (500, fault("InvalidConfiguration"), 1),
    ] {
        let (endpoint, _asked) = serve(vec![(status, body)]);
        let output = permafrost(&endpoint, "instance show shop");
        assert_eq!(output.status.code(), Some(exit_code), "{}", stderr(&output));
        assert_eq!(stdout(&output), "");
        assert!(stderr(&output).starts_with("error: ") && stderr(&output).contains("\nHINT: "));
    }
}

#[test]
fn nobody_listening_is_said_with_the_endpoint() {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let endpoint = format!("http://127.0.0.1:{port}/v1");
    let output = permafrost(&endpoint, "instance list");
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains(&format!("OBJECT: endpoint {endpoint}\n")), "{}", stderr(&output));
}

#[test]
fn wrong_arguments_are_json_where_json_is_asked_for() {
    let output = permafrost("http://127.0.0.1:9/v1", "job show nonsense --output json");
    assert_eq!(output.status.code(), Some(2));
    let error: serde_json::Value = serde_json::from_str(&stderr(&output)).unwrap();
    assert_eq!(error["error"]["code"], "InvalidRequest");
    assert!(error["error"]["message"].as_str().unwrap().contains("nonsense"));
}

#[test]
fn grants_and_completions_need_no_vault() {
    for args in ["grants --user backup", "completions zsh", "--version", "--help"] {
        let output = Command::new(env!("CARGO_BIN_EXE_permafrost"))
            .args(args.split_whitespace())
            .env_clear()
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(0), "{args}: {}", stderr(&output));
        assert!(!output.stdout.is_empty(), "{args}");
    }
}

const POLICY: &str = r#"{"id": "bp-01kb0000000000000000000009", "name": "gold", "revision": 1,
    "spec": {"schedule": {"every": "day", "at": ["02:00"], "time_zone": "UTC"},
    "retention": {"default": {"backup_store": "P1M"}}},
    "created_at": "2026-11-01T08:00:00Z", "updated_at": "2026-11-02T08:00:00Z"}"#;

/// The JSON body of a request.
fn body(request: &str) -> serde_json::Value {
    serde_json::from_str(&request[request.find('{').unwrap()..]).unwrap()
}

fn instance(more: &str) -> String {
    format!(
        r#"{{"id": "bi-01kb0000000000000000000000", "name": "shop", "created_at": "2026-11-01T08:00:00Z",
        "data_source": {{"host": "db.example", "database": "shop", "login": {{"method": "iam", "user": "backup"}}}},
        {more}}}"#
    )
}

#[test]
fn a_policy_is_made_from_a_file_or_from_options() {
    let file = tempfile::NamedTempFile::new().unwrap();
    let text =
        "schedule: {every: day, at: ['02:00'], time_zone: UTC}\nretention: {default: {backup_store: P1M}}\n";
    std::fs::write(file.path(), text).unwrap();
    let from_file = format!("policy create gold --file {}", file.path().display());
    let from_options = "policy create gold --every day --at 02:00 --time-zone UTC --keep P1M";
    let mut sent = Vec::new();
    for args in [from_file.as_str(), from_options] {
        let (endpoint, asked) = serve(vec![(200, POLICY.to_owned())]);
        let output = permafrost(&endpoint, args);
        assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
        assert!(stdout(&output).contains("Name:      gold\n"), "{}", stdout(&output));
        let request = asked.recv().unwrap();
        assert!(request.starts_with("POST /v1/policies HTTP/1.1"), "{request}");
        sent.push(body(&request));
    }
    assert_eq!(sent[0], sent[1]);
    assert_eq!(sent[0]["name"], "gold");
}

#[test]
fn a_wrong_policy_is_refused_before_anything_is_sent() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "retention:\n  default: {backup_store: P1D}\n").unwrap();
    let args = format!("policy create gold --file {} --output json", file.path().display());
    let output = permafrost("http://127.0.0.1:9/v1", &args);
    assert_eq!(output.status.code(), Some(2), "{}", stderr(&output));
    let error: serde_json::Value = serde_json::from_str(&stderr(&output)).unwrap();
    assert_eq!(error["error"]["code"], "InvalidPolicy");
    assert!(error["error"]["message"].as_str().unwrap().contains("line 2"), "{error}");
}

#[test]
fn a_policy_is_changed_from_the_revision_that_was_read() {
    let (endpoint, asked) = serve(vec![(200, POLICY.to_owned()), (200, POLICY.replace("gold", "silver"))]);
    let output = permafrost(&endpoint, "policy edit gold --rename silver");
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    asked.recv().unwrap();
    let request = asked.recv().unwrap();
    assert!(request.starts_with("PUT /v1/policies/gold HTTP/1.1"), "{request}");
    assert_eq!(
        (body(&request)["name"].as_str(), body(&request)["from_revision"].as_u64()),
        (Some("silver"), Some(1))
    );
}

#[test]
fn data_is_deleted_with_a_name_and_a_reason_only() {
    for args in [
        "instance stop shop",
        "instance stop shop --delete-data",
        "instance stop shop --delete-data --confirm-name shop",
        "instance stop shop --delete-data --confirm-name shop --reason x --undo-days 13",
        "instance stop shop --retain forever --delete-data --confirm-name shop --reason x",
    ] {
        assert_eq!(permafrost("http://127.0.0.1:9/v1", args).status.code(), Some(2), "{args}");
    }
    let deleted = instance(
        r#""status": "SoftDeleted", "stopped": "delete_data", "deletion": {"requested_at": "2026-11-22T08:00:00Z",
        "until": "2026-12-22T08:00:00Z", "reason": "closed", "by": "arn:aws:iam::1:user/ann"}"#,
    );
    let (endpoint, asked) = serve(vec![(200, deleted)]);
    let args = "instance stop shop --delete-data --confirm-name shop --reason closed --undo-days 30";
    let output = permafrost(&endpoint, args);
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).contains("its points go on 2026-12-22T08:00:00Z"), "{}", stdout(&output));
    assert!(stderr(&output).contains("permafrost instance undelete shop"), "{}", stderr(&output));
    let request = asked.recv().unwrap();
    assert!(request.starts_with("POST /v1/instances/shop/delete-data HTTP/1.1"), "{request}");
    let expected = serde_json::json!({"confirm_name": "shop", "reason": "closed", "undo_days": 30});
    assert_eq!(body(&request), expected);
}

#[test]
fn a_rehydration_tells_its_price_and_starts_only_when_it_is_told_to() {
    let estimate = r#"{"class": "deep_archive", "tier": "standard", "takes_at_most_minutes": 720,
        "retrieval_usd_micros": 2160000, "copy_usd_micros": 1150000, "price_region": "us-east-1",
        "prices_as_of": "2026-01-01"}"#;
    let point = "rp-01kb0000000000000000000003";
    let args = format!("recovery-point rehydrate shop {point} --priority high --no-wait");
    let (endpoint, asked) = serve(vec![(200, estimate.to_owned())]);
    let output = permafrost(&endpoint, &args);
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("$3.31") && stderr(&output).contains("--yes"), "{}", stderr(&output));
    let request = asked.recv().unwrap();
    let path = format!("GET /v1/instances/shop/recovery-points/{point}/rehydration?priority=high&days=15 ");
    assert!(request.starts_with(&path), "{request}");

    let started = r#"{"job": "job-01kb0000000000000000000000"}"#;
    let (endpoint, asked) = serve(vec![(200, estimate.to_owned()), (202, started.to_owned())]);
    let output = permafrost(&endpoint, &format!("{args} --yes"));
    assert_eq!(stdout(&output), "job-01kb0000000000000000000000\n", "{}", stderr(&output));
    asked.recv().unwrap();
    let request = asked.recv().unwrap();
    assert!(request.starts_with(&format!("POST /v1/instances/shop/recovery-points/{point}/rehydrate ")));
    assert_eq!(body(&request), serde_json::json!({"priority": "high", "days": 15}));
}

#[test]
fn a_hold_that_is_not_waited_for_names_its_job() {
    let point = "rp-01kb0000000000000000000003";
    for (command, legal_hold) in [("hold", "on"), ("release", "off")] {
        let started = r#"{"job": "job-01kb0000000000000000000000"}"#;
        let (endpoint, asked) = serve(vec![(202, started.to_owned())]);
        let output = permafrost(&endpoint, &format!("recovery-point {command} shop {point} --no-wait"));
        assert_eq!(stdout(&output), "job-01kb0000000000000000000000\n", "{}", stderr(&output));
        let request = asked.recv().unwrap();
        let path = format!("POST /v1/instances/shop/recovery-points/{point}/legal-hold ");
        assert!(request.starts_with(&path), "{request}");
        assert_eq!(body(&request), serde_json::json!({"legal_hold": legal_hold}));
    }
}

/// A list of points, or a page of it.
fn points_page(points: &[(&str, &str)], next: Option<&str>) -> (u16, String) {
    let point = |(id, time): &(&str, &str)| {
        serde_json::json!({
            "id": id, "instance": "bi-01kb0000000000000000000000", "job": "job-01kb0000000000000000000000",
            "state": "Available", "consistent_at": time, "committed_at": time, "kind": "scheduled",
            "retention": {"rule": "default", "backup_store_until": "2027-03-06T01:00:00Z"}, "database": "shop",
            "server_version": "17.2", "tables": 1, "rows": 1, "raw_bytes": 1, "stored_bytes": 1, "segments": 1,
            "manifest": {"key": "k", "version": "v", "sha256": "s"},
        })
    };
    let items: Vec<_> = points.iter().map(point).collect();
    (200, serde_json::json!({"items": items, "next": next}).to_string())
}

fn instance_of(id: &str, name: &str) -> String {
    let mut shop: serde_json::Value = serde_json::from_str(&instance(r#""status": "Protected""#)).unwrap();
    (shop["id"], shop["name"]) = (id.into(), name.into());
    shop.to_string()
}

/// Without a file of points those of every instance under the policy are asked for, page by page.
#[test]
fn a_diff_of_a_stored_policy_reads_the_points_of_its_instances() {
    let folder = tempfile::tempdir().unwrap();
    let new = folder.path().join("new.yaml");
    std::fs::write(&new, "retention: {default: {backup_store: P1Y, on_expiry: archive, archive_store: P2Y}}")
        .unwrap();
    let policy = r#"{"id": "bp-01kb0000000000000000000000", "name": "gold", "revision": 3,
        "spec": {"retention": {"default": {"backup_store": "P3M"}}},
        "created_at": "2026-11-22T08:00:00Z", "updated_at": "2026-11-22T08:00:00Z"}"#;
    let (shop, till) = ("bi-01kb0000000000000000000000", "bi-01kb0000000000000000000001");
    let (first, second) = ("rp-01kb0000000000000000000001", "rp-01kb0000000000000000000002");
    let scripted = || {
        serve(vec![
            (200, policy.to_owned()),
            page(&format!("{},{}", instance_of(shop, "shop"), instance_of(till, "till"))),
            points_page(&[(second, "2026-12-06T01:00:00Z")], Some("more")),
            points_page(&[(first, "2026-11-06T01:00:00Z")], None),
            points_page(&[], None),
        ])
    };
    let args = format!("policy diff gold {} --from 2027-01-01", new.display());
    let (endpoint, asked) = scripted();
    let output = permafrost(&endpoint, &format!("{args} -o json"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    let paths: Vec<String> =
        asked.try_iter().map(|request| request.split(['?', ' ']).nth(1).unwrap().to_owned()).collect();
    let points_of = |instance: &str| format!("/v1/instances/{instance}/recovery-points");
    let expected = ["/v1/policies/gold".to_owned(), "/v1/policies/gold/instances".to_owned()];
    let expected = [&expected[..], &[points_of(shop), points_of(shop), points_of(till)]].concat();
    assert_eq!(paths, expected);
    let found: serde_json::Value = serde_json::from_str(&stdout(&output)).unwrap();
    let names: Vec<_> = found.as_array().unwrap().iter().map(|of| of["instance_name"].clone()).collect();
    assert_eq!(names, ["shop", "till"]);
    let existing = found[0]["existing"].as_array().unwrap();
    let ids: Vec<_> = existing.iter().map(|change| change["point"].clone()).collect();
    assert_eq!(ids, [first, second], "the oldest first");
    assert_eq!(existing[0]["effect"], "archived_instead");
    assert_eq!(existing[0]["after"]["archive"]["until"], "2029-11-06T01:00:00Z");
    assert_eq!(found[1]["existing"], serde_json::json!([]));

    let (endpoint, _asked) = scripted();
    let table = stdout(&permafrost(&endpoint, &args));
    let line = table.lines().find(|line| line.starts_with("2026-11-06")).unwrap();
    let expected =
        ["archived instead", "2027-03-06 → 2027-11-06", "- → 2029-11-06", "2027-03-06 → 2029-11-06"];
    for part in expected {
        assert!(line.contains(part), "{part}: {table}");
    }
    assert!(
        table.contains("Instance shop:") && table.contains("Instance till:\n\nNo point exists."),
        "{table}"
    );
    assert_eq!(table.matches("Backups to come").count(), 1, "{table}");
}
