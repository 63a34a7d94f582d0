//! Uploading standard input: what stands behind `pg_dump | zstd` where Permafrost is not at hand.

use std::io::Read;

use bytes::Bytes;

use super::{BUCKET, client};
use crate::args::Destination;
use crate::error::BenchError;

/// Bytes of each object.
const OBJECT_BYTES: u64 = 16 * 1024 * 1024;

/// Uploads standard input to the server at `endpoint`, an object after the other, reading the next one while one is
/// on its way.
pub(crate) async fn upload(endpoint: &str) -> Result<(), BenchError> {
    let client = client::client(endpoint, Destination::S3);
    let mut in_flight: Option<tokio::task::JoinHandle<Result<(), BenchError>>> = None;
    for number in 0_u32.. {
        let reading = tokio::task::spawn_blocking(|| {
            let mut piece = Vec::new();
            std::io::stdin().lock().take(OBJECT_BYTES).read_to_end(&mut piece).map(|_| piece)
        });
        let piece = reading.await.map_err(|error| BenchError::Wrong(error.to_string()))?;
        let piece = piece.map_err(BenchError::io("read standard input"))?;
        if let Some(write) = in_flight.take() {
            write.await.map_err(|error| BenchError::Wrong(error.to_string()))??;
        }
        if piece.is_empty() {
            break;
        }
        let request =
            client.put_object().bucket(BUCKET).key(format!("upload/{}/{number}", std::process::id()));
        in_flight = Some(tokio::spawn(async move {
            let sent = request.body(Bytes::from(piece).into()).send().await;
            sent.map(drop).map_err(|error| BenchError::Wrong(format!("the upload failed: {error:?}")))
        }));
    }
    Ok(())
}
