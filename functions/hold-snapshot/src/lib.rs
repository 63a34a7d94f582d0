//! `HoldSnapshot`: locks the tables, takes the snapshot, and keeps both alive until it is told to let go.
//!
//! It reports by its task token alone, failures too: whoever waits for the token does not see the function's
//! own answer everywhere.
//!
//! Race: the catalog is asked to keep the snapshot only after locks and snapshot are there, and the backup reads
//! under it only while its lease runs. Crash story: a holder that is gone stops renewing its lease; a second one
//! may take its place only while nobody has read under the first one's snapshot.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::{CatalogError, Snapshot, SnapshotState};
use permafrost_domain::{Code, Fault, InstanceId, JobId};
use permafrost_engine::snapshot::HeldSnapshot;
use permafrost_function::step::Done;
use permafrost_function::{Tools, clock, config};
use serde::Deserialize;
use tokio::time::{Instant, sleep};

/// How long a lease runs. A holder that is alive renews it many times over.
const LEASE: SignedDuration = SignedDuration::from_secs(15);
/// How often the holder looks at what is asked of it, and at its connection.
const EVERY: Duration = Duration::from_millis(500);

/// The step's input.
#[derive(Debug, Deserialize)]
pub struct Input {
    job: JobId,
    instance: InstanceId,
    task_token: String,
}

/// Holds the snapshot, and reports by the token how that went.
///
/// # Errors
/// Step Functions does not take the report.
pub async fn handle(tools: &Tools, input: Input) -> Result<Done, Fault> {
    let held = hold(tools, &input).await;
    if let Err(fault) = &held {
        tracing::error!(job = %input.job, code = %fault.code, "{}", fault.message);
        if fault.code.retry() == permafrost_domain::fault::Retry::Never {
            tools.catalog.record_fault(input.job, fault).await?;
        }
    }
    report(tools, &input.task_token, held).await?;
    Ok(Done {})
}

async fn hold(tools: &Tools, input: &Input) -> Result<(), Fault> {
    tools.check_not_cancelled(input.job).await?;
    let lifetime = lifetime()?;
    let until = Instant::now() + lifetime;
    let instance = tools.catalog.instance(input.instance).await?;
    let login = tools.login(&instance.data_source, input.job).await?;
    let mut held = HeldSnapshot::take(&login).await?;
    let holder = format!("{:016x}", holder_id(held.backend_pid(), clock::now()));
    let mut snapshot = Snapshot {
        job: input.job,
        snapshot_id: held.id.clone(),
        holder: holder.clone(),
        generation: 1,
        consistent_at: held.consistent_at,
        state: SnapshotState::Held,
        lease_until: lease_end(),
        tables: held.tables,
    };
    publish(tools, &mut snapshot).await?;
    tracing::info!(job = %input.job, snapshot = snapshot.snapshot_id, tables = held.tables, "holding");

    let result = keep(tools, input.job, &holder, &mut held, until).await;
    match result {
        Ok(()) => {
            // Alive to the end: only now may the backup count on what was read.
            held.check().await?;
            held.let_go().await;
            match tools.catalog.mark_released(input.job, &holder).await? {
                SnapshotState::Released => Ok(()),
                state => Err(Fault::new(Code::SnapshotLost, format!("the snapshot is {state}"))),
            }
        }
        Err(fault) => {
            held.let_go().await;
            tools.catalog.mark_lost(input.job, &holder).await?;
            Err(fault)
        }
    }
}

/// Records the snapshot. Where an earlier try of this step has left one, waits for the end of its lease: until then
/// its holder may be alive.
async fn publish(tools: &Tools, snapshot: &mut Snapshot) -> Result<(), Fault> {
    loop {
        snapshot.lease_until = lease_end();
        match tools.catalog.put_first_snapshot(snapshot, clock::now()).await {
            Err(CatalogError::SnapshotHeldByAnother { lease_until, .. }) => {
                tracing::warn!(job = %snapshot.job, %lease_until, "an earlier holder's lease still runs");
                tools.check_not_cancelled(snapshot.job).await?;
                sleep(EVERY).await;
            }
            other => return Ok(other?),
        }
    }
}

/// Keeps the snapshot until it may be let go.
async fn keep(
    tools: &Tools,
    job: JobId,
    holder: &str,
    held: &mut HeldSnapshot,
    until: Instant,
) -> Result<(), Fault> {
    loop {
        match tools.catalog.renew_lease(job, holder, lease_end()).await? {
            SnapshotState::Held => {}
            SnapshotState::Releasing => return Ok(()),
            state => return Err(Fault::new(Code::SnapshotLost, format!("the snapshot is {state}"))),
        }
        if Instant::now() >= until {
            let message = "the backup did not end within the lifetime of the snapshot's holder";
            return Err(Fault::new(Code::SnapshotExpired, message));
        }
        sleep(EVERY).await;
        held.check().await?;
    }
}

async fn report(tools: &Tools, token: &str, held: Result<(), Fault>) -> Result<(), Fault> {
    let sfn = aws_sdk_sfn::Client::new(&tools.sdk);
    let sent = match held {
        Ok(()) => {
            let request = sfn.send_task_success().task_token(token).output("{\"outcome\":\"released\"}");
            request.send().await.map(drop).map_err(|error| permafrost_domain::fault::chain(&error))
        }
        Err(fault) => {
            let request = sfn
                .send_task_failure()
                .task_token(token)
                .error(fault.code.as_str())
                .cause(fault.to_error_message());
            request.send().await.map(drop).map_err(|error| permafrost_domain::fault::chain(&error))
        }
    };
    sent.map_err(|error| {
        Fault::new(Code::OrchestrationUnavailable, format!("the report was not taken: {error}"))
    })
}

fn lifetime() -> Result<Duration, Fault> {
    let text = config::variable("HOLDER_LIFETIME_SECONDS")?;
    text.parse().map(Duration::from_secs).map_err(|_| {
        let message = format!("HOLDER_LIFETIME_SECONDS is {text:?}, expected whole seconds");
        Fault::new(Code::InvalidConfiguration, message)
    })
}

fn lease_end() -> Timestamp {
    clock::now().saturating_add(LEASE).unwrap_or(Timestamp::MAX)
}

/// Tells one holder from another: a server process and a moment are never the same twice.
fn holder_id(backend_pid: i32, now: Timestamp) -> u64 {
    let nanos = u64::try_from(now.as_nanosecond() & i128::from(u64::MAX >> 1)).unwrap_or_default();
    nanos.rotate_left(24) ^ u64::from(backend_pid.unsigned_abs())
}
