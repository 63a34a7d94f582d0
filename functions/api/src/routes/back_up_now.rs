//! `POST /instances/{instance}/backups`

use permafrost_domain::instance::Instance;
use permafrost_domain::job::{BackupOrder, Job, Operation};
use permafrost_domain::policy::Policy;
use permafrost_domain::recovery_point::BackupKind;
use permafrost_domain::retention::RuleName;
use permafrost_domain::wire::{BackupRequest, JobStarted};
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Back up now", "Starts a backup. One runs at a time for each instance; a second request is answered with the id of the running job. The point is kept as the rule says that is asked for, and uses no period of the policy up.")
        .body::<BackupRequest>()
        .answer::<JobStarted>(202, "The job was started.")
        .faults(&[
            Code::InstanceNotFound,
            Code::InstanceNotProtected,
            Code::ProtectionStopped,
            Code::RuleNotInPolicy,
            Code::BackupAlreadyRunning,
            Code::OrchestrationUnavailable,
        ])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let asked: BackupRequest = request.body()?;
    let catalog = &api.tools.catalog;
    let instance = catalog.resolve(&request.instance()?).await?;
    let policy = match instance.policy {
        Some(policy) => Some(catalog.policy(policy).await?),
        None => None,
    };
    let job = plan(request, &instance, policy.as_ref(), asked)?;
    catalog.open_backup(&job).await?;
    api.start(&job, request.now).await?;
    Answer::accepted(&JobStarted { job: job.id })
}

/// The job that backs `instance` up, which is under `policy`.
fn plan(
    request: &Request,
    instance: &Instance,
    policy: Option<&Policy>,
    asked: BackupRequest,
) -> Result<Job, Fault> {
    let rule = asked.rule.unwrap_or(RuleName::Default);
    let known = match policy {
        Some(policy) => policy.spec.retention.rule(rule).is_some(),
        None => rule == RuleName::Default,
    };
    if !known {
        let fault = Fault::new(Code::RuleNotInPolicy, format!("there is no rule {rule} for the instance"));
        return Err(match policy {
            Some(policy) => fault.on(format!("policy {}", policy.name)),
            None => fault
                .on(format!("instance {}", instance.name))
                .hint("An instance without a policy has the default rule alone: put it under a policy."),
        });
    }
    let mut job = super::queued(request, Operation::Backup, instance);
    job.backup = Some(BackupOrder {
        kind: BackupKind::OnDemand,
        rule: Some(rule),
        policy: policy.map(|policy| policy.id),
        scheduled_at: None,
    });
    Ok(job)
}
