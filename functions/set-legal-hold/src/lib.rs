//! `SetLegalHold`: puts every object of a point under S3's legal hold, or lets all of them go, in both stores.
//!
//! Order of effects: of a hold the catalog says that it is on when its job is opened, before any object is held; of a
//! release the objects are let go here, and then the catalog says so. Nothing of Permafrost deletes what the catalog
//! calls held, so a job that dies halfway, or is cancelled, leaves a point that nothing deletes; a hold that is asked for
//! again holds all of its objects.
//!
//! The point names the one job that may do this ([`permafrost_catalog::Catalog::open_hold_job`]): no other undoes what
//! this one does meanwhile. A large point takes several calls, which hand on how far they came.

use std::time::Duration;

use permafrost_catalog::CatalogError;
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::{Code, Fault, JobId};
use permafrost_function::hold::set_hold;
use permafrost_function::{Tools, clock};
use permafrost_vault::object_lock::LegalHold;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// How long one call works before it asks to be called again; a function lives 900 s.
const WORKS: Duration = Duration::from_mins(10);

/// The step's input.
#[derive(Debug, Clone, Copy, Deserialize)]
pub struct Input {
    /// The job.
    pub job: JobId,
    /// How many of the point's objects were seen to before.
    #[serde(default)]
    pub next: usize,
}

/// The step's answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Output {
    /// Whether something is left to do.
    pub state: State,
    /// How many of the point's objects are seen to.
    pub next: usize,
}

/// Whether something is left to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// The step is to be asked again.
    Running,
    /// All is done.
    Done,
}

/// Holds the objects of the job's point or lets them go, for some minutes.
///
/// # Errors
/// `JobCancelled`; `JobNotRunning` where the point does not name this job; what names the point's objects cannot be
/// read, or the store refuses.
pub async fn handle(tools: &Tools, input: Input) -> Result<Output, Fault> {
    let deadline = Instant::now() + WORKS;
    tools.check_not_cancelled(input.job).await?;
    let job = tools.catalog.job_record(input.job).await?;
    let (point, hold) = (point_of(tools, &job).await?, hold_of(&job)?);
    let reached = set_hold(tools, &point, hold, input.next, deadline).await?;
    let running = Output { state: State::Running, next: reached.next };
    if !reached.is_end {
        return Ok(running);
    }
    if hold == LegalHold::Off {
        match tools.catalog.end_hold(&point, job.id, clock::now()).await {
            Ok(_) => {}
            // It has been archived meanwhile, and has copies that may be held: they come next.
            Err(CatalogError::PointChanged { .. }) => return Ok(running),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(Output { state: State::Done, ..running })
}

/// The point of the job, which changes its legal hold.
async fn point_of(tools: &Tools, job: &Job) -> Result<RecoveryPoint, Fault> {
    let id =
        job.point.ok_or_else(|| about(job, Code::CatalogRecordInvalid, "the job names no recovery point"))?;
    let point = tools.catalog.point(job.instance, id).await?;
    if point.hold_job != Some(job.id) {
        return Err(about(job, Code::JobNotRunning, "the recovery point does not name the job any more"));
    }
    Ok(point)
}

/// What the job does.
fn hold_of(job: &Job) -> Result<LegalHold, Fault> {
    match job.operation {
        Operation::Hold => Ok(LegalHold::On),
        Operation::Release => Ok(LegalHold::Off),
        _ => Err(about(job, Code::CatalogRecordInvalid, "the job changes no legal hold")),
    }
}

fn about(job: &Job, code: Code, message: &str) -> Fault {
    Fault::new(code, message).on(job.id.to_string())
}
