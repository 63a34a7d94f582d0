//! The ways to a server that the local one does not offer by itself: TLS with an authority of its own, IAM tokens.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use permafrost_domain::Code;
use permafrost_domain::instance::ProtectionStatus;
use permafrost_domain::job::JobStatus;
use permafrost_tests::support::contents::assert_equal;
use permafrost_tests::support::iam_gate::{Decision, IamGate};
use permafrost_tests::support::jobs::{Login, Tls};
use permafrost_tests::support::tls_front::{self, Authority, TlsFront};
use permafrost_tests::support::{Aws, Cli, Contents, Database, Protection, Stack};

const TABLE: &str =
    "CREATE TABLE ledger AS SELECT i AS id, md5(i::text) AS entry FROM generate_series(1, 10000) AS i";

/// With `verify-full` and the authority that signed the server's certificate, everything works: readiness, our own
/// connections, `pg_dump`, `pg_restore`.
#[tokio::test]
async fn a_server_whose_certificate_is_trusted_is_backed_up_and_restored_to() {
    if !clients_speak_tls() {
        return;
    }
    let database = Database::create("tls").await;
    database.run_as_owner(TABLE).await;
    let authority = Authority::new();
    let front = TlsFront::start(&authority).await;
    let cli = Cli::operator();
    cli.protect(&through(&front, &authority, &database)).await;
    cli.backup(&database.name).await;
    let copy = database.sibling("copy");
    cli.restore(&database.name, &copy, &database.restore.secret_arn).await;
    assert_equal(&Contents::of(&database.name).await, &Contents::of(&copy).await);
    assert!(front.connections() > 5, "{} connections came through TLS", front.connections());
}

/// A certificate that another authority signed is refused before anything is said to the server; what to do is named.
#[tokio::test]
async fn a_server_whose_certificate_is_not_trusted_is_not_protected() {
    let database = Database::create("wrong-ca").await;
    let front = TlsFront::start(&Authority::new()).await;
    let cli = Cli::operator();
    let stranger = Authority::new();
    let job = cli.try_protect(&through(&front, &stranger, &database)).await;
    assert_eq!(job.status, JobStatus::Failed, "{job:#?}");
    let fault = job.fault.expect("a failed job says why");
    assert_eq!(fault.code, Code::TlsVerificationFailed, "{fault:?}");
    assert!(fault.hint.contains("--tls-ca"), "{fault:?}");
    assert_eq!(front.connections(), 0, "nobody got through the handshake");
}

/// With the login `iam`, no password is stored anywhere: every connection, `pg_dump`'s included, shows a fresh token
/// that the function's own role has signed for this server, port and user.
#[tokio::test]
async fn functions_log_in_with_tokens_of_their_own_roles() {
    if !clients_speak_tls() {
        return;
    }
    let database = Database::create("iam").await;
    database.run_as_owner(TABLE).await;
    let authority = Authority::new();
    let gate = Arc::new(IamGate::new(&database.backup));
    let front = TlsFront::with_iam_tokens(&authority, Arc::clone(&gate)).await;
    let cli = Cli::operator();
    let mut protection = through(&front, &authority, &database);

    protection.login = Login::Iam("somebody-else".to_owned());
    let refused = cli.try_protect(&protection).await;
    assert_eq!(refused.fault.map(|fault| fault.code), Some(Code::DatabaseUserAuthFailed));
    assert!(matches!(gate.decisions().as_slice(), [Decision::Refused(_), ..]), "{:?}", gate.decisions());

    protection.login = Login::Iam(database.backup.user.clone());
    let before = gate.decisions().len();
    cli.protect(&protection).await;
    assert_eq!(cli.instance(&database.name).await.status, ProtectionStatus::Protected);
    cli.backup(&database.name).await;

    let decisions = gate.decisions().split_off(before);
    let mut callers = BTreeSet::new();
    for decision in decisions {
        match decision {
            Decision::Admitted { caller, .. } => callers.insert(role_of(&caller)),
            Decision::Refused(reason) => panic!("{reason}"),
        };
    }
    let root = Aws::root();
    let mut expected = BTreeSet::new();
    for function in ["ValidatePermissions", "HoldSnapshot", "PlanDump", "RunDumpTask"] {
        let role = root.role_of_function(function).await;
        expected.insert(role.rsplit('/').next().expect("an ARN has parts").to_owned());
    }
    assert_eq!(callers, expected);
}

fn through(front: &TlsFront, authority: &Authority, database: &Database) -> Protection {
    let mut protection = database.protection().through(tls_front::HOST, front.port());
    protection.tls = Tls::VerifyFull(authority.file().to_owned());
    protection
}

/// `arn:aws:sts::1:assumed-role/NAME/SESSION` is a session of NAME.
fn role_of(caller: &str) -> String {
    let mut parts = caller.split('/');
    assert!(
        parts.next().is_some_and(|start| start.ends_with(":assumed-role")),
        "{caller} is no role's session"
    );
    parts.next().expect("a session has a role").to_owned()
}

/// Whether the PostgreSQL clients on board were built with TLS; those of the PyPI wheel were not.
#[expect(clippy::print_stderr, reason = "whoever reads the test's output should know what was not tested")]
fn clients_speak_tls() -> bool {
    let folders = std::fs::read_dir(&Stack::get().pg_clients_dir).expect("there are clients");
    let libraries: Vec<PathBuf> = folders
        .filter_map(|folder| std::fs::read_dir(folder.ok()?.path().join("lib")).ok())
        .flatten()
        .filter_map(|file| Some(file.ok()?.path()))
        .filter(|file| file.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libpq.so")))
        .collect();
    assert!(!libraries.is_empty(), "the clients have no libpq");
    let with_tls = libraries.iter().all(|library| {
        let bytes = std::fs::read(library).expect("a library can be read");
        bytes.windows(12).any(|window| window == b"SSL_CTX_new\0")
    });
    if !with_tls {
        eprintln!(
            "not tested: the PostgreSQL clients here were built without TLS; install Debian's postgresql"
        );
    }
    with_tls
}
