//! `GET /policies/{policy}/instances`

use futures_util::stream::{self, StreamExt, TryStreamExt};
use permafrost_domain::instance::Instance;
use permafrost_domain::wire::Page;
use permafrost_domain::{Code, Fault};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

/// Reads of the catalog at one time.
const AT_ONCE: usize = 16;

pub(crate) fn describe() -> Description {
    Description::new("List the instances under a policy", "By id, which is by age.")
        .page_of::<Instance>("A page of instances.")
        .faults(&[Code::PolicyNotFound])
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let page = request.page()?;
    let catalog = &api.tools.catalog;
    let policy = catalog.find_policy(&request.policy()?).await?;
    let members = catalog.policy_instances(policy.id, page.limit, page.next.as_deref()).await?;
    let instances = stream::iter(members.items).map(|id| catalog.instance(id)).buffered(AT_ONCE);
    Answer::ok(&Page { items: instances.try_collect::<Vec<Instance>>().await?, next: members.next })
}
