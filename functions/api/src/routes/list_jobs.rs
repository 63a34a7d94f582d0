//! `GET /jobs`

use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::JobFilter;
use permafrost_domain::instance::InstanceRef;
use permafrost_domain::job::{Job, JobStatus};
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

/// How far back the list goes unless said otherwise.
const DEFAULT_SPAN: SignedDuration = SignedDuration::from_hours(7 * 24);

pub(crate) fn describe() -> Description {
    Description::new("List jobs", "The newest first; of the last 7 days unless said otherwise. A page may be empty and have a next one.")
        .page_of::<Job>("A page of jobs.")
        .faults(&[Code::InstanceNotFound])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let asked = Asked::of(request)?;
    let page = request.page()?;
    let instance = match &asked.instance {
        // An instance whose protection failed is gone and its jobs are still there.
        Some(InstanceRef::Id(id)) => Some(*id),
        Some(named @ InstanceRef::Name(_)) => Some(api.tools.catalog.resolve(named).await?.id),
        None => None,
    };
    let filter = JobFilter { since: asked.since, instance, status: asked.status };
    Answer::ok(&api.tools.catalog.list_jobs(&filter, request.now, page.limit, page.next.as_deref()).await?)
}

/// Which jobs a request asks for.
#[derive(Debug, PartialEq, Eq)]
struct Asked {
    since: Timestamp,
    instance: Option<InstanceRef>,
    status: Option<JobStatus>,
}

impl Asked {
    fn of(request: &Request) -> Result<Self, Fault> {
        let default = request.now.checked_sub(DEFAULT_SPAN).unwrap_or(Timestamp::MIN);
        Ok(Self {
            since: request.query("since")?.unwrap_or(default),
            instance: request.query("instance")?,
            status: request.query("status")?,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::request::tests::request;

    fn asked(query: serde_json::Value) -> Result<Asked, Fault> {
        Asked::of(&request("GET", "/jobs", |event| event["queryStringParameters"] = query).unwrap())
    }

    #[test]
    fn seven_days_are_the_default() {
        let asked = asked(json!(null)).unwrap();
        assert_eq!(asked.since.to_string(), "2026-11-15T08:00:00Z");
        assert_eq!((asked.instance, asked.status), (None, None));
    }

    #[test]
    fn every_filter_is_read_and_a_wrong_one_refused() {
        let asked_for =
            asked(json!({"since": "2026-01-01T00:00:00Z", "instance": "shop", "status": "Failed"})).unwrap();
        assert_eq!(asked_for.status, Some(JobStatus::Failed));
        assert_eq!(asked_for.instance, Some("shop".parse().unwrap()));
        for wrong in [json!({"since": "yesterday"}), json!({"instance": "Shop"}), json!({"status": "Done"})] {
            assert_eq!(asked(wrong).unwrap_err().code, Code::InvalidRequest);
        }
    }
}
