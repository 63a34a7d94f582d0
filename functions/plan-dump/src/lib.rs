//! `PlanDump`: waits for the snapshot, takes the table of contents under it, and writes the plan.

use std::time::Duration;

use permafrost_catalog::{CatalogError, Snapshot};
use permafrost_domain::{Code, Fault, JobId, PointId};
use permafrost_engine::dump::plan::{DumpOptions, SnapshotRef, plan_dump};
use permafrost_function::snapshot::under_snapshot;
use permafrost_function::step::InstanceStep;
use permafrost_function::{Tools, clock, config};
use permafrost_vault::PointLayout;
use permafrost_vault::plan::Compression;
use serde::Serialize;
use tokio::time::{Instant, sleep};

/// How long to wait for the holder: locks that are held by others are waited for, and tried again.
const WAIT: Duration = Duration::from_secs(400);
/// The most tasks that a plan may have: the Map's items travel in a payload of 256 KB.
const MAX_TASKS: u32 = 2_000;

/// The step's answer.
#[derive(Debug, Serialize)]
pub struct Output {
    tasks: u32,
}

/// Writes the plan of the job's dump.
///
/// # Errors
/// The snapshot does not come, pg_dump refuses, or the store cannot be written.
pub async fn handle(tools: &Tools, input: InstanceStep) -> Result<Output, Fault> {
    wait_for_snapshot(tools, input.job).await?;
    let instance = tools.catalog.instance(input.instance).await?;
    let login = tools.login(&instance.data_source, input.job).await?;
    let layout = PointLayout::new(input.instance, PointId::of_backup(input.job));
    let options = options()?;
    let planned = under_snapshot(tools, input.job, async |snapshot: &Snapshot| {
        let snapshot = SnapshotRef { id: &snapshot.snapshot_id, consistent_at: snapshot.consistent_at };
        plan_dump(&tools.store, &layout, &tools.programs, &instance.data_source, &login, snapshot, &options)
            .await
    })
    .await?;
    if planned.tasks > MAX_TASKS {
        let message =
            format!("the dump would take {} tasks, at most {MAX_TASKS} are possible", planned.tasks);
        return Err(Fault::new(Code::MaxConcurrentOperationLimitReached, message));
    }
    tools.catalog.record_expected(input.job, planned.tables, planned.estimated_bytes).await?;
    Ok(Output { tasks: planned.tasks })
}

/// How the template wants dumps to be cut and compressed.
fn options() -> Result<DumpOptions, Fault> {
    let (compression, level) = compression(&config::variable("DUMP_COMPRESSION")?)?;
    Ok(DumpOptions {
        task_bytes: config::number("DUMP_TASK_BYTES")?,
        workers: config::number("DUMP_WORKERS")?,
        compression,
        level,
    })
}

/// `zstd:1` to `zstd:19`, `gzip:1` to `gzip:9`.
fn compression(text: &str) -> Result<(Compression, i32), Fault> {
    let (name, level) = text.split_once(':').unwrap_or((text, "1"));
    let level = level.parse().unwrap_or(0);
    match name {
        "zstd" if (1..=19).contains(&level) => Ok((Compression::Zstd, level)),
        "gzip" if (1..=9).contains(&level) => Ok((Compression::Gzip, level)),
        _ => {
            let message =
                format!("DUMP_COMPRESSION is {text:?}, expected zstd:1 to zstd:19 or gzip:1 to gzip:9");
            Err(Fault::new(Code::InvalidConfiguration, message))
        }
    }
}

async fn wait_for_snapshot(tools: &Tools, job: JobId) -> Result<(), Fault> {
    let until = Instant::now() + WAIT;
    loop {
        match tools.catalog.use_snapshot(job, clock::now()).await {
            Ok(_) => return Ok(()),
            Err(CatalogError::SnapshotNotFound(_)) if Instant::now() < until => {
                let status = tools.catalog.job_record(job).await?;
                if let Some(fault) = status.fault {
                    // The holder has failed for good; its fault is the job's.
                    return Err(fault);
                }
                tools.check_not_cancelled(job).await?;
                sleep(Duration::from_millis(300)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn compression_is_named_with_its_level() {
        assert_eq!(compression("zstd:3"), Ok((Compression::Zstd, 3)));
        assert_eq!(compression("gzip:9"), Ok((Compression::Gzip, 9)));
        assert_eq!(compression("zstd"), Ok((Compression::Zstd, 1)));
        for wrong in ["", "lz4:1", "zstd:0", "zstd:20", "gzip:x", "zstd:1:2"] {
            assert_eq!(compression(wrong).unwrap_err().code, Code::InvalidConfiguration, "{wrong}");
        }
    }
}
