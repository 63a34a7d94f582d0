//! The deployed stack: protect, back up, restore, compare.

use permafrost_domain::job::{Job, JobStatus};
use permafrost_tests::fidelity::difference::assert_expected;
use permafrost_tests::fidelity::{Scratch, Secret, Server, compare};
use permafrost_tests::support::jobs::{Login, Tls, completed};
use permafrost_tests::support::{Cli, Protection};

use super::expected;

every_version!(bring_back);

/// A restored database is equal to what was backed up, but for what a change of version forces.
async fn bring_back(from: u32, to: u32) {
    let original = Scratch::with_everything(&Server::of(from).await).await;
    let restored = Scratch::reserved(&Server::of(to).await).await;
    let (source, target) =
        (Secret::of(&original.place().server).await, Secret::of(&restored.place().server).await);
    if to < from {
        // A value that the older server does not know fails the restore, naming the table; stock tools leave the whole
        // table empty.
        let mut connection = original.place().connect().await;
        let unknown = "DELETE FROM app.moments WHERE took IN ('infinity', '-infinity')";
        connection.execute(unknown).await.expect("rows can be deleted");
        connection.close().await;
    }
    let cli = Cli::operator();
    let name = &original.place().database;
    cli.protect(&protection(&original, &source)).await;
    cli.backup(name).await;

    let server = &restored.place().server;
    let port = server.port.to_string();
    let restore = [
        "restore",
        name,
        "--to-database",
        &restored.place().database,
        "--secret-arn",
        &target.arn,
        "--host",
        &server.host,
        "--port",
        &port,
        "--tls",
        "disable",
    ];
    let job: Job = cli.run(&restore).await.result();
    // What an older server cannot take is in the job's warnings.
    if to >= from {
        completed(job);
    } else {
        assert_eq!(job.status, JobStatus::CompletedWithWarnings, "{job:#?}");
    }
    let differences = compare(original.place(), restored.place()).await;
    assert_expected(&differences, &expected::of_permafrost(from, to));
}

fn protection(database: &Scratch, secret: &Secret) -> Protection {
    let server = &database.place().server;
    Protection {
        name: database.place().database.clone(),
        host: server.host.clone(),
        port: server.port,
        database: database.place().database.clone(),
        login: Login::Secret(secret.arn.clone()),
        tls: Tls::Disable,
    }
}
