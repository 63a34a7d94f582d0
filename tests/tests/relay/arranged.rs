//! What every test here starts from, and what must hold in the end.

use std::time::Duration;

use permafrost_domain::JobId;
use permafrost_domain::instance::Instance;
use permafrost_domain::job::Job;
use permafrost_engine::sql::literal;
use permafrost_tests::faults::{FaultyStack, Variant};
use permafrost_tests::support::bank::{self, number};
use permafrost_tests::support::proxy::Proxy;
use permafrost_tests::support::{Cli, Database};
use tokio::time::{Instant, sleep};

/// A bank behind a slow wire, and the copy of the stack whose holders live for seconds.
pub(super) struct Arranged {
    pub(super) stack: FaultyStack,
    pub(super) database: Database,
    pub(super) cli: Cli,
    pub(super) instance: Instance,
    pub(super) proxy: Proxy,
}

impl Arranged {
    pub(super) async fn new(label: &str, bytes_per_s: u64) -> Self {
        let stack = FaultyStack::varied(Variant::RELAY).await;
        let database = Database::create(label).await;
        bank::open(&database).await;
        let proxy = Proxy::start().await;
        let cli = Cli::operator();
        cli.protect(&database.protection().through("127.0.0.1", proxy.port())).await;
        let instance = cli.instance(&database.name).await;
        proxy.slow_down_together(bytes_per_s);
        Self { stack, database, cli, instance, proxy }
    }

    pub(super) async fn assert_restores_to_one_moment(&self, transfers_in_all: u64) {
        self.proxy.heal();
        let copy = self.database.sibling("copy");
        self.cli.restore(&self.database.name, &copy, &self.database.restore.secret_arn).await;
        bank::assert_one_moment(&copy, transfers_in_all).await;
    }

    /// No point, no lock in the catalog, no session on the server, and the next backup works.
    pub(super) async fn assert_left_nothing(&self, job: &Job) {
        assert!(self.cli.points(&self.database.name).await.is_empty());
        assert_eq!(self.cli.instance(&self.database.name).await.running_backup, None);
        let sessions = format!(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = {}",
            literal(&format!("permafrost {}", job.id))
        );
        let until = Instant::now() + Duration::from_secs(15);
        while number("postgres", &sessions).await > 0 {
            assert!(Instant::now() < until, "a session of the failed backup is still there");
            sleep(Duration::from_millis(200)).await;
        }
        self.proxy.heal();
        self.cli.backup(&self.database.name).await;
    }

    /// Which holder of the job's snapshot is the present one, or was the last.
    pub(super) async fn generation(&self, job: JobId) -> u32 {
        let snapshot = self.stack.catalog().snapshot(job).await.expect("the snapshot can be read");
        snapshot.expect("the backup has a snapshot").generation
    }

    pub(super) async fn has_ended(&self, job: JobId) -> bool {
        self.stack.catalog().job_status(job).await.expect("the job can be read").has_ended()
    }
}
