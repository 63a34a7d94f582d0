//! Opening a restore as files: its order, its point, the folder.

use permafrost_domain::files::FilesOrder;
use permafrost_domain::{Code, Fault, InstanceId, JobId, PointId};
use permafrost_engine::restore::files::FileRestore;
use permafrost_pgarchive::TableOfContents;
use permafrost_vault::Folder;

use crate::point::OpenPoint;
use crate::tools::Tools;

/// Everything that a step of a restore as files works with.
#[derive(Debug)]
pub struct OpenFiles {
    job: JobId,
    order: FilesOrder,
    point: OpenPoint,
    toc: TableOfContents,
    folder: Folder,
}

impl OpenFiles {
    /// Reads the job's order and its point, whose data is to be read.
    ///
    /// # Errors
    /// The job is no restore as files, or its point cannot be read.
    pub async fn open(tools: &Tools, job: JobId) -> Result<Self, Fault> {
        Self::of(tools, job, OpenPoint::to_restore).await
    }

    /// Reads the job's order and what describes its point; its data may have to be rehydrated first.
    ///
    /// # Errors
    /// The job is no restore as files, or its point is not there.
    pub async fn describe(tools: &Tools, job: JobId) -> Result<Self, Fault> {
        Self::of(tools, job, OpenPoint::to_describe).await
    }

    async fn of(
        tools: &Tools,
        job: JobId,
        open: impl AsyncFn(&Tools, InstanceId, PointId) -> Result<OpenPoint, Fault>,
    ) -> Result<Self, Fault> {
        let record = tools.catalog.job_record(job).await?;
        let order = *record.files.ok_or_else(|| {
            Fault::new(Code::CatalogRecordInvalid, "the job holds no order for files").on(job.to_string())
        })?;
        let point = open(tools, record.instance, order.point).await?;
        let toc = point.table_of_contents(tools).await?;
        let folder = Folder::new(aws_sdk_s3::Client::new(&tools.sdk), &order.target);
        Ok(Self { job, order, point, toc, folder })
    }

    /// The restore, for the engine.
    pub fn restore<'a>(&'a self, tools: &'a Tools) -> FileRestore<'a> {
        FileRestore {
            job: self.job,
            order: &self.order,
            programs: &tools.programs,
            store: &self.point.store,
            layout: self.point.layout,
            manifest: &self.point.manifest,
            toc: &self.toc,
            folder: &self.folder,
        }
    }
}
