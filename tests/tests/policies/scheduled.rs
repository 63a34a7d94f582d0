//! What a firing of a schedule starts: a backup for each instance, one for each run, however often it fires.

use std::time::Duration;

use jiff::SignedDuration;
use permafrost_domain::Code;
use permafrost_domain::job::{JobStatus, Operation};
use permafrost_domain::recovery_point::BackupKind;
use permafrost_domain::retention::RuleName;
use permafrost_domain::{InstanceId, JobId};
use permafrost_tests::support::proxy::Proxy;
use permafrost_tests::support::{Cli, Database};
use tokio::time::{Instant, sleep};

use super::support::{EVERY_HOUR, backups, ended, fire, last_hour, now, policy, put_under};

/// A firing backs up every instance of the policy, each under a job whose id follows from instance and run; the point
/// takes its rule from the policy.
#[tokio::test]
async fn a_firing_backs_up_every_instance_of_the_policy() {
    let cli = Cli::operator();
    let rules = [&EVERY_HOUR[..], &["--keep", "P1M", "--yearly", "P5Y"]].concat();
    let made = policy(&cli, &rules).await;
    let databases = [Database::create("scheduled-a").await, Database::create("scheduled-b").await];
    for database in &databases {
        cli.protect(&database.protection()).await;
        put_under(&cli, &database.name, &made).await;
    }
    let run = last_hour();
    ended(&fire(&made, run).await).await;
    for database in &databases {
        let instance: InstanceId = cli.instance(&database.name).await.id;
        let [job] = &backups(&cli, &database.name).await[..] else { panic!("not one backup") };
        assert_eq!(job.id, JobId::of_run(instance, run, Operation::Backup));
        assert_eq!(job.status, JobStatus::Completed, "{:?}", job.fault);
        assert_eq!(job.backup.as_ref().map(|order| order.kind), Some(BackupKind::Scheduled));
        let [point] = &cli.points(&database.name).await[..] else { panic!("not one point") };
        assert_eq!((point.kind, point.retention.rule), (BackupKind::Scheduled, RuleName::Yearly));
        assert_eq!(point.retention.policy.as_ref().map(|stamp| stamp.id), Some(made.id));
    }

    // On demand, by a rule of the policy: no period is used up, and a rule that it lacks is refused.
    let name = &databases[0].name;
    let job: permafrost_domain::job::Job = cli.ask(&["backup", name, "--rule", "yearly"]).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.fault);
    assert_eq!(cli.points(name).await[0].retention.rule, RuleName::Yearly);
    let refused = cli.run(&["backup", name, "--rule", "monthly"]).await;
    assert_eq!((refused.exit_code, refused.fault().code), (Some(2), Code::RuleNotInPolicy));
}

/// Doubled triggers start one backup, whether they come at once or after it has ended.
#[tokio::test]
async fn doubled_triggers_start_one_backup() {
    let cli = Cli::operator();
    let made = policy(&cli, &EVERY_HOUR).await;
    let database = Database::create("doubled").await;
    cli.protect(&database.protection()).await;
    put_under(&cli, &database.name, &made).await;
    let run = last_hour();
    let (first, second) = tokio::join!(fire(&made, run), fire(&made, run));
    ended(&first).await;
    ended(&second).await;
    ended(&fire(&made, run).await).await;
    let jobs = backups(&cli, &database.name).await;
    assert_eq!(jobs.len(), 1, "{jobs:#?}");
    assert_eq!(jobs[0].status, JobStatus::Completed, "{:?}", jobs[0].fault);
    assert_eq!(cli.points(&database.name).await.len(), 1);
}

/// A run that is due while another backup runs is recorded as skipped, with the job that was in its way.
#[tokio::test]
async fn an_overlapping_run_is_recorded_as_skipped() {
    let cli = Cli::operator();
    let made = policy(&cli, &EVERY_HOUR).await;
    let database = Database::create("overlap").await;
    let proxy = Proxy::start().await;
    cli.protect(&database.protection().through("127.0.0.1", proxy.port())).await;
    put_under(&cli, &database.name, &made).await;
    proxy.slow_down_together(2_000);
    let running = cli.start_backup(&database.name).await;
    ended(&fire(&made, last_hour()).await).await;
    let jobs = backups(&cli, &database.name).await;
    let skipped = jobs.iter().find(|job| job.status == JobStatus::Skipped).expect("the run is recorded");
    let fault = skipped.fault.as_ref().expect("a skipped job says why");
    assert_eq!(
        (fault.code, fault.object.as_deref()),
        (Code::BackupAlreadyRunning, Some(&*running.job.to_string()))
    );
    proxy.heal();
    assert_eq!(cli.watch(&running.job.to_string()).await.status, JobStatus::Completed);
    // Fired again, the run stays skipped.
    ended(&fire(&made, last_hour()).await).await;
    let points = cli.points(&database.name).await;
    assert_eq!(points.len(), 1, "{points:#?}");
}

/// A firing for which no run is due ends at once, as does that of a policy without instances, or of none.
#[tokio::test]
async fn a_firing_without_a_run_starts_nothing() {
    let cli = Cli::operator();
    let made = policy(&cli, &EVERY_HOUR).await;
    ended(&fire(&made, last_hour()).await).await;
    let database = Database::create("idle").await;
    cli.protect(&database.protection()).await;
    put_under(&cli, &database.name, &made).await;
    ended(&fire(&made, last_hour() - SignedDuration::from_mins(25)).await).await;
    assert!(backups(&cli, &database.name).await.is_empty());

    // Suspended, it is left out, and nothing is recorded as skipped.
    let _: serde_json::Value = cli.ask(&["instance", "suspend", &database.name]).await;
    ended(&fire(&made, last_hour()).await).await;
    assert!(backups(&cli, &database.name).await.is_empty());
    let _: serde_json::Value = cli.ask(&["instance", "resume", &database.name]).await;
    ended(&fire(&made, last_hour()).await).await;
    assert_eq!(backups(&cli, &database.name).await.len(), 1);
}

/// The schedule itself fires, in its minute.
#[tokio::test]
async fn the_schedule_fires_by_itself() {
    let cli = Cli::operator();
    let soon = now() + SignedDuration::from_secs(75);
    let at = soon.strftime("%H:%M").to_string();
    let options = ["--every", "day", "--at", &at, "--time-zone", "UTC", "--start-window", "PT0M"];
    let made = policy(&cli, &options).await;
    let database = Database::create("fires").await;
    cli.protect(&database.protection()).await;
    put_under(&cli, &database.name, &made).await;
    let until = Instant::now() + Duration::from_secs(120);
    let job = loop {
        if let [job] = &backups(&cli, &database.name).await[..] {
            break job.clone();
        }
        assert!(Instant::now() < until, "the schedule does not fire");
        sleep(Duration::from_secs(2)).await;
    };
    assert_eq!(cli.watch(&job.id.to_string()).await.status, JobStatus::Completed);
    let run = job.backup.and_then(|order| order.scheduled_at).expect("a scheduled backup has its run");
    assert_eq!(run.strftime("%H:%M:%S").to_string(), format!("{at}:00"));
}
