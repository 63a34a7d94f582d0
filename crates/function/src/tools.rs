//! What handlers work with.

use std::path::Path;

use aws_config::SdkConfig;
use permafrost_catalog::Catalog;
use permafrost_domain::data_source::DataSource;
use permafrost_domain::{Code, Fault, JobId};
use permafrost_engine::{Login, Logins, PgPrograms};
use permafrost_vault::Store;

use crate::clock;
use crate::config::Config;
use crate::sdk;

/// Clients and configuration of one function.
#[derive(Debug)]
pub struct Tools {
    /// What the template tells every function.
    pub config: Config,
    /// The catalog.
    pub catalog: Catalog,
    /// The backup store.
    pub store: Store,
    /// The archive store.
    pub archive: Store,
    /// PostgreSQL's programs on board.
    pub programs: PgPrograms,
    /// For clients of a function's own.
    pub sdk: SdkConfig,
    logins: Logins,
}

impl Tools {
    /// Makes the clients.
    ///
    /// # Errors
    /// `InvalidConfiguration` where the environment lacks a variable, region or credentials.
    pub async fn from_env() -> Result<Self, Fault> {
        Self::new(Config::from_env()?, sdk::load().await)
    }

    /// Makes the clients of this configuration.
    ///
    /// # Errors
    /// `InvalidConfiguration` where `sdk` lacks region or credentials.
    pub fn new(config: Config, sdk: SdkConfig) -> Result<Self, Fault> {
        let missing =
            |what: &str| Fault::new(Code::InvalidConfiguration, format!("the environment has no {what}"));
        let region = sdk.region().ok_or_else(|| missing("region"))?.to_string();
        let credentials = sdk.credentials_provider().ok_or_else(|| missing("credentials"))?;
        // The layer has the RDS bundle beside the clients: /opt/pg and /opt/certs.
        let clients = Path::new(&config.pg_clients_dir);
        let bundle = clients.parent().unwrap_or(clients).join("certs/rds.pem");
        let s3 = aws_sdk_s3::Client::new(&sdk);
        let secrets = aws_sdk_secretsmanager::Client::new(&sdk);
        Ok(Self {
            catalog: Catalog::new(aws_sdk_dynamodb::Client::new(&sdk), &config.table_name),
            store: Store::new(s3.clone(), &config.backup_bucket, &config.key_arn),
            archive: Store::new(s3, &config.archive_bucket, &config.key_arn),
            programs: PgPrograms::new(clients),
            logins: Logins::new(secrets, credentials, region, bundle),
            sdk,
            config,
        })
    }

    /// A fresh login to `source` for the job `job`, which the server's `pg_stat_activity` shows.
    ///
    /// # Errors
    /// The secret cannot be read, or no token can be made.
    pub async fn login(&self, source: &DataSource, job: JobId) -> Result<Login, Fault> {
        let application = format!("permafrost {job}");
        Ok(self.logins.resolve(source, &application, clock::system_now()).await?)
    }

    /// Makes sure that nobody asked to end the job.
    ///
    /// # Errors
    /// `JobCancelled` where somebody did.
    pub async fn check_not_cancelled(&self, job: JobId) -> Result<(), Fault> {
        if self.catalog.cancel_requested(job).await? {
            return Err(Fault::new(Code::JobCancelled, "the job was cancelled").on(job.to_string()));
        }
        Ok(())
    }
}
