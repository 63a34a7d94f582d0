//! Loading large objects. They are there by now, empty: pre-data has made them.

use permafrost_vault::SegmentReader;
use permafrost_vault::task_result::LargeObjectData;

use super::frames::Decompressor;
use crate::error::EngineError;
use crate::pg::Connection;

/// Bytes that go to the server in one statement.
const CHUNK_BYTES: usize = 1024 * 1024;

/// Writes the bytes of a large object and returns how many they are.
pub(super) async fn load(
    connection: &mut Connection,
    reader: &mut SegmentReader<'_>,
    decompressor: &mut Decompressor,
    data: &LargeObjectData,
) -> Result<u64, EngineError> {
    let object = format!("large object {}", data.oid);
    let mut offset = 0_u64;
    for frame in &data.frames {
        let stored = reader.frame(frame).await?;
        let raw = decompressor.raw_of(&stored, frame, &object)?;
        for chunk in raw.chunks(CHUNK_BYTES) {
            let (oid, at, bytes) = (data.oid.to_string(), offset.to_string(), hex::encode(chunk));
            connection
                .query(
                    "SELECT pg_catalog.lo_put($1::pg_catalog.oid, $2::pg_catalog.int8, \
                     pg_catalog.decode($3::pg_catalog.text, 'hex'))",
                    &[Some(&oid), Some(&at), Some(&bytes)],
                )
                .await
                .map_err(EngineError::query_on(format!("load {object}"), object.clone()))?;
            offset += chunk.len() as u64;
        }
    }
    Ok(offset)
}
