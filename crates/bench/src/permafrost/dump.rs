//! A dump: snapshot, plan, tasks, manifest.

use futures_util::stream::{self, StreamExt, TryStreamExt};
use permafrost_domain::PointId;
use permafrost_domain::data_source::DataSource;
use permafrost_engine::dump::plan::{DumpOptions as PlanOptions, SnapshotRef, plan_dump};
use permafrost_engine::dump::task::TaskRun;
use permafrost_engine::snapshot::HeldSnapshot;
use permafrost_engine::{EngineError, PgPrograms};
use permafrost_vault::manifest::{Assembly, Belonging};
use permafrost_vault::store::{parse_document, write_document};
use permafrost_vault::{DumpPlan, Manifest, PointLayout, Store, TaskResult};

use super::workers::{Workers, answer_tasks};
use super::{Outcome, Steps};
use crate::args::{Destination, DumpOptions, DumpWorkerOptions, Place};
use crate::error::BenchError;
use crate::s3::client;
use crate::{clock, say, server, usage};

/// Requests to the store at one time, as when a point is committed.
const AT_ONCE: usize = 16;

/// Takes one dump and says what it cost.
pub(crate) async fn dump(options: &DumpOptions) -> Result<(), BenchError> {
    let place = &options.place;
    let layout = layout(options);
    let store = client::store(&place.s3, Destination::S3);
    let login = server::login(place.port, &place.database);
    let mut steps = Steps::begin();
    let mut held = HeldSnapshot::take(&login).await?;
    steps.end("snapshot");

    let workers = Workers::start(place.workers, &worker_args(options, &held.id))?;
    let snapshot = SnapshotRef { id: &held.id, consistent_at: held.consistent_at };
    let programs = PgPrograms::new(&place.programs);
    let workers_count = u32::try_from(place.workers).unwrap_or(u32::MAX);
    plan_dump(
        &store,
        &layout,
        &programs,
        &data_source(place)?,
        &login,
        snapshot,
        &PlanOptions { workers: workers_count, ..PlanOptions::default() },
    )
    .await?;
    let plan = read_plan(&store, &layout).await?;
    steps.end("plan");

    let worker_peak_kib = workers.carry_out(plan.tasks.iter().map(|task| task.task)).await?;
    steps.end("tasks");

    held.check().await?;
    held.let_go().await;
    let manifest = commit(options, &store, &layout, &plan).await?;
    steps.end("commit");
    say::answer(&Outcome {
        tasks: u32::try_from(plan.tasks.len()).unwrap_or(u32::MAX),
        raw_bytes: manifest.totals.raw_bytes,
        stored_bytes: manifest.totals.stored_bytes,
        worker_peak_kib,
        coordinator_peak_kib: usage::own_peak_kib()?,
        steps: steps.steps,
    })
}

/// A worker's life.
pub(crate) async fn work(options: &DumpWorkerOptions) -> Result<(), BenchError> {
    let place = &options.dump.place;
    let layout = layout(&options.dump);
    let store = client::store(&place.s3, options.dump.destination);
    let login = server::login(place.port, &place.database);
    answer_tasks(async |number| {
        let plan = read_plan(&store, &layout).await?;
        let task = plan.task(number).ok_or_else(|| BenchError::Wrong(format!("no task {number}")))?;
        let attempt = format!("{:x}", clock::now().as_nanosecond());
        let run = TaskRun {
            store: &store,
            layout,
            login: &login,
            snapshot_id: &options.snapshot,
            compression: (plan.compression, plan.level),
            attempt: &attempt,
        };
        run.run(task, &mut async |_| Ok::<_, EngineError>(())).await?;
        Ok(())
    })
    .await
}

/// Checks that everything is there, then writes the manifest.
async fn commit(
    options: &DumpOptions,
    store: &Store,
    layout: &PointLayout,
    plan: &DumpPlan,
) -> Result<Manifest, BenchError> {
    let mut results = stream::iter(&plan.tasks)
        .map(|task| async {
            let (object, body) = store.get_current(layout, &PointLayout::task_result(task.task)).await?;
            let result: TaskResult = parse_document(&object.key, &body)?;
            Ok::<_, BenchError>((object, result))
        })
        .buffered(AT_ONCE);
    let mut assembly = Assembly::of(plan);
    while let Some((object, result)) = results.try_next().await? {
        assembly.take(object, &result)?;
    }
    let belonging = Belonging {
        vault: "bench".to_owned(),
        instance: options.place.instance,
        instance_name: serde_json::from_value("bench".into()).map_err(BenchError::json("a name"))?,
        point: PointId::of_backup(options.job),
        job: options.job,
    };
    let manifest = assembly.finish(belonging)?;
    if options.destination == Destination::S3 {
        stream::iter(manifest.objects())
            .map(Ok)
            .try_for_each_concurrent(AT_ONCE, |object| store.check(layout, object))
            .await?;
    }
    store.put_new(layout, PointLayout::MANIFEST, write_document(&manifest)).await?;
    Ok(manifest)
}

async fn read_plan(store: &Store, layout: &PointLayout) -> Result<DumpPlan, BenchError> {
    let (object, body) = store.get_current(layout, PointLayout::PLAN).await?;
    Ok(parse_document(&object.key, &body)?)
}

fn layout(options: &DumpOptions) -> PointLayout {
    PointLayout::new(options.place.instance, PointId::of_backup(options.job))
}

fn worker_args(options: &DumpOptions, snapshot: &str) -> Vec<String> {
    let destination = match options.destination {
        Destination::S3 => "s3",
        Destination::Null => "null",
    };
    let job = options.job.to_string();
    let mut args = vec!["dump-worker".to_owned()];
    args.extend(options.place.args());
    args.extend(["--destination", destination, "--job", &job, "--snapshot", snapshot].map(str::to_owned));
    args
}

/// The server as a data source; the way of the login is for the catalog alone.
fn data_source(place: &Place) -> Result<DataSource, BenchError> {
    let source = serde_json::json!({
        "host": "127.0.0.1", "port": place.port, "database": place.database,
        "login": {"method": "iam", "user": "postgres"}, "tls": {"mode": "disable"},
    });
    serde_json::from_value(source).map_err(BenchError::json("a data source"))
}
