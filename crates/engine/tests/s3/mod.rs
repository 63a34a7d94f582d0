//! The emulator's S3 for a test.

use std::path::Path;

use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Credentials, Region};
use aws_sdk_s3::types::{BucketVersioningStatus, VersioningConfiguration};
use permafrost_emulator::Emulator;

/// The emulator's S3.
pub(crate) struct S3 {
    pub(crate) client: Client,
}

impl S3 {
    pub(crate) fn start() -> Self {
        Self { client: client(Emulator::shared()) }
    }

    /// Makes a bucket that keeps versions.
    pub(crate) async fn create_bucket(&self, name: &str) {
        self.client.create_bucket().bucket(name).send().await.unwrap();
        let versions = VersioningConfiguration::builder().status(BucketVersioningStatus::Enabled).build();
        let kept = self.client.put_bucket_versioning().bucket(name).versioning_configuration(versions);
        kept.send().await.unwrap();
    }

    /// Copies what lies below `prefix` into `directory`, and returns the names.
    pub(crate) async fn download(&self, bucket: &str, prefix: &str, directory: &Path) -> Vec<String> {
        let mut names = Vec::new();
        let mut pages =
            self.client.list_objects_v2().bucket(bucket).prefix(format!("{prefix}/")).into_paginator().send();
        while let Some(page) = pages.next().await {
            for object in page.unwrap().contents() {
                let key = object.key().unwrap();
                let name = key.strip_prefix(prefix).unwrap().trim_start_matches('/');
                let body = self.client.get_object().bucket(bucket).key(key).send().await.unwrap().body;
                let path = directory.join(name);
                std::fs::create_dir_all(path.parent().unwrap()).unwrap();
                std::fs::write(path, body.collect().await.unwrap().into_bytes()).unwrap();
                names.push(name.to_owned());
            }
        }
        names
    }

    /// How many uploads have begun and neither ended nor been let go of.
    pub(crate) async fn open_uploads(&self, bucket: &str) -> usize {
        self.client.list_multipart_uploads().bucket(bucket).send().await.unwrap().uploads().len()
    }
}

fn client(emulator: &Emulator) -> Client {
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(emulator.endpoint())
        .force_path_style(true)
        .region(Region::new("us-east-1"))
        .credentials_provider(Credentials::new("test", "test", None, None, "tests"))
        .build();
    Client::from_conf(config)
}
