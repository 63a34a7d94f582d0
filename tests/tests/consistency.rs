//! A backup holds one moment of its database, whatever happens meanwhile, or it is none.

use std::time::Duration;

use permafrost_domain::Code;
use permafrost_domain::job::{Job, JobStatus};
use permafrost_tests::support::bank::{self, Load, number};
use permafrost_tests::support::contents::assert_equal;
use permafrost_tests::support::database::Database;
use permafrost_tests::support::jobs::completed;
use permafrost_tests::support::proxy::{Cuts, Proxy};
use permafrost_tests::support::{Cli, Contents};

/// A table of about 8 MB, so that a cut after 2 MB is in the middle of it.
const MIDDLING: &str = "CREATE TABLE middling AS SELECT i AS id, repeat(md5(i::text), 4) AS noise \
                        FROM generate_series(1, 60000) AS i; CREATE TABLE small AS SELECT 1 AS id";
const MIDDLE_OF_TABLE: u64 = 2_000_000;

/// A backup under writes is consistent: while it runs, connections move money between accounts of several tables; in
/// what is restored no cent is missing, and every account has exactly what its transfers left there.
#[tokio::test]
async fn money_that_moves_during_a_backup_is_neither_lost_nor_doubled() {
    let database = Database::create("money").await;
    bank::open(&database).await;
    // Each table takes a second or more, so that there are many transactions between the first and the last.
    let proxy = Proxy::start().await;
    proxy.slow_down(8_000_000);
    let cli = Cli::operator();
    cli.protect(&database.protection().through("127.0.0.1", proxy.port())).await;

    let load = Load::start(&database.name);
    let job = cli.start_backup(&database.name).await.job.to_string();
    // Nobody can pull a table away while it is being copied. Attempts give up soon: a session that waits for the
    // table lets nobody else have it, the backup's own workers included.
    let ended = async || cli.job(&job).await.status.has_ended();
    let attempts = bank::refused_changes(&database.name, ended).await;
    completed(cli.watch(&job).await);
    let transfers_in_all = load.stop().await;
    assert!(attempts > 0, "no change was tried while the tables were held");

    let copy = database.sibling("copy");
    cli.restore(&database.name, &copy, &database.restore.secret_arn).await;
    bank::assert_one_moment(&copy, transfers_in_all).await;
}

/// A dump whose connection dies in the middle of a table can never commit: no recovery point, no lock, a closed job
/// with the right code, and the next backup works.
#[tokio::test]
async fn a_dump_that_always_loses_its_connection_never_becomes_a_point() {
    let database = Database::create("cut-always").await;
    database.run_as_owner(MIDDLING).await;
    let proxy = Proxy::start().await;
    let cli = Cli::operator();
    cli.protect(&database.protection().through("127.0.0.1", proxy.port())).await;

    proxy.cut(MIDDLE_OF_TABLE, Cuts::Always);
    let job = cli.try_backup(&database.name).await;
    assert!(proxy.cuts_made() > 1, "the step was tried again: {} cuts", proxy.cuts_made());
    assert_failed(&job, Code::ServerConnectionClosed);
    assert!(cli.points(&database.name).await.is_empty());
    assert_eq!(cli.instance(&database.name).await.running_backup, None);
    assert_nobody_holds(&database.name).await;

    proxy.heal();
    cli.backup(&database.name).await;
    assert_restores_equal(&cli, &database).await;
    assert_eq!(cli.points(&database.name).await.len(), 1);
}

/// A connection that dies once is a passing condition: the step is tried again, and what it had copied before counts
/// for nothing.
#[tokio::test]
async fn a_dump_that_loses_its_connection_once_is_tried_again() {
    let database = Database::create("cut-once").await;
    database.run_as_owner(MIDDLING).await;
    let proxy = Proxy::start().await;
    let cli = Cli::operator();
    cli.protect(&database.protection().through("127.0.0.1", proxy.port())).await;

    proxy.cut(MIDDLE_OF_TABLE, Cuts::Once);
    cli.backup(&database.name).await;
    assert_eq!(proxy.cuts_made(), 1);
    assert_restores_equal(&cli, &database).await;
}

/// Nothing of Permafrost's is left at the server: no session, hence no lock.
async fn assert_nobody_holds(database: &str) {
    let query = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND usename LIKE '%-backup'";
    for _ in 0..20 {
        if number(database, query).await == 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("a session of the failed backup is still there after 10 s");
}

async fn assert_restores_equal(cli: &Cli, database: &Database) {
    let copy = database.sibling("copy");
    cli.restore(&database.name, &copy, &database.restore.secret_arn).await;
    assert_equal(&Contents::of(&database.name).await, &Contents::of(&copy).await);
}

fn assert_failed(job: &Job, code: Code) {
    let found = job.fault.as_ref().map(|fault| fault.code);
    assert_eq!((job.status, found), (JobStatus::Failed, Some(code)), "{:#?}", job.fault);
    assert!(job.ended_at.is_some(), "{job:#?}");
}
