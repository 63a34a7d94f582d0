//! `POST /policies`
//!
//! The schedule goes up before the policy stands in the catalog, and is settled after: a policy is never without the
//! schedule that it says, and a schedule whose policy did not come about is removed, by itself at the latest.

use permafrost_domain::policy::Policy;
use permafrost_domain::wire::CreatePolicyRequest;
use permafrost_domain::{Code, Fault, PolicyId};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new(
        "Make a policy",
        "Its schedule, where it has one, fires from now on, for the instances that are put under it.",
    )
    .body::<CreatePolicyRequest>()
    .answer::<Policy>(200, "The policy.")
    .faults(&[Code::InvalidPolicy, Code::PolicyNameAlreadyInUse, Code::ScheduleUnavailable])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let policy = plan(super::policy_body(request)?, request);
    if let Some(schedule) = &policy.spec.schedule {
        api.schedules.put(policy.id, schedule, request.now).await?;
    }
    let created = api.tools.catalog.create_policy(&policy).await;
    let settled = api.schedules.settle(&api.tools.catalog, policy.id, request.now).await;
    created?;
    settled?;
    Answer::ok(&policy)
}

/// The policy that is asked for.
fn plan(asked: CreatePolicyRequest, request: &Request) -> Policy {
    Policy {
        id: PolicyId::new(request.now, request.random),
        name: asked.name,
        revision: 1,
        spec: asked.spec,
        created_at: request.now,
        updated_at: request.now,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::request::tests::request;

    fn planned(spec: &Value) -> Result<Policy, Fault> {
        let body = json!({"name": "gold", "spec": spec}).to_string();
        let request = request("POST", "/policies", |event| event["body"] = json!(body)).unwrap();
        super::super::policy_body(&request).map(|asked| plan(asked, &request))
    }

    #[test]
    fn a_policy_begins_at_its_first_revision() {
        let policy = planned(&json!({"retention": {"default": {"backup_store": "P3M"}}})).unwrap();
        assert_eq!((policy.revision, policy.name.as_str()), (1, "gold"));
        assert_eq!(policy.created_at, policy.updated_at);
        assert_eq!(policy.spec.schedule, None);
    }

    #[test]
    fn a_policy_that_loses_money_is_refused_with_the_reason() {
        let loses = json!({"retention": {
            "default": {"backup_store": "P3M"},
            "weekly": {
                "criteria": "first_successful", "backup_store": "P1M", "on_expiry": "archive",
                "archive_store": "P1M", "archive_class": "deep_archive",
            },
        }});
        let fault = planned(&loses).unwrap_err();
        assert_eq!(fault.code, Code::InvalidPolicy);
        assert!(fault.message.contains("archive_store"), "{fault}");
    }
}
