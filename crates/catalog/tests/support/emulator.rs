//! The emulator of DynamoDB, started once per test process on a free port, without state.
//!
//! A shell stands between: it ends the emulator and removes its directory when the test process closes the pipe
//! to it, however that process ends.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_dynamodb::types::{
    AttributeDefinition, BillingMode, GlobalSecondaryIndex, KeySchemaElement, KeyType, Projection,
    ProjectionType, ScalarAttributeType,
};
use permafrost_catalog::Catalog;

const WATCHDOG: &str = r#"
exec 3<&0
"$1" >"$2/log" 2>&1 </dev/null 3<&- &
server=$!
(cat <&3 >/dev/null; kill -TERM "$server") 2>/dev/null &
wait "$server"
: >"$2/ended"
cat <&3 >/dev/null
rm -rf "$2"
"#;

/// A running emulator.
struct Emulator {
    port: u16,
    /// Its stdin is the pipe: the emulator lives as long as this process holds it.
    _watchdog: Child,
}

static EMULATOR: OnceLock<Emulator> = OnceLock::new();
static TABLES: AtomicU32 = AtomicU32::new(0);

/// A fresh table, with the client to look behind the catalog.
pub(crate) struct Table {
    pub(crate) catalog: Catalog,
    pub(crate) client: Client,
    pub(crate) name: String,
    /// Where the emulator listens, for clients of other services.
    pub(crate) port: u16,
}

/// Makes a fresh table with the catalog's schema.
pub(crate) async fn table() -> Table {
    let port = EMULATOR.get_or_init(start).port;
    let client = client(port);
    let name = format!("catalog-{}", TABLES.fetch_add(1, Ordering::Relaxed));
    let key =
        |name: &str, kind| KeySchemaElement::builder().attribute_name(name).key_type(kind).build().unwrap();
    let mut create = client.create_table().table_name(&name).billing_mode(BillingMode::PayPerRequest);
    for name in ["pk", "sk", "gsi1pk", "gsi1sk"] {
        let text = AttributeDefinition::builder().attribute_name(name).attribute_type(ScalarAttributeType::S);
        create = create.attribute_definitions(text.build().unwrap());
    }
    let index = GlobalSecondaryIndex::builder()
        .index_name("gsi1")
        .key_schema(key("gsi1pk", KeyType::Hash))
        .key_schema(key("gsi1sk", KeyType::Range))
        .projection(Projection::builder().projection_type(ProjectionType::All).build())
        .build()
        .unwrap();
    create
        .key_schema(key("pk", KeyType::Hash))
        .key_schema(key("sk", KeyType::Range))
        .global_secondary_indexes(index)
        .send()
        .await
        .expect("the emulator makes a table");
    Table { catalog: Catalog::new(client.clone(), &name), client, name, port }
}

fn client(port: u16) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .build();
    Client::from_conf(config)
}

fn start() -> Emulator {
    let program = program();
    let mut log = String::new();
    for _ in 0..3 {
        match try_start(&program) {
            Ok(emulator) => return emulator,
            Err(said) => log = said,
        }
    }
    panic!("{} does not start; it says:\n{log}", program.display());
}

/// One try on a port that is free now; otherwise what the emulator said before it ended.
fn try_start(program: &Path) -> Result<Emulator, String> {
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    let directory = tempfile::Builder::new().prefix("permafrost-catalog-").tempdir().unwrap().keep();
    let bin = program.parent().unwrap().display();
    let mut watchdog = Command::new("/bin/sh")
        .args(["-c", WATCHDOG, "watchdog"])
        .args([program, &directory])
        .env_clear()
        .env("PATH", format!("{bin}:/usr/local/bin:/usr/bin:/bin"))
        .envs([("LANG", "C.UTF-8"), ("AUTH", "false"), ("S3_PERSIST", "0"), ("PERSIST_STATE", "0")])
        .envs([("IOT_MTLS_ENABLED", "0"), ("SFTP_ENABLED", "0"), ("GATEWAY_PORT", &port.to_string())])
        .envs([("HOME", &directory), ("TMPDIR", &directory)])
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("/bin/sh starts");
    let deadline = Instant::now() + Duration::from_mins(1);
    let mut healthy = false;
    while !healthy && Instant::now() < deadline && !directory.join("ended").exists() {
        std::thread::sleep(Duration::from_millis(50));
        healthy = is_healthy(port);
    }
    if healthy {
        return Ok(Emulator { port, _watchdog: watchdog });
    }
    let log = std::fs::read_to_string(directory.join("log")).unwrap_or_default();
    drop(watchdog.stdin.take());
    watchdog.wait().unwrap();
    Err(log)
}

fn is_healthy(port: u16) -> bool {
    let Ok(mut stream) = TcpStream::connect((Ipv4Addr::LOCALHOST, port)) else { return false };
    stream.set_read_timeout(Some(Duration::from_secs(5))).unwrap();
    let request = "GET /_ministack/health HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n";
    let mut answer = [0; 64];
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read(&mut answer).is_ok_and(|read| answer[..read].windows(5).any(|word| word == b" 200 "))
}

/// The emulator's program.
fn program() -> PathBuf {
    let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let program = std::env::var_os("PERMAFROST_MINISTACK")
        .map_or_else(|| workspace.join(".venv/bin/ministack"), PathBuf::from);
    assert!(
        program.is_file(),
        "the emulator is not at {}: run `make up` once, or name its program in PERMAFROST_MINISTACK",
        program.display()
    );
    program
}
