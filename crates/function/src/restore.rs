//! Opening a restore: its order, its point, its plan, its login.

use permafrost_domain::job::RestoreOrder;
use permafrost_domain::{Code, Fault, JobId};
use permafrost_engine::restore::{Restore, RestorePlan, Stored, restore_plan};
use permafrost_engine::{EngineError, Login};

use crate::point::OpenPoint;
use crate::tools::Tools;

/// Everything that a step of a restore works with.
#[derive(Debug)]
pub struct OpenRestore {
    job: JobId,
    order: RestoreOrder,
    login: Login,
    point: OpenPoint,
    plan: RestorePlan,
}

impl OpenRestore {
    /// Reads the job's order, its point, decides what is restored of it, and makes the login.
    ///
    /// # Errors
    /// The job is no restore, its point cannot be read or does not hold what was asked for, or there is no login.
    pub async fn open(tools: &Tools, job: JobId) -> Result<Self, Fault> {
        let record = tools.catalog.job_record(job).await?;
        let order = record.restore.ok_or_else(|| no_order(job))?;
        let point = OpenPoint::to_restore(tools, record.instance, order.point).await?;
        let plan = restore_plan(point.table_of_contents(tools).await?, &order.options)?;
        let login = tools.login(&order.target, job).await?;
        Ok(Self { job, order: *order, login, point, plan })
    }

    /// The restore, for the engine.
    ///
    /// # Errors
    /// The table of contents contradicts itself.
    pub fn restore(&self) -> Result<Restore<'_>, Fault> {
        let index = self.plan.index();
        Ok(Restore {
            job: self.job,
            login: &self.login,
            name: &self.order.target.database,
            manifest: &self.point.manifest,
            plan: &self.plan,
            index: index.map_err(|error| EngineError::TocContents { what: error.to_string() })?,
        })
    }

    /// Where the data is, for the engine.
    pub fn stored(&self) -> Stored<'_> {
        Stored { store: &self.point.store, layout: self.point.layout }
    }
}

/// The fault of a job that is no restore.
pub fn no_order(job: JobId) -> Fault {
    Fault::new(Code::CatalogRecordInvalid, "the job holds no restore order").on(job.to_string())
}
