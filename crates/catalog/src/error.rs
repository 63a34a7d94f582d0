//! What the catalog can answer instead of doing what it was asked.

use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use jiff::Timestamp;
use permafrost_domain::immutability::ImmutabilityLowered;
use permafrost_domain::instance::{InstanceName, ProtectionStatus};
use permafrost_domain::job::JobStatus;
use permafrost_domain::policy::PolicyName;
use permafrost_domain::recovery_point::{IllegalTransition, PointState};
use permafrost_domain::{Code, Fault, InstanceId, JobId, PointId, PolicyId};

use crate::snapshot::SnapshotState;

/// An error of the layer below.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// Why the catalog did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CatalogError {
    /// No answer, or an answer that passes: throttling, a fault of the service, contention.
    #[error("the catalog did not answer {operation} ({reason})")]
    Unavailable {
        /// DynamoDB's name of the request.
        operation: &'static str,
        /// One word of DynamoDB or of the transport.
        reason: String,
        /// What the client said.
        #[source]
        source: BoxError,
    },
    /// The caller's role lacks the action.
    #[error("the role may not call {operation} on the catalog")]
    AccessDenied {
        /// DynamoDB's name of the request.
        operation: &'static str,
        /// What the client said.
        #[source]
        source: BoxError,
    },
    /// DynamoDB will not take the request however often it is sent: no such table or index, for instance.
    #[error("the catalog cannot take {operation} ({reason})")]
    Rejected {
        /// DynamoDB's name of the request.
        operation: &'static str,
        /// DynamoDB's word for it.
        reason: String,
        /// What the client said.
        #[source]
        source: BoxError,
    },
    /// A record above DynamoDB's 400 KB.
    #[error("the record is larger than the catalog can hold")]
    RecordTooLarge {
        /// What the client said.
        #[source]
        source: BoxError,
    },
    /// A record is there and cannot be decoded.
    #[error("the record {key} of the catalog cannot be read")]
    RecordInvalid {
        /// Where it stands.
        key: String,
        /// Why.
        #[source]
        source: BoxError,
    },
    /// A record is not in the state that the write needs.
    #[error("the record {key} of the catalog is not as it must be: {found}")]
    Conflict {
        /// Where it stands.
        key: String,
        /// What is the matter with it.
        found: String,
    },
    /// A continuation token that no list gave out.
    #[error("the continuation token is not one that this list gave out")]
    InvalidContinuation,
    /// No such instance.
    #[error("there is no backup instance {0}")]
    InstanceNotFound(String),
    /// No such job.
    #[error("there is no job {0}")]
    JobNotFound(JobId),
    /// No such recovery point.
    #[error("there is no recovery point {point} of instance {instance}")]
    RecoveryPointNotFound {
        /// The instance asked.
        instance: InstanceId,
        /// The point asked for: an id, or `latest`.
        point: String,
    },
    /// No such policy.
    #[error("there is no backup policy {0}")]
    PolicyNotFound(String),
    /// The name is another policy's.
    #[error("another backup policy bears the name {name}")]
    PolicyNameAlreadyInUse {
        /// The name.
        name: PolicyName,
        /// The policy that bears it.
        policy: PolicyId,
    },
    /// Instances are under the policy.
    #[error("{instances} instances are under the policy {policy}")]
    PolicyInUse {
        /// The policy.
        policy: PolicyId,
        /// How many.
        instances: u64,
    },
    /// The policy was changed since it was read.
    #[error("the policy {policy} was changed since it was read: it is of revision {revision}")]
    PolicyChanged {
        /// The policy.
        policy: PolicyId,
        /// The revision that it is of.
        revision: u32,
    },
    /// No such retention plan.
    #[error("there is no retention plan {0}")]
    RetentionPlanNotFound(String),
    /// A retention plan that lists more than the catalog takes.
    #[error("a retention plan lists {listed} points, more than {most}")]
    RetentionPlanTooLarge {
        /// How many it lists.
        listed: usize,
        /// How many it can list.
        most: usize,
    },
    /// The database is protected by another instance.
    #[error("the database {database} is protected already")]
    DatabaseAlreadyProtected {
        /// The database's identity.
        database: String,
        /// The instance that protects it.
        instance: InstanceId,
    },
    /// The name is another instance's.
    #[error("another backup instance bears the name {name}")]
    InstanceNameAlreadyInUse {
        /// The name.
        name: InstanceName,
        /// The instance that bears it.
        instance: InstanceId,
    },
    /// A backup of the instance runs.
    #[error("a backup of instance {instance} is running")]
    BackupAlreadyRunning {
        /// The instance.
        instance: InstanceId,
        /// The running job.
        job: JobId,
    },
    /// Backups are refused until protection is configured.
    #[error("the protection of instance {0} is not configured")]
    InstanceNotProtected(InstanceId),
    /// Scheduled backups are suspended.
    #[error("the backups of instance {0} are suspended")]
    BackupsSuspended(InstanceId),
    /// Protection was stopped, or the data is deleted.
    #[error("the protection of instance {0} was stopped")]
    ProtectionStopped(InstanceId),
    /// The instance's protection is not in a state from which it can be changed like this.
    #[error("the protection of instance {instance} cannot become {to}: it is {from}")]
    ProtectionNotChanged {
        /// The instance.
        instance: InstanceId,
        /// What it is.
        from: ProtectionStatus,
        /// What it was to become.
        to: ProtectionStatus,
    },
    /// The time in which a deletion can be undone has not passed, or has.
    #[error("the data of instance {instance} is deleted for good on {until}")]
    SoftDeletionEnds {
        /// The instance.
        instance: InstanceId,
        /// When its data is deleted for good.
        until: Timestamp,
    },
    /// The instance has recovery points still.
    #[error("instance {instance} has {points} recovery points still")]
    InstanceHasPoints {
        /// The instance.
        instance: InstanceId,
        /// How many.
        points: u64,
    },
    /// The table of transitions lacks the move.
    #[error("the recovery point {point} cannot be moved")]
    PointNotMoved {
        /// The point.
        point: PointId,
        /// The move.
        #[source]
        source: IllegalTransition,
    },
    /// The point is not as it was read.
    #[error("the recovery point {point} was changed since it was read: it is {state:?}")]
    PointChanged {
        /// The point.
        point: PointId,
        /// The state that it is in.
        state: PointState,
    },
    /// The point is deleted, or being deleted.
    #[error("the recovery point {point} is {state:?}")]
    RecoveryPointDeleted {
        /// The point.
        point: PointId,
        /// The state that it is in.
        state: PointState,
    },
    /// The point is under legal hold.
    #[error("the recovery point {0} is under legal hold")]
    PointUnderLegalHold(PointId),
    /// Another job is changing the point's legal hold.
    #[error("the job {job} is changing the legal hold of the recovery point {point}")]
    LegalHoldChanging {
        /// The point.
        point: PointId,
        /// The job.
        job: JobId,
    },
    /// The point's objects are locked.
    #[error("the objects of the recovery point {point} are locked until {until}")]
    PointLocked {
        /// The point.
        point: PointId,
        /// Until when.
        until: Timestamp,
    },
    /// The newest good point of an instance is not retention's to delete.
    #[error("the recovery point {0} is the newest good one of its instance")]
    NewestGoodPoint(PointId),
    /// The point's time is not over.
    #[error("the recovery point {point} is kept until {until}")]
    PointNotDue {
        /// The point.
        point: PointId,
        /// Until when.
        until: Timestamp,
    },
    /// The vault has been more immutable than it is configured to be.
    #[error(transparent)]
    ImmutabilityLowered(#[from] ImmutabilityLowered),
    /// A point's retention is never shortened.
    #[error("the recovery point {point} is kept until {until}, which cannot be shortened")]
    RetentionShortened {
        /// The point.
        point: PointId,
        /// Until when it is kept.
        until: Timestamp,
    },
    /// The job has ended.
    #[error("the job {job} has ended: {status}")]
    JobNotRunning {
        /// The job.
        job: JobId,
        /// How it ended.
        status: JobStatus,
    },
    /// The job is being cancelled.
    #[error("the job {0} was cancelled")]
    JobCancelled(JobId),
    /// No holder has written a snapshot yet.
    #[error("the job {0} holds no snapshot")]
    SnapshotNotFound(JobId),
    /// Another holder has the snapshot, or its lease still runs.
    #[error("the snapshot of job {job} is held by {holder} until {lease_until}")]
    SnapshotHeldByAnother {
        /// The backup job.
        job: JobId,
        /// Who holds it.
        holder: String,
        /// How many times it has been handed over, the first holder included.
        generation: u32,
        /// Until when it is taken to be alive.
        lease_until: Timestamp,
    },
    /// The snapshot is not held any more.
    #[error("the snapshot of job {job} is not held any more: {state}")]
    SnapshotGone {
        /// The backup job.
        job: JobId,
        /// What became of it; `Held` where the holder's lease is over.
        state: SnapshotState,
    },
}

impl CatalogError {
    /// The code of the registry.
    pub fn code(&self) -> Code {
        match self {
            Self::Unavailable { .. } => Code::CatalogUnavailable,
            Self::AccessDenied { .. } => Code::AccessDenied,
            Self::Rejected { .. } => Code::InvalidConfiguration,
            Self::RecordTooLarge { .. } | Self::InvalidContinuation | Self::RetentionPlanTooLarge { .. } => {
                Code::InvalidRequest
            }
            Self::RecordInvalid { .. } => Code::CatalogRecordInvalid,
            Self::Conflict { .. }
            | Self::SnapshotNotFound(_)
            | Self::SnapshotHeldByAnother { .. }
            | Self::PointChanged { .. }
            | Self::NewestGoodPoint(_)
            | Self::PointNotDue { .. }
            | Self::InstanceHasPoints { .. } => Code::CatalogConflict,
            Self::PolicyNotFound(_) => Code::PolicyNotFound,
            Self::PolicyNameAlreadyInUse { .. } => Code::PolicyNameAlreadyInUse,
            Self::PolicyInUse { .. } => Code::PolicyInUse,
            Self::PolicyChanged { .. } => Code::PolicyChanged,
            Self::RetentionPlanNotFound(_) => Code::RetentionPlanNotFound,
            Self::BackupsSuspended(_) => Code::BackupsSuspended,
            Self::ProtectionStopped(_) => Code::ProtectionStopped,
            Self::ProtectionNotChanged { .. } | Self::SoftDeletionEnds { .. } => Code::ProtectionNotChanged,
            Self::PointNotMoved { .. } | Self::RecoveryPointDeleted { .. } => Code::RecoveryPointNotAvailable,
            Self::PointUnderLegalHold(_) => Code::RecoveryPointUnderLegalHold,
            Self::LegalHoldChanging { .. } => Code::LegalHoldChanging,
            Self::PointLocked { .. } => Code::ObjectLocked,
            Self::RetentionShortened { .. } => Code::RetentionCannotBeShortened,
            Self::ImmutabilityLowered(_) => Code::ImmutabilityCannotBeLowered,
            Self::InstanceNotFound(_) => Code::InstanceNotFound,
            Self::JobNotFound(_) => Code::JobNotFound,
            Self::RecoveryPointNotFound { .. } => Code::RecoveryPointNotFound,
            Self::DatabaseAlreadyProtected { .. } => Code::DatabaseAlreadyProtected,
            Self::InstanceNameAlreadyInUse { .. } => Code::InstanceNameAlreadyInUse,
            Self::BackupAlreadyRunning { .. } => Code::BackupAlreadyRunning,
            Self::InstanceNotProtected(_) => Code::InstanceNotProtected,
            Self::JobNotRunning { .. } => Code::JobNotRunning,
            Self::JobCancelled(_) | Self::SnapshotGone { state: SnapshotState::Abandoned, .. } => {
                Code::JobCancelled
            }
            Self::SnapshotGone { .. } => Code::SnapshotLost,
        }
    }

    /// What the error is about, where its message does not name it or a program wants it alone.
    fn object(&self) -> Option<String> {
        match self {
            Self::RecordInvalid { key, .. } | Self::Conflict { key, .. } => Some(format!("record {key}")),
            Self::InstanceNotFound(instance) => Some(format!("instance {instance}")),
            Self::PolicyNotFound(policy) => Some(format!("policy {policy}")),
            Self::RetentionPlanNotFound(plan) => Some(format!("retention plan {plan}")),
            Self::PolicyNameAlreadyInUse { policy, .. }
            | Self::PolicyInUse { policy, .. }
            | Self::PolicyChanged { policy, .. } => Some(format!("policy {policy}")),
            Self::PointNotMoved { point, .. }
            | Self::PointChanged { point, .. }
            | Self::RecoveryPointDeleted { point, .. }
            | Self::PointUnderLegalHold(point)
            | Self::PointLocked { point, .. }
            | Self::NewestGoodPoint(point)
            | Self::PointNotDue { point, .. }
            | Self::RetentionShortened { point, .. } => Some(format!("recovery point {point}")),
            Self::InstanceNotProtected(instance)
            | Self::BackupsSuspended(instance)
            | Self::ProtectionStopped(instance)
            | Self::ProtectionNotChanged { instance, .. }
            | Self::SoftDeletionEnds { instance, .. }
            | Self::InstanceHasPoints { instance, .. }
            | Self::DatabaseAlreadyProtected { instance, .. }
            | Self::InstanceNameAlreadyInUse { instance, .. } => Some(format!("instance {instance}")),
            Self::JobNotFound(job)
            | Self::JobCancelled(job)
            | Self::JobNotRunning { job, .. }
            | Self::SnapshotNotFound(job)
            | Self::SnapshotHeldByAnother { job, .. }
            | Self::SnapshotGone { job, .. } => Some(format!("job {job}")),
            // The id alone: a program goes on with it.
            Self::BackupAlreadyRunning { job, .. } | Self::LegalHoldChanging { job, .. } => {
                Some(job.to_string())
            }
            Self::RecoveryPointNotFound { point, .. } => Some(format!("recovery point {point}")),
            Self::Unavailable { .. }
            | Self::AccessDenied { .. }
            | Self::Rejected { .. }
            | Self::RecordTooLarge { .. }
            | Self::RetentionPlanTooLarge { .. }
            | Self::ImmutabilityLowered(_)
            | Self::InvalidContinuation => None,
        }
    }

    /// The error behind what the client of DynamoDB answered to `operation`.
    pub(crate) fn of_sdk<E>(operation: &'static str, error: SdkError<E>) -> Self
    where
        E: ProvideErrorMetadata + std::error::Error + Send + Sync + 'static,
    {
        let (code, status) = match &error {
            SdkError::ServiceError(service) => {
                (service.err().code().map(str::to_owned), service.raw().status().as_u16())
            }
            SdkError::TimeoutError(_) => (Some("timeout".to_owned()), 0),
            SdkError::DispatchFailure(_) => (Some("connection failed".to_owned()), 0),
            SdkError::ResponseError(_) => (Some("answer cut short".to_owned()), 0),
            _ => (None, 400),
        };
        let too_large = error
            .as_service_error()
            .and_then(ProvideErrorMetadata::message)
            .is_some_and(|message| message.contains("Item size"));
        if too_large {
            return Self::RecordTooLarge { source: Box::new(error) };
        }
        let reason = code.unwrap_or_else(|| "request not sent".to_owned());
        Self::classed(operation, reason, status, Box::new(error))
    }

    /// The error behind a transaction that was cancelled for `reason`.
    pub(crate) fn of_reason(operation: &'static str, reason: String, source: impl Into<BoxError>) -> Self {
        Self::classed(operation, reason, 400, source.into())
    }

    fn classed(operation: &'static str, reason: String, status: u16, source: BoxError) -> Self {
        match Class::of(&reason, status) {
            Class::Passing => Self::Unavailable { operation, reason, source },
            Class::Denied => Self::AccessDenied { operation, source },
            Class::Lasting => Self::Rejected { operation, reason, source },
        }
    }
}

/// What an error of DynamoDB means for the caller.
#[derive(Debug, PartialEq, Eq)]
enum Class {
    /// Gone when the request is sent again.
    Passing,
    /// A right is missing.
    Denied,
    /// There again when the request is sent again.
    Lasting,
}

impl Class {
    /// The class of the error `code` under the HTTP status `status`, 0 where there was no answer.
    fn of(code: &str, status: u16) -> Self {
        match code {
            "AccessDeniedException"
            | "AccessDenied"
            | "UnrecognizedClientException"
            | "MissingAuthenticationTokenException"
            | "MissingAuthenticationToken"
            | "InvalidSignatureException"
            | "InvalidClientTokenId"
            | "IncompleteSignatureException"
            | "NotAuthorized" => Self::Denied,
            // An expired session is renewed by the credentials' provider before the next try.
            "ThrottlingException"
            | "Throttling"
            | "ThrottlingError"
            | "ProvisionedThroughputExceededException"
            | "ProvisionedThroughputExceeded"
            | "RequestLimitExceeded"
            | "LimitExceededException"
            | "TransactionConflictException"
            | "TransactionConflict"
            | "TransactionInProgressException"
            | "ExpiredTokenException"
            | "RequestTimeout"
            | "ReplicatedWriteConflictException" => Self::Passing,
            _ if status == 0 || status == 429 || status >= 500 => Self::Passing,
            _ => Self::Lasting,
        }
    }
}

impl From<CatalogError> for Fault {
    fn from(error: CatalogError) -> Self {
        let mut message = error.to_string();
        // Why a record cannot be read is the one thing that helps to mend it, and holds nothing of the service.
        if let CatalogError::RecordInvalid { source, .. } = &error {
            message = format!("{message}: {source}");
        }
        if let CatalogError::PointNotMoved { source, .. } = &error {
            message = format!("{message}: {source}");
        }
        let mut fault = Fault::new(error.code(), message);
        fault.object = error.object();
        if matches!(error, CatalogError::AccessDenied { .. }) {
            fault =
                fault.hint("Allow the action on the catalog's table and its index to the function's role.");
        }
        fault
    }
}

#[cfg(test)]
mod tests {
    use permafrost_domain::fault::Retry;

    use super::*;

    #[test]
    fn what_passes_is_retried_and_what_lasts_is_not() {
        for (code, status, class) in [
            ("ThrottlingException", 400, Class::Passing),
            ("TransactionConflictException", 400, Class::Passing),
            ("InternalServerError", 500, Class::Passing),
            ("ServiceUnavailable", 503, Class::Passing),
            ("timeout", 0, Class::Passing),
            ("AccessDeniedException", 400, Class::Denied),
            ("ResourceNotFoundException", 400, Class::Lasting),
            ("ValidationException", 400, Class::Lasting),
        ] {
            assert_eq!(Class::of(code, status), class, "{code}");
        }
        let passing =
            CatalogError::Unavailable { operation: "PutItem", reason: "timeout".into(), source: "x".into() };
        assert_eq!(Fault::from(passing).code.retry(), Retry::Later);
    }

    #[test]
    fn a_running_backup_is_named() {
        let job = JobId::new(Timestamp::UNIX_EPOCH, 1);
        let instance = InstanceId::new(Timestamp::UNIX_EPOCH, 2);
        let fault = Fault::from(CatalogError::BackupAlreadyRunning { instance, job });
        assert_eq!(fault.code, Code::BackupAlreadyRunning);
        assert_eq!(fault.object, Some(job.to_string()));
    }

    #[test]
    fn a_fault_does_not_carry_the_service_s_own_words() {
        let source: BoxError = "user arn:aws:sts::1:assumed-role/x is not authorized".into();
        let fault = Fault::from(CatalogError::AccessDenied { operation: "GetItem", source });
        assert!(!fault.to_string().contains("arn:aws"), "{fault}");
    }
}
