//! Opening a restore: its order, its point, its login.

use permafrost_domain::job::RestoreOrder;
use permafrost_domain::{Code, Fault, JobId};
use permafrost_engine::Login;
use permafrost_engine::restore::Restore;
use permafrost_pgarchive::TableOfContents;

use crate::point::OpenPoint;
use crate::tools::Tools;

/// Everything that a step of a restore works with.
#[derive(Debug)]
pub struct OpenRestore {
    job: JobId,
    order: RestoreOrder,
    login: Login,
    point: OpenPoint,
    toc: TableOfContents,
}

impl OpenRestore {
    /// Reads the job's order, its point, and makes the login.
    ///
    /// # Errors
    /// The job is no restore, its point cannot be read, or there is no login.
    pub async fn open(tools: &Tools, job: JobId) -> Result<Self, Fault> {
        let record = tools.catalog.job(job).await?;
        let order = record.restore.ok_or_else(|| no_order(job))?;
        let point = tools.catalog.point(record.instance, order.point).await?;
        if !point.state.is_readable() {
            let message = format!("the recovery point is {:?}", point.state);
            return Err(Fault::new(Code::ObjectMissing, message).on(format!("recovery point {}", point.id)));
        }
        let point = OpenPoint::open(tools, &point).await?;
        let toc = point.table_of_contents(tools).await?;
        let login = tools.login(&order.target, job).await?;
        Ok(Self { job, order, login, point, toc })
    }

    /// The restore, for the engine.
    pub fn restore<'a>(&'a self, tools: &'a Tools) -> Restore<'a> {
        Restore {
            job: self.job,
            login: &self.login,
            name: &self.order.target.database,
            programs: &tools.programs,
            store: &tools.store,
            layout: self.point.layout,
            manifest: &self.point.manifest,
            toc: &self.toc,
        }
    }
}

/// The fault of a job that is no restore.
pub fn no_order(job: JobId) -> Fault {
    Fault::new(Code::CatalogRecordInvalid, "the job holds no restore order").on(job.to_string())
}
