//! What was backed up comes back: schema, rows, sequences; by Permafrost, and by hand without it.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Stdio;

use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_engine::sql::{ident, qualified};
use permafrost_tests::support::contents::{Rows, assert_equal};
use permafrost_tests::support::point::{Manifest, PointFolder};
use permafrost_tests::support::stack::workspace;
use permafrost_tests::support::{Cli, Contents, Database, Stack};

const EVERYTHING: &str = include_str!("../sql/everything.sql");
const LARGE: &str = include_str!("../sql/large.sql");
const EXTENSIONS: &str = include_str!("../sql/extensions.sql");
const SUPERUSER: &str = include_str!("../sql/superuser.sql");

/// A restored database is equal to what was backed up: definitions, owners, privileges, comments, every row of every
/// table, and where every sequence stands. The manifest has the row count and the checksum of every table and
/// segment, and they hold.
#[tokio::test]
async fn a_database_with_everything_in_it_comes_back_equal() {
    let database = database_with_everything("everything").await;
    // More than 64 MB: several segments.
    database.run_as_owner(&LARGE.replace("{rows}", "1300000")).await;
    let cli = Cli::operator();
    cli.protect(&database.protection()).await;
    let original = Contents::of(&database.name).await;
    cli.backup(&database.name).await;

    let point = only_point(&cli, &database).await;
    let folder = PointFolder::of(&point);
    let manifest = folder.assert_sound().await;
    assert!(manifest.totals.segments > 1, "{:?}", manifest.tasks);
    assert_names_everything(&folder, &manifest).await;
    assert_counts(&database, &manifest, &original).await;
    assert_eq!((point.rows, point.tables), (manifest.totals.rows, manifest.totals.tables));

    let copy = database.sibling("copy");
    cli.restore(&database.name, &copy, &database.restore.secret_arn).await;
    assert_equal(&original, &Contents::of(&copy).await);
    // The backup has changed nothing either.
    assert_equal(&original, &Contents::of(&database.name).await);
}

/// Objects that only a superuser may create come back where the restore's role is one.
#[tokio::test]
async fn what_only_a_superuser_may_create_comes_back_too() {
    let database = Database::create("superuser").await;
    let restorer = ident(&database.restore.user);
    database.run(&format!("ALTER ROLE {restorer} SUPERUSER")).await;
    database.run_as_owner(SUPERUSER).await;
    let cli = Cli::operator();
    cli.protect(&database.protection()).await;
    cli.backup(&database.name).await;

    let copy = database.sibling("copy");
    cli.restore(&database.name, &copy, &database.restore.secret_arn).await;
    assert_equal(&Contents::of(&database.name).await, &Contents::of(&copy).await);
}

/// A person with the AWS command line, `zstd` and `pg_restore`, and no Permafrost, can restore a recovery point: the
/// commands of `docs/format.md`, run as they stand there.
#[tokio::test]
async fn a_person_without_permafrost_restores_by_hand() {
    if !has_zstd() {
        eprintln!("not tested: there is no `zstd` here; install the package zstd");
        return;
    }
    let database = database_with_everything("by-hand").await;
    // A table of several frames.
    database.run_as_owner(&LARGE.replace("{rows}", "60000")).await;
    let cli = Cli::operator();
    cli.protect(&database.protection()).await;
    cli.backup(&database.name).await;
    let point = only_point(&cli, &database).await;

    let copy = database.sibling("copy");
    let commands = commands_of_the_format_document()
        .replace("BUCKET", &Stack::get().backup_bucket)
        .replace("INSTANCE", &point.instance.to_string())
        .replace("POINT", &point.id.to_string())
        .replace(" restored", &format!(" {copy}"));
    run_by_hand(&commands).await;
    assert_equal(&Contents::of(&database.name).await, &Contents::of(&copy).await);
}

async fn database_with_everything(label: &str) -> Database {
    let database = Database::create(label).await;
    let other = database.role("other").await;
    let (owner, reader) = (ident(&database.restore.user), ident(&database.backup.user));
    // Rows that row-level security hides from the reader would be missing: readiness insists on this.
    database.run(&format!("GRANT {} TO {owner}; ALTER ROLE {reader} BYPASSRLS", ident(&other))).await;
    let script = EVERYTHING.replace("{owner}", &owner).replace("{other}", &ident(&other));
    database.run_as_owner(&script).await;
    let available =
        database.query("SELECT 1 FROM pg_available_extensions WHERE name IN ('hstore', 'pg_trgm')").await;
    // Servers of the PyPI wheel have plpgsql alone, which every database has: there, nothing is to be restored.
    if available.len() == 2 {
        database.run_as_owner(EXTENSIONS).await;
    }
    database
}

async fn only_point(cli: &Cli, database: &Database) -> RecoveryPoint {
    let points = cli.points(&database.name).await;
    let [point] = <[RecoveryPoint; 1]>::try_from(points).expect("one backup makes one point");
    point
}

/// Nothing lies in the point's folder that the manifest does not name, except the documents it was made from.
async fn assert_names_everything(folder: &PointFolder, manifest: &Manifest) {
    let named: BTreeSet<&str> = manifest
        .tasks
        .iter()
        .flat_map(|task| task.segments.iter().chain([&task.result]))
        .chain([&manifest.toc, &manifest.globals])
        .map(|object| object.key.as_str())
        .chain(["manifest.json", "plan.json"])
        .collect();
    let found = folder.keys().await;
    let unnamed: Vec<&String> = found.iter().filter(|key| !named.contains(key.as_str())).collect();
    assert!(unnamed.is_empty(), "{unnamed:?}");
}

/// Every table of the database is in the manifest, with the rows that it has.
async fn assert_counts(database: &Database, manifest: &Manifest, original: &Contents) {
    let query = "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace \
                 WHERE c.relkind = 'r' AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'";
    let tables: BTreeSet<String> = database
        .query(query)
        .await
        .iter()
        .map(|row| qualified(row.get(0).expect("a schema"), row.get(1).expect("a name")))
        .collect();
    let counted: BTreeMap<String, u64> =
        manifest.tables.iter().map(|table| (qualified(&table.schema, &table.name), table.rows)).collect();
    assert_eq!(counted.keys().cloned().collect::<BTreeSet<_>>(), tables);
    for (table, rows) in counted {
        if let Some(Rows::Hashed { count, .. }) = original.relations.get(&table) {
            assert_eq!(rows, *count, "{table}");
        }
    }
}

/// The shell commands under "Restoring by hand".
fn commands_of_the_format_document() -> String {
    let document = workspace().join("docs/format.md");
    let text = std::fs::read_to_string(&document).expect("the format is documented");
    let (_, section) = text.split_once("\n## Restoring by hand\n").expect("the document says how");
    let (_, block) = section.split_once("```bash\n").expect("there are commands");
    block.split_once("```").expect("the commands end").0.to_owned()
}

/// The one tool of the commands that neither the project's setup nor every machine brings.
fn has_zstd() -> bool {
    ["/usr/local/bin/zstd", "/usr/bin/zstd", "/bin/zstd"]
        .iter()
        .any(|path| std::path::Path::new(path).exists())
}

async fn run_by_hand(commands: &str) {
    let stack = Stack::get();
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    let tools = [workspace().join(".venv/bin"), stack.postgres.bin_dir.clone()];
    let path = tools.iter().map(|tool| tool.to_str().expect("paths are UTF-8")).collect::<Vec<_>>().join(":");
    let output = tokio::process::Command::new("bash")
        .args(["-e", "-u", "-c", commands])
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
        "{}\n{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}
