//! The whole life of recovery points on the deployed stack, by the machine that EventBridge Scheduler starts every hour.
//! What would take years is written into the catalog: the times until which points are kept.

use aws_sdk_dynamodb::types::AttributeValue;
use jiff::{SignedDuration, Timestamp};
use permafrost_domain::job::{Job, JobStatus};
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_tests::support::{Aws, Cli, Database, Stack};

use super::support::{lifecycle_turn, now, policy, put_under, run_lifecycle, versions};

/// A point whose time in the backup store is over is archived; it is restored from there, once it is rehydrated; when its
/// time in the archive store is over it is deleted, with every object, but for the newest, which stays.
#[tokio::test]
async fn points_are_archived_restored_from_there_and_deleted() {
    let cli = Cli::operator();
    let made = policy(&cli, &["--keep", "P7D:P1Y"]).await;
    let database = Database::create("lifecycle").await;
    let name = database.name.as_str();
    cli.protect(&database.protection()).await;
    put_under(&cli, name, &made).await;
    cli.backup(name).await;
    cli.backup(name).await;
    let points = cli.points(name).await;
    assert_eq!(states(&points), [PointState::Available; 2]);
    let _turn = lifecycle_turn().await;
    for point in &points {
        overdue(point, "#retention.backup_store_until").await;
    }
    run_lifecycle().await;

    let points = cli.points(name).await;
    assert_eq!(states(&points), [PointState::Archived; 2]);
    for point in &points {
        assert!(
            versions(&Stack::get().backup_bucket, point).await.iter().all(|key| !key.contains("/segments/"))
        );
        assert_eq!(versions(&Stack::get().archive_bucket, point).await.len() as u64, point.segments);
    }
    let (copy, secret) = (database.sibling("copy"), &database.restore.secret_arn);
    let restore =
        ["restore", name, "--to-database", &copy, "--secret-arn", secret, "--rehydrate", "standard"];
    let job: Job = cli.ask(&restore).await;
    assert_eq!(job.status, JobStatus::Completed, "{:?}", job.fault);

    for point in &points {
        overdue(point, "#retention.#archive.#until").await;
    }
    run_lifecycle().await;
    let [newest, older] = &cli.points(name).await[..] else { panic!("not two points") };
    assert_eq!((newest.state, older.state), (PointState::Rehydrated, PointState::Expired));
    assert_eq!(versions(&Stack::get().archive_bucket, newest).await.len() as u64, newest.segments);
    for bucket in [&Stack::get().backup_bucket, &Stack::get().archive_bucket] {
        assert_eq!(versions(bucket, older).await, Vec::<String>::new());
    }
}

fn states(points: &[RecoveryPoint]) -> Vec<PointState> {
    points.iter().map(|point| point.state).collect()
}

/// Writes into the catalog that the time `attribute` of a point was an hour ago.
async fn overdue(point: &RecoveryPoint, attribute: &str) {
    let past = now() - SignedDuration::from_hours(1);
    let past = Timestamp::from_second(past.as_second()).expect("an hour ago is in the calendar's range");
    let text = |text: String| AttributeValue::S(text);
    let mut names = vec![("#retention", "retention"), ("#due", "gsi1sk")];
    if attribute.contains("#archive") {
        names.extend([("#archive", "archive"), ("#until", "until")]);
    }
    let names = names.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
    let update = Aws::root()
        .dynamodb()
        .update_item()
        .table_name(&Stack::get().table)
        .key("pk", text(format!("INSTANCE#{}", point.instance)))
        .key("sk", text(format!("POINT#{}", point.id)))
        .update_expression(format!("SET {attribute} = :past, #due = :due"))
        .set_expression_attribute_names(Some(names))
        .expression_attribute_values(":past", text(past.to_string()))
        .expression_attribute_values(":due", text(format!("{past}#{}", point.id)))
        .send()
        .await;
    update.unwrap_or_else(|error| panic!("the point cannot be changed: {error:?}"));
}
