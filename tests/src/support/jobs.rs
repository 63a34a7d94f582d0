//! Protect, back up, restore: the three verbs by the command line, each waited for until its job has ended.

use std::path::PathBuf;

use permafrost_domain::instance::Instance;
use permafrost_domain::job::{Job, JobStatus};
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::wire::JobStarted;

use super::Cli;

/// A database that is to be protected, as the command line is told.
#[derive(Debug, Clone)]
pub struct Protection {
    /// The instance's name.
    pub name: String,
    /// The server, as the functions reach it.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// The database.
    pub database: String,
    /// How to log in.
    pub login: Login,
    /// How the connection is protected.
    pub tls: Tls,
}

/// How Permafrost logs in.
#[derive(Debug, Clone)]
pub enum Login {
    /// With the secret of this ARN.
    Secret(String),
    /// By IAM token as this user.
    Iam(String),
}

/// How the connection is protected.
#[derive(Debug, Clone)]
pub enum Tls {
    /// Not at all: the local server has no TLS.
    Disable,
    /// By a certificate that the CA in this PEM file has signed.
    VerifyFull(PathBuf),
}

impl Protection {
    /// The same, through another address.
    #[must_use]
    pub fn through(mut self, host: &str, port: u16) -> Self {
        host.clone_into(&mut self.host);
        self.port = port;
        self
    }

    /// The command's arguments.
    ///
    /// # Panics
    /// The CA's path is not UTF-8.
    pub fn arguments(&self) -> Vec<String> {
        let mut arguments = vec!["instance".into(), "protect".into(), "--name".into(), self.name.clone()];
        arguments.extend(["--host".into(), self.host.clone(), "--port".into(), self.port.to_string()]);
        arguments.extend(["--database".into(), self.database.clone()]);
        arguments.extend(match &self.login {
            Login::Secret(arn) => vec!["--secret-arn".into(), arn.clone()],
            Login::Iam(user) => vec!["--iam".into(), "--user".into(), user.clone()],
        });
        arguments.extend(match &self.tls {
            Tls::Disable => vec!["--tls".into(), "disable".into()],
            Tls::VerifyFull(ca) => {
                let ca = ca.to_str().expect("the CA's path is UTF-8").to_owned();
                vec!["--tls".into(), "verify-full".into(), "--tls-ca".into(), ca]
            }
        });
        arguments
    }
}

impl Cli {
    /// Tries to protect a database; the job as it ended.
    ///
    /// # Panics
    /// The request itself was refused.
    pub async fn try_protect(&self, protection: &Protection) -> Job {
        self.run(&protection.arguments()).await.result()
    }

    /// Protects a database.
    ///
    /// # Panics
    /// Its job failed.
    pub async fn protect(&self, protection: &Protection) -> Job {
        completed(self.try_protect(protection).await)
    }

    /// Tries to back an instance up; the job as it ended.
    ///
    /// # Panics
    /// The request itself was refused.
    pub async fn try_backup(&self, instance: &str) -> Job {
        self.run(&["backup", instance]).await.result()
    }

    /// Backs an instance up.
    ///
    /// # Panics
    /// Its job failed.
    pub async fn backup(&self, instance: &str) -> Job {
        completed(self.try_backup(instance).await)
    }

    /// Starts a backup and does not wait for it.
    ///
    /// # Panics
    /// The request was refused.
    pub async fn start_backup(&self, instance: &str) -> JobStarted {
        self.ask(&["backup", instance, "--no-wait"]).await
    }

    /// Tries to restore the latest point of an instance on its own server; the job as it ended.
    ///
    /// # Panics
    /// The request itself was refused.
    pub async fn try_restore(&self, instance: &str, to_database: &str, secret_arn: &str) -> Job {
        let arguments = ["restore", instance, "--to-database", to_database, "--secret-arn", secret_arn];
        self.run(&arguments).await.result()
    }

    /// Restores the latest point of an instance on its own server.
    ///
    /// # Panics
    /// Its job failed.
    pub async fn restore(&self, instance: &str, to_database: &str, secret_arn: &str) -> Job {
        completed(self.try_restore(instance, to_database, secret_arn).await)
    }

    /// Waits for a job's end.
    ///
    /// # Panics
    /// There is no such job.
    pub async fn watch(&self, job: &str) -> Job {
        self.run(&["job", "watch", job]).await.result()
    }

    /// The job as it is now.
    ///
    /// # Panics
    /// There is no such job.
    pub async fn job(&self, job: &str) -> Job {
        self.ask(&["job", "show", job]).await
    }

    /// The instance as it is now.
    ///
    /// # Panics
    /// There is no such instance.
    pub async fn instance(&self, name: &str) -> Instance {
        self.ask(&["instance", "show", name]).await
    }

    /// The recovery points of an instance, the newest first.
    ///
    /// # Panics
    /// There is no such instance.
    pub async fn points(&self, instance: &str) -> Vec<RecoveryPoint> {
        self.ask(&["recovery-point", "list", instance]).await
    }
}

/// The job, which must have ended well and without anything to look at.
///
/// # Panics
/// It did not.
pub fn completed(job: Job) -> Job {
    let Job { id, operation, status, fault, warnings, .. } = &job;
    assert_eq!(*status, JobStatus::Completed, "{operation} {id}: {fault:#?} {warnings:?}");
    job
}
