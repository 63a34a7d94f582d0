//! A vault of its own for a test of what becomes of recovery points: two buckets with Object Lock and a catalog on the
//! emulator, points with objects in them, and a process that dies at any call.

#![allow(clippy::unwrap_used, reason = "a test that cannot be set up has failed")]

mod kill;
mod point;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU32, Ordering};

use aws_config::{BehaviorVersion, Region, SdkConfig};
use jiff::Timestamp;
use permafrost_catalog::{Catalog, JobOutcome, Seed};
use permafrost_domain::immutability::Immutability;
use permafrost_domain::instance::{Instance, ProtectionStatus};
use permafrost_domain::job::{Job, Operation, RehydrationOrder};
use permafrost_domain::policy::Policy;
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::tiering::{ArchiveClass, RehydrationDays, RehydrationPriority};
use permafrost_domain::wire::MAX_PAGE;
use permafrost_domain::{InstanceId, JobId, PointId};
use permafrost_emulator::Emulator;
use permafrost_function::Tools;
use permafrost_function::clock::Clock;
use permafrost_function::config::Config;
use permafrost_vault::Store;

pub use kill::{Death, Kill, Moment};
pub use point::{Locks, TestPoint, source};

const KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555";

static VAULTS: AtomicU32 = AtomicU32::new(0);

/// A moment. Tests live in years that are over, so that the emulator's locks end when the tests' do.
pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A vault.
pub struct Vault {
    /// Its only instance.
    pub instance: Instance,
    /// What functions work with on it.
    pub tools: Tools,
    s3: aws_sdk_s3::Client,
    sdk: SdkConfig,
    config: Config,
    commits: AtomicU32,
    rehydrations: AtomicU32,
}

/// One of the two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// The backup store.
    Backup,
    /// The archive store.
    Archive,
}

impl Vault {
    /// A vault with one instance, which has a point that is newer than all others.
    pub async fn new(immutability: Immutability) -> Self {
        let vault = Self::empty(immutability).await;
        let newest = vault.record_of_newest();
        let mut instance = vault.instance.clone();
        instance.latest_point = Some(newest.id);
        instance.latest_consistent_at = Some(newest.consistent_at);
        let seeds = [Seed::Instance(Box::new(instance), 1_000), Seed::Point(Box::new(newest))];
        vault.tools.catalog.seed(seeds).await.unwrap();
        vault
    }

    /// A vault with one instance under `policy`, which has no points yet.
    pub async fn under(policy: &Policy, immutability: Immutability) -> Self {
        let mut vault = Self::empty(immutability).await;
        let catalog = &vault.tools.catalog;
        catalog.create_policy(policy).await.unwrap();
        vault.instance.policy = Some(policy.id);
        let asked_at = vault.instance.created_at;
        let id = JobId::of_run(vault.instance.id, asked_at, Operation::ConfigureProtection);
        let configure = Job::queued(id, Operation::ConfigureProtection, &vault.instance, asked_at);
        let asked_for =
            Instance { status: ProtectionStatus::ConfiguringProtection, ..vault.instance.clone() };
        catalog.protect(&asked_for, &configure).await.unwrap();
        let configured = JobOutcome::Completed { warnings: Vec::new() };
        catalog.close_job(id, &configured, asked_at).await.unwrap();
        vault
    }

    /// A vault whose catalog has nothing.
    async fn empty(immutability: Immutability) -> Self {
        let number = VAULTS.fetch_add(1, Ordering::Relaxed);
        let config = Config {
            vault_name: "permafrost".to_owned(),
            table_name: format!("catalog-{number}"),
            backup_bucket: format!("backup-{number}"),
            archive_bucket: format!("archive-{number}"),
            archive_class: ArchiveClass::DeepArchive,
            key_arn: KEY.to_owned(),
            pg_clients_dir: "/nowhere".to_owned(),
            immutability,
            clock: Clock::Input,
        };
        let sdk = sdk();
        let tools = Tools::new(config.clone(), sdk.clone()).unwrap();
        let s3 = aws_sdk_s3::Client::new(&sdk);
        for bucket in [&config.backup_bucket, &config.archive_bucket] {
            s3.create_bucket().bucket(bucket).object_lock_enabled_for_bucket(true).send().await.unwrap();
        }
        Catalog::create(aws_sdk_dynamodb::Client::new(&sdk), &config.table_name).await.unwrap();
        let (commits, rehydrations) = (AtomicU32::new(0), AtomicU32::new(0));
        Self { instance: instance(), tools, s3, sdk, config, commits, rehydrations }
    }

    /// Tools whose process dies at a call.
    pub fn dying_tools(&self, kill: &Kill) -> Tools {
        let mut tools = Tools::new(self.config.clone(), self.sdk.clone()).unwrap();
        let s3 = aws_sdk_s3::config::Builder::from(&self.sdk).interceptor(kill.clone()).build();
        let s3 = aws_sdk_s3::Client::from_conf(s3);
        tools.store = Store::new(s3.clone(), &self.config.backup_bucket, KEY);
        tools.archive = Store::new(s3, &self.config.archive_bucket, KEY);
        let dynamo = aws_sdk_dynamodb::config::Builder::from(&self.sdk).interceptor(kill.clone()).build();
        tools.catalog = Catalog::new(aws_sdk_dynamodb::Client::from_conf(dynamo), &self.config.table_name);
        tools
    }

    /// The point as it is now.
    pub async fn point(&self, id: PointId) -> RecoveryPoint {
        self.tools.catalog.point(self.instance.id, id).await.unwrap()
    }

    /// Opens a job that rehydrates `point` for so many days, asked for at `asked`.
    pub async fn open_rehydration(&self, point: PointId, asked: Timestamp, days: RehydrationDays) -> JobId {
        let id = JobId::new(asked, self.rehydrations.fetch_add(1, Ordering::Relaxed).into());
        let mut job = Job::queued(id, Operation::Rehydrate, &self.instance, asked);
        job.rehydration = Some(RehydrationOrder { point, priority: RehydrationPriority::High, days });
        self.tools.catalog.open_job(&job).await.unwrap();
        id
    }

    /// Every point that was ever committed, the newest first.
    pub async fn points(&self) -> Vec<RecoveryPoint> {
        let (mut points, mut next) = (Vec::new(), None);
        loop {
            let page = self.tools.catalog.points(self.instance.id, MAX_PAGE, next.as_deref()).await.unwrap();
            points.extend(page.items);
            next = page.next;
            if next.is_none() {
                return points;
            }
        }
    }

    /// How many versions there are of each object of a point, by store and name.
    pub async fn objects(&self, point: &TestPoint) -> BTreeMap<(Place, String), usize> {
        let mut objects = BTreeMap::new();
        for (place, store) in [(Place::Backup, &self.tools.store), (Place::Archive, &self.tools.archive)] {
            let prefix = point.layout.key("");
            let listed =
                self.s3.list_object_versions().bucket(store.bucket()).prefix(&prefix).send().await.unwrap();
            assert!(listed.delete_markers().is_empty(), "a deletion without a version");
            for version in listed.versions() {
                let name = version.key().unwrap().strip_prefix(&prefix).unwrap().to_owned();
                *objects.entry((place, name)).or_insert(0) += 1;
            }
        }
        objects
    }

    /// S3, as the account itself.
    pub fn s3(&self) -> &aws_sdk_s3::Client {
        &self.s3
    }

    /// DynamoDB, as the account itself, to look behind the catalog.
    pub fn dynamo(&self) -> aws_sdk_dynamodb::Client {
        aws_sdk_dynamodb::Client::new(&self.sdk)
    }

    /// What the functions' environment would say.
    pub fn config(&self) -> &Config {
        &self.config
    }
}

fn sdk() -> SdkConfig {
    let credentials = aws_sdk_s3::config::Credentials::new("test", "test", None, None, "tests");
    SdkConfig::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(Emulator::shared().endpoint())
        .region(Region::new("us-east-1"))
        .credentials_provider(aws_sdk_s3::config::SharedCredentialsProvider::new(credentials))
        .retry_config(aws_config::retry::RetryConfig::disabled())
        .build()
}

fn instance() -> Instance {
    Instance {
        id: InstanceId::new(at("2015-01-01T00:00:00Z"), 1),
        name: "shop".parse().unwrap(),
        data_source: serde_json::from_value(serde_json::json!({
            "host": "db.example", "port": 5432, "database": "shop",
            "login": {"method": "secret", "secret_arn": "arn:aws:secretsmanager:us-east-1:1:secret:permafrost/x"},
            "tls": {"mode": "disable"},
        }))
        .unwrap(),
        status: ProtectionStatus::Protected,
        created_at: at("2015-01-01T00:00:00Z"),
        latest_point: None,
        latest_consistent_at: None,
        running_backup: None,
        policy: None,
        stopped: None,
        deletion: None,
    }
}
