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

#[cfg(test)]
mod tests {
    use permafrost_domain::policy::PolicySpec;
    use serde_json::json;

    use super::*;
    use crate::request::tests::request;
    use crate::routes::samples;

    const POLICY: &str = "bp-01kb0000000000000000000009";

    fn planned(under: Option<&str>, rule: Option<&str>) -> Result<Job, Fault> {
        let policy = under.map(|retention| Policy {
            id: POLICY.parse().unwrap(),
            name: "gold".parse().unwrap(),
            revision: 3,
            spec: PolicySpec::parse(&format!("retention: {retention}")).unwrap(),
            created_at: "2026-11-01T08:00:00Z".parse().unwrap(),
            updated_at: "2026-11-02T08:00:00Z".parse().unwrap(),
        });
        let body = rule.map_or_else(|| json!({}), |rule| json!({"rule": rule})).to_string();
        let request =
            request("POST", "/instances/{instance}/backups", |event| event["body"] = json!(body)).unwrap();
        plan(&request, &samples::instance(), policy.as_ref(), request.body()?)
    }

    #[test]
    fn the_caller_picks_a_rule_of_the_policy() {
        let rules = "{default: {backup_store: P1M}, yearly: {criteria: first_successful, backup_store: P5Y}}";
        for (asked, rule) in [(None, RuleName::Default), (Some("yearly"), RuleName::Yearly)] {
            let order = planned(Some(rules), asked).unwrap().backup.unwrap();
            assert_eq!((order.kind, order.rule), (BackupKind::OnDemand, Some(rule)));
            assert_eq!(order.policy.map(|policy| policy.to_string()).as_deref(), Some(POLICY));
        }
        let fault = planned(Some(rules), Some("monthly")).unwrap_err();
        assert_eq!((fault.code, fault.object.as_deref()), (Code::RuleNotInPolicy, Some("policy gold")));
        assert_eq!(planned(Some(rules), Some("hourly")).unwrap_err().code, Code::InvalidRequest);
    }

    #[test]
    fn without_a_policy_there_is_the_default_rule_alone() {
        let order = planned(None, None).unwrap().backup.unwrap();
        assert_eq!((order.rule, order.policy), (Some(RuleName::Default), None));
        assert_eq!(planned(None, Some("daily")).unwrap_err().code, Code::RuleNotInPolicy);
    }
}
