//! `POST /instances/{instance}/file-restores`

use permafrost_domain::files::FilesOrder;
use permafrost_domain::instance::Instance;
use permafrost_domain::job::{Job, Operation};
use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::wire::{FileRestoreRequest, JobStarted};
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Restore as files", "Writes a point, the latest unless said otherwise, as an archive for pg_restore or a script for psql into an empty folder of a bucket. A README tells how to use it; when that is there, the files are complete.")
        .body::<FileRestoreRequest>()
        .answer::<JobStarted>(202, "The job was started.")
        .faults(&[
            Code::InstanceNotFound,
            Code::RecoveryPointNotFound,
            Code::RecoveryPointNotAvailable,
            Code::RecoveryPointArchived,
            Code::OrchestrationUnavailable,
        ])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let asked: FileRestoreRequest = request.body()?;
    let instance = api.tools.catalog.resolve(&request.instance()?).await?;
    let point = super::find_point(api, &instance, asked.point).await?;
    let job = plan(request, &instance, &point, asked)?;
    super::begin(api, request, &job).await
}

/// The job that writes `point` as files.
fn plan(
    request: &Request,
    instance: &Instance,
    point: &RecoveryPoint,
    asked: FileRestoreRequest,
) -> Result<Job, Fault> {
    super::check_readable(point, asked.rehydrate)?;
    let FileRestoreRequest { target, format, compression, .. } = asked;
    let mut job = super::queued(request, Operation::RestoreFiles, instance);
    job.point = Some(point.id);
    job.rehydration = asked.rehydrate.map(|asked| super::rehydration(point, asked));
    job.files = Some(Box::new(FilesOrder { point: point.id, target, format, compression }));
    Ok(job)
}

#[cfg(test)]
mod tests {
    use permafrost_domain::files::{FileCompression, FileFormat};
    use permafrost_domain::recovery_point::PointState;
    use serde_json::{Value, json};

    use super::*;
    use crate::request::tests::request;
    use crate::routes::samples;

    fn planned(state: PointState, body: &Value) -> Result<Job, Fault> {
        let request = request("POST", "/instances/{instance}/file-restores", |event| {
            event["body"] = json!(body.to_string());
        })
        .unwrap();
        plan(&request, &samples::instance(), &samples::point(state), request.body()?)
    }

    #[test]
    fn the_job_names_the_point_and_the_folder() {
        let body = json!({"target": {"bucket": "restores", "prefix": "shop/today"}});
        let job = planned(PointState::Available, &body).unwrap();
        let order = job.files.unwrap();
        assert_eq!(Some(order.point), job.point);
        assert_eq!(order.target.to_string(), "s3://restores/shop/today");
        assert_eq!((order.format, order.compression), (FileFormat::Directory, FileCompression::Stored));
        let fault = planned(PointState::Archived, &body).unwrap_err();
        assert_eq!(fault.code, Code::RecoveryPointArchived);
    }

    #[test]
    fn a_folder_that_leads_elsewhere_is_refused() {
        for prefix in ["", "/", "../x", "a//b"] {
            let body = json!({"target": {"bucket": "restores", "prefix": prefix}});
            assert_eq!(planned(PointState::Available, &body).unwrap_err().code, Code::InvalidRequest);
        }
    }
}
