//! Measuring: one run of one subject, and the runs of all in turn.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use permafrost_domain::{InstanceId, JobId};
use serde::{Deserialize, Serialize};

use super::Bench;
use super::store::StoreProcess;
use crate::args::{Destination, Place};
use crate::error::BenchError;
use crate::peers::{self, Invocation};
use crate::permafrost::Outcome;
use crate::{clock, say, usage};

/// The share of the machine's CPU that others may take during a run before it is done again.
const FOREIGN_SHARE: f64 = 0.10;
/// The server's processes end a moment after their clients.
const BACKENDS_END: Duration = Duration::from_millis(200);

/// Something to measure.
#[derive(Debug, Clone)]
pub(crate) struct Subject {
    /// Its name in tables.
    pub(crate) name: String,
    /// What it is compared as.
    pub(crate) role: Role,
    /// What it does.
    pub(crate) work: Work,
}

/// What a subject is compared as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// What the server can do at best.
    Floor,
    /// A stock program.
    Peer,
    /// Permafrost.
    Ours,
}

/// What a subject does.
#[derive(Debug, Clone)]
pub(crate) enum Work {
    /// Programs, each reading what the one before it writes.
    Piped(Vec<Invocation>),
    /// Programs from a queue, so many at a time.
    Queued(Vec<Invocation>, usize),
    /// One that writes a folder, whose name is added to its arguments.
    IntoFolder(Invocation),
    /// `pg_dump | zstd | upload`.
    Uploaded(Vec<Invocation>),
    /// A dump by Permafrost of this database.
    Dump(String, Destination),
    /// Stock programs that fill a database, one after the other; it is made empty before.
    IntoDatabase(Vec<Invocation>, String),
    /// One that copies the tables of the first database into the second, which has all of them, empty, before.
    BetweenDatabases(Invocation, String, String),
    /// A restore by Permafrost, as this database, of a point in this store.
    Restore(String, Arc<Seeded>),
    /// The same as a database of this name and a number, which stays: a file system can be slow to give the places of
    /// very many files that have just been deleted to new ones (ext4 looks at each for minutes).
    RestoreBeside(String, Arc<Seeded>),
}

/// A store that holds a point.
#[derive(Debug)]
pub(crate) struct Seeded {
    store: StoreProcess,
    backup: JobId,
}

/// What one run took.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Sample {
    /// From start to end.
    pub(crate) seconds: f64,
    /// CPU of the clients.
    pub(crate) client_cpu_seconds: f64,
    /// CPU of the server.
    pub(crate) server_cpu_seconds: f64,
    /// CPU of the S3 server, where there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) store_cpu_seconds: Option<f64>,
    /// CPU of everything else on the machine, the kernel's own threads included.
    pub(crate) foreign_cpu_seconds: f64,
    /// The load average before.
    pub(crate) load_average: f64,
    /// What Permafrost says about itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) outcome: Option<Outcome>,
    /// What it read of the catalog, where that was counted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) catalog: Option<CatalogReads>,
}

/// What was read of the catalog, and for what.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(crate) struct CatalogReads {
    /// Points that a plan was made for.
    pub(crate) planned: u64,
    /// Requests.
    pub(crate) requests: u64,
    /// Items that were looked at.
    pub(crate) items: u64,
    /// Read capacity units that DynamoDB says were consumed.
    pub(crate) units: f64,
}

impl Bench {
    /// Measures all subjects in turn, as often as was asked for.
    pub(crate) async fn measure_all(
        &self,
        subjects: &[Subject],
    ) -> Result<BTreeMap<String, Vec<Sample>>, BenchError> {
        let mut samples: BTreeMap<String, Vec<Sample>> = BTreeMap::new();
        for repeat in 1..=self.options.repeats {
            for subject in subjects {
                let sample = self.measure_in_quiet(subject).await?;
                say::line(&format!(
                    "{repeat}/{} {:<44} {:7.2} s   client {:5.1} s, server {:5.1} s, others {:4.1} s",
                    self.options.repeats,
                    subject.name,
                    sample.seconds,
                    sample.client_cpu_seconds,
                    sample.server_cpu_seconds,
                    sample.foreign_cpu_seconds,
                ));
                samples.entry(subject.name.clone()).or_default().push(sample);
            }
        }
        Ok(samples)
    }

    /// Measures, and measures again where others took the machine; of several, the one that was disturbed least.
    async fn measure_in_quiet(&self, subject: &Subject) -> Result<Sample, BenchError> {
        let cores = cores();
        let mut best: Option<Sample> = None;
        for left in (0..=self.options.again).rev() {
            wait_for_quiet(cores, Duration::from_secs(self.options.patience_s)).await?;
            let sample = self.measure(subject).await?;
            let share = |sample: &Sample| sample.foreign_cpu_seconds / (sample.seconds * cores);
            if best.as_ref().is_none_or(|best| share(&sample) < share(best)) {
                best = Some(sample);
            }
            if best.as_ref().is_some_and(|best| share(best) <= FOREIGN_SHARE) {
                break;
            }
            if left > 0 {
                say::line(&format!("  {}: others took part of the machine; once more", subject.name));
            }
        }
        best.ok_or_else(|| BenchError::Wrong(format!("{} was never run", subject.name)))
    }

    async fn measure(&self, subject: &Subject) -> Result<Sample, BenchError> {
        let prepared = self.prepare(&subject.work).await?;
        let load_average = usage::load_average()?;
        let client = usage::cpu_of("self")?.children;
        let server = self.server.cpu_seconds()?;
        let store = prepared.store.as_ref().map(Store::cpu_seconds).transpose()?;
        let busy = usage::busy_seconds()?;
        let begin = Instant::now();

        let (work, port) = (prepared.work.clone(), self.server.port);
        let done = tokio::task::spawn_blocking(move || carry_out(&work, port)).await;
        let outcome = match done {
            Ok(outcome) => outcome?,
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        };

        let seconds = begin.elapsed().as_secs_f64();
        let busy = usage::busy_seconds()? - busy;
        tokio::time::sleep(BACKENDS_END).await;
        let client = usage::cpu_of("self")?.children - client;
        let server = self.server.cpu_seconds()? - server;
        let store = match (&prepared.store, store) {
            (Some(process), Some(before)) => Some(process.cpu_seconds()? - before),
            _ => None,
        };
        Ok(Sample {
            seconds,
            client_cpu_seconds: client,
            server_cpu_seconds: server,
            store_cpu_seconds: store,
            foreign_cpu_seconds: (busy - client - server - store.unwrap_or_default()).max(0.0),
            load_average,
            outcome,
            catalog: None,
        })
    }

    /// What has to be there before the clock runs: an empty folder, an empty store, an empty database.
    async fn prepare(&self, work: &Work) -> Result<Prepared, BenchError> {
        let without_store = |work| Prepared { store: None, work };
        Ok(match work {
            Work::Piped(stages) => without_store(Ready::Piped(stages.clone())),
            Work::Queued(queue, at_once) => without_store(Ready::Queued(queue.clone(), *at_once)),
            Work::IntoFolder(invocation) => {
                let folder = self.empty_folder()?.display().to_string();
                without_store(Ready::Piped(vec![invocation.clone().arg(folder)]))
            }
            Work::Uploaded(stages) => {
                let store = StoreProcess::start(self)?;
                let mut stages = stages.clone();
                stages.push(Invocation::new(&self.own, ["upload", "--s3", &store.endpoint()]));
                Prepared { store: Some(Store::Own(store)), work: Ready::Piped(stages) }
            }
            Work::Dump(database, destination) => {
                let store = StoreProcess::start(self)?;
                let work = Ready::Permafrost(self.dump(database, *destination, &store.endpoint(), new_job()));
                Prepared { store: Some(Store::Own(store)), work }
            }
            Work::IntoDatabase(programs, database) => {
                self.drop_database(database).await?;
                self.server.execute("postgres", &[create(database)]).await?;
                without_store(Ready::Queued(programs.clone(), 1))
            }
            Work::BetweenDatabases(invocation, source, target) => {
                self.drop_database(target).await?;
                self.server.execute("postgres", &[create(target)]).await?;
                let tables = [
                    self.stock("pg_dump", ["--section=pre-data", source]),
                    self.stock("psql", ["-X", "-q", "-d", target]),
                ];
                peers::run_piped(&tables, self.server.port)?;
                without_store(Ready::Piped(vec![invocation.clone()]))
            }
            Work::Restore(database, seeded) => {
                self.drop_database(database).await?;
                let work = Ready::Permafrost(self.restore(database, seeded));
                Prepared { store: Some(Store::Seeded(Arc::clone(seeded))), work }
            }
            Work::RestoreBeside(prefix, seeded) => {
                let database = format!("{prefix}_{}", self.databases(prefix).await?.len());
                self.server.execute("postgres", &["CHECKPOINT".to_owned()]).await?;
                let work = Ready::Permafrost(self.restore(&database, seeded));
                Prepared { store: Some(Store::Seeded(Arc::clone(seeded))), work }
            }
        })
    }

    /// Drops what a run has made, and starts the next one from a written-out state.
    pub(crate) async fn drop_database(&self, database: &str) -> Result<(), BenchError> {
        let drop = format!("DROP DATABASE IF EXISTS {database} WITH (FORCE)");
        self.server.execute("postgres", &[drop, "CHECKPOINT".to_owned()]).await
    }

    /// The databases of [`Work::RestoreBeside`].
    pub(crate) async fn databases(&self, prefix: &str) -> Result<Vec<String>, BenchError> {
        let query = format!("SELECT datname FROM pg_database WHERE datname LIKE '{prefix}\\_%'");
        let rows = self.server.query("postgres", &query).await?;
        Ok(rows.into_iter().flatten().collect())
    }

    /// A store that holds a point of this database.
    pub(crate) async fn seed(&self, database: &str) -> Result<Arc<Seeded>, BenchError> {
        say::line(&format!("backing {database} up, to be restored"));
        let (store, backup) = (StoreProcess::start(self)?, new_job());
        let (dump, port) =
            (self.dump(database, Destination::S3, &store.endpoint(), backup), self.server.port);
        let done = tokio::task::spawn_blocking(move || peers::output_of(&dump, port)).await;
        done.map_err(|error| BenchError::Wrong(error.to_string()))??;
        Ok(Arc::new(Seeded { store, backup }))
    }

    fn restore(&self, database: &str, seeded: &Seeded) -> Invocation {
        let mut args = vec!["restore".to_owned()];
        args.extend(self.place(database, &seeded.store.endpoint()).args());
        let (backup, job) = (seeded.backup.to_string(), new_job().to_string());
        args.extend(["--backup", &backup, "--job", &job].map(str::to_owned));
        Invocation::new(&self.own, args)
    }

    /// Where a stock program may write a folder: there is none now.
    pub(crate) fn empty_folder(&self) -> Result<PathBuf, BenchError> {
        // In memory where there is such a place: the disk is not what is measured.
        let memory = PathBuf::from("/dev/shm");
        let parent = if memory.is_dir() { memory } else { self.scratch.clone() };
        let folder = parent.join("permafrost-bench-dump");
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .map_err(BenchError::io(format!("remove {}", folder.display())))?;
        }
        Ok(folder)
    }

    /// A dump by Permafrost.
    pub(crate) fn dump(
        &self,
        database: &str,
        destination: Destination,
        endpoint: &str,
        job: JobId,
    ) -> Invocation {
        let destination = match destination {
            Destination::S3 => "s3",
            Destination::Null => "null",
        };
        let mut args = vec!["dump".to_owned()];
        args.extend(self.place(database, endpoint).args());
        args.extend(["--destination", destination, "--job", &job.to_string()].map(str::to_owned));
        Invocation::new(&self.own, args)
    }

    fn place(&self, database: &str, endpoint: &str) -> Place {
        Place {
            port: self.server.port,
            database: database.to_owned(),
            s3: endpoint.to_owned(),
            programs: self.programs.clone(),
            instance: InstanceId::new(Timestamp::UNIX_EPOCH, 1),
            workers: 2,
        }
    }
}

/// A job that no other run has.
pub(crate) fn new_job() -> JobId {
    JobId::new(clock::now(), u128::from(std::process::id()))
}

/// Work with everything that it needs.
struct Prepared {
    store: Option<Store>,
    work: Ready,
}

/// The S3 server of a run.
enum Store {
    /// Its own.
    Own(StoreProcess),
    /// That of all restores of a part.
    Seeded(Arc<Seeded>),
}

impl Store {
    fn cpu_seconds(&self) -> Result<f64, BenchError> {
        match self {
            Self::Own(process) => process.cpu_seconds(),
            Self::Seeded(seeded) => seeded.store.cpu_seconds(),
        }
    }
}

fn create(database: &str) -> String {
    format!("CREATE DATABASE {database} TEMPLATE template0")
}

#[derive(Clone)]
enum Ready {
    Piped(Vec<Invocation>),
    Queued(Vec<Invocation>, usize),
    Permafrost(Invocation),
}

fn carry_out(work: &Ready, port: u16) -> Result<Option<Outcome>, BenchError> {
    match work {
        Ready::Piped(stages) => peers::run_piped(stages, port).map(|()| None),
        Ready::Queued(queue, at_once) => peers::run_queued(queue.clone(), *at_once, port).map(|()| None),
        Ready::Permafrost(invocation) => {
            let answer = peers::output_of(invocation, port)?;
            serde_json::from_str(&answer).map(Some).map_err(BenchError::json("Permafrost's answer"))
        }
    }
}

/// Waits until the machine is nearly idle, and no longer than is decent.
async fn wait_for_quiet(cores: f64, patience: Duration) -> Result<(), BenchError> {
    let until = Instant::now() + patience;
    loop {
        let before = usage::busy_seconds()?;
        tokio::time::sleep(Duration::from_millis(500)).await;
        let busy = (usage::busy_seconds()? - before) / (0.5 * cores);
        if busy <= FOREIGN_SHARE || Instant::now() >= until {
            return Ok(());
        }
    }
}

/// How many cores there are.
pub(crate) fn cores() -> f64 {
    let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
    f64::from(u32::try_from(cores).unwrap_or(u32::MAX))
}
