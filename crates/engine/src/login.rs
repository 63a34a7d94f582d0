//! From a data source to a login: IAM tokens, secrets, TLS.
//!
//! Credentials are made or read anew on every call, and held no longer than the connection that they open.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use aws_credential_types::provider::{ProvideCredentials, SharedCredentialsProvider};
use aws_sdk_secretsmanager::error::{ProvideErrorMetadata, SdkError};
use permafrost_domain::Code;
use permafrost_domain::data_source::{DataSource, Login as LoginMethod, RoleName, Tls};
use permafrost_domain::fault::chain;
use serde::Deserialize;

use crate::error::EngineError;
use crate::pg::{ConnectOptions, Connection, Password, TlsMode, iam_token};

/// How long to wait for a server, from resolving its name to the end of the login.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// Why a secret gives no login.
#[derive(Debug, thiserror::Error)]
pub enum SecretError {
    /// It does not exist, or has no current version.
    #[error("the secret does not exist")]
    NotFound,
    /// The role may not read it, or not use its key.
    #[error("reading the secret is not allowed")]
    AccessDenied,
    /// Secrets Manager did not answer.
    #[error("Secrets Manager did not answer: {0}")]
    Unavailable(String),
    /// It holds binary data, or JSON without the right fields.
    #[error("the secret holds {0}")]
    Malformed(&'static str),
}

impl SecretError {
    /// The stable code.
    pub fn code(&self) -> Code {
        match self {
            Self::NotFound | Self::Malformed(_) => Code::InvalidSecret,
            Self::AccessDenied => Code::SecretAccessDenied,
            Self::Unavailable(_) => Code::SecretUnavailable,
        }
    }
}

/// What it takes to log in, for our own connections and for PostgreSQL's programs.
#[derive(Debug, Clone)]
pub struct Login {
    /// For our own connections.
    pub options: ConnectOptions,
    /// The CA in PEM form, where the server is verified.
    pub ca_pem: Option<Vec<u8>>,
}

impl Login {
    /// Opens a connection.
    ///
    /// # Errors
    /// [`EngineError::Connect`].
    pub async fn connect(&self) -> Result<Connection, EngineError> {
        Connection::connect(&self.options).await.map_err(|source| EngineError::Connect {
            server: format!("{}:{}/{}", self.options.host, self.options.port, self.options.database),
            user: self.options.user.clone(),
            source,
        })
    }

    /// The same login to another database of the server.
    #[must_use]
    pub fn to_database(&self, database: &str) -> Self {
        let mut login = self.clone();
        database.clone_into(&mut login.options.database);
        login
    }
}

/// Makes logins.
#[derive(Debug, Clone)]
pub struct Logins {
    secrets: aws_sdk_secretsmanager::Client,
    credentials: SharedCredentialsProvider,
    region: String,
    rds_ca_bundle: PathBuf,
}

impl Logins {
    /// Logins by `secrets` and by tokens of `credentials`; servers that name no CA are verified against the
    /// PEM file `rds_ca_bundle`.
    pub fn new(
        secrets: aws_sdk_secretsmanager::Client,
        credentials: SharedCredentialsProvider,
        region: impl Into<String>,
        rds_ca_bundle: impl Into<PathBuf>,
    ) -> Self {
        Self { secrets, credentials, region: region.into(), rds_ca_bundle: rds_ca_bundle.into() }
    }

    /// The login to `source` at `now`; `application` appears in the server's `pg_stat_activity`.
    ///
    /// # Errors
    /// The secret cannot be read, no token can be made, or the CA's certificates cannot be used.
    pub async fn resolve(
        &self,
        source: &DataSource,
        application: &str,
        now: SystemTime,
    ) -> Result<Login, EngineError> {
        let (tls, ca_pem) = self.tls(&source.tls)?;
        let (user, password) = match &source.login {
            LoginMethod::Iam { user } => {
                let user = user.as_str().to_owned();
                (user.clone(), self.token(source, &user, now).await?)
            }
            LoginMethod::Secret { secret_arn, user } => self
                .secret(secret_arn.as_str(), user.as_ref().map(RoleName::as_str))
                .await
                .map_err(|error| EngineError::Secret { arn: secret_arn.to_string(), source: error })?,
        };
        let options = ConnectOptions {
            host: source.host.to_string(),
            port: source.port.get(),
            database: source.database.to_string(),
            user,
            password: Some(password),
            tls,
            application_name: application.to_owned(),
            connect_timeout: CONNECT_TIMEOUT,
        };
        Ok(Login { options, ca_pem })
    }

    async fn token(&self, source: &DataSource, user: &str, now: SystemTime) -> Result<Password, EngineError> {
        let failed = |source: Box<dyn std::error::Error + Send + Sync>| EngineError::Token {
            user: user.to_owned(),
            source,
        };
        let credentials =
            self.credentials.provide_credentials().await.map_err(|error| failed(Box::new(error)))?;
        let host = source.host.as_str();
        let region = region_of_host(host).unwrap_or(&self.region);
        iam_token::auth_token(&credentials, region, host, source.port.get(), user, now)
            .map_err(|error| failed(Box::new(error)))
    }

    async fn secret(&self, arn: &str, user: Option<&str>) -> Result<(String, Password), SecretError> {
        let answer = self.secrets.get_secret_value().secret_id(arn).send().await.map_err(|error| {
            match (&error, error.code()) {
                (_, Some("ResourceNotFoundException" | "InvalidRequestException")) => SecretError::NotFound,
                (_, Some("AccessDeniedException" | "AccessDenied" | "DecryptionFailure")) => {
                    SecretError::AccessDenied
                }
                (SdkError::ServiceError(_), Some(code)) => SecretError::Unavailable(code.to_owned()),
                _ => SecretError::Unavailable(chain(&error)),
            }
        })?;
        let text = answer.secret_string.ok_or(SecretError::Malformed("binary data"))?;
        parse_secret(&text, user)
    }

    fn tls(&self, tls: &Tls) -> Result<(TlsMode, Option<Vec<u8>>), EngineError> {
        let (pem, origin) = match tls {
            Tls::Disable => return Ok((TlsMode::Disable, None)),
            Tls::Require => return Ok((TlsMode::Require, None)),
            Tls::VerifyFull { ca_pem: Some(pem) } => {
                (pem.clone().into_bytes(), "the CA of the data source".to_owned())
            }
            Tls::VerifyFull { ca_pem: None } => {
                let origin = format!("the RDS CA bundle {}", self.rds_ca_bundle.display());
                let read = std::fs::read(&self.rds_ca_bundle);
                (
                    read.map_err(|error| EngineError::Ca {
                        origin: origin.clone(),
                        source: Box::new(error),
                    })?,
                    origin,
                )
            }
        };
        let mode = TlsMode::verify_full(&pem)
            .map_err(|error| EngineError::Ca { origin, source: Box::new(error) })?;
        Ok((mode, Some(pem)))
    }
}

/// The login that a secret holds: the RDS JSON form, or a plain password for `user`.
fn parse_secret(text: &str, user: Option<&str>) -> Result<(String, Password), SecretError> {
    #[derive(Deserialize)]
    struct RdsForm {
        username: Option<String>,
        password: String,
    }
    if text.trim_start().starts_with('{') {
        // The parser's own message could quote the password.
        let form: RdsForm = serde_json::from_str(text)
            .map_err(|_| SecretError::Malformed("JSON that is not {\"username\": …, \"password\": …}"))?;
        let user = user
            .map(str::to_owned)
            .or(form.username)
            .ok_or(SecretError::Malformed("no username, and the data source names no user"))?;
        Ok((user, Password::new(form.password)))
    } else {
        let user =
            user.ok_or(SecretError::Malformed("a plain password, and the data source names no user"))?;
        Ok((user.to_owned(), Password::new(text.trim_end_matches(['\r', '\n']))))
    }
}

/// The region that an RDS or Aurora endpoint names: `db.abc.eu-central-1.rds.amazonaws.com`.
fn region_of_host(host: &str) -> Option<&str> {
    let head =
        host.strip_suffix(".rds.amazonaws.com").or_else(|| host.strip_suffix(".rds.amazonaws.com.cn"))?;
    head.rsplit_once('.').map(|(_, region)| region)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_json_or_a_plain_password() {
        let login = |text, user| {
            parse_secret(text, user).map(|(user, password)| (user, password.expose().to_owned()))
        };
        let ok = |user: &str, password: &str| (user.to_owned(), password.to_owned());
        assert_eq!(login(r#"{"username": "u", "password": "p", "port": 1}"#, None).unwrap(), ok("u", "p"));
        assert_eq!(login(r#"{"username": "u", "password": "p"}"#, Some("v")).unwrap(), ok("v", "p"));
        assert_eq!(login("hunter2\n", Some("v")).unwrap(), ok("v", "hunter2"));
        for (text, user) in
            [("hunter2", None), (r#"{"password": "hunter2"}"#, None), (r#"{"pass": "hunter2"}"#, Some("v"))]
        {
            let error = parse_secret(text, user).unwrap_err();
            assert_eq!(error.code(), Code::InvalidSecret);
            assert!(!format!("{error} {error:?}").contains("hunter2"));
        }
    }

    #[test]
    fn the_region_of_an_rds_endpoint_is_its_own() {
        assert_eq!(region_of_host("db.abc.eu-central-1.rds.amazonaws.com"), Some("eu-central-1"));
        assert_eq!(region_of_host("db.example"), None);
    }
}
