//! A restore: the new database, its data, its indexes, its name.

use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use permafrost_domain::PointId;
use permafrost_domain::data_source::DatabaseName;
use permafrost_domain::restore_options::RestoreOptions;
use permafrost_engine::restore::{
    PostDataState, Restore, RestorePlan, Stored, finish, load, prepare, restore_plan, run_post_data,
};
use permafrost_engine::{EngineError, Login};
use permafrost_pgarchive::TableOfContents;
use permafrost_vault::store::parse_document;
use permafrost_vault::{Manifest, PointLayout, Store};

use super::workers::{Workers, answer_tasks};
use super::{Outcome, Steps};
use crate::args::{Destination, RestoreOptions as Options};
use crate::error::BenchError;
use crate::s3::client;
use crate::{say, server, usage};

/// Restores one point and says what it cost.
pub(crate) async fn restore(options: &Options) -> Result<(), BenchError> {
    let mut steps = Steps::begin();
    let workers = Workers::start(options.place.workers, &worker_args(options))?;
    let open = OpenRestore::open(options).await?;
    let restore = open.restore(options)?;
    prepare(&restore).await?;
    steps.end("prepare");

    let tasks = u32::try_from(restore.data_tasks().len()).unwrap_or(u32::MAX);
    let worker_peak_kib = workers.carry_out(1..=tasks).await?;
    steps.end("data");

    let levels = restore.post_data_groups().map_err(|error| BenchError::Wrong(error.to_string()))?;
    for (level, groups) in (1..).zip(levels) {
        stream::iter(1..=groups)
            .map(Ok)
            .try_for_each_concurrent(options.place.workers, |group| run_group(&restore, level, group))
            .await?;
    }
    steps.end("post-data");
    finish(&restore).await?;
    steps.end("finish");
    let totals = &restore.manifest.totals;
    say::answer(&Outcome {
        tasks,
        raw_bytes: totals.raw_bytes,
        stored_bytes: totals.stored_bytes,
        worker_peak_kib,
        coordinator_peak_kib: usage::own_peak_kib()?,
        steps: steps.steps,
    })
}

/// A worker's life.
pub(crate) async fn work(options: &Options) -> Result<(), BenchError> {
    answer_tasks(async |number| {
        let open = OpenRestore::open(options).await?;
        let stored = Stored { store: &open.store, layout: open.layout };
        load(&open.restore(options)?, stored, number, &mut async |_| Ok::<_, EngineError>(())).await?;
        Ok(())
    })
    .await
}

/// How long a statement is waited for: always to its end.
const LIMIT: Duration = Duration::from_hours(24);

async fn run_group(restore: &Restore<'_>, level: usize, group: usize) -> Result<(), BenchError> {
    let watch = &mut async || Ok::<_, EngineError>(());
    match run_post_data(restore, level, group, LIMIT, watch).await? {
        PostDataState::Done => Ok(()),
        PostDataState::Running => Err(BenchError::Wrong("a statement was left running".to_owned())),
    }
}

/// Everything that a step works with.
struct OpenRestore {
    store: Store,
    login: Login,
    name: DatabaseName,
    layout: PointLayout,
    manifest: Manifest,
    plan: RestorePlan,
}

impl OpenRestore {
    async fn open(options: &Options) -> Result<Self, BenchError> {
        let place = &options.place;
        let store = client::store(&place.s3, Destination::S3);
        let layout = PointLayout::new(place.instance, PointId::of_backup(options.backup));
        let (object, body) = store.get_current(&layout, PointLayout::MANIFEST).await?;
        let manifest: Manifest = parse_document(&object.key, &body)?;
        let toc = store.get(&layout, &manifest.toc).await?;
        let toc = TableOfContents::read(&mut toc.as_ref()).map_err(EngineError::Toc)?;
        Ok(Self {
            login: server::login(place.port, "postgres"),
            name: place.database.parse().map_err(|_| BenchError::Wrong(place.database.clone()))?,
            plan: restore_plan(toc, &RestoreOptions::default()).map_err(EngineError::from)?,
            store,
            layout,
            manifest,
        })
    }

    fn restore(&self, options: &Options) -> Result<Restore<'_>, BenchError> {
        Ok(Restore {
            job: options.job,
            login: &self.login,
            name: &self.name,
            manifest: &self.manifest,
            plan: &self.plan,
            index: self.plan.index().map_err(|error| BenchError::Wrong(error.to_string()))?,
        })
    }
}

fn worker_args(options: &Options) -> Vec<String> {
    let (backup, job) = (options.backup.to_string(), options.job.to_string());
    let mut args = vec!["load-worker".to_owned()];
    args.extend(options.place.args());
    args.extend(["--backup", &backup, "--job", &job].map(str::to_owned));
    args
}
