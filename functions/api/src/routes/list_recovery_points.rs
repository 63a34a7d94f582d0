//! `GET /instances/{instance}/recovery-points`

use permafrost_domain::recovery_point::RecoveryPoint;
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("List an instance's recovery points", "The newest first.")
        .page_of::<RecoveryPoint>("A page of recovery points.")
        .faults(&[Code::InstanceNotFound])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let page = request.page()?;
    let instance = api.tools.catalog.resolve(&request.instance()?).await?;
    Answer::ok(&api.tools.catalog.points(instance.id, page.limit, page.next.as_deref()).await?)
}
