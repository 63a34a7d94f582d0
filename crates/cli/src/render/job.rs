//! Jobs, and what readiness found.

use std::fmt::Write;

use jiff::Timestamp;
use permafrost_domain::check::{Check, Outcome, Readiness};
use permafrost_domain::job::{BackupOrder, Job, JobStatus, Progress};
use permafrost_domain::recovery_point::BackupKind;

use super::instance::{login, tls};
use super::table::{Column, fields, table};
use super::units::{bytes, count, span, time};

/// A list of jobs, at `now`.
pub(crate) fn jobs(jobs: &[Job], now: Timestamp) -> String {
    let columns = [
        Column::Text("JOB"),
        Column::Text("OPERATION"),
        Column::Text("INSTANCE"),
        Column::Text("STATUS"),
        Column::Text("STARTED"),
        Column::Figure("TOOK"),
    ];
    let rows = jobs.iter().map(|job| {
        vec![
            job.id.to_string(),
            job.operation.to_string(),
            job.instance_name.to_string(),
            status(job),
            time(job.created_at),
            took(job, now),
        ]
    });
    table(&columns, rows.collect(), "No jobs in this time; look farther back with --since 30d.")
}

/// One job, at `now`.
pub(crate) fn job(job: &Job, now: Timestamp) -> String {
    let restore = job.restore.as_ref();
    let fault = job.fault.as_ref();
    let mut text = fields(&[
        ("Job", Some(job.id.to_string())),
        ("Operation", Some(job.operation.to_string())),
        ("Instance", Some(format!("{} ({})", job.instance_name, job.instance))),
        ("Status", Some(job.status.to_string())),
        ("Started", Some(format!("{} by {}", time(job.created_at), job.started_by))),
        ("Suspended", job.suspended_at.map(|at| format!("since {}", time(at)))),
        ("Ended", job.ended_at.map(time)),
        ("Took", Some(took(job, now))),
        ("Copied", copied(&job.progress)),
        ("Backup", job.backup.as_ref().map(backup)),
        ("Point", job.point.map(|point| point.to_string())),
        ("Target", restore.map(|order| order.target.to_string())),
        ("Target login", restore.map(|order| login(&order.target.login))),
        ("Target TLS", restore.map(|order| tls(&order.target.tls).to_owned())),
        ("Files", job.files.as_ref().map(|order| format!("{} in {}", order.format, order.target))),
        ("Execution", job.execution.clone()),
        (fault_label(job), fault.map(|fault| format!("{} [{}]", fault.message, fault.code))),
        ("Object", fault.and_then(|fault| fault.object.clone())),
        ("Hint", fault.map(|fault| fault.hint.clone())),
        ("Warnings", (!job.warnings.is_empty()).then(|| job.warnings.join("\n"))),
    ]);
    if let Some(found) = &job.readiness {
        text.push('\n');
        text.push_str(&readiness(found));
    }
    text
}

/// What a job's fault is to the job.
fn fault_label(job: &Job) -> &'static str {
    if job.status == JobStatus::Skipped { "Skipped for" } else { "Error" }
}

/// What asked for a backup, and by which rule its point is kept.
fn backup(order: &BackupOrder) -> String {
    let mut text = match (order.kind, order.scheduled_at) {
        (BackupKind::Scheduled, Some(at)) => format!("scheduled for {}", time(at)),
        (BackupKind::Scheduled, None) => "scheduled".to_owned(),
        (BackupKind::OnDemand, _) => "on demand".to_owned(),
    };
    if let Some(rule) = order.rule {
        let _ = write!(text, ", kept by the rule {rule}");
    }
    if let Some(policy) = order.policy {
        let _ = write!(text, ", under policy {policy}");
    }
    text
}

/// What readiness found: a table of the checks, then the objects and remedies of those that are not as they
/// should be, each ready to be pasted.
pub(crate) fn readiness(readiness: &Readiness) -> String {
    let columns = [Column::Text("CHECK"), Column::Text("OUTCOME"), Column::Prose("FOUND")];
    let rows = readiness.checks.iter().map(|check| {
        let outcome = match check.outcome {
            Outcome::Success => "Success",
            Outcome::Warning => "Warning",
            Outcome::Failed => "Failed",
        };
        vec![check.id.clone(), outcome.to_owned(), check.message.clone()]
    });
    let mut text = table(&columns, rows.collect(), "Readiness was not checked.");
    for check in readiness.checks.iter().filter(|check| check.outcome != Outcome::Success) {
        text.push_str(&what_to_do(check));
    }
    text
}

fn what_to_do(check: &Check) -> String {
    let code = check.code.map_or(String::new(), |code| format!(" [{code}]"));
    let mut text = format!("\n\n{}{code}", check.id);
    for object in &check.objects {
        text.push_str("\n  OBJECT: ");
        text.push_str(object);
    }
    let hidden = check.objects_total.saturating_sub(check.objects.len());
    if hidden > 0 {
        let _ = write!(text, "\n  and {hidden} more");
    }
    if let Some(remedy) = &check.remedy {
        text.push_str("\n  HINT: ");
        text.push_str(&remedy.replace('\n', "\n        "));
    }
    text
}

fn status(job: &Job) -> String {
    let suspended = if job.suspended_at.is_some() { ", suspended" } else { "" };
    format!("{}{suspended}", job.status)
}

fn took(job: &Job, now: Timestamp) -> String {
    span(job.ended_at.unwrap_or(now).duration_since(job.created_at))
}

fn copied(progress: &Progress) -> Option<String> {
    let tables = match progress.tables_expected {
        Some(expected) => format!("{} of {} tables", count(progress.tables_done), count(expected)),
        None => format!("{} tables", count(progress.tables_done)),
    };
    (*progress != Progress::default())
        .then(|| format!("{} in {} rows, {tables}", bytes(progress.bytes_done), count(progress.rows_done)))
}

#[cfg(test)]
mod tests {
    use permafrost_domain::{Code, Fault};
    use serde_json::{from_value, json};

    use super::super::samples;
    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T08:05:00Z".parse().unwrap()
    }

    #[test]
    fn a_list_of_jobs() {
        let mut failed = samples::backup_job();
        failed.status = JobStatus::Failed;
        failed.ended_at = Some("2026-11-22T08:00:09Z".parse().unwrap());
        let suspended = Job { suspended_at: Some(now()), ..samples::backup_job() };
        let text = jobs(&[samples::backup_job(), failed, suspended], now());
        assert_eq!(
            text,
            "\
JOB                             OPERATION  INSTANCE  STATUS                 STARTED                    TOOK
job-01kb0000000000000000000003  Backup     shop      InProgress             2026-11-22T08:00:00Z  5 min 0 s
job-01kb0000000000000000000003  Backup     shop      Failed                 2026-11-22T08:00:00Z        9 s
job-01kb0000000000000000000003  Backup     shop      InProgress, suspended  2026-11-22T08:00:00Z  5 min 0 s"
        );
    }

    #[test]
    fn a_failed_job_tells_what_to_do() {
        let mut failed = samples::backup_job();
        failed.status = JobStatus::Failed;
        failed.ended_at = Some("2026-11-22T08:00:09Z".parse().unwrap());
        failed.progress = Progress {
            tables_done: 1,
            tables_expected: Some(3),
            rows_done: 10,
            bytes_done: 2_048,
            bytes_expected: None,
        };
        failed.fault = Some(
            Fault::new(Code::DatabaseUserLacksSelect, "cannot read a table")
                .on("table app.ledger")
                .hint("Grant it."),
        );
        assert_eq!(
            job(&failed, now()),
            "\
Job:          job-01kb0000000000000000000003
Operation:    Backup
Instance:     shop (bi-01kb0000000000000000000001)
Status:       Failed
Started:      2026-11-22T08:00:00Z by arn:aws:iam::123456789012:user/ann
Ended:        2026-11-22T08:00:09Z
Took:         9 s
Copied:       2.0 KiB in 10 rows, 1 of 3 tables
Error:        cannot read a table [DatabaseUserLacksSelect]
Object:       table app.ledger
Hint:         Grant it.
"
        );
    }

    #[test]
    fn a_skipped_run_says_why() {
        let mut skipped = samples::backup_job();
        skipped.status = JobStatus::Skipped;
        skipped.ended_at = Some(skipped.created_at);
        skipped.backup = Some(
            from_value(json!({
                "kind": "scheduled", "policy": "bp-01kb0000000000000000000009",
                "scheduled_at": "2026-11-22T07:30:00Z",
            }))
            .unwrap(),
        );
        skipped.fault = Some(
            Fault::new(Code::BackupAlreadyRunning, "the run was due while another backup was running")
                .on("job-01kb0000000000000000000002"),
        );
        let text = job(&skipped, now());
        let expected = "\
Backup:       scheduled for 2026-11-22T07:30:00Z, under policy bp-01kb0000000000000000000009
Skipped for:  the run was due while another backup was running [BackupAlreadyRunning]
Object:       job-01kb0000000000000000000002
";
        assert!(text.contains(expected), "{text}");
    }

    #[test]
    fn readiness_shows_every_check_and_every_remedy() {
        let found = Readiness {
            checks: vec![
                Check::success("login", "logged in as backup to PostgreSQL 15.18"),
                Check::failed(
                    "select-on-tables",
                    Fault::new(Code::DatabaseUserLacksSelect, "2 tables cannot be read")
                        .hint("GRANT SELECT ON a TO backup;\nGRANT SELECT ON b TO backup;"),
                )
                .on_objects(vec!["table public.a".into(), "table public.b".into()]),
            ],
        };
        assert_eq!(
            readiness(&found),
            "\
CHECK             OUTCOME  FOUND
login             Success  logged in as backup to PostgreSQL 15.18
select-on-tables  Failed   2 tables cannot be read

select-on-tables [DatabaseUserLacksSelect]
  OBJECT: table public.a
  OBJECT: table public.b
  HINT: GRANT SELECT ON a TO backup;
        GRANT SELECT ON b TO backup;"
        );
    }
}
