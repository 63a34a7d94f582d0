//! `POST /instances/{instance}/restores`

use permafrost_domain::instance::Instance;
use permafrost_domain::job::{Job, Operation, RestoreOrder};
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::wire::{JobStarted, RestoreRequest};
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Restore into a new database", "Starts a restore of a point, the latest unless said otherwise, on any server. The database gets its name when it is complete.")
        .body::<RestoreRequest>()
        .answer::<JobStarted>(202, "The job was started.")
        .faults(&[
            Code::CredentialsInRequest,
            Code::InstanceNotFound,
            Code::RecoveryPointNotFound,
            Code::RecoveryPointNotAvailable,
            Code::RecoveryPointArchived,
            Code::OrchestrationUnavailable,
        ])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let asked: RestoreRequest = request.body()?;
    asked.options.check()?;
    let instance = api.tools.catalog.resolve(&request.instance()?).await?;
    let point = super::find_point(api, &instance, asked.point).await?;
    let job = plan(request, &instance, &point, asked)?;
    super::begin(api, request, &job).await
}

/// The job that restores `point`.
fn plan(
    request: &Request,
    instance: &Instance,
    point: &RecoveryPoint,
    asked: RestoreRequest,
) -> Result<Job, Fault> {
    super::check_readable(point, asked.rehydrate)?;
    let mut job = super::queued(request, Operation::RestoreDatabase, instance);
    job.point = Some(point.id);
    job.rehydration = asked.rehydrate.map(|asked| super::rehydration(point, asked));
    let order = RestoreOrder { point: point.id, target: asked.target, options: asked.options };
    job.restore = Some(Box::new(order));
    Ok(job)
}

#[cfg(test)]
mod tests {
    use permafrost_domain::recovery_point::PointState;
    use permafrost_domain::tiering::RehydrationPriority;
    use serde_json::{Value, json};

    use super::*;
    use crate::request::tests::request;
    use crate::routes::samples;

    fn planned(state: PointState, more: &Value) -> Result<Job, Fault> {
        let mut body =
            json!({"target": {"host": "db", "database": "copy", "login": {"method": "iam", "user": "u"}}});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let request = request("POST", "/instances/{instance}/restores", |event| {
            event["body"] = json!(body.to_string());
        })
        .unwrap();
        plan(&request, &samples::instance(), &samples::point(state), request.body().unwrap())
    }

    #[test]
    fn the_job_names_the_point_and_the_target() {
        let job = planned(PointState::Available, &json!({})).unwrap();
        let order = job.restore.unwrap();
        assert_eq!(Some(order.point), job.point);
        assert_eq!(order.target.to_string(), "db:5432/copy");
    }

    #[test]
    fn a_point_that_cannot_be_read_is_not_restored() {
        for state in PointState::ALL {
            let expected = match state {
                PointState::Available | PointState::Rehydrated => None,
                PointState::Archived | PointState::Rehydrating => Some(Code::RecoveryPointArchived),
                _ => Some(Code::RecoveryPointNotAvailable),
            };
            let refused = planned(state, &json!({})).err();
            assert_eq!(refused.as_ref().map(|fault| fault.code), expected, "{state:?}");
            assert!(refused.is_none_or(|fault| fault.message.contains(&format!("{state:?}"))));
        }
    }

    #[test]
    fn a_restore_waits_for_an_archived_point_where_it_is_told_how() {
        let rehydrate = json!({"rehydrate": {"priority": "high", "days": 10}});
        let job = planned(PointState::Archived, &rehydrate).unwrap();
        let order = job.rehydration.unwrap();
        assert_eq!((Some(order.point), order.priority), (job.point, RehydrationPriority::High));
        assert_eq!(order.days.get(), 10);
        let fault = planned(PointState::Expiring, &rehydrate).unwrap_err();
        assert_eq!(fault.code, Code::RecoveryPointNotAvailable);
    }
}
