//! `POST /instances`

use permafrost_domain::instance::{Instance, ProtectionStatus};
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::wire::{ProtectRequest, ProtectResponse};
use permafrost_domain::{Code, Fault, InstanceId, PolicyId};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Protect a database", "Records the instance and starts the job that checks readiness. The instance is protected when that job has completed; where it fails, nothing of the instance stays.")
        .body::<ProtectRequest>()
        .answer::<ProtectResponse>(202, "The job was started.")
        .faults(&[
            Code::CredentialsInRequest,
            Code::DatabaseCannotBeProtected,
            Code::DatabaseAlreadyProtected,
            Code::InstanceNameAlreadyInUse,
            Code::PolicyNotFound,
            Code::MaxConcurrentOperationLimitReached,
            Code::ScheduleUnavailable,
            Code::OrchestrationUnavailable,
        ])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let asked: ProtectRequest = request.body()?;
    let policy = match &asked.policy {
        Some(named) => Some(api.tools.catalog.find_policy(named).await?),
        None => None,
    };
    let (instance, job) = plan(asked, policy.as_ref().map(|policy| policy.id), request)?;
    if let Some(policy) = &policy {
        super::change_policy::prepare(api, request, &instance, policy).await?;
    }
    api.tools.catalog.protect(&instance, &job).await?;
    api.start(&job, request.now).await?;
    Answer::accepted(&ProtectResponse { instance: instance.id, job: job.id })
}

/// The instance and the job that configures its protection, which share the body of their ids.
fn plan(
    asked: ProtectRequest,
    policy: Option<PolicyId>,
    request: &Request,
) -> Result<(Instance, Job), Fault> {
    let database = &asked.data_source.database;
    if database.is_reserved() {
        return Err(Fault::new(Code::DatabaseCannotBeProtected, format!("{database} cannot be protected"))
            .on(format!("database {database}")));
    }
    let instance = Instance {
        id: InstanceId::new(request.now, request.random),
        name: asked.name,
        data_source: asked.data_source,
        status: ProtectionStatus::ConfiguringProtection,
        created_at: request.now,
        latest_point: None,
        latest_consistent_at: None,
        running_backup: None,
        policy,
        stopped: None,
        deletion: None,
    };
    let job = super::queued(request, Operation::ConfigureProtection, &instance);
    Ok((instance, job))
}

#[cfg(test)]
mod tests {
    use permafrost_domain::job::JobStatus;
    use serde_json::json;

    use super::*;
    use crate::request::tests::request;

    fn asked(database: &str, login: &serde_json::Value) -> Request {
        let body = json!({
            "name": "shop", "data_source": {"host": "db.example", "database": database, "login": login},
        });
        request("POST", "/instances", |event| event["body"] = json!(body.to_string())).unwrap()
    }

    #[test]
    fn instance_and_job_are_made_for_the_caller() {
        let request = asked("shop", &json!({"method": "iam", "user": "backup"}));
        let (instance, job) = plan(request.body().unwrap(), None, &request).unwrap();
        assert_eq!(instance.status, ProtectionStatus::ConfiguringProtection);
        assert_eq!((job.status, job.operation), (JobStatus::Queued, Operation::ConfigureProtection));
        assert_eq!((job.instance, &job.instance_name), (instance.id, &instance.name));
        assert_eq!(job.started_by, "arn:aws:iam::1:user/ann");
    }

    #[test]
    fn databases_of_the_server_are_refused() {
        for database in permafrost_domain::data_source::RESERVED_DATABASES {
            let request = asked(database, &json!({"method": "iam", "user": "backup"}));
            let fault = plan(request.body().unwrap(), None, &request).unwrap_err();
            assert_eq!(fault.code, Code::DatabaseCannotBeProtected, "{database}");
        }
    }

    #[test]
    fn a_password_is_refused_and_not_repeated() {
        let request = asked("shop", &json!({"method": "secret", "password": "hunter2"}));
        let fault = request.body::<ProtectRequest>().unwrap_err();
        assert_eq!(fault.code, Code::CredentialsInRequest);
        assert!(!Answer::fault(&fault).body.contains("hunter2"));
    }
}
