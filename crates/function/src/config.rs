//! Configuration: environment variables that the template sets, read once.

use permafrost_domain::immutability::Immutability;
use permafrost_domain::tiering::ArchiveClass;
use permafrost_domain::{Code, Fault};

use crate::clock::Clock;

/// What the template tells every function.
#[derive(Debug, Clone)]
pub struct Config {
    /// The vault's name.
    pub vault_name: String,
    /// The catalog's table.
    pub table_name: String,
    /// The backup store's bucket.
    pub backup_bucket: String,
    /// The archive store's bucket.
    pub archive_bucket: String,
    /// The class of the archive store's objects where a point's retention names none.
    pub archive_class: ArchiveClass,
    /// The ARN of the vault's key.
    pub key_arn: String,
    /// The folder of PostgreSQL's programs, one folder for each major version.
    pub pg_clients_dir: String,
    /// How objects are locked until their points expire.
    pub immutability: Immutability,
    /// Where functions of the lifecycle get the time from.
    pub clock: Clock,
}

impl Config {
    /// Reads the environment.
    ///
    /// # Errors
    /// `InvalidConfiguration` naming the variable that is missing.
    pub fn from_env() -> Result<Self, Fault> {
        Ok(Self {
            vault_name: variable("VAULT_NAME")?,
            table_name: variable("TABLE_NAME")?,
            backup_bucket: variable("BACKUP_BUCKET")?,
            archive_bucket: variable("ARCHIVE_BUCKET")?,
            archive_class: archive_class()?,
            key_arn: variable("KEY_ARN")?,
            pg_clients_dir: variable("PG_CLIENTS_DIR")?,
            immutability: word("IMMUTABILITY")?,
            clock: if std::env::var_os("CLOCK").is_some() { word("CLOCK")? } else { Clock::Real },
        })
    }
}

/// A variable of one function's own.
///
/// # Errors
/// `InvalidConfiguration` where it is missing or empty.
pub fn variable(name: &str) -> Result<String, Fault> {
    std::env::var(name).ok().filter(|value| !value.is_empty()).ok_or_else(|| {
        Fault::new(Code::InvalidConfiguration, format!("the environment variable {name} is not set"))
            .on(format!("variable {name}"))
    })
}

/// A variable of one function's own that is a whole number.
///
/// # Errors
/// `InvalidConfiguration` where it is missing, or no such number.
pub fn number<T: std::str::FromStr>(name: &str) -> Result<T, Fault> {
    let text = variable(name)?;
    text.parse().map_err(|_| {
        Fault::new(Code::InvalidConfiguration, format!("{name} is {text:?}, expected a whole number"))
            .on(format!("variable {name}"))
    })
}

/// The class, as S3 calls it.
fn archive_class() -> Result<ArchiveClass, Fault> {
    let name = "ARCHIVE_CLASS";
    let text = variable(name)?;
    ArchiveClass::of_storage_class(&text).ok_or_else(|| {
        let message = format!("{name} is {text:?}, expected GLACIER or DEEP_ARCHIVE");
        Fault::new(Code::InvalidConfiguration, message).on(format!("variable {name}"))
    })
}

/// A variable that is one of the words of `T`.
fn word<T: serde::de::DeserializeOwned>(name: &str) -> Result<T, Fault> {
    let text = variable(name)?;
    serde_json::from_value(serde_json::Value::String(text)).map_err(|error| {
        Fault::new(Code::InvalidConfiguration, format!("{name}: {error}")).on(format!("variable {name}"))
    })
}
