//! What every test here starts from, and what must hold whatever happened.

use std::time::Duration;

use permafrost_domain::Code;
use permafrost_domain::data_source::DataSource;
use permafrost_domain::instance::Instance;
use permafrost_domain::job::{Job, JobStatus};
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::{JobId, PointId};
use permafrost_engine::sql::literal;
use permafrost_tests::faults::{FaultyStack, Injection, Rule};
use permafrost_tests::support::contents::assert_equal;
use permafrost_tests::support::database::{exists, query_in};
use permafrost_tests::support::point::PointFolder;
use permafrost_tests::support::{Cli, Contents, Database, Stack};
use serde_json::json;

/// A little of everything that a restore's sections hold: pre-data, rows, sequences, post-data.
const SCHEMA: &str = "
    CREATE SCHEMA app;
    CREATE TYPE app.state AS ENUM ('new', 'paid');
    CREATE TABLE app.customer (id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text NOT NULL);
    CREATE TABLE app.purchase (
        id bigint PRIMARY KEY, customer integer NOT NULL REFERENCES app.customer, state app.state, note text);
    CREATE INDEX purchase_customer ON app.purchase (customer);
    CREATE TABLE app.empty (id integer);
    CREATE SEQUENCE app.ticket;
    INSERT INTO app.customer (name) SELECT 'customer ' || i FROM generate_series(1, 500) i;
    INSERT INTO app.purchase
        SELECT i, 1 + i % 500, 'paid', repeat(md5(i::text), 3) FROM generate_series(1, 20000) i;
    SELECT nextval('app.ticket') FROM generate_series(1, 42);
    CREATE MATERIALIZED VIEW app.turnover AS SELECT customer, count(*) AS purchases FROM app.purchase GROUP BY 1;";

/// A small database under protection, and the copy of the stack that carries its jobs out.
pub(crate) struct Arranged {
    pub(crate) cli: Cli,
    pub(crate) stack: FaultyStack,
    pub(crate) database: Database,
    pub(crate) instance: Instance,
}

impl Arranged {
    /// Makes and protects a database whose name begins with `label`.
    pub(crate) async fn new(label: &str) -> Self {
        Self::on(FaultyStack::of_what_is_deployed().await, label).await
    }

    /// The same on this copy of the stack.
    pub(crate) async fn on(stack: FaultyStack, label: &str) -> Self {
        let database = Database::create(label).await;
        database.run_as_owner(SCHEMA).await;
        let cli = Cli::operator();
        cli.protect(&database.protection()).await;
        let instance = cli.instance(&database.name).await;
        Self { cli, stack, database, instance }
    }

    /// The same with a recovery point that nothing disturbed.
    pub(crate) async fn with_point(label: &str) -> (Self, PointId) {
        let arranged = Self::new(label).await;
        let job = arranged.cli.backup(&arranged.database.name).await;
        (arranged, job.point.expect("a completed backup names its point"))
    }

    /// A backup that has not been started, and these rules about it.
    pub(crate) fn backup<const N: usize>(&self, rules: [Rule; N]) -> (Job, [Injection; N]) {
        let job = self.stack.backup_of(&self.instance);
        let injections = rules.map(|rule| self.stack.inject(job.id, rule));
        (job, injections)
    }

    /// A restore that has not been started, and these rules about it.
    pub(crate) fn restore<const N: usize>(
        &self,
        point: PointId,
        name: &str,
        rules: [Rule; N],
    ) -> (Job, [Injection; N]) {
        let job = self.stack.restore_of(&self.instance, point, self.target(name));
        let injections = rules.map(|rule| self.stack.inject(job.id, rule));
        (job, injections)
    }

    /// The stack's own server, logged in to as who may restore.
    fn target(&self, name: &str) -> DataSource {
        let server = &Stack::get().postgres;
        let target = json!({
            "host": server.host, "port": server.port, "database": name, "tls": {"mode": "disable"},
            "login": {"method": "secret", "secret_arn": self.database.restore.secret_arn},
        });
        serde_json::from_value(target).expect("the target is a data source")
    }

    /// A backup that completed in spite of what was injected: one sound point, which is the database.
    pub(crate) async fn assert_backed_up(&self, job: &Job) {
        assert_eq!(job.status, JobStatus::Completed, "{job:#?}");
        assert_eq!(job.fault, None, "what a retry has mended is no fault of the job");
        let points = self.sound_points().await;
        let of_job: Vec<PointId> =
            points.iter().filter(|point| point.job == job.id).map(|point| point.id).collect();
        assert_eq!(of_job, [PointId::of_backup(job.id)], "the point exists exactly once");
        assert_eq!(job.point, Some(of_job[0]));
        self.assert_let_go(job.id).await;
        let copy = self.database.sibling(&of_job[0].to_string()[20..]);
        self.cli.restore(&self.database.name, &copy, &self.database.restore.secret_arn).await;
        self.assert_equal(&copy).await;
    }

    /// A backup that failed for good: its job says why, nothing of it is visible, nothing is held, and the next
    /// backup works.
    pub(crate) async fn assert_failed_backup(&self, job: &Job, code: Code) {
        self.assert_failed(job, code);
        let points = self.sound_points().await;
        assert!(points.iter().all(|point| point.job != job.id), "a point of a failed backup: {points:#?}");
        self.assert_let_go(job.id).await;
        let next = self.cli.backup(&self.database.name).await;
        let points = self.sound_points().await;
        assert_eq!(points.first().map(|point| point.job), Some(next.id), "the next backup has its point");
    }

    /// A restore that completed in spite of what was injected.
    pub(crate) async fn assert_restored(&self, job: &Job, name: &str) {
        assert_eq!(job.status, JobStatus::Completed, "{job:#?}");
        assert_eq!(job.fault, None, "what a retry has mended is no fault of the job");
        self.assert_nothing_half_made(job.id).await;
        self.assert_equal(name).await;
    }

    /// A restore that failed for good: its job says why, no database is left, and the next restore works.
    pub(crate) async fn assert_failed_restore(&self, job: &Job, code: Code, name: &str) {
        self.assert_failed(job, code);
        self.assert_nothing_half_made(job.id).await;
        assert!(!exists(name).await, "a failed restore took the name {name}");
        self.cli.restore(&self.database.name, name, &self.database.restore.secret_arn).await;
        self.assert_equal(name).await;
    }

    fn assert_failed(&self, job: &Job, code: Code) {
        assert_eq!(job.status, JobStatus::Failed, "{job:#?}");
        assert_eq!(job.fault.as_ref().map(|fault| fault.code), Some(code), "{job:#?}");
        assert!(job.ended_at.is_some(), "{job:#?}");
        assert_eq!(job.instance, self.instance.id);
    }

    /// Everything that the catalog lists is there, byte for byte.
    pub(crate) async fn sound_points(&self) -> Vec<RecoveryPoint> {
        let points = self.cli.points(&self.database.name).await;
        for point in &points {
            assert_eq!(point.state, PointState::Available);
            PointFolder::of(point).assert_sound().await;
        }
        points
    }

    /// No lock in the catalog, no session on the server, hence no lock there either.
    async fn assert_let_go(&self, job: JobId) {
        let instance = self.cli.instance(&self.database.name).await;
        assert_eq!(instance.running_backup, None, "the instance is locked");
        assert_no_session(job).await;
    }

    async fn assert_nothing_half_made(&self, job: JobId) {
        let temporary = format!("permafrost_restore_{}", job.to_string().trim_start_matches("job-"));
        assert!(!exists(&temporary).await, "the database {temporary} is still there");
        assert_no_session(job).await;
    }

    async fn assert_equal(&self, copy: &str) {
        let original = Contents::of(&self.database.name).await;
        assert_equal(&original, &Contents::of(copy).await);
    }
}

/// Sessions bear their job's name. One whose client was killed needs a moment to notice.
async fn assert_no_session(job: JobId) {
    let query = format!(
        "SELECT pid, state, query FROM pg_stat_activity WHERE application_name LIKE {}",
        literal(&format!("permafrost {job}%"))
    );
    let mut sessions = Vec::new();
    for _ in 0..50 {
        sessions = query_in("postgres", &query).await;
        if sessions.is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    panic!("sessions of {job} are still on the server: {sessions:#?}");
}
