//! What it takes to connect.

use std::fmt;
use std::time::Duration;

use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject;

/// Everything that [`Connection::connect`](super::Connection::connect) needs to know.
#[derive(Debug, Clone)]
pub struct ConnectOptions {
    /// A DNS name or an IP address. With [`TlsMode::VerifyFull`], the name that the certificate must bear.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// The database to open.
    pub database: String,
    /// The role to log in as.
    pub user: String,
    /// `None` where the server is expected to ask for none.
    pub password: Option<Password>,
    /// Whether and how the connection is encrypted.
    pub tls: TlsMode,
    /// Shown in `pg_stat_activity`.
    pub application_name: String,
    /// The limit on everything up to the first command: name, TCP, TLS, and login together.
    pub connect_timeout: Duration,
}

/// Whether and how a connection is encrypted.
#[derive(Clone)]
pub enum TlsMode {
    /// Encrypt; the server's certificate must be signed by one of `roots` and bear the host's name.
    VerifyFull {
        /// The authorities that are trusted, and no others.
        roots: Vec<CertificateDer<'static>>,
    },
    /// Encrypt without asking who the server is (libpq's `sslmode=require` without a root certificate).
    Require,
    /// Do not encrypt. A password is then never sent in clear text.
    Disable,
}

impl TlsMode {
    /// [`TlsMode::VerifyFull`] with the certificates of a PEM file, such as the RDS CA bundle.
    ///
    /// # Errors
    /// The text is not PEM, or holds no certificate.
    pub fn verify_full(pem: &[u8]) -> Result<Self, PemError> {
        let roots = CertificateDer::pem_slice_iter(pem)
            .collect::<Result<Vec<_>, _>>()
            .map_err(|error| PemError::Malformed(error.to_string()))?;
        if roots.is_empty() { Err(PemError::NoCertificate) } else { Ok(Self::VerifyFull { roots }) }
    }
}

/// Names the mode, without pages of certificates.
impl fmt::Debug for TlsMode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::VerifyFull { roots } => write!(f, "VerifyFull({} roots)", roots.len()),
            Self::Require => f.write_str("Require"),
            Self::Disable => f.write_str("Disable"),
        }
    }
}

/// Why a file of trusted certificates cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PemError {
    /// Not PEM, or damaged.
    #[error("the CA file is not valid PEM: {0}")]
    Malformed(String),
    /// PEM perhaps, but without a certificate.
    #[error("the CA file holds no certificate")]
    NoCertificate,
}

/// A password, or an IAM token used as one. `Debug` does not show it, and there is no `Display`.
#[derive(Clone, PartialEq, Eq)]
pub struct Password(String);

impl Password {
    /// Takes the text of the password.
    pub fn new(text: impl Into<String>) -> Self {
        Self(text.into())
    }

    /// The text itself, for the moment of use.
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Password {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_output_hides_the_password() {
        let options = ConnectOptions {
            host: "db.example".into(),
            port: 5432,
            database: "app".into(),
            user: "backup".into(),
            password: Some(Password::new("hunter2")),
            tls: TlsMode::Require,
            application_name: "permafrost".into(),
            connect_timeout: Duration::from_secs(10),
        };
        let shown = format!("{options:?}");
        assert!(shown.contains("Some(***)") && !shown.contains("hunter2"), "{shown}");
    }

    #[test]
    fn a_ca_file_without_a_certificate_is_refused() {
        assert!(matches!(TlsMode::verify_full(b"# empty\n"), Err(PemError::NoCertificate)));
        let cut = b"-----BEGIN CERTIFICATE-----\nMIIB!!\n-----END CERTIFICATE-----\n";
        assert!(matches!(TlsMode::verify_full(cut), Err(PemError::Malformed(_))));
    }
}
