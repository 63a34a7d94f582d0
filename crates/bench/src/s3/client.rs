//! The SDK's client as the functions have it, turned to the S3 server.

use aws_credential_types::Credentials;
use aws_sdk_s3::Client;
use aws_sdk_s3::config::{BehaviorVersion, Region, SharedHttpClient};
use aws_smithy_http_client::tls;
use permafrost_vault::Store;

use super::BUCKET;
use super::sink::NullSegments;
use crate::args::Destination;

/// The key that the store names with every write. The server keeps nothing secret.
const KMS_KEY: &str = "arn:aws:kms:us-east-1:000000000000:key/00000000-0000-0000-0000-000000000000";

/// The store at `endpoint`, whose segments go where `destination` says.
pub(crate) fn store(endpoint: &str, destination: Destination) -> Store {
    Store::new(client(endpoint, destination), BUCKET, KMS_KEY)
}

/// The client.
pub(crate) fn client(endpoint: &str, destination: Destination) -> Client {
    let http: SharedHttpClient = aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(tls::rustls_provider::CryptoMode::Ring))
        .build_https();
    let http = match destination {
        Destination::S3 => http,
        Destination::Null => SharedHttpClient::new(NullSegments::new(http)),
    };
    let config = aws_sdk_s3::Config::builder()
        .behavior_version(BehaviorVersion::latest())
        .credentials_provider(Credentials::new("bench", "bench", None, None, "bench"))
        .region(Region::new("us-east-1"))
        .endpoint_url(endpoint)
        .force_path_style(true)
        .http_client(http)
        .build();
    Client::from_conf(config)
}
