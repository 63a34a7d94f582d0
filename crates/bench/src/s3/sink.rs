//! A null sink: the SDK's HTTP connection with a hole for segments.
//!
//! Everything up to the connection is as in a function: checksums, signatures, the request. A segment's bytes are
//! then dropped and the write confirmed; documents, which are small, go to the server.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_s3::config::{HttpClient, RuntimeComponents, SharedHttpClient};
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, HttpConnectorSettings, SharedHttpConnector,
};
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse};
use aws_smithy_types::body::SdkBody;

/// An HTTP client that drops segments.
#[derive(Debug)]
pub(crate) struct NullSegments {
    inner: SharedHttpClient,
    dropped: Arc<AtomicU64>,
}

impl NullSegments {
    /// Sends everything but segments by `inner`.
    pub(crate) fn new(inner: SharedHttpClient) -> Self {
        Self { inner, dropped: Arc::new(AtomicU64::new(0)) }
    }
}

impl HttpClient for NullSegments {
    fn http_connector(
        &self,
        settings: &HttpConnectorSettings,
        components: &RuntimeComponents,
    ) -> SharedHttpConnector {
        SharedHttpConnector::new(NullConnector {
            inner: self.inner.http_connector(settings, components),
            dropped: Arc::clone(&self.dropped),
        })
    }
}

#[derive(Debug)]
struct NullConnector {
    inner: SharedHttpConnector,
    /// How many segments were dropped: their versions' names.
    dropped: Arc<AtomicU64>,
}

impl HttpConnector for NullConnector {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        if request.method() != "PUT" || !request.uri().contains("/segments/") {
            return self.inner.call(request);
        }
        let version = format!("null-{}", self.dropped.fetch_add(1, Ordering::Relaxed));
        drop(request);
        let Ok(status) = 200_u16.try_into() else { unreachable!("200 is a status") };
        let mut response = HttpResponse::new(status, SdkBody::empty());
        response.headers_mut().insert("x-amz-version-id", version);
        HttpConnectorFuture::ready(Ok(response))
    }
}
