//! Restore as files: a recovery point as an archive that PostgreSQL's own tools read, in a bucket of somebody's.
//!
//! ```text
//! <prefix>/archive/                       directory format: toc.dat, lists, a file for each part of a table
//!         /archive.dump                   or custom format
//!         /archive.sql[.gz|.zst]          or plain SQL
//!         /globals.sql  manifest.json     as in the vault
//!         /SHA256SUMS  SIZES  README.md   written last: with them it is complete
//!         /.permafrost/                   the job that owns the folder, and what its tasks have written
//! ```
//!
//! Order of effects: the job's mark, data, everything beside it, the README. Every step writes the same bytes under
//! the same names when it is run again, or twice at once. A job that fails leaves its files, without a README:
//! deleting is nothing that Permafrost may do in somebody's bucket.

use permafrost_domain::files::{FileFormat, FilesOrder};
use permafrost_domain::job::Progress;
use permafrost_domain::{Code, Fault, JobId};
use permafrost_pgarchive::TableOfContents;
use permafrost_vault::store::parse_document;
use permafrost_vault::{Folder, Manifest, PointLayout, Store, TaskResult, WrittenFile};
use serde::{Deserialize, Serialize};

use self::encoding::Encoding;
use crate::error::EngineError;
use crate::programs::PgPrograms;

mod archive;
mod beside;
mod contents;
mod custom;
mod directory;
mod encoding;
mod frames;
mod plain;
mod readme;

/// Bytes of rows that one function can write as one file: at 40 MB/s, which it reaches when it compresses anew, it
/// takes half of its life.
pub const SINGLE_FILE_BYTES: u64 = 16 * 1024 * 1024 * 1024;

/// The job that owns the folder.
const MARK: &str = ".permafrost/job.json";

/// One restore as files: what, from where, to where.
#[derive(Debug)]
pub struct FileRestore<'a> {
    /// The job, which owns the folder.
    pub job: JobId,
    /// What was asked for.
    pub order: &'a FilesOrder,
    /// The programs on board.
    pub programs: &'a PgPrograms,
    /// The store that holds the point.
    pub store: &'a Store,
    /// The point.
    pub layout: PointLayout,
    /// Its manifest.
    pub manifest: &'a Manifest,
    /// Its table of contents.
    pub toc: &'a TableOfContents,
    /// Where the files go.
    pub folder: &'a Folder,
}

#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Mark {
    job: JobId,
}

impl FileRestore<'_> {
    fn encoding(&self) -> Encoding {
        Encoding::of(self.order.compression, self.manifest.compression)
    }

    /// How many tasks write the files. Tasks count from 1.
    pub fn tasks(&self) -> usize {
        match self.order.format {
            FileFormat::Directory => self.manifest.tasks.len(),
            FileFormat::Custom | FileFormat::Plain => 1,
        }
    }

    /// What a task of the backup has copied.
    async fn result(&self, task: u32) -> Result<TaskResult, EngineError> {
        let objects = self
            .manifest
            .task(task)
            .ok_or_else(|| Fault::new(Code::InvalidRequest, format!("the restore has no task {task}")))?;
        let body = self.store.get(&self.layout, &objects.result).await?;
        Ok(parse_document(&objects.result.key, &body)?)
    }
}

/// Makes sure that the files can be made, and takes the folder.
///
/// # Errors
/// `TargetNotEmpty` where the folder holds anything of others, `SingleFileTooLarge` where a function does not live
/// long enough for a file, `InvalidRequest` where the bucket is the vault's own; the bucket refuses access.
pub async fn plan(restore: &FileRestore<'_>) -> Result<(), EngineError> {
    let target = &restore.order.target;
    if target.bucket.as_str() == restore.store.bucket() {
        let fault = Fault::new(Code::InvalidRequest, "files are not restored into the vault's own bucket");
        return Err(fault.on(target.to_string()).hint("Name a bucket of your own.").into());
    }
    check_sizes(restore)?;
    archive::check(restore.toc, restore.manifest)?;
    take_folder(restore).await
}

fn check_sizes(restore: &FileRestore<'_>) -> Result<(), EngineError> {
    let is_copied = restore.encoding() == Encoding::from(restore.manifest.compression);
    let largest = match restore.order.format {
        FileFormat::Directory if is_copied => return Ok(()),
        FileFormat::Directory => restore.manifest.tasks.iter().map(|task| task.raw_bytes).max().unwrap_or(0),
        FileFormat::Custom | FileFormat::Plain => restore.manifest.totals.raw_bytes,
    };
    if largest <= SINGLE_FILE_BYTES {
        return Ok(());
    }
    let message =
        format!("one function would write {largest} bytes of rows, at most {SINGLE_FILE_BYTES} are possible");
    Err(Fault::new(Code::SingleFileTooLarge, message).on(format!("format {}", restore.order.format)).into())
}

/// Marks the folder as this job's, if it is empty.
async fn take_folder(restore: &FileRestore<'_>) -> Result<(), EngineError> {
    let folder = restore.folder;
    if folder.get(MARK).await?.is_none() {
        if let Some(name) = folder.any_file().await? {
            return Err(not_empty(restore, &name));
        }
        let mark = serde_json::to_vec(&Mark { job: restore.job }).expect("an id is a string");
        if folder.put_if_absent(MARK, mark.into()).await? {
            return Ok(());
        }
    }
    match folder.get(MARK).await?.and_then(|body| serde_json::from_slice::<Mark>(&body).ok()) {
        Some(mark) if mark.job == restore.job => Ok(()),
        _ => Err(not_empty(restore, MARK)),
    }
}

fn not_empty(restore: &FileRestore<'_>, name: &str) -> EngineError {
    let message = format!("the folder holds {name:?}, which is not this job's");
    Fault::new(Code::TargetNotEmpty, message).on(restore.order.target.to_string()).into()
}

/// Carries out task `number` (from 1). `watch` is told now and then how far it has come, and stops it with an error
/// where it should end.
///
/// # Errors
/// A frame is damaged, or the bucket refuses access.
pub async fn write(
    restore: &FileRestore<'_>,
    number: u32,
    watch: &mut impl AsyncFnMut(Progress) -> Result<(), EngineError>,
) -> Result<Progress, EngineError> {
    let (files, done) = match restore.order.format {
        FileFormat::Directory => directory::write(restore, number, watch).await?,
        FileFormat::Custom => custom::write(restore, watch).await?,
        FileFormat::Plain => plain::write(restore, watch).await?,
    };
    let report = serde_json::to_vec(&files).expect("names, numbers and checksums");
    restore.folder.put(&report_name(number), report.into()).await?;
    Ok(done)
}

/// What a task has written.
fn report_name(task: u32) -> String {
    format!(".permafrost/task-{task}.json")
}

/// What a task has written, as it reported.
async fn report(restore: &FileRestore<'_>, task: u32) -> Result<Vec<WrittenFile>, EngineError> {
    let name = report_name(task);
    let damaged = || EngineError::Damaged { what: restore.folder.url(&name) };
    let body = restore.folder.get(&name).await?.ok_or_else(damaged)?;
    serde_json::from_slice(&body).map_err(|_| damaged())
}

/// Writes what stands beside the data: the archive's table of contents, globals, manifest, checksums, README.
///
/// # Errors
/// A task has not reported, or the bucket refuses access.
pub async fn finish(restore: &FileRestore<'_>) -> Result<(), EngineError> {
    beside::write(restore).await
}
