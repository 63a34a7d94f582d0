//! `RehydratePoint`: makes an archived point readable for a time. Started by hand, or by a restore, which waits for it.
//!
//! Order of effects: a readable copy of every segment is asked for, then the catalog says `Rehydrating`; when all copies
//! are there, it says `Rehydrated`, until the first of them goes. Asked again, the step asks for nothing that is being
//! made. Copies that go too soon for this job, since another one has asked for them, are prolonged before it is done. A
//! point that is readable stays `Rehydrated` while that is done: somebody may be reading it.
//!
//! Of two jobs that rehydrate a point at once, one finds that the other has moved it since it was read. It looks again
//! when it is asked again.

use futures_util::stream::{self, StreamExt};
use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::{NextDue, PointChange};
use permafrost_domain::job::{Job, Operation, RehydrationOrder};
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::{Code, Fault, PointId};
use permafrost_function::objects::{AT_ONCE, for_each};
use permafrost_function::point::OpenPoint;
use permafrost_function::step::{JobStep, Progressed};
use permafrost_function::{Tools, clock};
use permafrost_vault::{Archive, ObjectVersion, PointLayout, Rehydration, Store};

/// How long a point must still be readable for a restore to begin.
const ENOUGH: SignedDuration = SignedDuration::from_hours(48);

/// Asks for the job's point, or looks whether it can be read.
///
/// # Errors
/// `RecoveryPointArchived` where the point has to be rehydrated and the job does not say that it may be;
/// `RecoveryPointNotAvailable` where it is neither archived nor readable; the job is being cancelled; the store refuses.
pub async fn handle(tools: &Tools, step: JobStep) -> Result<Progressed, Fault> {
    tools.check_not_cancelled(step.job).await?;
    let job = tools.catalog.job_record(step.job).await?;
    let point = tools.catalog.point(job.instance, point_of(&job)?).await?;
    let went_on = go_on(tools, &point, &job).await;
    if went_on.as_ref().is_err_and(|fault| fault.code == Code::CatalogConflict) {
        let there = tools.catalog.point(point.instance, point.id).await?;
        if (there.state, there.rehydrated_until) != (point.state, point.rehydrated_until) {
            return Ok(Progressed::Running);
        }
    }
    went_on
}

/// What comes next for the point as it was read.
async fn go_on(tools: &Tools, point: &RecoveryPoint, job: &Job) -> Result<Progressed, Fault> {
    match point.state {
        PointState::Available => Ok(Progressed::Done),
        PointState::Archived => {
            ask(tools, point, order(job, point)?).await?;
            begin(tools, point).await
        }
        PointState::Rehydrating => end(tools, point, job).await,
        PointState::Rehydrated => {
            let until = point.rehydrated_until.unwrap_or(Timestamp::MIN);
            if is_too_short(job, until, clock::now()) {
                prolong(tools, point, job).await
            } else {
                Ok(Progressed::Done)
            }
        }
        PointState::Archiving | PointState::Expiring | PointState::Expired | PointState::Damaged => {
            let message = format!("the recovery point is {:?}", point.state);
            Err(about(point, Code::RecoveryPointNotAvailable, message))
        }
    }
}

/// The point that the job is about.
fn point_of(job: &Job) -> Result<PointId, Fault> {
    let restored = job.restore.as_ref().map(|order| order.point);
    let written = job.files.as_ref().map(|order| order.point);
    let rehydrated = job.rehydration.map(|order| order.point);
    restored.or(written).or(rehydrated).ok_or_else(|| {
        Fault::new(Code::CatalogRecordInvalid, "the job names no recovery point").on(job.id.to_string())
    })
}

/// How the job may rehydrate the point.
fn order(job: &Job, point: &RecoveryPoint) -> Result<RehydrationOrder, Fault> {
    job.rehydration.ok_or_else(|| {
        about(point, Code::RecoveryPointArchived, "the recovery point is in the archive store".to_owned())
    })
}

/// Whether copies that go at `until` go before the job wants that.
fn is_too_short(job: &Job, until: Timestamp, now: Timestamp) -> bool {
    let wanted = match (job.operation, job.rehydration) {
        // S3's copies go at midnight: a day less than asked for is what was asked for.
        (Operation::Rehydrate, Some(order)) => order.days.end(job.created_at).saturating_sub(ENOUGH / 2),
        _ => now.saturating_add(ENOUGH),
    };
    until < wanted.unwrap_or(now)
}

/// Ends the rehydration of a point whose copies are there, for as long as the job wants them.
async fn end(tools: &Tools, point: &RecoveryPoint, job: &Job) -> Result<Progressed, Fault> {
    let order = order(job, point)?;
    let Some(until) = readable_until(tools, point, order).await? else { return Ok(Progressed::Running) };
    if is_too_short(job, until, clock::now()) {
        ask(tools, point, order).await?;
        return Ok(Progressed::Running);
    }
    let next = until.min(point.retention.deleted_on());
    let change =
        PointChange { rehydrated_until: Some(until), next_due: NextDue::At(next), ..PointChange::default() };
    tools.catalog.move_point(point, PointState::Rehydrated, &change).await?;
    Ok(Progressed::Done)
}

/// Makes a rehydrated point readable for longer. Where its copies have gone meanwhile they are made again.
async fn prolong(tools: &Tools, point: &RecoveryPoint, job: &Job) -> Result<Progressed, Fault> {
    let order = order(job, point)?;
    ask(tools, point, order).await?;
    if let Some(until) = readable_until(tools, point, order).await? {
        tools.catalog.prolong_rehydration(point, until).await?;
        return Ok(Progressed::Done);
    }
    let point = tools.catalog.move_point(point, PointState::Archived, &PointChange::default()).await?;
    begin(tools, &point).await
}

/// The point is being rehydrated from now on, and is due: a run of retention that finds it when no job waits for it any
/// more calls it archived again.
async fn begin(tools: &Tools, point: &RecoveryPoint) -> Result<Progressed, Fault> {
    let next_due = NextDue::At(point.retention.backup_store_until);
    let change = PointChange { next_due, ..PointChange::default() };
    tools.catalog.move_point(point, PointState::Rehydrating, &change).await?;
    Ok(Progressed::Running)
}

/// Asks for a copy of every segment, for as many days as the order says.
async fn ask(tools: &Tools, point: &RecoveryPoint, order: RehydrationOrder) -> Result<(), Fault> {
    let (layout, archive) = archive(tools, point).await?;
    let tier = order.priority.tier(archive.class);
    let segments: Vec<_> = archive.segments.iter().map(ObjectVersion::from).collect();
    let ask = async |store: &Store, segment: &ObjectVersion| {
        store.rehydrate(&layout, segment, tier, order.days).await
    };
    Ok(for_each(&tools.archive, &segments, ask).await?)
}

/// Until when every segment can be read, where it can; asks for a copy where there is none and none is being made.
async fn readable_until(
    tools: &Tools,
    point: &RecoveryPoint,
    order: RehydrationOrder,
) -> Result<Option<Timestamp>, Fault> {
    let (layout, archive) = archive(tools, point).await?;
    let tier = order.priority.tier(archive.class);
    let segments: Vec<_> = archive.segments.iter().map(ObjectVersion::from).collect();
    // In order, and no further than to the first that is not there yet: it is asked often.
    let mut states = stream::iter(&segments)
        .map(async |segment| (segment, tools.archive.rehydration(&layout, segment).await))
        .buffered(AT_ONCE);
    let mut first_end = Timestamp::MAX;
    while let Some((segment, state)) = states.next().await {
        match state? {
            Rehydration::Until(until) => first_end = first_end.min(until),
            Rehydration::Ongoing => return Ok(None),
            Rehydration::Frozen => {
                tools.archive.rehydrate(&layout, segment, tier, order.days).await?;
                return Ok(None);
            }
        }
    }
    // A point without rows has no segments, and is readable for as long as was asked for.
    Ok(Some(if first_end == Timestamp::MAX { order.days.end(clock::now()) } else { first_end }))
}

/// Where the segments of the point are.
async fn archive(tools: &Tools, point: &RecoveryPoint) -> Result<(PointLayout, Archive), Fault> {
    let open = OpenPoint::open(tools, point).await?;
    let archive = open.archive.ok_or_else(|| {
        about(
            point,
            Code::CatalogRecordInvalid,
            "the recovery point is archived and names no copies".to_owned(),
        )
    })?;
    Ok((open.layout, archive))
}

fn about(point: &RecoveryPoint, code: Code, message: String) -> Fault {
    Fault::new(code, message).on(format!("recovery point {}", point.id))
}
