//! `POST /instances/{instance}/policy`

use permafrost_domain::instance::Instance;
use permafrost_domain::job::Operation;
use permafrost_domain::policy::Policy;
use permafrost_domain::wire::{
    ChangePolicyRequest, ExistingPoints, MAX_INSTANCES_OF_POLICY, MAX_PAGE, PolicyChanged,
};
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Put an instance under a policy", "Or under none. Points that exist keep the retention that they were stamped with, unless the caller asks for them to be re-evaluated: a job then gives each what the policy says of it, never less than it has while the vault is immutable. The policy that the instance is under already may be named too, after that was changed.")
        .body::<ChangePolicyRequest>()
        .answer::<PolicyChanged>(200, "The instance as it is now, and the job, where one was started.")
        .faults(&[
            Code::InstanceNotFound,
            Code::PolicyNotFound,
            Code::ProtectionStopped,
            Code::MaxConcurrentOperationLimitReached,
            Code::ScheduleUnavailable,
            Code::OrchestrationUnavailable,
        ])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let asked: ChangePolicyRequest = request.body()?;
    if asked.policy.is_none() && asked.existing_points == ExistingPoints::Reevaluate {
        return Err(Fault::new(
            Code::InvalidRequest,
            "points are re-evaluated by a policy, and none is named",
        ));
    }
    let catalog = &api.tools.catalog;
    let instance = catalog.resolve(&request.instance()?).await?;
    let policy = match &asked.policy {
        Some(named) => Some(catalog.find_policy(named).await?),
        None => None,
    };
    if let Some(policy) = &policy {
        prepare(api, request, &instance, policy).await?;
    }
    let instance = catalog.change_policy(instance.id, policy.map(|policy| policy.id)).await?;
    let job = match asked.existing_points {
        ExistingPoints::Keep => None,
        ExistingPoints::Reevaluate => {
            let job = super::queued(request, Operation::ChangePolicy, &instance);
            catalog.open_job(&job).await?;
            api.start(&job, request.now).await?;
            Some(job.id)
        }
    };
    Answer::ok(&PolicyChanged { instance, job })
}

/// Makes sure that `policy` has room for the instance, and a schedule that fires.
///
/// Two requests at once may each find room for the last instance; a plan has room for some more than that.
pub(super) async fn prepare(
    api: &Api<'_>,
    request: &Request,
    instance: &Instance,
    policy: &Policy,
) -> Result<(), Fault> {
    let catalog = &api.tools.catalog;
    api.schedules.settle(catalog, policy.id, request.now).await?;
    let (mut members, mut next) = (0, None);
    loop {
        let page = catalog.policy_instances(policy.id, MAX_PAGE, next.as_deref()).await?;
        if page.items.contains(&instance.id) {
            return Ok(());
        }
        members += page.items.len();
        if members >= MAX_INSTANCES_OF_POLICY {
            let message = format!("the policy has {members} instances, the most that it may have");
            return Err(Fault::new(Code::MaxConcurrentOperationLimitReached, message)
                .on(format!("policy {}", policy.name))
                .hint("Make another policy that says the same."));
        }
        next = page.next;
        if next.is_none() {
            return Ok(());
        }
    }
}
