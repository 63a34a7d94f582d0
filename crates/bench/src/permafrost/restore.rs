//! A restore: the new database, its data, its indexes, its name.

use permafrost_domain::PointId;
use permafrost_domain::data_source::DatabaseName;
use permafrost_engine::restore::{Restore, finish, load, prepare, run_post_data};
use permafrost_engine::{EngineError, Login, PgPrograms};
use permafrost_pgarchive::TableOfContents;
use permafrost_vault::store::parse_document;
use permafrost_vault::{Manifest, PointLayout, Store};

use super::workers::{Workers, answer_tasks};
use super::{Outcome, Steps};
use crate::args::{Destination, RestoreOptions};
use crate::error::BenchError;
use crate::s3::client;
use crate::{say, server, usage};

/// Restores one point and says what it cost.
pub(crate) async fn restore(options: &RestoreOptions) -> Result<(), BenchError> {
    let mut steps = Steps::begin();
    let workers = Workers::start(options.place.workers, &worker_args(options))?;
    let open = OpenRestore::open(options).await?;
    let restore = open.restore(options);
    prepare(&restore).await?;
    steps.end("prepare");

    let tasks = u32::try_from(restore.data_tasks().len()).unwrap_or(u32::MAX);
    let worker_peak_kib = workers.carry_out(1..=tasks).await?;
    steps.end("data");

    run_post_data(&restore).await?;
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
pub(crate) async fn work(options: &RestoreOptions) -> Result<(), BenchError> {
    answer_tasks(async |number| {
        let open = OpenRestore::open(options).await?;
        load(&open.restore(options), number, &mut async |_| Ok::<_, EngineError>(())).await?;
        Ok(())
    })
    .await
}

/// Everything that a step works with.
struct OpenRestore {
    store: Store,
    programs: PgPrograms,
    login: Login,
    name: DatabaseName,
    layout: PointLayout,
    manifest: Manifest,
    toc: TableOfContents,
}

impl OpenRestore {
    async fn open(options: &RestoreOptions) -> Result<Self, BenchError> {
        let place = &options.place;
        let store = client::store(&place.s3, Destination::S3);
        let layout = PointLayout::new(place.instance, PointId::of_backup(options.backup));
        let (object, body) = store.get_current(&layout, PointLayout::MANIFEST).await?;
        let manifest: Manifest = parse_document(&object.key, &body)?;
        let toc = store.get(&layout, &manifest.toc).await?;
        Ok(Self {
            programs: PgPrograms::new(&place.programs),
            login: server::login(place.port, "postgres"),
            name: place.database.parse().map_err(|_| BenchError::Wrong(place.database.clone()))?,
            toc: TableOfContents::read(&mut toc.as_ref()).map_err(EngineError::Toc)?,
            store,
            layout,
            manifest,
        })
    }

    fn restore(&self, options: &RestoreOptions) -> Restore<'_> {
        Restore {
            job: options.job,
            login: &self.login,
            name: &self.name,
            programs: &self.programs,
            store: &self.store,
            layout: self.layout,
            manifest: &self.manifest,
            toc: &self.toc,
        }
    }
}

fn worker_args(options: &RestoreOptions) -> Vec<String> {
    let (backup, job) = (options.backup.to_string(), options.job.to_string());
    let mut args = vec!["load-worker".to_owned()];
    args.extend(options.place.args());
    args.extend(["--backup", &backup, "--job", &job].map(str::to_owned));
    args
}
