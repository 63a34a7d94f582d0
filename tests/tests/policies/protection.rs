//! Suspending, stopping in its three ways, deleting and taking back, and legal hold.

use permafrost_domain::Code;
use permafrost_domain::instance::{Instance, ProtectionStatus, StopMode};
use permafrost_domain::job::{Job, JobStatus, Operation};
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_tests::support::{Aws, Cli, Database, Stack};

/// A protected database with one point.
async fn protected(cli: &Cli, label: &str) -> Database {
    let database = Database::create(label).await;
    cli.protect(&database.protection()).await;
    cli.backup(&database.name).await;
    database
}

/// The code that a backup on demand is refused with.
async fn refusal(cli: &Cli, name: &str) -> Code {
    cli.run(&["backup", name]).await.fault().code
}

/// Suspended, an instance is still backed up when somebody asks.
#[tokio::test]
async fn a_suspended_instance_is_backed_up_on_demand() {
    let cli = Cli::operator();
    let database = protected(&cli, "suspended").await;
    let name = database.name.as_str();
    for _ in 0..2 {
        let suspended: Instance = cli.ask(&["instance", "suspend", name]).await;
        assert_eq!(suspended.status, ProtectionStatus::BackupsSuspended);
    }
    cli.backup(name).await;
    let resumed: Instance = cli.ask(&["instance", "resume", name]).await;
    assert_eq!(resumed.status, ProtectionStatus::Protected);
}

/// Stopped in either of the two ways that keep the points, an instance makes no backups until somebody resumes it.
#[tokio::test]
async fn protection_is_stopped_and_resumed() {
    let cli = Cli::operator();
    let database = protected(&cli, "stopped").await;
    let name = database.name.as_str();
    for (word, mode) in [("forever", StopMode::RetainForever), ("as-per-policy", StopMode::RetainAsPerPolicy)]
    {
        let stopped: Instance = cli.ask(&["instance", "stop", name, "--retain", word]).await;
        assert_eq!((stopped.status, stopped.stopped), (ProtectionStatus::ProtectionStopped, Some(mode)));
        assert_eq!(refusal(&cli, name).await, Code::ProtectionStopped);
    }
    let resumed: Instance = cli.ask(&["instance", "resume", name]).await;
    assert_eq!((resumed.status, resumed.stopped), (ProtectionStatus::Protected, None));
    cli.backup(name).await;
    assert_eq!(cli.points(name).await.len(), 2);
}

/// Deleting data asks for the instance's name and a reason, deletes nothing at once, and can be taken back: to
/// stopped, from where protection is resumed.
#[tokio::test]
async fn deleted_data_can_be_had_back() {
    let cli = Cli::operator();
    let database = protected(&cli, "deleted").await;
    let name = database.name.as_str();
    let delete =
        ["instance", "stop", name, "--delete-data", "--reason", "The test is over.", "--confirm-name"];
    let slip = cli.run(&[&delete[..], &["another"]].concat()).await;
    assert_eq!((slip.exit_code, slip.fault().code), (Some(2), Code::ConfirmationMismatch));
    assert_eq!(cli.instance(name).await.status, ProtectionStatus::Protected);

    let deleted: Instance = cli.ask(&[&delete[..], &[name]].concat()).await;
    assert_eq!(deleted.status, ProtectionStatus::SoftDeleted);
    let deletion = deleted.deletion.expect("it says when its data goes");
    assert_eq!(deletion.reason, "The test is over.");
    let days = deletion.until.duration_since(deletion.requested_at).as_hours() / 24;
    assert_eq!(days, 14);
    assert_eq!(cli.points(name).await.len(), 1, "nothing is deleted yet");
    assert_eq!(refusal(&cli, name).await, Code::ProtectionStopped);

    let back: Instance = cli.ask(&["instance", "undelete", name]).await;
    assert_eq!((back.status, back.deletion), (ProtectionStatus::ProtectionStopped, None));
    let _: Instance = cli.ask(&["instance", "resume", name]).await;
    cli.backup(name).await;
}

/// A point is put under legal hold by its id, and taken out again: each is a job. While it is held S3 deletes no version
/// of its objects, not even for who may do everything; after the release it does.
#[tokio::test]
async fn a_point_is_held_and_released() {
    let cli = Cli::operator();
    let database = Database::create("held").await;
    database.run_as_owner("CREATE TABLE coin AS SELECT i FROM generate_series(1, 1000) i").await;
    let name = database.name.as_str();
    cli.protect(&database.protection()).await;
    cli.backup(name).await;
    let point = cli.points(name).await.remove(0);
    let id = point.id.to_string();
    let versions = versions(&point).await;
    assert!(versions.len() > 4, "{versions:?}");
    for _ in 0..2 {
        let job: Job = cli.ask(&["recovery-point", "hold", name, &id]).await;
        assert_eq!(
            (job.operation, job.status, job.point),
            (Operation::Hold, JobStatus::Completed, Some(point.id))
        );
        let held = cli.points(name).await.remove(0);
        assert_eq!(held, RecoveryPoint { legal_hold: true, ..point.clone() });
        for (key, version) in &versions {
            assert!(delete(key, version).await.is_err(), "{key} was deleted");
        }
    }
    let vague = cli.run(&["recovery-point", "hold", name, "latest"]).await;
    assert_eq!(vague.fault().code, Code::InvalidRequest);
    let job: Job = cli.ask(&["recovery-point", "release", name, &id]).await;
    assert_eq!((job.operation, job.status), (Operation::Release, JobStatus::Completed), "{:?}", job.fault);
    assert_eq!(cli.points(name).await.remove(0), point);
    for (key, version) in &versions {
        delete(key, version).await.unwrap_or_else(|error| panic!("{key} is kept: {error}"));
    }
}

/// The key and version of every object of a point in the backup store.
async fn versions(point: &RecoveryPoint) -> Vec<(String, String)> {
    let prefix = format!("instances/{}/points/{}/", point.instance, point.id);
    let bucket = &Stack::get().backup_bucket;
    let listed = Aws::root().s3().list_object_versions().bucket(bucket).prefix(prefix).send().await;
    let listed = listed.unwrap_or_else(|error| panic!("the bucket cannot be listed: {error:?}"));
    let named = listed.versions().iter().filter_map(|object| Some((object.key()?, object.version_id()?)));
    named.map(|(key, version)| (key.to_owned(), version.to_owned())).collect()
}

/// Deletes a version with all rights that there are; S3's word for why it did not.
async fn delete(key: &str, version: &str) -> Result<(), String> {
    let bucket = &Stack::get().backup_bucket;
    let deleted = Aws::root().s3().delete_object().bucket(bucket).key(key).version_id(version).send().await;
    deleted.map(drop).map_err(|error| format!("{error:?}"))
}

/// A point of the backup store is not rehydrated, and neither its cost is estimated nor a job started.
#[tokio::test]
async fn a_point_that_is_not_archived_is_not_rehydrated() {
    let cli = Cli::operator();
    let database = protected(&cli, "hot").await;
    let name = database.name.as_str();
    for option in ["--estimate", "--yes"] {
        let refused = cli.run(&["recovery-point", "rehydrate", name, "latest", option]).await;
        assert_eq!((refused.exit_code, refused.fault().code), (Some(4), Code::RecoveryPointNotArchived));
    }
}
