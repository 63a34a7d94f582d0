//! Reading under the job's snapshot while it passes from holder to holder.

use permafrost_catalog::Snapshot;
use permafrost_domain::{Fault, JobId};
use permafrost_engine::EngineError;
use permafrost_engine::snapshot::explained;

use crate::clock;
use crate::tools::Tools;

/// What `read` comes to under the job's snapshot. Its name is good until its holder has handed over; where that
/// happens between asking for the name and joining, `read` is called again with the next one. It must join first and
/// do the rest afterwards: once it has joined, it needs the holder no longer.
///
/// # Errors
/// `SnapshotLost` where the snapshot is gone and nobody has taken it over; whatever else `read` fails with.
pub async fn under_snapshot<T>(
    tools: &Tools,
    job: JobId,
    mut read: impl AsyncFnMut(&Snapshot) -> Result<T, EngineError>,
) -> Result<T, Fault> {
    let mut snapshot = tools.catalog.use_snapshot(job, clock::now()).await?;
    loop {
        let error = match read(&snapshot).await {
            Err(error @ EngineError::SnapshotLost { .. }) => error,
            other => return Ok(other.map_err(explained)?),
        };
        let next = tools.catalog.use_snapshot(job, clock::now()).await?;
        if next.generation <= snapshot.generation {
            return Err(error.into());
        }
        tracing::info!(%job, generation = next.generation, "the snapshot was handed over: {error}");
        snapshot = next;
    }
}
