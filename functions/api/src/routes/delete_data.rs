//! `POST /instances/{instance}/delete-data`
//!
//! A route of its own, so that a caller may be allowed to stop protection and not this.

use permafrost_domain::instance::{Instance, SoftDeletion};
use permafrost_domain::wire::{DeleteDataRequest, MAX_REASON_CHARS};
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("Stop protection and delete the points", "Asks for the instance's name and a reason. Nothing is deleted for 14 days, or for up to 180 where that is said; until then the deletion can be taken back. What is locked or under legal hold stays as long as it is.")
        .body::<DeleteDataRequest>()
        .answer::<Instance>(200, "The instance as it is now, with the moment at which its points are deleted.")
        .faults(&[
            Code::InstanceNotFound,
            Code::InstanceNotProtected,
            Code::ConfirmationMismatch,
            Code::BackupAlreadyRunning,
        ])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let asked: DeleteDataRequest = request.body()?;
    let instance = api.tools.catalog.resolve(&request.instance()?).await?;
    let deletion = plan(&instance, &asked, request)?;
    Answer::ok(&api.tools.catalog.soft_delete(instance.id, &deletion).await?)
}

/// The deletion that is asked for.
fn plan(instance: &Instance, asked: &DeleteDataRequest, request: &Request) -> Result<SoftDeletion, Fault> {
    if asked.confirm_name != instance.name {
        let message = format!("the name {} is not the instance's", asked.confirm_name);
        return Err(Fault::new(Code::ConfirmationMismatch, message).on(format!("instance {}", instance.name)));
    }
    let reason = asked.reason.trim();
    if reason.is_empty() || reason.chars().count() > MAX_REASON_CHARS {
        let message = format!("the reason has {} characters: expected 1 to 1,000", reason.chars().count());
        return Err(Fault::new(Code::InvalidRequest, message));
    }
    Ok(SoftDeletion::new(request.now, asked.undo_days, reason.to_owned(), request.caller.clone()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::request::tests::request;
    use crate::routes::samples;

    fn planned(body: &Value) -> Result<SoftDeletion, Fault> {
        let request = request("POST", "/instances/{instance}/delete-data", |event| {
            event["body"] = json!(body.to_string());
        })
        .unwrap();
        plan(&samples::instance(), &request.body()?, &request)
    }

    #[test]
    fn a_deletion_bears_its_caller_and_can_be_undone_for_a_time() {
        let deletion = planned(&json!({"confirm_name": "shop", "reason": " The shop closed. "})).unwrap();
        assert_eq!(deletion.by, "arn:aws:iam::1:user/ann");
        assert_eq!(deletion.reason, "The shop closed.");
        assert_eq!(deletion.until.to_string(), "2026-12-06T08:00:00Z");
        let longest = planned(&json!({"confirm_name": "shop", "reason": "x", "undo_days": 180})).unwrap();
        assert_eq!(longest.until.to_string(), "2027-05-21T08:00:00Z");
    }

    #[test]
    fn nothing_is_deleted_by_a_slip() {
        for (body, code) in [
            (json!({"confirm_name": "shop-2", "reason": "x"}), Code::ConfirmationMismatch),
            (json!({"reason": "x"}), Code::InvalidRequest),
            (json!({"confirm_name": "shop"}), Code::InvalidRequest),
            (json!({"confirm_name": "shop", "reason": "  "}), Code::InvalidRequest),
            (json!({"confirm_name": "shop", "reason": "x".repeat(1_001)}), Code::InvalidRequest),
            (json!({"confirm_name": "shop", "reason": "x", "undo_days": 13}), Code::InvalidRequest),
            (json!({"confirm_name": "shop", "reason": "x", "undo_days": 181}), Code::InvalidRequest),
        ] {
            assert_eq!(planned(&body).unwrap_err().code, code, "{body}");
        }
    }
}
