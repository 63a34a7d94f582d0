//! Tables on the emulator's DynamoDB.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{BehaviorVersion, Credentials, Region};
use permafrost_catalog::Catalog;
use permafrost_emulator::Emulator;

static TABLES: AtomicU32 = AtomicU32::new(0);

/// A fresh table, with the client to look behind the catalog.
pub(crate) struct Table {
    pub(crate) catalog: Catalog,
    pub(crate) client: Client,
    pub(crate) name: String,
}

/// Makes a fresh table with the catalog's schema.
pub(crate) async fn table() -> Table {
    let emulator = Emulator::shared();
    let client = client(emulator);
    let name = format!("catalog-{}", TABLES.fetch_add(1, Ordering::Relaxed));
    let catalog = Catalog::create(client.clone(), &name).await.expect("the emulator makes a table");
    Table { catalog, client, name }
}

fn client(emulator: &Emulator) -> Client {
    let config = aws_sdk_dynamodb::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(emulator.endpoint())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .build();
    Client::from_conf(config)
}
