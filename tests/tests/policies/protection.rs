//! Suspending, stopping in its three ways, deleting and taking back, and legal hold.

use permafrost_domain::Code;
use permafrost_domain::instance::{Instance, ProtectionStatus, StopMode};
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_tests::support::{Cli, Database};

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

/// A point is put under legal hold by its id, and taken out again.
#[tokio::test]
async fn a_point_is_held_and_released() {
    let cli = Cli::operator();
    let database = protected(&cli, "held").await;
    let name = database.name.as_str();
    let id = cli.points(name).await[0].id.to_string();
    for _ in 0..2 {
        let held: RecoveryPoint = cli.ask(&["recovery-point", "hold", name, &id]).await;
        assert!(held.legal_hold);
    }
    let vague = cli.run(&["recovery-point", "hold", name, "latest"]).await;
    assert_eq!(vague.fault().code, Code::InvalidRequest);
    let released: RecoveryPoint = cli.ask(&["recovery-point", "release", name, &id]).await;
    assert!(!released.legal_hold);
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
