//! The relay on a hot standby: exporting and handing over work there, and what the standby must undo says so.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod pg_server;

use std::time::Duration;

use permafrost_domain::{Code, Fault};
use permafrost_engine::pg::Connection;
use permafrost_engine::snapshot::{self, HeldSnapshot};
use permafrost_engine::{Login, session};
use tokio::time::{Instant, sleep};

use pg_server::Server;

const TABLE: &str = "\"public\".\"account\"";

async fn number(connection: &mut Connection, query: &str) -> u64 {
    connection.query(query, &[]).await.unwrap()[0].parse(0).unwrap()
}

/// Waits until the standby has applied all that the primary did so far.
async fn caught_up(primary: &mut Connection, standby: &mut Connection) {
    let position = "SELECT (pg_current_wal_lsn() - '0/0')::int8";
    let position = number(primary, position).await;
    let until = Instant::now() + Duration::from_secs(30);
    while number(standby, "SELECT (pg_last_wal_replay_lsn() - '0/0')::int8").await < position {
        assert!(Instant::now() < until, "the standby does not follow");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Holders hand over on a standby while its primary writes; when the primary at last removes what the snapshot needs,
/// the standby ends the holder, and the fault says why and what to do.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn holders_hand_over_on_a_standby_and_a_conflict_is_explained() {
    let primary = Server::start_with(None, &["wal_level=replica", "autovacuum=off"]);
    let mut writer = primary.connect().await;
    writer
        .execute("CREATE TABLE account AS SELECT i AS id, 1 AS balance FROM generate_series(1, 1000) i")
        .await
        .unwrap();
    let standby = primary.standby(&["hot_standby=on", "max_standby_streaming_delay=500ms"]);
    let mut observer = standby.connect().await;
    caught_up(&mut writer, &mut observer).await;

    let login = Login { options: standby.options(), ca_pem: None };
    let mut holder = HeldSnapshot::take(&login).await.unwrap();
    for _ in 0..5 {
        // Updates would have the primary prune pages, which is what conflicts.
        writer.execute("INSERT INTO account SELECT i, 1 FROM generate_series(1, 1000) i").await.unwrap();
        caught_up(&mut writer, &mut observer).await;
        let next = HeldSnapshot::take_over(&login, &holder.id, holder.consistent_at).await.unwrap();
        holder.let_go().await;
        holder = next;
        holder.check().await.unwrap();
        holder.horizon().await.unwrap();
        let mut worker = standby.connect().await;
        session::settle(&mut worker).await.unwrap();
        snapshot::join(&mut worker, &holder.id, [TABLE].into_iter()).await.unwrap();
        assert_eq!(number(&mut worker, "SELECT sum(balance) FROM public.account").await, 1000);
    }
    assert_eq!(number(&mut observer, "SELECT sum(balance) FROM account").await, 6000);

    writer.execute("DELETE FROM account").await.unwrap();
    writer.execute("VACUUM account").await.unwrap();
    let until = Instant::now() + Duration::from_secs(20);
    let fault = loop {
        match holder.check().await {
            Err(error) => break Fault::from(error),
            Ok(_) => assert!(Instant::now() < until, "the standby lets the snapshot live"),
        }
        sleep(Duration::from_millis(100)).await;
    };
    assert_eq!(fault.code, Code::SnapshotLost);
    assert!(fault.message.contains("conflict with recovery"), "{fault:?}");
    assert!(fault.hint.contains("hot_standby_feedback"), "{fault:?}");
}
