//! SigV4 for API Gateway: the headers that sign exactly the URL and body that are sent.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use reqwest::Url;
use reqwest::header::{HeaderMap, HeaderName, HeaderValue};

use crate::error::ClientError;

/// What IAM calls API Gateway when it is called.
const SERVICE: &str = "execute-api";

/// The headers `authorization`, `x-amz-date` and, for temporary credentials, `x-amz-security-token`.
///
/// Signed are the method, the URL, `host`, `headers` and the body.
///
/// # Errors
/// [`ClientError::NotSigned`] where something cannot stand in a header.
pub(crate) fn signature(
    method: &str,
    url: &Url,
    headers: &[(&str, &str)],
    body: &[u8],
    credentials: Credentials,
    region: &str,
    now: SystemTime,
) -> Result<HeaderMap, ClientError> {
    let identity = credentials.into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(region)
        .name(SERVICE)
        .time(now)
        .settings(SigningSettings::default())
        .build()
        .map_err(not_signed)?;
    let request =
        SignableRequest::new(method, url.as_str(), headers.iter().copied(), SignableBody::Bytes(body))
            .map_err(not_signed)?;
    let (instructions, _) = sign(request, &params.into()).map_err(not_signed)?.into_parts();
    let mut signed = HeaderMap::new();
    for (name, text) in instructions.headers() {
        let mut value = HeaderValue::from_str(text).map_err(not_signed)?;
        value.set_sensitive(true);
        signed.insert(HeaderName::from_bytes(name.as_bytes()).map_err(not_signed)?, value);
    }
    Ok(signed)
}

fn not_signed(error: impl std::error::Error + Send + Sync + 'static) -> ClientError {
    ClientError::NotSigned(Box::new(error))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn signed(url: &str, token: Option<&str>) -> HeaderMap {
        let credentials = Credentials::new("AKID", "secret", token.map(Into::into), None, "test");
        let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_790_000_000);
        signature("GET", &url.parse().unwrap(), &[], b"", credentials, "eu-central-1", now).unwrap()
    }

    #[test]
    fn the_scope_is_execute_api_in_the_region() {
        let headers = signed("https://api.example/v1/jobs?limit=5", None);
        let authorization = headers["authorization"].to_str().unwrap();
        assert!(
            authorization.starts_with(
                "AWS4-HMAC-SHA256 Credential=AKID/20260921/eu-central-1/execute-api/aws4_request, \
                 SignedHeaders=host;x-amz-date, Signature="
            ),
            "{authorization}"
        );
        assert_eq!(headers["x-amz-date"], "20260921T141320Z");
        assert!(headers["authorization"].is_sensitive());
    }

    #[test]
    fn every_part_of_the_url_changes_the_signature() {
        let urls = [
            "https://api.example/v1/jobs",
            "https://api.example/v2/jobs",
            "https://other.example/v1/jobs",
            "https://api.example/v1/jobs?a=1",
            "https://api.example:8443/v1/jobs",
        ];
        let mut signatures: Vec<String> =
            urls.iter().map(|url| signed(url, None)["authorization"].to_str().unwrap().to_owned()).collect();
        signatures.sort();
        signatures.dedup();
        assert_eq!(signatures.len(), urls.len());
    }

    #[test]
    fn a_session_token_is_sent_and_signed() {
        let headers = signed("https://api.example/v1/jobs", Some("TOKEN"));
        assert_eq!(headers["x-amz-security-token"], "TOKEN");
        assert!(headers["authorization"].to_str().unwrap().contains("host;x-amz-date;x-amz-security-token"));
    }
}
