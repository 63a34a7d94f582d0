//! The API's routes, one method each.

use aws_credential_types::provider::SharedCredentialsProvider;
use jiff::Timestamp;
use permafrost_domain::JobId;
use permafrost_domain::ids::PlanId;
use permafrost_domain::instance::{Instance, InstanceRef};
use permafrost_domain::job::{Job, JobStatus};
use permafrost_domain::policy::{Policy, PolicyRef};
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::retention::RetentionPlan;
use permafrost_domain::tiering::Estimate;
use permafrost_domain::wire::{
    BackupRequest, ChangePolicyRequest, CreatePolicyRequest, DeleteDataRequest, FileRestoreRequest,
    JobStarted, LegalHoldRequest, MAX_PAGE, PointSelector, PolicyChanged, PolicyDeleted, ProtectRequest,
    ProtectResponse, RecoveryPointDetail, RehydrateRequest, ReplacePolicyRequest, RestoreRequest,
    RetentionPlanSummary, StopProtectionRequest,
};
use reqwest::Method;

use crate::endpoint::Endpoint;
use crate::error::ClientError;
use crate::pages::Pages;
use crate::retry::Effect;
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
    pub async fn start_backup(
        &self,
        instance: &InstanceRef,
        request: &BackupRequest,
    ) -> Result<JobStarted, ClientError> {
        self.transport.post(&["instances", &segment(instance), "backups"], request).await
    }

    /// Puts an instance under a policy, or under none.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn change_policy(
        &self,
        instance: &InstanceRef,
        request: &ChangePolicyRequest,
    ) -> Result<PolicyChanged, ClientError> {
        self.transport.post(&["instances", &segment(instance), "policy"], request).await
    }

    /// Suspends the scheduled backups of an instance.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn suspend(&self, instance: &InstanceRef) -> Result<Instance, ClientError> {
        self.settle(instance, "suspend", &serde_json::json!({})).await
    }

    /// Protects an instance again whose backups were suspended or whose protection was stopped.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn resume(&self, instance: &InstanceRef) -> Result<Instance, ClientError> {
        self.settle(instance, "resume", &serde_json::json!({})).await
    }

    /// Stops the protection of an instance and keeps its points.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn stop_protection(
        &self,
        instance: &InstanceRef,
        request: StopProtectionRequest,
    ) -> Result<Instance, ClientError> {
        self.settle(instance, "stop-protection", &request).await
    }

    /// Stops the protection of an instance and deletes its points, after a time in which that can be undone.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn delete_data(
        &self,
        instance: &InstanceRef,
        request: &DeleteDataRequest,
    ) -> Result<Instance, ClientError> {
        self.transport.post(&["instances", &segment(instance), "delete-data"], request).await
    }

    /// Takes a deletion back; the instance's protection stays stopped.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn undelete(&self, instance: &InstanceRef) -> Result<Instance, ClientError> {
        self.settle(instance, "undelete", &serde_json::json!({})).await
    }

    /// Asks for a state of an instance, which is the same however often it is asked for.
    async fn settle(
        &self,
        instance: &InstanceRef,
        verb: &str,
        body: &impl serde::Serialize,
    ) -> Result<Instance, ClientError> {
        let segments = ["instances", &segment(instance), verb];
        self.transport.change(&Method::POST, &segments, body, Effect::None).await
    }

    /// Makes a policy.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn create_policy(&self, request: &CreatePolicyRequest) -> Result<Policy, ClientError> {
        self.transport.post(&["policies"], request).await
    }

    /// The policies, by name.
    pub fn policies(&self) -> Pages<'_, Policy> {
        Pages::new(self, &["policies"], vec![page_size()])
    }

    /// A policy.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn policy(&self, policy: &PolicyRef) -> Result<Policy, ClientError> {
        self.transport.get(&["policies", &policy.to_string()], &[]).await
    }

    /// The instances under a policy.
    pub fn policy_instances(&self, policy: &PolicyRef) -> Pages<'_, Instance> {
        Pages::new(self, &["policies", &policy.to_string(), "instances"], vec![page_size()])
    }

    /// Changes a policy.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn replace_policy(
        &self,
        policy: &PolicyRef,
        request: &ReplacePolicyRequest,
    ) -> Result<Policy, ClientError> {
        let segments = ["policies", &policy.to_string()];
        self.transport.change(&Method::PUT, &segments, request, Effect::Once).await
    }

    /// Deletes a policy that no instance is under.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn delete_policy(&self, policy: &PolicyRef) -> Result<PolicyDeleted, ClientError> {
        let segments = ["policies", &policy.to_string()];
        self.transport.change(&Method::DELETE, &segments, &serde_json::json!({}), Effect::Once).await
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

    /// Starts to put a recovery point under legal hold, or to take it out.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn set_legal_hold(
        &self,
        instance: &InstanceRef,
        point: PointSelector,
        request: LegalHoldRequest,
    ) -> Result<JobStarted, ClientError> {
        let (instance, point) = (segment(instance), point.to_string());
        let segments = ["instances", &instance, "recovery-points", &point, "legal-hold"];
        self.transport.change(&Method::POST, &segments, &request, Effect::None).await
    }

    /// How long it takes and what it costs to rehydrate a recovery point; nothing is started.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn estimate_rehydration(
        &self,
        instance: &InstanceRef,
        point: PointSelector,
        request: RehydrateRequest,
    ) -> Result<Estimate, ClientError> {
        let (instance, point) = (segment(instance), point.to_string());
        let segments = ["instances", &instance, "recovery-points", &point, "rehydration"];
        let query = [("priority", request.priority.to_string()), ("days", request.days.to_string())];
        self.transport.get(&segments, &query).await
    }

    /// Starts to rehydrate a recovery point.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn rehydrate(
        &self,
        instance: &InstanceRef,
        point: PointSelector,
        request: RehydrateRequest,
    ) -> Result<JobStarted, ClientError> {
        let (instance, point) = (segment(instance), point.to_string());
        let segments = ["instances", &instance, "recovery-points", &point, "rehydrate"];
        self.transport.post(&segments, &request).await
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

    /// The plans of retention, the newest first.
    pub fn retention_plans(&self, limit: usize) -> Pages<'_, RetentionPlanSummary> {
        let page = limit.clamp(1, usize::from(MAX_PAGE));
        Pages::new(self, &["retention-plans"], vec![("limit", page.to_string())])
    }

    /// A plan of retention.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn retention_plan(&self, plan: PlanId) -> Result<RetentionPlan, ClientError> {
        self.transport.get(&["retention-plans", &plan.to_string()], &[]).await
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

    /// Lets a backup copy nothing until it is resumed; the answer is the job as it is then.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn suspend_job(&self, job: JobId) -> Result<Job, ClientError> {
        self.transport.post(&["jobs", &job.to_string(), "suspend"], &serde_json::json!({})).await
    }

    /// Lets a suspended backup go on; the answer is the job as it is then.
    ///
    /// # Errors
    /// As [`Client::protect`].
    pub async fn resume_job(&self, job: JobId) -> Result<Job, ClientError> {
        self.transport.post(&["jobs", &job.to_string(), "resume"], &serde_json::json!({})).await
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
