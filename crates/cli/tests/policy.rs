//! `permafrost policy check`, `simulate` and `diff` as processes: files in, tables, JSON and pictures out.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

const FROM: &str = "2027-01-01";

fn document(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs").join(name)
}

fn permafrost(folder: &Path, args: &str) -> Output {
    Command::new(env!("CARGO_BIN_EXE_permafrost"))
        .current_dir(folder)
        .args(args.split_whitespace())
        .env_clear()
        .output()
        .unwrap()
}

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// What a command prints that succeeds.
fn prints(folder: &Path, args: &str) -> String {
    let output = permafrost(folder, args);
    assert_eq!(output.status.code(), Some(0), "{args}: {}", stderr(&output));
    stdout(&output)
}

fn json(folder: &Path, args: &str) -> Value {
    serde_json::from_str(&prints(folder, args)).unwrap()
}

fn fits_100_columns(text: &str) {
    for line in text.lines() {
        assert!(line.chars().count() <= 100, "{} columns: {line}", line.chars().count());
    }
}

#[test]
fn a_valid_file_is_explained() {
    let folder = document("policies");
    let text = prints(&folder, "policy check weekly.yaml");
    assert!(text.starts_with("weekly.yaml is a valid policy.\n"), "{text}");
    assert!(text.contains("02:00, by the clock of Europe/Berlin") && text.contains("\nyearly: "), "{text}");
    assert_eq!(text.matches(" 02:00 in Europe/Berlin, ").count(), 5, "{text}");
    fits_100_columns(&text);
    let checked = json(&folder, "policy check weekly.yaml -o json");
    assert_eq!((&checked["valid"], &checked["policy"]["schedule"]["every"]), (&true.into(), &"week".into()));
}

#[test]
fn every_mistake_is_shown_where_it_stands_with_what_is_allowed() {
    let folder = tempfile::tempdir().unwrap();
    let text = "schedule:\n  every: week\n  on: [sonday]\n  at: [\"02:00\"]\nretention:\n  montly: {backup_store: P1Y}\n";
    fs::write(folder.path().join("bad.yaml"), text).unwrap();
    for command in ["check bad.yaml", "simulate bad.yaml", "diff bad.yaml bad.yaml"] {
        let output = permafrost(folder.path(), &format!("policy {command}"));
        assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(2), ""), "{command}");
        let report = stderr(&output);
        let place = "bad.yaml:3:8: schedule.on[0]: \"sonday\" is not allowed\n\
                     \x20 3 |   on: [sonday]\n\
                     \x20   |        ^\n\
                     \x20   = allowed: monday, tuesday, wednesday, thursday, friday, saturday or sunday\n";
        assert!(report.contains(place), "{report}");
        assert!(
            report.contains("bad.yaml:6:3: ")
                && report.contains("weekly, monthly") | report.contains("yearly, monthly"),
            "{report}"
        );
        assert!(
            report.contains("error: bad.yaml is no valid policy: 2 problems [InvalidPolicy]\nHINT: "),
            "{report}"
        );
    }
    let output = permafrost(folder.path(), "policy check bad.yaml -o json");
    assert_eq!(output.status.code(), Some(2));
    let found: Value = serde_json::from_str(&stdout(&output)).unwrap();
    let error: Value = serde_json::from_str(&stderr(&output)).unwrap();
    assert_eq!((&found["problems"][0]["line"], &found["problems"][0]["column"]), (&3.into(), &8.into()));
    assert_eq!(error["error"]["code"], "InvalidPolicy");
}

#[test]
fn a_file_that_is_not_there_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let output = permafrost(folder.path(), "policy simulate nowhere.yaml");
    assert_eq!(output.status.code(), Some(2));
    assert!(stderr(&output).contains("\nOBJECT: file nowhere.yaml\nHINT: "), "{}", stderr(&output));
}

#[test]
fn a_simulation_is_a_json_object_for_each_point() {
    let points = json(
        &document("policies"),
        &format!("policy simulate weekly.yaml --years 10 --from {FROM} --format json"),
    );
    let points = points.as_array().unwrap();
    assert_eq!(points.len(), 522, "Sundays of ten years");
    let mut fields: Vec<&str> = points[0].as_object().unwrap().keys().map(String::as_str).collect();
    fields.sort_unstable();
    assert_eq!(fields, ["archive_until", "backup_store_until", "deleted_on", "reasons", "rule", "time"]);
    let first = &points[0];
    assert_eq!(first["time"], "2027-01-03T01:00:00Z");
    assert_eq!(first["rule"], "yearly");
    assert_eq!(first["backup_store_until"], "2028-01-03T01:00:00Z");
    assert_eq!(first["archive_until"], "2035-01-03T01:00:00Z");
    assert_eq!(first["deleted_on"], "2035-01-03T01:00:00Z");
    assert_eq!(first["reasons"][0]["period"], "yearly#2027");
    assert_eq!((&points[1]["rule"], &points[1]["archive_until"]), (&"default".into(), &Value::Null));
    assert_eq!(
        Value::from(points.clone()),
        json(&document("policies"), &format!("-o json policy simulate weekly.yaml --from {FROM}"))
    );
}

#[test]
fn tables_of_a_simulation_fit_a_terminal() {
    let folder = document("policies");
    let brief = prints(&folder, &format!("policy simulate weekly.yaml --from {FROM}"));
    assert!(brief.starts_with("From 2027-01-01 to 2037-01-01: 522 points.\n"), "{brief}");
    assert!(brief.contains("\nyearly       10  2027-01-03  2036-01-06  1 year        7 years "), "{brief}");
    assert!(brief.contains("\n2030-01-01   1 + 2       11       10  22 + 2\n"), "{brief}");
    fits_100_columns(&brief);
    let points = prints(&folder, &format!("policy simulate weekly.yaml --from {FROM} --every-point"));
    assert_eq!(points.lines().count(), 523);
    fits_100_columns(&points);
}

#[test]
fn pictures_are_small() {
    let folder = tempfile::tempdir().unwrap();
    let daily = "schedule: {every: day, at: [\"02:00\", \"14:00\"]}\nretention: {default: {backup_store: P3M}, \
                 daily: {backup_store: P2W}, weekly: {backup_store: P8W}, monthly: {backup_store: P1Y}, \
                 yearly: {backup_store: P1Y, on_expiry: archive, archive_store: P9Y}}\n";
    fs::write(folder.path().join("daily.yaml"), daily).unwrap();
    let output =
        permafrost(folder.path(), &format!("policy simulate daily.yaml --from {FROM} --svg daily.svg"));
    assert_eq!(output.status.code(), Some(0), "{}", stderr(&output));
    assert!(stdout(&output).starts_with("From ") && stderr(&output) == "The timeline is in daily.svg.\n");
    let picture = fs::read_to_string(folder.path().join("daily.svg")).unwrap();
    assert!(picture.starts_with("<svg ") && picture.ends_with("</svg>\n"));
    assert!(picture.len() < 48 * 1024, "{} bytes", picture.len());
    for year in 2027..=2036 {
        assert_eq!(picture.matches(&format!(">{year}</text>")).count(), 1, "{year}");
    }
    assert!(!picture.contains("NaN") && !picture.contains("inf"));
}

#[test]
fn a_diff_tells_what_becomes_of_points() {
    let folder = tempfile::tempdir().unwrap();
    let old = fs::read_to_string(document("policies/weekly.yaml")).unwrap();
    let new = old.replace("default: {backup_store: P3M}", "default: {backup_store: P1M}").replace(
        "monthly: {criteria: first_successful, backup_store: P1Y}",
        "monthly: {criteria: first_successful, backup_store: P2Y}",
    );
    fs::write(folder.path().join("old.yaml"), old).unwrap();
    fs::write(folder.path().join("new.yaml"), new).unwrap();
    let line =
        |text: &str, effect: &str| text.lines().find(|line| line.starts_with(effect)).map(str::to_owned);
    let diff = format!("policy diff old.yaml new.yaml --from {FROM}");
    let immutable = prints(folder.path(), &diff);
    assert!(
        line(&immutable, "not shortened")
            .unwrap()
            .contains(" 10  default  2026-10-11 … 2026-12-27  2027-01-11"),
        "{immutable}"
    );
    assert!(
        line(&immutable, "lengthened")
            .unwrap()
            .contains(" 11  monthly  2026-02-01 … 2026-12-06  2027-02-01 → 2028-02-01"),
        "{immutable}"
    );
    assert!(line(&immutable, "unchanged").unwrap().contains("yearly"), "{immutable}");
    fits_100_columns(&immutable);
    let mutable = prints(folder.path(), &format!("{diff} --immutability disabled"));
    assert!(line(&mutable, "shortened").unwrap().contains("2027-01-11 → 2026-11-11"), "{mutable}");

    // Points as the vault lists them.
    let point = r#"[{"id": "rp-01kb0000000000000000000000", "instance": "bi-01kb0000000000000000000000",
        "job": "job-01kb0000000000000000000000", "state": "Available", "consistent_at": "2026-12-06T01:00:00Z",
        "committed_at": "2026-12-06T01:10:00Z", "kind": "scheduled", "retention": {"rule": "default",
        "backup_store_until": "2027-03-06T01:00:00Z"}, "database": "shop", "server_version": "17.2", "tables": 1,
        "rows": 1, "raw_bytes": 1, "stored_bytes": 1, "segments": 1,
        "manifest": {"key": "k", "version": "v", "sha256": "s"}}]"#;
    fs::write(folder.path().join("points.json"), point).unwrap();
    let found = json(folder.path(), &format!("{diff} --points points.json -o json"));
    let change = &found["existing"][0];
    assert_eq!((&change["effect"], &change["after"]["rule"]), (&"archived_instead".into(), &"yearly".into()));
    assert!(found["coming"].as_array().unwrap().len() == 522);
    fs::write(folder.path().join("points.json"), "{}").unwrap();
    let refused = permafrost(folder.path(), &format!("{diff} --points points.json"));
    assert_eq!(refused.status.code(), Some(2));
    assert!(stderr(&refused).contains("recovery-point list INSTANCE -o json"), "{}", stderr(&refused));
}

#[test]
fn the_documents_picture_is_what_the_command_makes() {
    let made =
        prints(&document("policies"), &format!("policy simulate weekly.yaml --from {FROM} --format svg"));
    let path = document("policies/weekly.svg");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        fs::write(&path, &made).unwrap();
    }
    assert!(
        fs::read_to_string(&path).unwrap_or_default() == made,
        "docs/policies/weekly.svg is stale: run UPDATE_DOCS=1 cargo test -p permafrost-cli --test policy"
    );
}

#[test]
fn every_policy_in_the_document_is_valid() {
    let text = fs::read_to_string(document("policies.md")).unwrap();
    let example = fs::read_to_string(document("policies/weekly.yaml")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let policies: Vec<&str> = text
        .split("```yaml\n")
        .skip(1)
        .filter_map(|rest| rest.split_once("```"))
        .map(|(policy, _)| policy)
        .collect();
    assert_eq!(policies.len(), 4);
    assert!(example.ends_with(policies[0]), "the document's first policy is that of the picture");
    for (index, policy) in policies.iter().enumerate() {
        let name = format!("{index}.yaml");
        fs::write(folder.path().join(&name), policy).unwrap();
        prints(folder.path(), &format!("policy check {name}"));
    }
}
