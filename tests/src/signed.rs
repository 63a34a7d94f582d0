//! Signed requests of any body, for what no client at hand would send.

use std::time::SystemTime;

use aws_credential_types::Credentials;
use aws_sigv4::http_request::{SignableBody, SignableRequest, SigningSettings, sign};
use aws_sigv4::sign::v4;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::support::Stack;
use crate::support::stack::Keys;

/// What a service answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// The body.
    pub body: String,
}

/// Posts `body` with `headers` to a URL of the emulator, signed for `service` with `keys`.
///
/// # Panics
/// The emulator does not answer.
#[expect(clippy::disallowed_methods, reason = "a test is an edge at which time enters")]
pub async fn post(keys: &Keys, service: &str, url: &str, headers: &[(&str, &str)], body: &str) -> Answer {
    let (host, target) = url
        .strip_prefix("http://")
        .and_then(|rest| rest.split_once('/'))
        .unwrap_or_else(|| panic!("{url} is no address of the emulator"));
    let (id, secret) = (keys.access_key_id.as_str(), keys.secret_access_key.as_str());
    let identity = Credentials::new(id, secret, None, None, "permafrost-tests").into();
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(&Stack::get().region)
        .name(service)
        .time(SystemTime::now())
        .settings(SigningSettings::default())
        .build()
        .expect("everything that signs is there");
    let request =
        SignableRequest::new("POST", url, headers.iter().copied(), SignableBody::Bytes(body.as_bytes()))
            .expect("the request can be signed");
    let (signed, _) = sign(request, &params.into()).expect("the request can be signed").into_parts();

    let mut lines = vec![
        format!("POST /{target} HTTP/1.1"),
        format!("host: {host}"),
        "connection: close".to_owned(),
        format!("content-length: {}", body.len()),
    ];
    let headers = headers.iter().copied().chain(signed.headers());
    lines.extend(headers.map(|(name, value)| format!("{name}: {value}")));
    let request = format!("{}\r\n\r\n{body}", lines.join("\r\n"));
    let mut connection = TcpStream::connect(host).await.expect("the emulator answers");
    connection.write_all(request.as_bytes()).await.expect("the request can be sent");
    let mut answer = Vec::new();
    connection.read_to_end(&mut answer).await.expect("the answer comes whole");
    let answer = String::from_utf8(answer).expect("the answer is UTF-8");
    let (head, body) = answer.split_once("\r\n\r\n").expect("the answer has a head");
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("it has a status");
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Answer { status, body: if chunked { unchunked(body) } else { body.to_owned() } }
}

/// The body behind HTTP's chunks.
fn unchunked(mut rest: &str) -> String {
    let mut body = String::new();
    while let Some((size, after)) = rest.split_once("\r\n") {
        let size = usize::from_str_radix(size.trim(), 16).expect("a chunk says its size");
        if size == 0 {
            break;
        }
        body.push_str(&after[..size]);
        rest = after[size..].trim_start_matches("\r\n");
    }
    body
}
