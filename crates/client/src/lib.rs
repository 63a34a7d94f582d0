//! The client of Permafrost's API: SigV4-signed JSON requests and their typed answers.
//!
//! ```no_run
//! # async fn example(credentials: aws_credential_types::provider::SharedCredentialsProvider)
//! # -> Result<(), permafrost_client::ClientError> {
//! use permafrost_client::{Client, Endpoint};
//!
//! let endpoint: Endpoint = "https://abc123.execute-api.eu-central-1.amazonaws.com/v1".parse()?;
//! let client = Client::new(endpoint, "eu-central-1", credentials)?;
//! let started = client.start_backup(&"shop".parse().expect("a name")).await?;
//! let mut watch = client.watch(started.job);
//! while let Some(job) = watch.next().await? {
//!     println!("{} {} bytes", job.status, job.progress.bytes_done);
//! }
//! # Ok(())
//! # }
//! ```
//!
//! **Invariant:** the client knows nothing of the catalog, the stores or the state machines; whatever it does,
//! it does by a route of the API.

mod client;
mod credentials;
mod endpoint;
mod error;
mod pages;
mod retry;
mod signer;
mod transport;
mod watch;

pub use client::{Client, JobFilter};
pub use endpoint::{Endpoint, InvalidEndpoint};
pub use error::ClientError;
pub use pages::Pages;
pub use watch::JobWatch;
