//! The S3 server: what the vault needs of S3, in memory, as fast as HTTP allows.
//!
//! It keeps the SHA-256 that the writer gives and does not compute it again: S3 does that on machines of its own,
//! and here it would take the CPU of what is measured.

use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use hyper::Request;
use hyper::body::Incoming;
use hyper::header::AUTHORIZATION;
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto::Builder;
use s3s::dto::{
    ContentRange, ETag, GetObjectInput, GetObjectOutput, HeadObjectInput, HeadObjectOutput, IfNoneMatch,
    PutObjectInput, PutObjectOutput, Range, StreamingBlob,
};
use s3s::service::S3ServiceBuilder;
use s3s::{S3, S3Request, S3Response, S3Result, s3_error};
use serde::{Deserialize, Serialize};
use tokio::net::TcpListener;

use super::objects::{Condition, Object, Objects, Refusal};
use crate::error::BenchError;
use crate::say;

/// Bytes of an answer's pieces.
const PIECE_BYTES: usize = 1024 * 1024;

/// What the server says when it listens.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Listening {
    /// On this port of 127.0.0.1.
    pub(crate) port: u16,
}

/// Serves until the process is killed.
pub(crate) async fn serve(limit_bytes: u64) -> Result<(), BenchError> {
    let listener = listen().await?;
    let port = listener.local_addr().map_err(BenchError::io("listen"))?.port();
    say::answer(&Listening { port })?;
    accept(listener, limit_bytes).await
}

async fn listen() -> Result<TcpListener, BenchError> {
    TcpListener::bind(("127.0.0.1", 0)).await.map_err(BenchError::io("listen"))
}

async fn accept(listener: TcpListener, limit_bytes: u64) -> Result<(), BenchError> {
    let service = S3ServiceBuilder::new(Memory { objects: Arc::new(Objects::new(limit_bytes)) }).build();
    loop {
        let (stream, _) = listener.accept().await.map_err(BenchError::io("accept a connection"))?;
        stream.set_nodelay(true).map_err(BenchError::io("accept a connection"))?;
        let service = service.clone();
        // Nobody else reaches this server: signatures are not looked at, which without this it would insist on.
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.headers_mut().remove(AUTHORIZATION);
            Service::call(&service, request)
        });
        tokio::spawn(async move {
            let builder = Builder::new(TokioExecutor::new());
            if let Err(error) = builder.serve_connection(TokioIo::new(stream), service).await {
                say::line(&format!("S3 server: a connection broke: {error}"));
            }
        });
    }
}

struct Memory {
    objects: Arc<Objects>,
}

#[async_trait::async_trait]
impl S3 for Memory {
    async fn put_object(&self, request: S3Request<PutObjectInput>) -> S3Result<S3Response<PutObjectOutput>> {
        let input = request.input;
        let body = match input.body {
            Some(body) => collect(body, input.content_length).await?,
            None => Bytes::new(),
        };
        let condition = match input.if_none_match {
            None => Condition::None,
            Some(IfNoneMatch::Any) => Condition::Absent,
            Some(IfNoneMatch::ETag(_)) => return Err(s3_error!(NotImplemented)),
        };
        let version = self.objects.put(&input.key, body, input.checksum_sha256.clone(), condition).map_err(
            |refusal| match refusal {
                Refusal::Exists => s3_error!(PreconditionFailed),
                Refusal::Full => s3_error!(InvalidRequest, "the server's memory is full"),
            },
        )?;
        Ok(S3Response::new(PutObjectOutput {
            checksum_sha256: input.checksum_sha256,
            e_tag: Some(ETag::Strong(version.clone())),
            version_id: Some(version),
            ..Default::default()
        }))
    }

    async fn head_object(
        &self,
        request: S3Request<HeadObjectInput>,
    ) -> S3Result<S3Response<HeadObjectOutput>> {
        let input = request.input;
        let object = self.find(&input.key, input.version_id.as_deref())?;
        Ok(S3Response::new(HeadObjectOutput {
            content_length: i64::try_from(object.body.len()).ok(),
            checksum_sha256: object.sha256,
            e_tag: Some(ETag::Strong(object.version.clone())),
            version_id: Some(object.version),
            ..Default::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> S3Result<S3Response<GetObjectOutput>> {
        let input = request.input;
        let object = self.find(&input.key, input.version_id.as_deref())?;
        let (body, content_range) = match input.range {
            None => (object.body, None),
            Some(range) => part(&object.body, range)?,
        };
        Ok(S3Response::new(GetObjectOutput {
            content_length: i64::try_from(body.len()).ok(),
            content_range,
            body: Some(pieces(body)),
            e_tag: Some(ETag::Strong(object.version.clone())),
            version_id: Some(object.version),
            ..Default::default()
        }))
    }
}

impl Memory {
    fn find(&self, key: &str, version: Option<&str>) -> S3Result<Object> {
        self.objects.get(key, version).ok_or_else(|| s3_error!(NoSuchKey))
    }
}

async fn collect(mut body: StreamingBlob, length: Option<i64>) -> S3Result<Bytes> {
    let length = length.and_then(|length| usize::try_from(length).ok());
    let mut bytes = BytesMut::with_capacity(length.unwrap_or_default());
    while let Some(piece) = body.next().await {
        bytes.extend_from_slice(&piece.map_err(|_| s3_error!(IncompleteBody))?);
    }
    if length.is_some_and(|length| length != bytes.len()) {
        return Err(s3_error!(IncompleteBody));
    }
    Ok(bytes.freeze())
}

fn part(body: &Bytes, range: Range) -> S3Result<(Bytes, Option<ContentRange>)> {
    let whole = body.len() as u64;
    let range = range.check(whole).map_err(|_| s3_error!(InvalidRange))?;
    let place = |at: u64| usize::try_from(at).map_err(|_| s3_error!(InvalidRange));
    let content_range = format!("bytes {}-{}/{whole}", range.start, range.end - 1);
    Ok((body.slice(place(range.start)?..place(range.end)?), Some(content_range)))
}

fn pieces(body: Bytes) -> StreamingBlob {
    let pieces = (0..body.len())
        .step_by(PIECE_BYTES)
        .map(move |first| Ok::<_, std::io::Error>(body.slice(first..(first + PIECE_BYTES).min(body.len()))));
    StreamingBlob::wrap(stream::iter(pieces))
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use permafrost_domain::{InstanceId, JobId, PointId};
    use permafrost_vault::{PointLayout, VaultError};

    use super::*;
    use crate::args::Destination;
    use crate::s3::client;

    #[tokio::test]
    async fn the_vaults_own_client_finds_what_it_needs() {
        let listener = listen().await.unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(accept(listener, 64 * 1024 * 1024));
        let store = client::store(&endpoint, Destination::S3);
        let job = JobId::new(Timestamp::UNIX_EPOCH, 1);
        let layout = PointLayout::new(InstanceId::new(Timestamp::UNIX_EPOCH, 2), PointId::of_backup(job));

        let body: Bytes = (0..5_000_000_u32).map(|n| n.to_le_bytes()[0]).collect::<Vec<_>>().into();
        let object = store.put_new(&layout, "segments/1.a.0", body.clone()).await.unwrap();
        // Again: it meets itself. Other bytes: the key is taken.
        assert_eq!(store.put_new(&layout, "segments/1.a.0", body.clone()).await.unwrap(), object);
        let other = store.put_new(&layout, "segments/1.a.0", Bytes::from_static(b"x")).await;
        assert!(matches!(other, Err(VaultError::AlreadyExists { .. })), "{other:?}");

        store.check(&layout, &object).await.unwrap();
        assert_eq!(store.get(&layout, &object).await.unwrap(), body);
        let range = store.get_range(&layout, &object, 1_234_567, 2_000_000).await.unwrap();
        assert_eq!(range, body.slice(1_234_567..3_234_567));
        let missing = store.get_current(&layout, "none").await;
        assert!(matches!(missing, Err(VaultError::Missing { .. })), "{missing:?}");
        let too_much = store.put_new(&layout, "big", vec![0; 61 * 1024 * 1024].into()).await;
        assert!(too_much.is_err());

        // The null sink confirms segments without sending them; documents arrive.
        let null = client::store(&endpoint, Destination::Null);
        let dropped = null.put_new(&layout, "segments/2.a.0", body).await.unwrap();
        assert!(matches!(store.check(&layout, &dropped).await, Err(VaultError::Missing { .. })));
        let document = null.put_new(&layout, "plan.json", Bytes::from_static(b"{}")).await.unwrap();
        store.check(&layout, &document).await.unwrap();
    }
}
