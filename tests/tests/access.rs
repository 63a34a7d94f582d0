//! Who may do what: the functions' roles, the person at the keyboard, somebody without rights, nobody.

use std::time::Duration;

use aws_sdk_dynamodb::types::AttributeValue;
use aws_sdk_s3::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_s3::primitives::ByteStream;
use permafrost_domain::Code;
use permafrost_domain::job::JobStatus;
use permafrost_tests::support::proxy::Proxy;
use permafrost_tests::support::stack::Keys;
use permafrost_tests::support::{Aws, Cli, Database, Stack, unique};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The role of `run-dump-task` can put its segments and read them, and can delete nothing: neither an object nor a
/// version of one. It reaches no other place of this vault, and no other vault.
#[tokio::test]
async fn the_role_that_copies_data_can_delete_nothing() {
    let role = Aws::function_role("RunDumpTask").await.s3();
    let bucket = &Stack::get().backup_bucket;
    let key = format!("instances/test-access/points/{}/segments/1.test.0", unique());
    let put = role.put_object().bucket(bucket).key(&key).body(ByteStream::from_static(b"rows")).send().await;
    let version = put.expect("the role puts segments").version_id.expect("the store is versioned");
    role.get_object().bucket(bucket).key(&key).send().await.expect("the role reads what it wrote");

    denied("delete", role.delete_object().bucket(bucket).key(&key).send().await);
    denied(
        "delete a version",
        role.delete_object().bucket(bucket).key(&key).version_id(&version).send().await,
    );
    denied("list", role.list_objects_v2().bucket(bucket).send().await);
    let marker = role.put_object().bucket(bucket).key("vault.json").body(ByteStream::from_static(b"{}"));
    denied("put outside of its folder", marker.send().await);
    let archive = &Stack::get().archive_bucket;
    denied("read the archive store", role.get_object().bucket(archive).key(&key).send().await);
    let archived = role.put_object().bucket(archive).key(&key).body(ByteStream::from_static(b"rows"));
    denied("write the archive store", archived.send().await);

    // The object is there, whatever was tried.
    let root = Aws::root().s3();
    let kept = root.head_object().bucket(bucket).key(&key).send().await.expect("the object is still there");
    assert_eq!(kept.version_id.as_deref(), Some(version.as_str()));

    let other = format!("another-vault-{}", unique());
    create_bucket(&root, &other).await;
    let foreign = root.put_object().bucket(&other).key(&key).body(ByteStream::from_static(b"theirs"));
    foreign.send().await.expect("root puts an object");
    denied("read another vault", role.get_object().bucket(&other).key(&key).send().await);
    root.delete_object().bucket(&other).key(&key).send().await.expect("root deletes an object");
    root.delete_bucket().bucket(&other).send().await.expect("root deletes a bucket");
}

/// The role of `run-dump-task` reads the logins that are named for Permafrost, and no other secret; it starts no job
/// and deletes no record.
#[tokio::test]
async fn the_role_that_copies_data_reads_no_secret_outside_the_prefix() {
    let database = Database::create("access").await;
    let (root, role) = (Aws::root(), Aws::function_role("RunDumpTask").await);
    let login = role.secrets().get_secret_value().secret_id(&database.backup.secret_arn).send().await;
    login.expect("the role reads logins");

    let name = format!("somebody-elses/{}", unique());
    let made = root.secrets().create_secret().name(&name).secret_string("theirs").send().await;
    let arn = made.expect("root creates a secret").arn.expect("a secret has an ARN");
    denied("read a secret", role.secrets().get_secret_value().secret_id(&arn).send().await);
    denied("change a login", {
        let put = role.secrets().put_secret_value().secret_id(&database.backup.secret_arn);
        put.secret_string("changed").send().await
    });
    let delete = root.secrets().delete_secret().secret_id(&arn).force_delete_without_recovery(true);
    delete.send().await.expect("root deletes a secret");

    let text = |value: &str| AttributeValue::S(value.to_owned());
    let record = role.dynamodb().delete_item().table_name(&Stack::get().table);
    denied("delete a record", record.key("pk", text("JOB#x")).key("sk", text("JOB")).send().await);
    let machine = Stack::get().output("BackupStateMachineArn");
    denied("start a backup", role.sfn().start_execution().state_machine_arn(machine).send().await);
    let function = Stack::get().output("AbandonBackupFunctionName");
    denied("call a function", role.lambda().invoke().function_name(function).send().await);
}

/// A caller who may not invoke the API is refused, with its own exit code; the same caller with the one permission
/// that the documentation names is not.
#[tokio::test]
async fn a_caller_needs_the_permission_to_invoke_the_api() {
    let somebody = Somebody::create().await;
    let cli = Cli::with_keys(somebody.keys.clone());
    let refused = cli.run(&["instance", "list"]).await;
    assert_eq!(refused.exit_code, Some(5), "{refused}");
    assert_eq!(refused.fault().code, Code::AccessDenied, "{refused}");
    assert!(refused.stdout.is_empty(), "{refused}");

    somebody.allow("execute-api:Invoke").await;
    let answered = cli.run(&["instance", "list"]).await;
    assert_eq!(answered.exit_code, Some(0), "{answered}");
    somebody.remove().await;
}

/// The person at the keyboard, whose keys the demonstration and all tests use, may call the API and nothing else:
/// what it takes to back up and restore is the functions' to have.
#[tokio::test]
async fn the_operator_may_call_the_api_and_nothing_else() {
    let operator = Aws::with_keys(&Cli::operator().keys().clone());
    Cli::operator().ask::<serde_json::Value>(&["job", "list", "--limit", "1"]).await;
    denied(
        "list the store",
        operator.s3().list_objects_v2().bucket(&Stack::get().backup_bucket).send().await,
    );
    denied("list secrets", operator.secrets().list_secrets().send().await);
    denied("read the catalog", operator.dynamodb().scan().table_name(&Stack::get().table).send().await);
    denied("list functions", operator.lambda().list_functions().send().await);
    let role = Aws::root().role_of_function("RunDumpTask").await;
    denied(
        "become a function",
        operator.sts().assume_role().role_arn(role).role_session_name("x").send().await,
    );
}

/// Nobody in particular is told nothing: a request without a signature is refused before it reaches a function.
#[tokio::test]
async fn a_request_without_a_signature_is_forbidden() {
    for (method, path) in
        [("GET", "/instances"), ("POST", "/instances"), ("GET", "/jobs"), ("POST", "/jobs/x/cancel")]
    {
        let answer = unsigned(method, path).await;
        assert!(answer.starts_with("HTTP/1.1 403 "), "{method} {path}: {answer}");
    }
}

/// A backup that is cancelled while it runs ends as such: no recovery point, no lock, no session at the server, and
/// the next backup works.
#[tokio::test]
async fn a_backup_is_cancelled_while_it_runs() {
    let database = Database::create("cancel").await;
    let rows = "CREATE TABLE slow AS SELECT i AS id, repeat(md5(i::text), 8) AS noise FROM generate_series(1, 100000) AS i";
    database.run_as_owner(rows).await;
    let proxy = Proxy::start().await;
    let cli = Cli::operator();
    cli.protect(&database.protection().through("127.0.0.1", proxy.port())).await;

    // 26 MB at this speed take a minute: the job is in the middle of them for long.
    proxy.slow_down(400_000);
    let job = cli.start_backup(&database.name).await.job.to_string();
    until_copying(&cli, &job).await;
    let asked: permafrost_domain::job::Job = cli.ask(&["job", "cancel", &job]).await;
    assert!([JobStatus::Cancelling, JobStatus::Cancelled].contains(&asked.status), "{asked:#?}");
    let watched = cli.run(&["job", "watch", &job]).await;
    assert_eq!(watched.exit_code, Some(8), "{watched}");
    let ended: permafrost_domain::job::Job = watched.result();
    assert_eq!(ended.status, JobStatus::Cancelled, "{ended:#?}");
    assert!(ended.ended_at.is_some(), "{ended:#?}");

    assert!(cli.points(&database.name).await.is_empty());
    assert_eq!(cli.instance(&database.name).await.running_backup, None);
    proxy.heal();
    cli.backup(&database.name).await;
    assert_eq!(cli.points(&database.name).await.len(), 1);
}

/// Waits until rows of the job have been copied.
async fn until_copying(cli: &Cli, job: &str) {
    for _ in 0..120 {
        let now = cli.job(job).await;
        assert!(!now.status.has_ended(), "the job ended before it could be cancelled: {now:#?}");
        if now.progress.bytes_done > 0 {
            return;
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
    panic!("the job has copied nothing in a minute");
}

/// A user of IAM with no rights.
struct Somebody {
    name: String,
    keys: Keys,
}

impl Somebody {
    async fn create() -> Self {
        let (iam, name) = (Aws::root().iam(), format!("test-{}", unique()));
        iam.create_user().user_name(&name).send().await.expect("root creates a user");
        let made = iam.create_access_key().user_name(&name).send().await.expect("root creates keys");
        let key = made.access_key.expect("keys were created");
        let keys = Keys { access_key_id: key.access_key_id, secret_access_key: key.secret_access_key };
        Self { name, keys }
    }

    async fn allow(&self, action: &str) {
        let Stack { region, account_id, api_id, .. } = Stack::get();
        let resource = format!("arn:aws:execute-api:{region}:{account_id}:{api_id}/*");
        let statement = serde_json::json!({ "Effect": "Allow", "Action": action, "Resource": resource });
        let policy = serde_json::json!({ "Version": "2012-10-17", "Statement": [statement] }).to_string();
        let put = Aws::root().iam().put_user_policy().user_name(&self.name).policy_name("call-the-api");
        put.policy_document(policy).send().await.expect("root allows it");
    }

    async fn remove(self) {
        let iam = Aws::root().iam();
        let policy = iam.delete_user_policy().user_name(&self.name).policy_name("call-the-api");
        policy.send().await.expect("root removes the policy");
        let key = iam.delete_access_key().user_name(&self.name).access_key_id(&self.keys.access_key_id);
        key.send().await.expect("root removes the keys");
        iam.delete_user().user_name(&self.name).send().await.expect("root removes the user");
    }
}

/// The call was refused for want of permission, and for nothing else.
fn denied<T: std::fmt::Debug, E: ProvideErrorMetadata + std::fmt::Debug>(
    what: &str,
    answer: Result<T, SdkError<E>>,
) {
    let error = match answer {
        Ok(answer) => panic!("it may {what}: {answer:?}"),
        Err(error) => error,
    };
    let code = error.code().unwrap_or_default();
    assert!(["AccessDenied", "AccessDeniedException"].contains(&code), "{what}: {error:?}");
}

async fn create_bucket(s3: &aws_sdk_s3::Client, name: &str) {
    let region = aws_sdk_s3::types::BucketLocationConstraint::from(Stack::get().region.as_str());
    let place = aws_sdk_s3::types::CreateBucketConfiguration::builder().location_constraint(region).build();
    let made = s3.create_bucket().bucket(name).create_bucket_configuration(place).send().await;
    made.expect("root creates a bucket");
}

/// The answer to a request that nobody signed.
async fn unsigned(method: &str, path: &str) -> String {
    let url = Stack::get().api_url.trim_start_matches("http://");
    let (authority, stage) = url.split_once('/').expect("the API's URL has a path");
    let mut connection = TcpStream::connect(authority).await.expect("the API can be reached");
    let request = format!(
        "{method} /{stage}{path} HTTP/1.1\r\nHost: {authority}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    );
    connection.write_all(request.as_bytes()).await.expect("the request can be sent");
    let mut answer = String::new();
    connection.read_to_string(&mut answer).await.expect("there is an answer");
    answer
}
