//! The end of an instance whose data was deleted, when the time for taking that back is over.

use jiff::SignedDuration;
use permafrost_domain::Code;
use permafrost_domain::instance::{Instance, ProtectionStatus, SoftDeletion};
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_tests::support::{Cli, Database, Stack};

use super::support::{catalog, lifecycle_turn, now, run_lifecycle, versions};

/// While deleted data can be had back, nothing of it goes. When that time is over everything goes, the newest point as
/// well: every object of both stores; the catalog keeps the tombstones, and the database may be protected anew.
#[tokio::test]
async fn deleted_data_goes_when_its_time_is_over() {
    let cli = Cli::operator();
    let database = Database::create("gone").await;
    let name = database.name.as_str();
    cli.protect(&database.protection()).await;
    cli.backup(name).await;
    cli.backup(name).await;
    let points = cli.points(name).await;
    let unnamed = ["instance", "stop", name, "--delete-data", "--reason", "The shop is closed."];
    assert_ne!(cli.run(&unnamed).await.exit_code, Some(0), "the name is asked for");
    let unreasoned = ["instance", "stop", name, "--delete-data", "--confirm-name", name];
    assert_ne!(cli.run(&unreasoned).await.exit_code, Some(0), "a reason is asked for");
    assert_eq!(cli.instance(name).await.status, ProtectionStatus::Protected);
    let deleted: Instance = cli.ask(&[&unnamed[..], &["--confirm-name", name]].concat()).await;
    let deletion = deleted.deletion.expect("it says when its data goes");

    let _turn = lifecycle_turn().await;
    let before = objects(&points).await;
    run_lifecycle().await;
    assert_eq!(cli.points(name).await, points);
    assert_eq!(objects(&points).await, before);

    // What would take two weeks is written into the catalog.
    let catalog = catalog();
    catalog.undelete(deleted.id, now()).await.expect("it is soft-deleted");
    let over = SoftDeletion { until: now() - SignedDuration::from_hours(1), ..deletion };
    catalog.soft_delete(deleted.id, &over).await.expect("it is stopped");
    let late = cli.run(&["instance", "undelete", name]).await;
    assert_eq!(late.fault().code, Code::ProtectionNotChanged);
    run_lifecycle().await;
    assert_eq!(objects(&points).await, Vec::<String>::new());
    for point in &points {
        let tombstone = catalog.point(point.instance, point.id).await.expect("it is kept for audit");
        assert_eq!(tombstone.state, PointState::Expired);
    }

    // The run after it finds nothing left of the instance.
    run_lifecycle().await;
    let gone = cli.run(&["instance", "show", name]).await;
    assert_eq!(gone.fault().code, Code::InstanceNotFound);
    cli.protect(&database.protection()).await;
    assert_eq!(cli.points(name).await, []);
}

/// The keys of all versions of the points' objects, in both stores.
async fn objects(points: &[RecoveryPoint]) -> Vec<String> {
    let mut objects = Vec::new();
    for bucket in [&Stack::get().backup_bucket, &Stack::get().archive_bucket] {
        for point in points {
            objects.extend(versions(bucket, point).await);
        }
    }
    objects
}
