//! The API's routes, one method each.

use aws_credential_types::provider::SharedCredentialsProvider;
use jiff::Timestamp;
use permafrost_domain::JobId;
use permafrost_domain::instance::{Instance, InstanceRef};
use permafrost_domain::job::{Job, JobStatus};
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::wire::{
    BackupRequest, FileRestoreRequest, JobStarted, MAX_PAGE, PointSelector, ProtectRequest, ProtectResponse,
    RecoveryPointDetail, RestoreRequest,
};

use crate::endpoint::Endpoint;
use crate::error::ClientError;
use crate::pages::Pages;
use crate::transport::Transport;
use crate::watch::JobWatch;

/// Which jobs to list. What is absent does not narrow the list.
#[derive(Debug, Clone, Default)]
pub struct JobFilter {
    /// Only jobs asked for at or after this moment; the API itself goes back 7 days.
    pub since: Option<Timestamp>,
    /// Only jobs of this instance.
    pub instance: Option<InstanceRef>,
    /// Only jobs of this status.
    pub status: Option<JobStatus>,
}

/// A client of one vault's API.
#[derive(Debug)]
pub struct Client {
    transport: Transport,
}

impl Client {
    /// A client that signs for `region` with what `credentials` provides. Nothing is sent yet.
    ///
    /// # Errors
    /// [`ClientError::NotSetUp`] where the system's certificates cannot be read.
    pub fn new(
        endpoint: Endpoint,
        region: &str,
        credentials: SharedCredentialsProvider,
    ) -> Result<Self, ClientError> {
        Ok(Self { transport: Transport::new(endpoint, region, credentials)? })
    }

    pub(crate) fn transport(&self) -> &Transport {
        &self.transport
    }

    /// Puts a database under protection; the job checks readiness.
    ///
    /// # Errors
    /// Every [`ClientError`]; of the API's own faults those that its document names for the route.
    pub async fn protect(&self, request: &ProtectRequest) -> Result<ProtectResponse, ClientError> {
        self.transport.post(&["instances"], request).await
    }

    /// The instances, by name.
    pub fn instances(&self) -> Pages<'_, Instance> {
        Pages::new(self, &["instances"], vec![page_size()])
    }

    /// An instance.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn instance(&self, instance: &InstanceRef) -> Result<Instance, ClientError> {
        self.transport.get(&["instances", &segment(instance)], &[]).await
    }

    /// Starts a backup.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn start_backup(&self, instance: &InstanceRef) -> Result<JobStarted, ClientError> {
        self.transport.post(&["instances", &segment(instance), "backups"], &BackupRequest {}).await
    }

    /// An instance's recovery points, the newest first.
    pub fn recovery_points(&self, instance: &InstanceRef) -> Pages<'_, RecoveryPoint> {
        Pages::new(self, &["instances", &segment(instance), "recovery-points"], vec![page_size()])
    }

    /// A recovery point with what is in it.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn recovery_point(
        &self,
        instance: &InstanceRef,
        point: PointSelector,
    ) -> Result<RecoveryPointDetail, ClientError> {
        let point = point.to_string();
        self.transport.get(&["instances", &segment(instance), "recovery-points", &point], &[]).await
    }

    /// Starts a restore.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn start_restore(
        &self,
        instance: &InstanceRef,
        request: &RestoreRequest,
    ) -> Result<JobStarted, ClientError> {
        self.transport.post(&["instances", &segment(instance), "restores"], request).await
    }

    /// Starts a restore as files.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn start_file_restore(
        &self,
        instance: &InstanceRef,
        request: &FileRestoreRequest,
    ) -> Result<JobStarted, ClientError> {
        self.transport.post(&["instances", &segment(instance), "file-restores"], request).await
    }

    /// Jobs, the newest first.
    pub fn jobs(&self, filter: &JobFilter) -> Pages<'_, Job> {
        let mut query = vec![page_size()];
        query.extend(filter.since.iter().map(|since| ("since", since.to_string())));
        query.extend(filter.instance.iter().map(|instance| ("instance", segment(instance))));
        query.extend(filter.status.iter().map(|status| ("status", status.to_string())));
        Pages::new(self, &["jobs"], query)
    }

    /// A job.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn job(&self, job: JobId) -> Result<Job, ClientError> {
        self.transport.get(&["jobs", &job.to_string()], &[]).await
    }

    /// Asks a job to end; the answer is the job as it is then.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn cancel(&self, job: JobId) -> Result<Job, ClientError> {
        self.transport.post(&["jobs", &job.to_string(), "cancel"], &serde_json::json!({})).await
    }

    /// Follows a job until it ends.
    pub fn watch(&self, job: JobId) -> JobWatch<'_> {
        JobWatch::new(self, job)
    }
}

fn page_size() -> (&'static str, String) {
    ("limit", MAX_PAGE.to_string())
}

/// The instance as it stands in a path.
fn segment(instance: &InstanceRef) -> String {
    match instance {
        InstanceRef::Id(id) => id.to_string(),
        InstanceRef::Name(name) => name.to_string(),
    }
}
