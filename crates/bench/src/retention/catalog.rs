//! A catalog with very many recovery points, some of them due.

use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_sdk_dynamodb::Client;
use futures_util::future::try_join_all;
use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::{Catalog, Seed};
use permafrost_domain::immutability::Immutability;
use permafrost_domain::instance::{Instance, ProtectionStatus};
use permafrost_domain::recovery_point::{BackupKind, ManifestRef, PointState, RecoveryPoint};
use permafrost_domain::retention::{RuleName, StampedRetention};
use permafrost_domain::tiering::ArchiveClass;
use permafrost_domain::{InstanceId, JobId, PointId};
use permafrost_emulator::Emulator;
use permafrost_function::Tools;
use permafrost_function::clock::Clock;
use permafrost_function::config::Config;

use crate::error::BenchError;
use crate::say;

/// Instances, which have equally many points.
const INSTANCES: u32 = 1_000;
/// Requests that seed at one time: while the emulator takes one, the next is made.
const SEEDERS: u32 = 4;
/// Instances after which progress is told.
const TOLD: u32 = 100;

/// How many points there are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Points {
    /// In all.
    pub(crate) all: u32,
    /// Of these, the oldest of so many instances are due.
    pub(crate) due: u32,
}

impl Points {
    fn of_instance(self) -> u32 {
        self.all / INSTANCES
    }
}

/// Makes a catalog with these points as of `now`, and what a function works with on it.
pub(crate) async fn make(emulator: &Emulator, points: Points, now: Timestamp) -> Result<Tools, BenchError> {
    if points.due > INSTANCES || points.of_instance() < 2 {
        let Points { all, due } = points;
        let message =
            format!("{due} of {all} points cannot be due, each of another of {INSTANCES} instances");
        return Err(BenchError::Missing(message));
    }
    let table = format!("catalog-{}", points.all);
    Catalog::create(Client::new(&sdk(emulator)), &table).await?;
    let tools = Tools::new(config(&table), sdk(emulator))
        .map_err(|source| BenchError::Function { function: "apply-retention", source: Box::new(source) })?;
    let seeders = (0..SEEDERS).map(|seeder| {
        let of_seeder = (seeder..INSTANCES).step_by(SEEDERS as usize);
        seed(&tools.catalog, of_seeder, points, now)
    });
    try_join_all(seeders).await?;
    Ok(tools)
}

/// Drops the catalog: the emulator keeps all in memory.
pub(crate) async fn drop(emulator: &Emulator, tools: &Tools) -> Result<(), BenchError> {
    let client = Client::new(&sdk(emulator));
    let dropped = client.delete_table().table_name(&tools.config.table_name).send().await;
    dropped
        .map(std::mem::drop)
        .map_err(|source| BenchError::Emulator { doing: "drop the catalog", source: Box::new(source) })
}

/// What clients of the emulator are made of.
fn sdk(emulator: &Emulator) -> SdkConfig {
    let credentials = Credentials::new("test", "test", None, None, "bench");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(emulator.endpoint())
        .region(Region::new("us-east-1"))
        .credentials_provider(SharedCredentialsProvider::new(credentials))
        .build()
}

async fn seed(
    catalog: &Catalog,
    instances: impl Iterator<Item = u32>,
    points: Points,
    now: Timestamp,
) -> Result<(), BenchError> {
    for number in instances {
        let records: Vec<RecoveryPoint> =
            (0..points.of_instance()).map(|nth| point(number, nth, points, now)).collect();
        let mut seeds = Vec::with_capacity(records.len() + 1);
        if let Some(newest) = records.last() {
            let instance = Box::new(instance(number, newest, now)?);
            seeds.push(Seed::Instance(instance, u64::from(points.of_instance())));
        }
        seeds.extend(records.into_iter().map(|record| Seed::Point(Box::new(record))));
        catalog.seed(seeds).await?;
        if number % TOLD == TOLD - 1 {
            say::line(&format!("  {} instances", number + 1));
        }
    }
    Ok(())
}

fn instance_id(number: u32, now: Timestamp) -> InstanceId {
    InstanceId::new(now - SignedDuration::from_hours(24 * 1_000), u128::from(number))
}

fn instance(number: u32, newest: &RecoveryPoint, now: Timestamp) -> Result<Instance, BenchError> {
    let source = serde_json::json!({
        "host": "db.example", "port": 5432, "database": format!("shop-{number}"),
        "login": {"method": "secret", "secret_arn": "arn:aws:secretsmanager:us-east-1:1:secret:permafrost/x"},
        "tls": {"mode": "verify-full"},
    });
    Ok(Instance {
        id: instance_id(number, now),
        name: format!("shop-{number}")
            .parse()
            .map_err(|_| BenchError::Wrong(format!("shop-{number} is no name of an instance")))?,
        data_source: serde_json::from_value(source).map_err(BenchError::json("a data source"))?,
        status: ProtectionStatus::Protected,
        created_at: now - SignedDuration::from_hours(24 * 1_000),
        latest_point: Some(newest.id),
        latest_consistent_at: Some(newest.consistent_at),
        running_backup: None,
        policy: None,
        stopped: None,
        deletion: None,
    })
}

/// The `nth` point of an instance, a day newer than the one before it. Each is due a day after the one before it: the
/// oldest of the first instances an hour ago, that of all others tomorrow.
fn point(instance: u32, nth: u32, points: Points, now: Timestamp) -> RecoveryPoint {
    let days = |count: u32| SignedDuration::from_hours(24 * i64::from(count));
    let consistent_at = now - days(points.of_instance() - nth);
    let backup_store_until = match nth {
        0 if instance < points.due => now - SignedDuration::from_hours(1),
        _ => now + days(nth + 1),
    };
    let job = JobId::new(consistent_at, (u128::from(instance) << 32) | u128::from(nth));
    let id = PointId::of_backup(job);
    let instance = instance_id(instance, now);
    RecoveryPoint {
        id,
        instance,
        job,
        state: PointState::Available,
        consistent_at,
        committed_at: consistent_at,
        kind: BackupKind::Scheduled,
        retention: StampedRetention {
            rule: RuleName::Default,
            backup_store_until,
            archive: None,
            policy: None,
            reasons: Vec::new(),
        },
        database: "shop".to_owned(),
        server_version: "15.18".to_owned(),
        tables: 120,
        rows: 1_000_000,
        raw_bytes: 1_000_000_000,
        stored_bytes: 200_000_000,
        segments: 4,
        manifest: ManifestRef {
            key: "manifest.json".to_owned(),
            version: "null".to_owned(),
            sha256: "0".repeat(64),
        },
        archive: None,
        rehydrated_until: None,
        legal_hold: false,
        hold_job: None,
        locked_until: None,
    }
}

fn config(table: &str) -> Config {
    Config {
        vault_name: "bench".to_owned(),
        table_name: table.to_owned(),
        backup_bucket: "none".to_owned(),
        archive_bucket: "none".to_owned(),
        archive_class: ArchiveClass::DeepArchive,
        key_arn: "none".to_owned(),
        pg_clients_dir: "/none".to_owned(),
        immutability: Immutability::Disabled,
        clock: Clock::Input,
    }
}
