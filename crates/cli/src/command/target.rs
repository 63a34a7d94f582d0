//! Logins and TLS, from arguments to what the API takes.

use std::path::Path;

use permafrost_domain::data_source::{Login, Tls};
use permafrost_domain::{Code, Fault};

use crate::args::{LoginArgs, TlsArgs, TlsMode};

/// The most bytes of a CA file; the RDS bundle of all regions has 170 KiB.
const MAX_CA_BYTES: u64 = 256 * 1024;

/// The login that the arguments name, or `default`.
///
/// # Errors
/// `InvalidRequest` where they name none and there is no default, or half of one.
pub(super) fn login(args: LoginArgs, default: Option<Login>) -> Result<Login, Fault> {
    match (args.secret_arn, args.iam, args.user) {
        (Some(secret_arn), _, user) => Ok(Login::Secret { secret_arn, user }),
        (None, true, Some(user)) => Ok(Login::Iam { user }),
        (None, false, None) => {
            default.ok_or_else(|| unsaid("no login is named", "Pass --secret-arn ARN, or --iam --user ROLE."))
        }
        (None, false, Some(_)) | (None, true, None) => Err(unsaid(
            "the login is half said",
            "Pass --secret-arn ARN [--user ROLE], or --iam --user ROLE.",
        )),
    }
}

/// The TLS mode that the arguments name, or `default`.
///
/// # Errors
/// `InvalidRequest` where a CA is named for a mode that checks none, or its file is no CA's.
pub(super) fn tls(args: &TlsArgs, default: Tls) -> Result<Tls, Fault> {
    let ca_pem = args.tls_ca.as_deref().map(read_ca).transpose()?;
    match (args.tls, ca_pem) {
        (Some(TlsMode::VerifyFull), ca_pem) => Ok(Tls::VerifyFull { ca_pem }),
        (None, Some(ca_pem)) => Ok(Tls::VerifyFull { ca_pem: Some(ca_pem) }),
        (Some(TlsMode::Require | TlsMode::Disable), Some(_)) => Err(unsaid(
            "a CA is named for a TLS mode that checks none",
            "Use --tls verify-full with --tls-ca, or leave --tls-ca out.",
        )),
        (Some(TlsMode::Require), None) => Ok(Tls::Require),
        (Some(TlsMode::Disable), None) => Ok(Tls::Disable),
        (None, None) => Ok(default),
    }
}

/// The PEM certificates in a file, and nothing else of it.
fn read_ca(path: &Path) -> Result<String, Fault> {
    let invalid = |message: String| {
        Fault::new(Code::InvalidRequest, message)
            .on(format!("file {}", path.display()))
            .hint("Name a PEM file that holds nothing but the CA's certificates.")
    };
    let unreadable = |error: std::io::Error| invalid(format!("the CA file cannot be read: {error}"));
    if std::fs::metadata(path).map_err(unreadable)?.len() > MAX_CA_BYTES {
        return Err(invalid("the CA file has more than 256 KiB".into()));
    }
    let text = std::fs::read_to_string(path).map_err(unreadable)?;
    if text.contains("PRIVATE KEY-----") {
        return Err(Fault::new(Code::CredentialsInRequest, "the CA file holds a private key")
            .on(format!("file {}", path.display()))
            .hint("Name a PEM file that holds nothing but the CA's certificates."));
    }
    if !text.contains("-----BEGIN CERTIFICATE-----") {
        return Err(invalid("the CA file holds no certificate in PEM form".into()));
    }
    Ok(text)
}

fn unsaid(message: &str, hint: &str) -> Fault {
    Fault::new(Code::InvalidRequest, message).hint(hint)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    fn tls_args(mode: Option<TlsMode>, ca: Option<&Path>) -> TlsArgs {
        TlsArgs { tls: mode, tls_ca: ca.map(Into::into) }
    }

    #[test]
    fn a_login_is_said_wholly_or_taken_from_the_instance() {
        let args = |iam, user: Option<&str>| LoginArgs {
            secret_arn: None,
            iam,
            user: user.map(|user| user.parse().unwrap()),
        };
        let iam = Login::Iam { user: "backup".parse().unwrap() };
        assert_eq!(login(args(true, Some("backup")), None), Ok(iam.clone()));
        assert_eq!(login(args(false, None), Some(iam.clone())), Ok(iam.clone()));
        assert_eq!(login(args(false, None), None).unwrap_err().code, Code::InvalidRequest);
        assert_eq!(login(args(false, Some("x")), Some(iam)).unwrap_err().message, "the login is half said");
    }

    #[test]
    fn a_ca_means_verify_full() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        let pem = "-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n";
        file.write_all(pem.as_bytes()).unwrap();
        let expected = Tls::VerifyFull { ca_pem: Some(pem.into()) };
        assert_eq!(tls(&tls_args(None, Some(file.path())), Tls::Disable), Ok(expected));
        assert!(tls(&tls_args(Some(TlsMode::Require), Some(file.path())), Tls::default()).is_err());
        assert_eq!(tls(&tls_args(None, None), Tls::Require), Ok(Tls::Require));
    }

    #[test]
    fn a_private_key_never_leaves_the_machine() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        write!(file, "-----BEGIN CERTIFICATE-----\nx\n-----BEGIN EC PRIVATE KEY-----\n").unwrap();
        let fault = tls(&tls_args(None, Some(file.path())), Tls::default()).unwrap_err();
        assert_eq!(fault.code, Code::CredentialsInRequest);
    }
}
