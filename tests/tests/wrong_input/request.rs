//! Requests that are refused before any job, or because of another one.

use permafrost_domain::Code;
use permafrost_domain::data_source::RESERVED_DATABASES;
use permafrost_domain::wire::{ErrorBody, JobStarted};
use permafrost_domain::{InstanceId, JobId, PointId};
use permafrost_tests::signed::Answer;
use permafrost_tests::support::{Cli, Database, Protection};
use serde_json::json;

use super::api::post;
use super::refusal::{Refusal, assert_no_instance};

#[tokio::test]
async fn databases_that_belong_to_the_server() {
    let database = Database::create("wrong-reserved").await;
    let cli = Cli::operator();
    for reserved in RESERVED_DATABASES {
        let protection = Protection { database: reserved.to_owned(), ..database.protection() };
        let outcome = cli.run(&protection.arguments()).await;
        Refusal::new(Code::DatabaseCannotBeProtected, reserved, "a database of your own").assert(&outcome);
    }
    assert_no_instance(&cli, &database.name).await;
}

/// A database is protected once in a vault, and a name is one instance's. What is there stays as it was.
#[tokio::test]
async fn what_is_taken_already() {
    let (database, other) = (Database::create("wrong-taken").await, Database::create("wrong-other").await);
    let cli = Cli::operator();
    cli.protect(&database.protection()).await;
    let instance = cli.instance(&database.name).await;
    let object = instance.id.to_string();

    let second_name = format!("{}-again", database.name);
    let twice = Protection { name: second_name.clone(), ..database.protection() };
    let outcome = cli.run(&twice.arguments()).await;
    Refusal::new(Code::DatabaseAlreadyProtected, &object, "Use the instance that protects it")
        .assert(&outcome);
    assert_no_instance(&cli, &second_name).await;

    let same_name = Protection { name: database.name.clone(), ..other.protection() };
    let outcome = cli.run(&same_name.arguments()).await;
    Refusal::new(Code::InstanceNameAlreadyInUse, &object, "Choose another name").assert(&outcome);

    assert_eq!(cli.instance(&database.name).await, instance);
    cli.protect(&other.protection()).await;
}

#[tokio::test]
async fn what_does_not_exist() {
    let database = Database::create("wrong-unknown").await;
    let cli = Cli::operator();
    cli.protect(&database.protection()).await;
    let name = database.name.as_str();
    let earlier = "2020-01-01T00:00:00Z".parse().unwrap();
    let (instance, job) = (InstanceId::new(earlier, 1).to_string(), JobId::new(earlier, 1));
    let (point, job) = (PointId::of_backup(job).to_string(), job.to_string());
    let to = ["--to-database", "copy"];
    let cases = [
        (vec!["instance", "show", "no-such-instance"], Code::InstanceNotFound, "no-such-instance"),
        (vec!["instance", "show", &instance], Code::InstanceNotFound, &instance),
        (vec!["backup", "no-such-instance"], Code::InstanceNotFound, "no-such-instance"),
        (vec!["recovery-point", "list", "no-such-instance"], Code::InstanceNotFound, "no-such-instance"),
        (vec!["restore", "no-such-instance", to[0], to[1]], Code::InstanceNotFound, "no-such-instance"),
        (vec!["recovery-point", "show", name, &point], Code::RecoveryPointNotFound, &point),
        (vec!["recovery-point", "show", name], Code::RecoveryPointNotFound, ""),
        (vec!["restore", name, to[0], to[1], "--point", &point], Code::RecoveryPointNotFound, &point),
        (vec!["restore", name, to[0], to[1]], Code::RecoveryPointNotFound, ""),
        (vec!["job", "show", &job], Code::JobNotFound, &job),
        (vec!["job", "cancel", &job], Code::JobNotFound, &job),
        (vec!["job", "suspend", &job], Code::JobNotFound, &job),
        (vec!["job", "resume", &job], Code::JobNotFound, &job),
    ];
    for (arguments, code, object) in cases {
        let outcome = cli.run(&arguments).await;
        assert_eq!(outcome.exit_code, Some(3), "{outcome}");
        Refusal::new(code, object, "permafrost ").assert(&outcome);
        assert_eq!(outcome.stdout, "", "{outcome}");
    }
    for arguments in [["job", "show", "job-1"], ["instance", "show", "No Name"]] {
        let outcome = cli.run(&arguments).await;
        assert_eq!(outcome.exit_code, Some(2), "{outcome}");
        assert_eq!(outcome.fault().code, Code::InvalidRequest);
    }
}

/// One backup of an instance runs at a time; a second request learns which one.
#[tokio::test]
async fn a_second_backup_at_the_same_time() {
    let database = Database::create("wrong-second").await;
    database.run_as_owner("CREATE TABLE t (id integer); INSERT INTO t VALUES (1)").await;
    let cli = Cli::operator();
    cli.protect(&database.protection()).await;
    // The first one waits for this lock.
    let mut session = database.connect().await;
    session.execute("BEGIN; LOCK TABLE t IN ACCESS EXCLUSIVE MODE").await.unwrap();
    let JobStarted { job: first } = cli.start_backup(&database.name).await;
    let outcome = cli.run(&["backup", &database.name]).await;
    let refusal = Refusal::new(Code::BackupAlreadyRunning, first.to_string(), "Wait for the running job");
    refusal.assert(&outcome);
    assert_eq!(cli.instance(&database.name).await.running_backup, Some(first));
    session.execute("ROLLBACK").await.unwrap();
    session.close().await;
    let first = cli.watch(&first.to_string()).await;
    assert!(first.status.is_success(), "{first:#?}");
    assert_eq!(cli.points(&database.name).await.len(), 1, "the second request left nothing");
    cli.backup(&database.name).await;
}

/// What the command line does not even send.
#[tokio::test]
async fn bodies_that_the_api_refuses() {
    let name = "wrong-body-never-protected";
    let login = json!({"method": "iam", "user": "backup"});
    let source = |login: serde_json::Value| json!({"host": "db.invalid", "database": "shop", "login": login});
    let with_password = json!({"method": "iam", "user": "backup", "Password": "hunter2"});
    let cases = [
        (
            json!({"name": name, "data_source": source(with_password)}).to_string(),
            Code::CredentialsInRequest,
            "data_source.login.Password",
        ),
        (
            json!({"name": name, "data_source": source(login.clone()), "db_passwd": "hunter2"}).to_string(),
            Code::CredentialsInRequest,
            "db_passwd",
        ),
        (
            json!({"name": name, "data_source": source(login.clone()), "schedule": "daily"}).to_string(),
            Code::InvalidRequest,
            "schedule",
        ),
        (json!({"name": name}).to_string(), Code::InvalidRequest, "data_source"),
        (
            json!({"name": "Not A Name", "data_source": source(login)}).to_string(),
            Code::InvalidRequest,
            "Not A Name",
        ),
        ("{\"name\": ".to_owned(), Code::InvalidRequest, "JSON"),
    ];
    for (body, code, named) in cases {
        let Answer { status, body: answer } = post("/instances", &body).await;
        assert_eq!(status, 400, "{answer}");
        assert!(!answer.contains("hunter2"), "{answer}");
        let ErrorBody { error } =
            serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{error}: {answer}"));
        assert_eq!(error.code, code, "{error:#?}");
        assert!(error.to_string().contains(named), "{named:?} is not named: {error:#?}");
        assert!(!error.hint.is_empty());
    }
    assert_no_instance(&Cli::operator(), name).await;
}
