//! Restored files: a person gets them from a bucket, checks them by their README, and restores them with stock tools.

use std::process::Stdio;

use aws_sdk_s3::types::{BucketLocationConstraint, CreateBucketConfiguration};
use permafrost_domain::Code;
use permafrost_domain::job::{Job, JobStatus};
use permafrost_tests::support::aws::Aws;
use permafrost_tests::support::contents::assert_equal;
use permafrost_tests::support::stack::workspace;
use permafrost_tests::support::{Cli, Contents, Database, Stack};

const CONTENTS: &str = "
    CREATE TABLE parent (id integer PRIMARY KEY, note text);
    INSERT INTO parent SELECT n, repeat(md5(n::text), 10) FROM generate_series(1, 40000) AS n;
    CREATE TABLE child (id serial PRIMARY KEY, parent integer REFERENCES parent, note text);
    INSERT INTO child (parent, note) VALUES (1, E'a\\tb\\\\c\\nd'), (2, NULL), (NULL, '');
    CREATE TABLE empty (a integer);
    SELECT lo_from_bytea(424243, 'a large object'); GRANT SELECT ON LARGE OBJECT 424243 TO PUBLIC;";

/// Restored files are read by stock `pg_restore` and `psql`; they are complete when their README is there, and a folder
/// that holds anything of others is refused.
#[tokio::test]
async fn stock_tools_restore_what_was_restored_as_files() {
    let database = Database::create("files").await;
    database.run_as_owner(CONTENTS).await;
    let cli = Cli::operator();
    cli.protect(&database.protection()).await;
    cli.backup(&database.name).await;
    let original = Contents::of(&database.name).await;
    let bucket = format!("permafrost-restores-{}", database.name.replace('_', "-"));
    create_bucket(&bucket).await;

    for (format, compression, restore) in [
        (
            "directory",
            "gzip",
            "pg_restore --list archive | grep -q 'TABLE DATA public parent'; pg_restore -j2 --exit-on-error -d COPY archive",
        ),
        ("directory", "none", "pg_restore --exit-on-error -d COPY archive"),
        ("custom", "gzip", "pg_restore -j2 --exit-on-error -d COPY archive.dump"),
        ("plain", "none", "psql -X -q -v ON_ERROR_STOP=1 -d COPY -f archive.sql > /dev/null"),
    ] {
        let prefix = format!("{format}/{compression}");
        let job = restore_files(
            &cli,
            &database.name,
            &bucket,
            &prefix,
            &["--format", format, "--compression", compression],
        )
        .await;
        assert_eq!(job.status, JobStatus::Completed, "{job:?}");
        let copy = database.sibling(&format!("{format}-{compression}"));
        let restore = restore.replace("COPY", &copy);
        by_hand(&format!(
            "aws s3 cp --quiet --recursive s3://{bucket}/{prefix} .\n\
             grep -q SHA256SUMS README.md\nsha256sum --quiet -c SHA256SUMS\n\
             while read -r bytes name; do [ \"$(wc -c < \"$name\")\" -eq \"$bytes\" ]; done < SIZES\n\
             createdb -T template0 {copy}\n{restore}\n"
        ))
        .await;
        assert_equal(&original, &Contents::of(&copy).await);
    }
    let stored = restore_files(&cli, &database.name, &bucket, "stored", &[]).await;
    assert_eq!(stored.status, JobStatus::Completed, "{stored:?}");
    let taken = restore_files(&cli, &database.name, &bucket, "stored", &[]).await;
    assert_eq!(taken.fault.map(|fault| fault.code), Some(Code::TargetNotEmpty));
}

/// Functions write into buckets whose names begin as the stack says, and into no others.
#[tokio::test]
async fn another_bucket_is_refused() {
    let database = Database::create("files-elsewhere").await;
    let cli = Cli::operator();
    cli.protect(&database.protection()).await;
    cli.backup(&database.name).await;
    let bucket = format!("elsewhere-{}", database.name.replace('_', "-"));
    create_bucket(&bucket).await;
    for bucket in [bucket.as_str(), "permafrost-restores-that-is-not-there"] {
        let job = restore_files(&cli, &database.name, bucket, "files", &[]).await;
        assert_eq!(job.status, JobStatus::Failed);
        assert_eq!(job.fault.map(|fault| fault.code), Some(Code::ContainerNotAccessible));
    }
}

async fn restore_files(cli: &Cli, instance: &str, bucket: &str, prefix: &str, more: &[&str]) -> Job {
    let arguments = ["restore-files", instance, "--to-bucket", bucket, "--prefix", prefix];
    cli.run(&[&arguments, more].concat()).await.result()
}

async fn create_bucket(name: &str) {
    let region = BucketLocationConstraint::from(Stack::get().region.as_str());
    let place = CreateBucketConfiguration::builder().location_constraint(region).build();
    let create = Aws::root().s3().create_bucket().bucket(name).create_bucket_configuration(place);
    create.send().await.expect("the emulator makes a bucket");
}

/// Runs commands as a person with the AWS command line and PostgreSQL's tools does.
async fn by_hand(commands: &str) {
    let stack = Stack::get();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let tools = [workspace().join(".venv/bin"), stack.postgres.bin_dir.clone()];
    let path = tools.iter().map(|tool| tool.to_str().expect("paths are UTF-8")).collect::<Vec<_>>().join(":");
    let output = tokio::process::Command::new("bash")
        .args(["-e", "-u", "-o", "pipefail", "-c", commands])
        .current_dir(folder.path())
        .env_clear()
        .env("PATH", format!("{path}:/usr/local/bin:/usr/bin:/bin"))
        .env("LC_ALL", "C.UTF-8")
        .env("AWS_ENDPOINT_URL", &stack.endpoint)
        .env("AWS_REGION", &stack.region)
        .env("AWS_ACCESS_KEY_ID", &stack.root.access_key_id)
        .env("AWS_SECRET_ACCESS_KEY", &stack.root.secret_access_key)
        .env("PGHOST", &stack.postgres.host)
        .env("PGPORT", stack.postgres.port.to_string())
        .env("PGUSER", &stack.postgres.user)
        .env("PGPASSFILE", &stack.postgres.passfile)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .output()
        .await
        .expect("bash can be run");
    assert!(
        output.status.success(),
        "{commands}\n{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
