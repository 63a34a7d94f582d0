//! The registry of error codes: append-only, since codes are part of the contract. `docs/errors.md` is made
//! from it.

use serde::{Deserialize, Serialize};

/// Whether the same request may succeed when it is sent again without anybody doing anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retry {
    /// Somebody must do what the remedy says first.
    Never,
    /// A passing condition: state machines retry it.
    Later,
}

/// What kind of failure a code is: decides the API's status and the command's exit code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Category {
    /// The request is malformed or breaks a rule.
    Request,
    /// What was named does not exist.
    NotFound,
    /// The request meets a state that forbids it.
    Conflict,
    /// The caller, or Permafrost itself, may not do this.
    Access,
    /// The PostgreSQL server, its network, its login or its contents.
    Database,
    /// The stores, the key, the catalog.
    Vault,
    /// Cancelled by a person.
    Cancelled,
    /// Permafrost itself, or the service that runs it.
    Internal,
}

impl Category {
    /// The status that the API answers with.
    pub fn http_status(self) -> u16 {
        match self {
            Self::Request => 400,
            Self::Access => 403,
            Self::NotFound => 404,
            Self::Conflict | Self::Cancelled => 409,
            Self::Database => 422,
            Self::Internal => 500,
            Self::Vault => 503,
        }
    }

    /// The exit code of the command `permafrost`.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Internal => 1,
            Self::Request => 2,
            Self::NotFound => 3,
            Self::Conflict => 4,
            Self::Access => 5,
            Self::Database => 6,
            Self::Vault => 7,
            Self::Cancelled => 8,
        }
    }
}

macro_rules! codes {
    ($($code:ident, $category:ident, $retry:ident, $summary:literal, $remedy:literal;)+) => {
        /// A stable error code.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, utoipa::ToSchema)]
        pub enum Code {
            $(#[doc = $summary] $code,)+
        }

        impl Code {
            /// Every code, in the order of the registry.
            pub const ALL: &'static [Code] = &[$(Code::$code,)+];

            /// The code's word.
            pub fn as_str(self) -> &'static str {
                match self { $(Code::$code => stringify!($code),)+ }
            }

            /// What the code means.
            pub fn summary(self) -> &'static str {
                match self { $(Code::$code => $summary,)+ }
            }

            /// What to do about it where nothing more precise is known.
            pub fn remedy(self) -> &'static str {
                match self { $(Code::$code => $remedy,)+ }
            }

            /// Whether the same request may succeed later by itself.
            pub fn retry(self) -> Retry {
                match self { $(Code::$code => Retry::$retry,)+ }
            }

            /// The kind of failure.
            pub fn category(self) -> Category {
                match self { $(Code::$code => Category::$category,)+ }
            }
        }
    };
}

codes! {
    // Requests.
    InvalidRequest, Request, Never, "the request is malformed or breaks a rule",
        "Correct the request as the message says.";
    CredentialsInRequest, Request, Never, "the request holds a password",
        "Put the password into a Secrets Manager secret and send the secret's ARN, or use the login `iam`.";
    DatabaseCannotBeProtected, Request, Never, "the database belongs to the server or its provider",
        "Protect a database of your own.";
    InstanceNotFound, NotFound, Never, "no such backup instance",
        "List the instances with `permafrost instance list`.";
    RecoveryPointNotFound, NotFound, Never, "no such recovery point",
        "List the points with `permafrost recovery-point list INSTANCE`.";
    PolicyNotFound, NotFound, Never, "no such backup policy",
        "List the policies with `permafrost policy list`.";
    RetentionPlanNotFound, NotFound, Never, "no such retention plan",
        "List the plans with `permafrost retention plan`.";
    JobNotFound, NotFound, Never, "no such job",
        "List the jobs with `permafrost job list`.";
    RouteNotFound, NotFound, Never, "the API has no such route",
        "See docs/openapi.json for the routes.";
    DatabaseAlreadyProtected, Conflict, Never, "the database is protected in this vault already",
        "Use the instance that protects it.";
    InstanceNameAlreadyInUse, Conflict, Never, "another backup instance bears the name",
        "Choose another name.";
    InstanceNotProtected, Conflict, Never, "the instance's protection is not configured",
        "Wait for the ConfigureProtection job, or protect the database again.";
    BackupAlreadyRunning, Conflict, Never, "a backup of the instance is running",
        "Wait for the running job, or cancel it.";
    RecoveryPointNotAvailable, Conflict, Never, "the recovery point cannot be read now",
        "Choose another point with `permafrost recovery-point list INSTANCE`, or wait until it is rehydrated.";
    JobNotRunning, Conflict, Never, "the job has ended",
        "Nothing is to be done.";
    MaxConcurrentOperationLimitReached, Conflict, Later, "too many operations run at once",
        "Wait for running jobs to end.";
    JobCancelled, Cancelled, Never, "the job was cancelled",
        "Start it again when it is wanted.";
    JobSuspended, Conflict, Never, "the job is suspended",
        "Resume it with `permafrost job resume`.";
    AccessDenied, Access, Never, "the caller may not do this",
        "Ask for one of the vault's managed policies: reader, operator, contributor or administrator.";
    // Policies and protection.
    InvalidPolicy, Request, Never, "the policy breaks a rule",
        "Correct the policy as the message says; `permafrost policy check FILE` tells every problem with its line.";
    RuleNotInPolicy, Request, Never, "the instance's policy has no rule of this name",
        "Choose one of the policy's rules; `permafrost policy show POLICY` lists them.";
    ConfirmationMismatch, Request, Never, "the confirmation is not the instance's name",
        "Send the instance's name as it is shown, and a reason.";
    PolicyNameAlreadyInUse, Conflict, Never, "another policy bears the name",
        "Choose another name.";
    PolicyInUse, Conflict, Never, "instances are protected by the policy",
        "Put them under another policy with `permafrost instance change-policy` first.";
    PolicyChanged, Conflict, Never, "the policy was changed in the meantime",
        "Read the policy again and repeat the change on what it says now.";
    BackupsSuspended, Conflict, Never, "the instance's scheduled backups are suspended",
        "Resume them with `permafrost instance resume`.";
    ProtectionStopped, Conflict, Never, "the instance's protection is stopped",
        "Resume it with `permafrost instance resume`, or undelete the instance first.";
    ProtectionNotChanged, Conflict, Never, "the instance's protection is in a state that forbids the change",
        "See the instance's status with `permafrost instance show INSTANCE`.";
    ImmutabilityCannotBeLowered, Conflict, Never, "the vault's immutability was to be lowered",
        "Deploy the vault with the immutability that it has, or a higher one.";
    RetentionCannotBeShortened, Conflict, Never, "a recovery point of an immutable vault was to be kept for less",
        "Ask for a later time than the one that is stamped on the point.";
    ObjectLocked, Conflict, Never, "an object is locked against deletion",
        "Wait until its lock ends.";
    RecoveryPointUnderLegalHold, Conflict, Never, "the recovery point is under legal hold",
        "Release it with `permafrost recovery-point release` where the hold is over.";
    LegalHoldChanging, Conflict, Never, "another job is changing the recovery point's legal hold",
        "Wait until that job has ended (`permafrost job watch`), or cancel it, and ask again.";
    RecoveryPointArchived, Conflict, Never, "the recovery point is in the archive store",
        "Rehydrate it first with `permafrost recovery-point rehydrate INSTANCE POINT`.";
    RecoveryPointNotArchived, Conflict, Never, "the recovery point is not in the archive store",
        "Restore it as it is.";
    DeletionLimitReached, Conflict, Never, "the run would delete more recovery points of an instance than it may",
        "Nothing is to be done: the next run deletes the next ones. See `permafrost retention plan`.";
    ScheduleUnavailable, Internal, Later, "EventBridge Scheduler did not answer",
        "Try again; see the state of EventBridge Scheduler.";
    // Network and login.
    HostNotFound, Database, Never, "the server's name does not resolve",
        "Check the host name, and that the functions' network resolves it.";
    MissingNetworkAccess, Database, Never, "the server does not answer",
        "Check host and port, the server's firewall, and the functions' subnets and security groups.";
    TlsNotAvailable, Database, Never, "the server does not offer TLS",
        "Switch TLS on at the server, or ask for `--tls disable` explicitly.";
    TlsVerificationFailed, Database, Never, "the server's certificate is not trusted",
        "Name the CA that signed it with `--tls-ca FILE`, and use the host name that it was made for.";
    DatabaseUserAuthFailed, Database, Never, "the server refused the login",
        "Check user and password in the secret, the server's pg_hba.conf, or the role's membership in rds_iam.";
    InvalidSecret, Database, Never, "the secret does not exist or does not hold a login",
        "Store {\"username\": \"…\", \"password\": \"…\"} or a plain password in the secret.";
    SecretAccessDenied, Access, Never, "the functions may not read the secret",
        "Name the secret with the stack's SecretNamePrefix, and allow its key to the functions' roles.";
    SecretUnavailable, Internal, Later, "Secrets Manager did not answer",
        "Try again; see the state of Secrets Manager.";
    DatabaseNotFound, Database, Never, "the server has no such database",
        "Check the database's name.";
    TooManyConnections, Database, Later, "the server has no free connection",
        "Raise max_connections, or back up when fewer clients are connected.";
    ServerConnectionClosed, Database, Later, "the connection to the server broke",
        "Check the server's log; if it happens again, check timeouts of proxies and firewalls in between.";
    ServerVersionNotSupported, Database, Never, "the server's version is not supported",
        "Use a PostgreSQL server of version 10 to 18.";
    DumpClientNotOnBoard, Internal, Never, "no pg_dump for the server's version is on board",
        "Add the version's client to the pg-client layer.";
    // Contents and privileges.
    MissingDatabasePermissions, Database, Never, "the role lacks a privilege",
        "Run the grants that the message names.";
    DatabaseUserLacksSelect, Database, Never, "the role cannot read a table or sequence",
        "Grant SELECT on it to the role, or add the role to pg_read_all_data.";
    RowSecurityHidesRows, Database, Never, "row-level security would hide rows from the backup",
        "Run ALTER ROLE … BYPASSRLS, or back up as the tables' owner.";
    LockNotAvailable, Database, Later, "a table is locked by another session",
        "End the session that holds the lock, or back up at another time.";
    SnapshotLost, Database, Never, "the snapshot of the backup is gone",
        "Start the backup again; see the server's log for why the connection that held it ended.";
    SnapshotExpired, Database, Never, "the backup took longer than its snapshot could be held",
        "Run more tasks at once (MaxConcurrency), or raise SnapshotLimitSeconds.";
    DumpFailed, Database, Never, "pg_dump could not describe the database",
        "Do what pg_dump's message says.";
    StatementFailed, Database, Never, "the server refused a statement",
        "Do what the server's message says.";
    // The vault.
    ContainerNotAccessible, Vault, Never, "the store refuses access",
        "Check the bucket, its policy, and the function's role.";
    StoreUnavailable, Vault, Later, "the store did not answer",
        "Try again; see the state of S3.";
    ObjectMissing, Vault, Never, "an object that the manifest names is not in the store",
        "Verify the recovery point; restore another one.";
    ChecksumMismatch, Vault, Never, "bytes differ from their checksum",
        "Verify the recovery point; restore another one.";
    FormatNotSupported, Vault, Never, "an object is of a format that this version cannot read",
        "Use a newer version of Permafrost.";
    KeyNotUsable, Vault, Never, "the vault's key cannot be used",
        "Enable the key, and allow it to the function's role.";
    CatalogUnavailable, Vault, Later, "the catalog did not answer",
        "Try again; see the state of DynamoDB.";
    CatalogRecordInvalid, Vault, Never, "a record of the catalog cannot be read",
        "Rebuild the record from the vault.";
    CatalogConflict, Vault, Never, "a record of the catalog is not in the state that the step needs",
        "See the job's execution for what ran before.";
    BackupIncomplete, Vault, Never, "a part of the backup is missing",
        "Start the backup again.";
    // Restore.
    DatabaseNameAlreadyInUse, Database, Never, "the target server has a database of this name",
        "Choose another name; overwriting is not supported.";
    DatabaseUserLacksCreatedb, Database, Never, "the role may not create databases",
        "Run ALTER ROLE … CREATEDB on the target server.";
    RoleNotFound, Database, Never, "the target server lacks a role that the backup names",
        "Create the roles that the message names on the target server.";
    ExtensionNotAvailable, Database, Never, "the target server lacks an extension of the backup",
        "Install the extension's package on the target server.";
    TablespaceNotFound, Database, Never, "the target server lacks a tablespace of the backup",
        "Create the tablespace on the target server.";
    LocaleNotAvailable, Database, Never, "the target server lacks the encoding or locale of the backup",
        "Install the locale on the target server.";
    RestoreFailed, Database, Never, "an object could not be restored",
        "Do what the server's message says.";
    RowCountMismatch, Database, Never, "a restored table has another number of rows than its backup",
        "Verify the recovery point; restore another one.";
    ObjectNotInBackup, Database, Never, "the recovery point does not hold an object that was asked for",
        "List what it holds with `permafrost recovery-point show INSTANCE POINT`.";
    TargetNotEmpty, Conflict, Never, "the folder that files are to go to holds others",
        "Choose another prefix, or empty the folder.";
    SingleFileTooLarge, Request, Never, "one file of this backup would take longer to write than a function lives",
        "Ask for a directory in the backup's own compression (`--format directory --compression stored`): it is put together inside S3.";
    // Permafrost itself.
    OrchestrationUnavailable, Internal, Later, "Step Functions did not answer",
        "Try again; see the state of Step Functions.";
    FunctionFailed, Internal, Never, "a function ended without an answer",
        "See the function's log; start the job again.";
    InvalidConfiguration, Internal, Never, "a function's configuration is wrong",
        "Deploy the stack again with the parameters that the message names.";
    ApiUnavailable, Internal, Later, "the API did not answer",
        "Check the endpoint and the network, and try again.";
}
