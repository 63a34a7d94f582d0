//! Copying large objects.

use permafrost_domain::job::Progress;
use permafrost_vault::plan::OidRange;
use permafrost_vault::task_result::{Frame, LargeObjectData};

use super::frames::{FRAME_BYTES, FrameWriter};
use crate::error::EngineError;
use crate::pg::Connection;

/// Bytes of a large object that one answer of the server brings.
const CHUNK_BYTES: usize = 1024 * 1024;
/// Large objects that are begun by one query.
const BATCH: usize = 8;

/// Copies the large objects of a range, in the order of their numbers.
pub(super) async fn copy(
    connection: &mut Connection,
    frames: &mut FrameWriter,
    range: OidRange,
    watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
) -> Result<Vec<LargeObjectData>, EngineError> {
    let mut copied = Vec::new();
    for batch in oids(connection, range).await?.chunks(BATCH) {
        for (oid, first) in beginnings(connection, batch).await? {
            let frames = copy_object(connection, frames, oid, first, watch).await?;
            copied.push(LargeObjectData { oid, frames });
        }
    }
    Ok(copied)
}

async fn oids(connection: &mut Connection, range: OidRange) -> Result<Vec<u32>, EngineError> {
    let failed = || EngineError::query("list the large objects");
    let rows = connection
        .query(
            "SELECT oid FROM pg_catalog.pg_largeobject_metadata \
             WHERE oid >= $1::pg_catalog.oid AND oid <= $2::pg_catalog.oid ORDER BY oid",
            &[Some(&range.from.to_string()), Some(&range.to.to_string())],
        )
        .await
        .map_err(failed())?;
    rows.iter().map(|row| row.parse(0).map_err(failed())).collect()
}

/// The first bytes of some large objects: all of them, of most.
async fn beginnings(connection: &mut Connection, oids: &[u32]) -> Result<Vec<(u32, Vec<u8>)>, EngineError> {
    let failed = || EngineError::query("read large objects");
    let list: Vec<String> = oids.iter().map(u32::to_string).collect();
    let rows = connection
        .query(
            &format!(
                "SELECT o, pg_catalog.encode(pg_catalog.lo_get(o, 0, {CHUNK_BYTES}), 'hex') \
                 FROM pg_catalog.unnest($1::pg_catalog.oid[]) WITH ORDINALITY u (o, n) ORDER BY n"
            ),
            &[Some(&format!("{{{}}}", list.join(",")))],
        )
        .await
        .map_err(failed())?;
    rows.iter().map(|row| Ok((row.parse(0).map_err(failed())?, bytes(row.get(1))?))).collect()
}

async fn copy_object(
    connection: &mut Connection,
    frames: &mut FrameWriter,
    oid: u32,
    first: Vec<u8>,
    watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
) -> Result<Vec<Frame>, EngineError> {
    let object = format!("large object {oid}");
    let mut written = Vec::new();
    let mut chunk = first;
    let mut offset = 0_u64;
    loop {
        let last = chunk.len() < CHUNK_BYTES;
        offset += chunk.len() as u64;
        frames.raw.append(&mut chunk);
        if !frames.raw.is_empty() && (last || frames.raw.len() >= FRAME_BYTES) {
            written.push(frames.write(0, None).await?);
            watch(frames.done).await?;
        }
        if last {
            return Ok(written);
        }
        let rows = connection
            .query(
                &format!(
                    "SELECT pg_catalog.encode(pg_catalog.lo_get({oid}::pg_catalog.oid, {offset}, {CHUNK_BYTES}), 'hex')"
                ),
                &[],
            )
            .await
            .map_err(EngineError::query_on(format!("read {object}"), object.clone()))?;
        chunk = bytes(rows.first().and_then(|row| row.get(0)))?;
    }
}

fn bytes(text: Option<&str>) -> Result<Vec<u8>, EngineError> {
    // `encode` breaks no lines in hexadecimal.
    hex::decode(text.unwrap_or_default()).map_err(|error| EngineError::Answer {
        what: format!("a large object's bytes are not hexadecimal: {error}"),
    })
}
