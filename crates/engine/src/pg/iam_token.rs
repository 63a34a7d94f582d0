//! The password of an IAM login: a request to connect, signed and never sent.
//!
//! RDS takes as password the presigned URL of `GET https://<host>:<port>/?Action=connect&DBUser=<user>`
//! for the service `rds-db`, without its scheme. It opens connections for 15 minutes.

use std::time::{Duration, SystemTime};

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{
    SignableBody, SignableRequest, SignatureLocation, SigningError, SigningSettings, sign,
};
use aws_sigv4::sign::v4::{SigningParams, signing_params::BuildError};

use super::Password;

/// How long a token opens connections; RDS accepts no longer time.
const VALID_FOR: Duration = Duration::from_mins(15);

/// Why no token could be made.
#[derive(Debug, thiserror::Error)]
pub enum AuthTokenError {
    /// A parameter of the signature is missing.
    #[error("cannot set up the signature of an IAM database token")]
    Parameters(#[from] BuildError),
    /// Host or user cannot be put into a URL, or a parameter cannot be signed.
    #[error("cannot sign an IAM database token for {user} at {host}")]
    Signing {
        /// As asked for.
        host: String,
        /// As asked for.
        user: String,
        /// What the signer says.
        source: SigningError,
    },
}

/// The token with which `user` logs in at `host`, made at `now`: exactly what
/// `aws rds generate-db-auth-token` prints. `host` must be the name by which RDS knows the server.
///
/// # Errors
/// The host's name cannot stand in a URL.
pub fn auth_token(
    credentials: &Credentials,
    region: &str,
    host: &str,
    port: u16,
    user: &str,
    now: SystemTime,
) -> Result<Password, AuthTokenError> {
    let identity = credentials.clone().into();
    let mut settings = SigningSettings::default();
    settings.signature_location = SignatureLocation::QueryParams;
    settings.expires_in = Some(VALID_FOR);
    let params = SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name("rds-db")
        .time(now)
        .settings(settings)
        .build()?
        .into();

    let query = format!("Action=connect&DBUser={}", percent_encoded(user));
    let failed = |source| AuthTokenError::Signing { host: host.to_owned(), user: user.to_owned(), source };
    // As a browser would name it in the header Host: lower case, and no port where it is https's own.
    let signed_host = match port {
        443 => host.to_ascii_lowercase(),
        _ => format!("{}:{port}", host.to_ascii_lowercase()),
    };
    let url = format!("https://{signed_host}/?{query}");
    let request =
        SignableRequest::new("GET", &url, std::iter::empty(), SignableBody::Bytes(&[])).map_err(failed)?;
    let (instructions, _headers) = sign(request, &params).map_err(failed)?.into_parts();

    let mut token = format!("{host}:{port}/?{query}");
    // The signature stands last, as the command line tool prints it; the signer puts a session token
    // behind it.
    let (signature, signed): (Vec<_>, Vec<_>) =
        instructions.params().iter().partition(|(name, _)| *name == "X-Amz-Signature");
    for (name, value) in signed.into_iter().chain(signature) {
        token.extend(["&", name, "=", &percent_encoded(value)]);
    }
    Ok(Password::new(token))
}

/// Encodes everything but RFC 3986's unreserved characters, as signatures of AWS want it.
fn percent_encoded(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                encoded.push(char::from(byte));
            }
            _ => {
                encoded.push('%');
                encoded.push(char::from(HEX[usize::from(byte >> 4)]));
                encoded.push(char::from(HEX[usize::from(byte & 0xf)]));
            }
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    const ACCESS_KEY: &str = "AKIDEXAMPLE";
    const SECRET_KEY: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
    const SESSION_TOKEN: &str = "IQoJb3JpZ2luX2VjEJ//+abc=/x==";

    /// 2031-01-31T23:59:07Z.
    fn moment() -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_927_670_347)
    }

    /// What `tests/aws_db_auth_token.py` printed at that moment; `tests/pg_iam_token.rs` runs it live.
    #[test]
    fn equals_what_the_command_line_tool_prints() {
        let host = "mydb.123456789012.eu-central-1.rds.amazonaws.com";
        let long_term = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
        let token = auth_token(&long_term, "eu-central-1", host, 5432, "backup", moment()).unwrap();
        assert_eq!(
            token.expose(),
            "mydb.123456789012.eu-central-1.rds.amazonaws.com:5432/?Action=connect&DBUser=backup\
             &X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F20310131%2Feu-central-1%2Frds-db%2Faws4_request\
             &X-Amz-Date=20310131T235907Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
             &X-Amz-Signature=0ac46b8f33c3b3ca7670579d331a9a388455e57aa5fa3e00d045570460f867dc"
        );

        let session = Credentials::new(ACCESS_KEY, SECRET_KEY, Some(SESSION_TOKEN.into()), None, "test");
        let token = auth_token(&session, "eu-central-1", host, 5432, "backup", moment()).unwrap();
        assert_eq!(
            token.expose(),
            "mydb.123456789012.eu-central-1.rds.amazonaws.com:5432/?Action=connect&DBUser=backup\
             &X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F20310131%2Feu-central-1%2Frds-db%2Faws4_request\
             &X-Amz-Date=20310131T235907Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
             &X-Amz-Security-Token=IQoJb3JpZ2luX2VjEJ%2F%2F%2Babc%3D%2Fx%3D%3D\
             &X-Amz-Signature=de6f5706d7ac58ff8038078d137068846649250409693d9a86ebfed1533af54f"
        );
    }

    #[test]
    fn unusual_users_and_hosts_are_encoded_as_the_command_line_tool_does() {
        let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
        let user = "back up+é/x@y~-._*%&";
        for (port, signature) in [
            (5433, "a7eb573ca1d23a625334e3016575774eaea1c6ef5d0c3b2142d8e4c65413624b"),
            (443, "2beebdcd5ab6487ccf786342624fec21f5b1dc6cf7be7302250cba6079e56152"),
        ] {
            let token =
                auth_token(&credentials, "us-east-1", "MyDb.Example.com", port, user, moment()).unwrap();
            let expected = format!(
                "MyDb.Example.com:{port}/?Action=connect&DBUser=back%20up%2B%C3%A9%2Fx%40y~-._%2A%25%26\
             &X-Amz-Algorithm=AWS4-HMAC-SHA256\
             &X-Amz-Credential=AKIDEXAMPLE%2F20310131%2Fus-east-1%2Frds-db%2Faws4_request\
             &X-Amz-Date=20310131T235907Z&X-Amz-Expires=900&X-Amz-SignedHeaders=host\
             &X-Amz-Signature={signature}"
            );
            assert_eq!(token.expose(), expected);
        }
    }

    #[test]
    fn a_host_that_cannot_stand_in_a_url_is_an_error() {
        let credentials = Credentials::new(ACCESS_KEY, SECRET_KEY, None, None, "test");
        let token = auth_token(&credentials, "us-east-1", "no host", 5432, "backup", moment());
        assert!(matches!(token, Err(AuthTokenError::Signing { .. })));
    }
}
