//! Data sources: one database on one server, and how to log in. Credentials themselves never stand here: a
//! login is a role for IAM tokens, or the ARN of a secret.

use std::fmt;
use std::num::NonZeroU16;

use serde::{Deserialize, Serialize};

/// A text that cannot be the named thing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no {kind}: {expected}")]
pub struct InvalidText {
    pub(crate) kind: &'static str,
    pub(crate) expected: &'static str,
    pub(crate) text: String,
}

/// A text that is parsed at the edge and trusted inside.
macro_rules! text {
    ($(#[$doc:meta])* $name:ident, $kind:literal, $expected:literal, $valid:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize, utoipa::ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String)]
        pub struct $name(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::data_source::InvalidText;
            fn from_str(text: &str) -> Result<Self, Self::Err> {
                let valid: fn(&str) -> bool = $valid;
                if valid(text) {
                    Ok(Self(text.to_owned()))
                } else {
                    let text = text.chars().take(80).collect();
                    Err($crate::data_source::InvalidText { kind: $kind, expected: $expected, text })
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $crate::data_source::InvalidText;
            fn try_from(text: String) -> Result<Self, Self::Error> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(value: $name) -> String {
                value.0
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}
pub(crate) use text;

text! {
    /// A server's DNS name or IP address.
    Host, "host name", "expected 1 to 253 letters, digits, '.', '-', '_' or ':'",
    |t| (1..=253).contains(&t.len())
        && t.bytes().all(|c| c.is_ascii_alphanumeric() || b".-_:".contains(&c))
        && !t.starts_with('-')
}
text! {
    /// A database's name, as PostgreSQL stores it (not quoted).
    DatabaseName, "database name", "expected 1 to 63 bytes without control characters",
    |t| (1..=63).contains(&t.len()) && !t.chars().any(char::is_control)
}
text! {
    /// A role's name, as PostgreSQL stores it (not quoted).
    RoleName, "role name", "expected 1 to 63 bytes without control characters",
    |t| (1..=63).contains(&t.len()) && !t.chars().any(char::is_control)
}
text! {
    /// The name of a schema, a table or a tablespace, as PostgreSQL stores it (not quoted).
    ObjectName, "name of a database object", "expected 1 to 63 bytes without control characters",
    |t| (1..=63).contains(&t.len()) && !t.chars().any(char::is_control)
}
text! {
    /// The ARN of a Secrets Manager secret.
    SecretArn, "secret's ARN", "expected arn:PARTITION:secretsmanager:REGION:ACCOUNT:secret:NAME",
    |t| {
        let parts: Vec<&str> = t.splitn(7, ':').collect();
        t.len() <= 2_048
            && !t.chars().any(|c| c.is_control() || c.is_whitespace())
            && matches!(parts.as_slice(), ["arn", partition, "secretsmanager", region, account, "secret", name]
                if !partition.is_empty() && !region.is_empty() && !account.is_empty() && !name.is_empty())
    }
}

/// Databases that belong to a server or its provider: they cannot be protected.
pub const RESERVED_DATABASES: [&str; 6] =
    ["template0", "template1", "rdsadmin", "azure_maintenance", "azure_sys", "cloudsqladmin"];

impl DatabaseName {
    /// Whether the database belongs to the server or its provider.
    pub fn is_reserved(&self) -> bool {
        RESERVED_DATABASES.contains(&self.as_str())
    }
}

/// How to log in. Neither way stores a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "method", rename_all = "snake_case", deny_unknown_fields)]
pub enum Login {
    /// An IAM database token of RDS or Aurora, made fresh for every connection.
    Iam {
        /// The role to log in as; a member of `rds_iam`.
        user: RoleName,
    },
    /// The newest version of a Secrets Manager secret, read on every run.
    Secret {
        /// The secret: `{"username": …, "password": …}`, or a plain password.
        secret_arn: SecretArn,
        /// The role to log in as; needed where the secret is a plain password.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        user: Option<RoleName>,
    },
}

/// How the connection is protected.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(tag = "mode", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Tls {
    /// Encrypted; the certificate is checked against a CA and the host name. The default.
    VerifyFull {
        /// The CA's certificates in PEM form; the RDS bundle where none are given.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        ca_pem: Option<String>,
    },
    /// Encrypted; the server's identity is not checked.
    Require,
    /// Not encrypted.
    Disable,
}

impl Default for Tls {
    fn default() -> Self {
        Self::VerifyFull { ca_pem: None }
    }
}

/// PostgreSQL's own port.
fn default_port() -> NonZeroU16 {
    const PORT: NonZeroU16 = NonZeroU16::new(5432).unwrap();
    PORT
}

/// One database on one server.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DataSource {
    /// The server's name or address.
    pub host: Host,
    /// The server's port; 5432 unless said otherwise.
    #[serde(default = "default_port")]
    #[schema(value_type = u16)]
    pub port: NonZeroU16,
    /// The database.
    pub database: DatabaseName,
    /// How to log in.
    pub login: Login,
    /// How the connection is protected.
    #[serde(default)]
    pub tls: Tls,
}

impl DataSource {
    /// The words that tell one protected database from another: `host:port/database`, the host in lower case.
    pub fn identity(&self) -> String {
        format!("{}:{}/{}", self.host.as_str().to_ascii_lowercase(), self.port, self.database)
    }
}

impl fmt::Display for DataSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}/{}", self.host, self.port, self.database)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_source_is_read_with_its_defaults() {
        let source: DataSource = serde_json::from_value(serde_json::json!({
            "host": "DB.example", "database": "shop", "login": {"method": "iam", "user": "backup"}
        }))
        .unwrap();
        assert_eq!(source.port.get(), 5432);
        assert_eq!(source.tls, Tls::VerifyFull { ca_pem: None });
        assert_eq!(source.identity(), "db.example:5432/shop");
    }

    #[test]
    fn a_password_has_no_place_in_a_data_source() {
        for login in [
            serde_json::json!({"method": "iam", "user": "backup", "password": "x"}),
            serde_json::json!({"method": "password", "user": "backup", "password": "x"}),
        ] {
            let source = serde_json::json!({"host": "db", "database": "shop", "login": login});
            assert!(serde_json::from_value::<DataSource>(source).is_err());
        }
    }

    #[test]
    fn names_that_cannot_be_are_refused() {
        assert!("".parse::<DatabaseName>().is_err());
        assert!("x".repeat(64).parse::<DatabaseName>().is_err());
        assert!("a\nb".parse::<RoleName>().is_err());
        assert!("Ünïcode \"name\"".parse::<DatabaseName>().is_ok());
        assert!("db host".parse::<Host>().is_err());
        assert!("-oProxy".parse::<Host>().is_err());
        assert!("arn:aws:s3:::bucket".parse::<SecretArn>().is_err());
        assert!("arn:aws:secretsmanager:eu-central-1:1:secret:permafrost/x".parse::<SecretArn>().is_ok());
        assert!("template0".parse::<DatabaseName>().unwrap().is_reserved());
    }
}
