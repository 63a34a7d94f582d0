//! Configuration: environment variables that the template sets, read once.

use permafrost_domain::{Code, Fault};

/// What the template tells every function.
#[derive(Debug, Clone)]
pub struct Config {
    /// The vault's name.
    pub vault_name: String,
    /// The catalog's table.
    pub table_name: String,
    /// The backup store's bucket.
    pub backup_bucket: String,
    /// The ARN of the vault's key.
    pub key_arn: String,
    /// The folder of PostgreSQL's programs, one folder for each major version.
    pub pg_clients_dir: String,
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
            key_arn: variable("KEY_ARN")?,
            pg_clients_dir: variable("PG_CLIENTS_DIR")?,
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
