//! `PUT /policies/{policy}`
//!
//! What is to fire goes up before the catalog says so and comes down after: whatever dies in between, no run of the
//! policy that the catalog has is without a firing for longer than until the next one. See `permafrost_function::schedules`.

use permafrost_domain::policy::Policy;
use permafrost_domain::wire::ReplacePolicyRequest;
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Change a policy", "Its name, or what it says, for the points to come. Those that exist keep the retention that they were stamped with; see the route that puts an instance under a policy for giving them a new one. The same request again changes nothing.")
        .body::<ReplacePolicyRequest>()
        .answer::<Policy>(200, "The policy as it is now.")
        .faults(&[
            Code::InvalidPolicy,
            Code::PolicyNotFound,
            Code::PolicyChanged,
            Code::PolicyNameAlreadyInUse,
            Code::ScheduleUnavailable,
        ])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let asked: ReplacePolicyRequest = super::policy_body(request)?;
    let catalog = &api.tools.catalog;
    let there = catalog.find_policy(&request.policy()?).await?;
    let from_revision = asked.from_revision.unwrap_or(there.revision);
    let Some(policy) = plan(&there, asked, request)? else {
        // As it is already; where the request is a repetition, its first attempt may have died half way.
        api.schedules.settle(catalog, there.id, request.now).await?;
        return Answer::ok(&there);
    };
    if let Some(schedule) = &policy.spec.schedule {
        api.schedules.put(policy.id, schedule, request.now).await?;
    }
    let replaced = catalog.replace_policy(&policy, from_revision).await;
    let settled = api.schedules.settle(catalog, policy.id, request.now).await;
    replaced?;
    settled?;
    Answer::ok(&policy)
}

/// The policy as it is to be, where that is not what it is already.
fn plan(there: &Policy, asked: ReplacePolicyRequest, request: &Request) -> Result<Option<Policy>, Fault> {
    let name = asked.name.unwrap_or_else(|| there.name.clone());
    if name == there.name && asked.spec == there.spec {
        return Ok(None);
    }
    let from_revision = asked.from_revision.unwrap_or(there.revision);
    let revision = from_revision.checked_add(1).ok_or_else(|| {
        Fault::new(Code::InvalidRequest, format!("there is no revision after {from_revision}"))
    })?;
    Ok(Some(Policy {
        id: there.id,
        name,
        revision,
        spec: asked.spec,
        created_at: there.created_at,
        updated_at: request.now,
    }))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, from_value, json};

    use super::*;
    use crate::request::tests::request;

    fn planned(change: Value) -> Option<Policy> {
        let there: Policy = from_value(json!({
            "id": "bp-01kb0000000000000000000000", "name": "gold", "revision": 3,
            "spec": {"retention": {"default": {"backup_store": "P3M"}}},
            "created_at": "2026-11-01T08:00:00Z", "updated_at": "2026-11-02T08:00:00Z",
        }))
        .unwrap();
        let request = request("PUT", "/policies/{policy}", |_| {}).unwrap();
        plan(&there, from_value(change).unwrap(), &request).unwrap()
    }

    #[test]
    fn a_change_is_the_next_revision() {
        let changed = planned(json!({"spec": {"retention": {"default": {"backup_store": "P6M"}}}})).unwrap();
        assert_eq!((changed.revision, changed.name.as_str()), (4, "gold"));
        assert_eq!(changed.created_at.to_string(), "2026-11-01T08:00:00Z");
        assert_eq!(changed.updated_at.to_string(), "2026-11-22T08:00:00Z");
        let renamed = json!({"name": "old", "spec": {"retention": {"default": {"backup_store": "P3M"}}}});
        assert_eq!(planned(renamed).unwrap().revision, 4);
    }

    #[test]
    fn the_same_again_is_no_revision() {
        let spec = json!({"retention": {"default": {"backup_store": "P3M"}}});
        assert_eq!(planned(json!({"spec": spec})), None);
        assert_eq!(planned(json!({"name": "gold", "spec": spec, "from_revision": 2})), None);
    }

    #[test]
    fn a_change_of_another_revision_says_so() {
        let spec = json!({"retention": {"default": {"backup_store": "P6M"}}});
        assert_eq!(planned(json!({"spec": spec, "from_revision": 1})).unwrap().revision, 2);
    }
}
