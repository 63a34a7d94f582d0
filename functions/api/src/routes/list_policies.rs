//! `GET /policies`

use permafrost_domain::Fault;
use permafrost_domain::policy::Policy;

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("List the policies", "By name.").page_of::<Policy>("A page of policies.")
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let page = request.page()?;
    Answer::ok(&api.tools.catalog.policies(page.limit, page.next.as_deref()).await?)
}
