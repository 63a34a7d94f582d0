//! The store of the benchmark: a fast S3 server, and the client's connection that drops what it is sent.

pub(crate) mod client;
pub(crate) mod objects;
pub(crate) mod server;
pub(crate) mod sink;
pub(crate) mod upload;

/// The only bucket.
pub(crate) const BUCKET: &str = "bench";
