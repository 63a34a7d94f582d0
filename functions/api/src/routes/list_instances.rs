//! `GET /instances`

use permafrost_domain::Fault;
use permafrost_domain::instance::Instance;

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new("List the instances", "By name. Which backups run is not looked up here.")
        .page_of::<Instance>("A page of instances.")
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let page = request.page()?;
    Answer::ok(&api.tools.catalog.list_instances(page.limit, page.next.as_deref()).await?)
}
