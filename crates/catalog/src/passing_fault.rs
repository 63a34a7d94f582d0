//! The last fault of a job that a retry may mend. It tells why, where the retries were used up and all that the
//! execution knows is that an item of a Map failed.

use permafrost_domain::job::JobStatus;
use permafrost_domain::{Fault, JobId};

use crate::Catalog;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::job::capped_fault;
use crate::keys::Key;
use crate::record::{invalid, nested};
use crate::write::Written;

/// The attribute that holds it.
const PASSING_FAULT: &str = "passing_fault";

impl Catalog {
    /// Records a fault that a retry may mend; the last one counts. Nothing where the job has ended.
    ///
    /// # Errors
    /// `JobNotFound`.
    pub async fn record_passing_fault(&self, id: JobId, fault: &Fault) -> Result<(), CatalogError> {
        let key = Key::Job(id);
        let expression = Expression::new()
            .set(PASSING_FAULT, nested(&key, &capped_fault(fault))?)
            .only_if_one_of("status", JobStatus::OPEN);
        match self.update(&key, expression).await? {
            Written::Refused(None) => Err(CatalogError::JobNotFound(id)),
            Written::Done(_) | Written::Refused(Some(_)) => Ok(()),
        }
    }

    /// The last fault of the job that a retry might have mended.
    ///
    /// # Errors
    /// `JobNotFound`.
    pub async fn passing_fault(&self, id: JobId) -> Result<Option<Fault>, CatalogError> {
        let key = Key::Job(id);
        let mut item = self.item(&key).await?.ok_or(CatalogError::JobNotFound(id))?;
        let fault = item.remove(PASSING_FAULT).map(serde_dynamo::from_attribute_value);
        fault.transpose().map_err(|error| invalid(&key, error))
    }
}
