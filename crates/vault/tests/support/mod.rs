//! What the tests of the stores share: two buckets with Object Lock, and a point's objects in them.

use std::sync::atomic::{AtomicU32, Ordering};

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use bytes::Bytes;
use jiff::Timestamp;
use permafrost_domain::{InstanceId, PointId};
use permafrost_emulator::Emulator;
use permafrost_vault::{ObjectRef, PointLayout, Store};

pub(crate) const KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/11111111-2222-3333-4444-555555555555";

static VAULTS: AtomicU32 = AtomicU32::new(0);

/// Two stores of their own.
pub(crate) struct Stores {
    pub(crate) client: Client,
    pub(crate) backup: Store,
    #[allow(dead_code, reason = "not every test archives")]
    pub(crate) archive: Store,
    pub(crate) layout: PointLayout,
}

/// Makes two stores.
pub(crate) async fn stores() -> Stores {
    let client = client();
    let number = VAULTS.fetch_add(1, Ordering::Relaxed);
    let store = async |kind: &str| {
        let bucket = format!("{kind}-{number}");
        client.create_bucket().bucket(&bucket).object_lock_enabled_for_bucket(true).send().await.unwrap();
        Store::new(client.clone(), bucket, KEY)
    };
    let layout =
        PointLayout::new(InstanceId::new(Timestamp::UNIX_EPOCH, 1), PointId::new(Timestamp::UNIX_EPOCH, 2));
    Stores { backup: store("backup").await, archive: store("archive").await, layout, client }
}

impl Stores {
    /// Writes a segment into the backup store.
    pub(crate) async fn segment(&self, n: u32, body: &'static [u8]) -> ObjectRef {
        let name = PointLayout::segment(1, "attempt", n);
        self.backup.put_new(&self.layout, &name, Bytes::from_static(body)).await.unwrap()
    }

    /// How many versions and delete markers a store has of a point's object.
    pub(crate) async fn versions(&self, store: &Store, name: &str) -> usize {
        let key = self.layout.key(name);
        let listed =
            self.client.list_object_versions().bucket(store.bucket()).prefix(key).send().await.unwrap();
        listed.versions().len() + listed.delete_markers().len()
    }
}

fn client() -> Client {
    client_of(Credentials::new("test", "test", None, None, "tests"))
}

/// The client of whoever has these credentials.
pub(crate) fn client_of(credentials: Credentials) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(Emulator::shared().endpoint())
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .credentials_provider(credentials)
        .build();
    Client::from_conf(config)
}
