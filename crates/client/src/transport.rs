//! One request: signed, sent, sent again where that is safe, and its answer read.

use std::time::{Duration, SystemTime};

use aws_credential_types::provider::SharedCredentialsProvider;
use permafrost_domain::Fault;
use permafrost_domain::wire::ErrorBody;
use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderValue, USER_AGENT};
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::credentials::CachedCredentials;
use crate::endpoint::Endpoint;
use crate::error::ClientError;
use crate::retry::{self, Effect};
use crate::signer;

/// How long a connection may take to be made.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
/// How long an answer may take; API Gateway itself gives up after 29 s.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(32);
/// The most bytes of an answer; Lambda's own limit is 6 MB.
const MAX_ANSWER_BYTES: usize = 8 * 1024 * 1024;
/// The most characters of a foreign answer that an error repeats.
const MAX_DETAIL_CHARS: usize = 200;

/// The way to the API.
#[derive(Debug)]
pub(crate) struct Transport {
    http: reqwest::Client,
    endpoint: Endpoint,
    region: String,
    credentials: CachedCredentials,
}

impl Transport {
    pub(crate) fn new(
        endpoint: Endpoint,
        region: &str,
        credentials: SharedCredentialsProvider,
    ) -> Result<Self, ClientError> {
        // One TLS provider for the whole process; whoever came first has installed the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let http = reqwest::Client::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(ANSWER_TIMEOUT)
            // A redirected request would carry a signature made for another URL.
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(ClientError::NotSetUp)?;
        let credentials = CachedCredentials::new(credentials);
        Ok(Self { http, endpoint, region: region.to_owned(), credentials })
    }

    /// The answer to a GET.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        query: &[(&str, String)],
    ) -> Result<T, ClientError> {
        let url = self.endpoint.route(segments, query);
        self.repeat(&Method::GET, &url, &[], Effect::None).await
    }

    /// The answer to a POST that starts something, with a JSON body.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        segments: &[&str],
        body: &impl serde::Serialize,
    ) -> Result<T, ClientError> {
        self.change(&Method::POST, segments, body, Effect::Once).await
    }

    /// The answer to a request with a JSON body, which has this effect.
    pub(crate) async fn change<T: DeserializeOwned>(
        &self,
        method: &Method,
        segments: &[&str],
        body: &impl serde::Serialize,
        effect: Effect,
    ) -> Result<T, ClientError> {
        let body = serde_json::to_vec(body).map_err(|error| ClientError::NotSigned(Box::new(error)))?;
        let url = self.endpoint.route(segments, &[]);
        self.repeat(method, &url, &body, effect).await
    }

    async fn repeat<T: DeserializeOwned>(
        &self,
        method: &Method,
        url: &Url,
        body: &[u8],
        effect: Effect,
    ) -> Result<T, ClientError> {
        let mut attempt = 1;
        loop {
            match self.send(method, url, body).await {
                Err(error) if attempt < retry::ATTEMPTS && retry::may_repeat(&error, effect) => {
                    let delay = retry::delay_before(attempt);
                    tracing::debug!(%method, path = url.path(), attempt, ?delay, %error, "sending again");
                    tokio::time::sleep(delay).await;
                    attempt += 1;
                }
                answer => return answer,
            }
        }
    }

    async fn send<T: DeserializeOwned>(
        &self,
        method: &Method,
        url: &Url,
        body: &[u8],
    ) -> Result<T, ClientError> {
        // A signature bears the moment at which it is made, so every attempt gets a new one.
        #[expect(
            clippy::disallowed_methods,
            reason = "the client is at the edge: it signs with the time it is"
        )]
        let now = SystemTime::now();
        let credentials = self.credentials.at(now).await?;
        let mut headers = HeaderMap::new();
        let mut signed: Vec<(&str, &str)> = Vec::new();
        if !body.is_empty() {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            signed.push(("content-type", "application/json"));
        }
        headers.extend(signer::signature(
            method.as_str(),
            url,
            &signed,
            body,
            credentials,
            &self.region,
            now,
        )?);
        // Not signed: proxies may change it.
        headers
            .insert(USER_AGENT, HeaderValue::from_static(concat!("permafrost/", env!("CARGO_PKG_VERSION"))));
        let unreachable = |source: reqwest::Error| ClientError::Unreachable {
            endpoint: self.endpoint.to_string(),
            source: source.without_url(),
        };
        let request = self.http.request(method.clone(), url.clone()).headers(headers).body(body.to_vec());
        let mut response = request.send().await.map_err(unreachable)?;
        let status = response.status();
        let mut answer = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
            answer.extend_from_slice(&chunk);
            if answer.len() > MAX_ANSWER_BYTES {
                return Err(self.unexpected(status, "an answer of more than 8 MiB"));
            }
        }
        self.read(status, &answer)
    }

    fn read<T: DeserializeOwned>(&self, status: StatusCode, answer: &[u8]) -> Result<T, ClientError> {
        if status.is_success() {
            return serde_json::from_slice(answer)
                .map_err(|error| self.unexpected(status, &format!("not what the route answers: {error}")));
        }
        if let Some(fault) = fault_of(answer) {
            return Err(ClientError::Api { fault: Box::new(fault), status: status.as_u16() });
        }
        let gateway = gateway_message(answer);
        match status {
            StatusCode::TOO_MANY_REQUESTS => Err(ClientError::Throttled),
            // API Gateway says so for a path that it does not know, whoever asks.
            StatusCode::FORBIDDEN if gateway.as_deref() == Some("Missing Authentication Token") => {
                Err(self.unexpected(StatusCode::NOT_FOUND, "no such route"))
            }
            StatusCode::FORBIDDEN | StatusCode::UNAUTHORIZED => {
                let message = gateway.unwrap_or_else(|| format!("refused with {status}"));
                Err(ClientError::AccessDenied { message: format!("the API refused the caller: {message}") })
            }
            _ => {
                let detail = gateway.unwrap_or_else(|| String::from_utf8_lossy(answer).into_owned());
                Err(self.unexpected(status, &detail))
            }
        }
    }

    fn unexpected(&self, status: StatusCode, detail: &str) -> ClientError {
        ClientError::Unexpected {
            endpoint: self.endpoint.to_string(),
            status: status.as_u16(),
            detail: detail
                .split_whitespace()
                .collect::<Vec<_>>()
                .join(" ")
                .chars()
                .take(MAX_DETAIL_CHARS)
                .collect(),
        }
    }
}

/// The fault in an answer of the API itself.
fn fault_of(answer: &[u8]) -> Option<Fault> {
    serde_json::from_slice::<ErrorBody>(answer).ok().map(|body| body.error)
}

/// What API Gateway itself says: `{"message": …}`, or with a capital where IAM refuses.
fn gateway_message(answer: &[u8]) -> Option<String> {
    #[derive(Deserialize)]
    struct Body {
        #[serde(alias = "Message")]
        message: String,
    }
    serde_json::from_slice::<Body>(answer).ok().map(|body| body.message)
}
