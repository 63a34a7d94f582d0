//! `ReleaseSnapshot`: asks the holder to let go, and waits until it says that it had held to the end.

use std::time::Duration;

use permafrost_catalog::{CatalogError, SnapshotState};
use permafrost_domain::{Code, Fault};
use permafrost_function::step::{Done, JobStep};
use permafrost_function::{Tools, clock};
use tokio::time::sleep;

/// Lets the job's snapshot go. Where there is none, there is nothing to do.
///
/// # Errors
/// `SnapshotLost` where the holder was gone before: what was read after that cannot be trusted.
pub async fn handle(tools: &Tools, input: JobStep) -> Result<Done, Fault> {
    match tools.catalog.request_release(input.job).await {
        Ok(_) => {}
        Err(CatalogError::SnapshotNotFound(_)) => return Ok(Done {}),
        Err(error) => return Err(error.into()),
    }
    loop {
        let Some(snapshot) = tools.catalog.snapshot(input.job).await? else { return Ok(Done {}) };
        let lost = |why: String| Err(Fault::new(Code::SnapshotLost, why).on(snapshot.snapshot_id.clone()));
        match snapshot.state {
            SnapshotState::Released => return Ok(Done {}),
            SnapshotState::Releasing if snapshot.lease_until < clock::now() => {
                return lost(format!(
                    "the snapshot's holder was last heard of before {}",
                    snapshot.lease_until
                ));
            }
            SnapshotState::Releasing | SnapshotState::Held => sleep(Duration::from_millis(200)).await,
            state @ (SnapshotState::Lost | SnapshotState::Abandoned) => {
                return lost(format!("the snapshot is {state}"));
            }
        }
    }
}
