//! Retention plans: what a run of retention does with an instance's points, and why it leaves others alone. Written
//! before anything is done.
//!
//! What a plan lists may outgrow one record, so it stands in parts beside it. All come in one transaction, so that a
//! plan is there as a whole or not at all. Where one of its id is there already, that one counts: a run that is
//! repeated carries out what it had planned.

use std::collections::BTreeMap;

use jiff::Timestamp;
use permafrost_domain::InstanceId;
use permafrost_domain::ids::PlanId;
use permafrost_domain::job::KEPT;
use permafrost_domain::retention::{KeptPoint, PlannedAction, RetentionPlan};
use permafrost_domain::wire::Page;
use serde::{Deserialize, Serialize};

use crate::Catalog;
use crate::continuation::Continuation;
use crate::error::CatalogError;
use crate::expression::Expression;
use crate::keys::{Key, PK, RETENTION_PLANS};
use crate::listing::{Order, listed_at};
use crate::record::{Record, decode, encode, invalid, key_of, text};
use crate::transaction::{Outcome, Part, Transaction};

/// How many actions, and how many points that are left alone, a part holds: about 200 KB.
const IN_A_PART: usize = 600;
/// How many of either a plan can list: what one transaction takes is 4 MB.
const MAX_LISTED: usize = 12 * IN_A_PART;

/// A plan without what it lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct RetentionPlanSummary {
    /// The plan.
    pub id: PlanId,
    /// The instance.
    pub instance: InstanceId,
    /// The time that it was made for.
    pub made_at: Timestamp,
    /// How many points it could delete at most.
    pub deletion_limit: u64,
    /// With how many points something is done.
    pub actions: usize,
    /// How many are left alone.
    pub kept: usize,
}

impl Record for RetentionPlanSummary {
    fn key(&self) -> Key {
        Key::RetentionPlan(self.id)
    }

    fn listed(&self) -> Option<(String, String)> {
        Some((RETENTION_PLANS.to_owned(), self.id.to_string()))
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(kept_until(self.made_at))
    }
}

/// A part of what a plan lists.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct PlanPart {
    plan: PlanId,
    part: u32,
    made_at: Timestamp,
    actions: Vec<PlannedAction>,
    kept: Vec<KeptPoint>,
}

impl Record for PlanPart {
    fn key(&self) -> Key {
        Key::RetentionPlanPart(self.plan, self.part)
    }

    fn expires_at(&self) -> Option<Timestamp> {
        Some(kept_until(self.made_at))
    }
}

impl Catalog {
    /// Writes the plan down, or finds the one of its id that was written before; the plan that counts.
    ///
    /// # Errors
    /// `RetentionPlanTooLarge` above 7,200 actions or points left alone: plan with fewer points at a time.
    pub async fn store_retention_plan(&self, plan: &RetentionPlan) -> Result<RetentionPlan, CatalogError> {
        let listed = plan.actions.len().max(plan.kept.len());
        if listed > MAX_LISTED {
            return Err(CatalogError::RetentionPlanTooLarge { listed, most: MAX_LISTED });
        }
        let summary = RetentionPlanSummary {
            id: plan.id,
            instance: plan.instance,
            made_at: plan.made_at,
            deletion_limit: plan.deletion_limit,
            actions: plan.actions.len(),
            kept: plan.kept.len(),
        };
        let mut transaction = Transaction::new().put_new(Part::Plan, encode(&summary)?);
        for part in parts_of(plan) {
            transaction = transaction.put_new(Part::Listed(part.part), encode(&part)?);
        }
        match self.transact(transaction).await? {
            Outcome::Done => Ok(plan.clone()),
            Outcome::Refused(_) => self.retention_plan(plan.id).await,
        }
    }

    /// The plan.
    ///
    /// # Errors
    /// `RetentionPlanNotFound`; `RecordInvalid` where a part of it is missing.
    pub async fn retention_plan(&self, id: PlanId) -> Result<RetentionPlan, CatalogError> {
        let key = Key::RetentionPlan(id);
        let expression = Expression::new().only_if(PK, text(key.pk()));
        let query = self
            .client
            .query()
            .table_name(&self.table)
            .set_key_condition_expression(expression.condition())
            .set_expression_attribute_names(expression.names())
            .set_expression_attribute_values(expression.values())
            .consistent_read(true);
        let (mut summary, mut parts, mut after) = (None, BTreeMap::new(), None);
        loop {
            let output = self.page(query.clone().set_exclusive_start_key(after)).await?;
            for item in output.items.unwrap_or_default() {
                match key_of(&item)? {
                    Key::RetentionPlan(_) => summary = Some(decode::<RetentionPlanSummary>(item)?),
                    Key::RetentionPlanPart(_, part) => drop(parts.insert(part, decode::<PlanPart>(item)?)),
                    other => return Err(invalid(&other, "it stands among the records of a retention plan")),
                }
            }
            after = output.last_evaluated_key;
            if after.is_none() {
                break;
            }
        }
        let summary = summary.ok_or_else(|| CatalogError::RetentionPlanNotFound(id.to_string()))?;
        let (mut actions, mut kept) = (Vec::new(), Vec::new());
        for part in parts.into_values() {
            actions.extend(part.actions);
            kept.extend(part.kept);
        }
        if (actions.len(), kept.len()) != (summary.actions, summary.kept) {
            return Err(invalid(&key, "a part of it is missing"));
        }
        let RetentionPlanSummary { instance, made_at, deletion_limit, .. } = summary;
        Ok(RetentionPlan { id, instance, made_at, deletion_limit, actions, kept })
    }

    /// The plans without what they list, the newest first, at most `limit` (1 at least, `wire::MAX_PAGE` at most).
    ///
    /// # Errors
    /// `InvalidContinuation` where `next` is not what this list gave out.
    pub async fn retention_plans(
        &self,
        limit: u16,
        next: Option<&str>,
    ) -> Result<Page<RetentionPlanSummary>, CatalogError> {
        let after = match next.map(Continuation::parse).transpose()? {
            None => None,
            Some(Continuation::RetentionPlans { plan }) => {
                Some(listed_at(&Key::RetentionPlan(plan), RETENTION_PLANS, plan))
            }
            Some(_) => return Err(CatalogError::InvalidContinuation),
        };
        let plans = self.listed(RETENTION_PLANS, after, limit, Order::Descending).await?;
        Ok(plans.into_page(|last: &RetentionPlanSummary| Continuation::RetentionPlans { plan: last.id }))
    }
}

/// What the plan lists, in parts.
fn parts_of(plan: &RetentionPlan) -> Vec<PlanPart> {
    let (mut actions, mut kept) = (plan.actions.chunks(IN_A_PART), plan.kept.chunks(IN_A_PART));
    let mut parts = Vec::new();
    for part in 0.. {
        let (actions, kept) = (actions.next(), kept.next());
        if actions.is_none() && kept.is_none() {
            break;
        }
        parts.push(PlanPart {
            plan: plan.id,
            part,
            made_at: plan.made_at,
            actions: actions.unwrap_or_default().to_vec(),
            kept: kept.unwrap_or_default().to_vec(),
        });
    }
    parts
}

/// Plans are kept as long as jobs.
fn kept_until(made_at: Timestamp) -> Timestamp {
    made_at.saturating_add(KEPT).unwrap_or(Timestamp::MAX)
}
