//! `GET /retention-plans`

use permafrost_domain::Fault;
use permafrost_domain::wire::{Page, RetentionPlanSummary};

use crate::answer::Answer;
use crate::api::Api;
use crate::openapi::Description;
use crate::request::Request;

pub(crate) fn describe() -> Description {
    Description::new(
        "List the plans of retention",
        "What runs of retention set out to do with the points of an instance that were due, the newest plan first.",
    )
    .page_of::<RetentionPlanSummary>("A page of plans.")
}

pub(crate) async fn answer(api: &Api<'_>, request: &Request) -> Result<Answer, Fault> {
    let page = request.page()?;
    let plans = api.tools.catalog.retention_plans(page.limit, page.next.as_deref()).await?;
    let items = plans.items.into_iter().map(|plan| RetentionPlanSummary {
        id: plan.id,
        instance: plan.instance,
        made_at: plan.made_at,
        deletion_limit: plan.deletion_limit,
        actions: plan.actions as u64,
        kept: plan.kept as u64,
    });
    Answer::ok(&Page { items: items.collect(), next: plans.next })
}
