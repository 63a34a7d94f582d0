//! The verdict on a point: the rule that applies to it, and the periods that it claims, as the catalog has them now.
//!
//! By the policy that the instance had when the backup was asked for, as it reads today. A finished backup is never
//! thrown away over its policy: where that is gone, or has lost the rule that was chosen, the default rule applies and
//! the job says so.

use jiff::Timestamp;
use permafrost_catalog::{Catalog, CatalogError};
use permafrost_domain::PointId;
use permafrost_domain::job::{BackupOrder, Job};
use permafrost_domain::policy::Policy;
use permafrost_domain::recovery_point::BackupKind;
use permafrost_domain::retention::{Asked, PeriodClaim, Rule, RuleName, StampedRetention};

/// What was decided for a point.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decision {
    /// What is stamped on it.
    pub retention: StampedRetention,
    /// The periods to claim with its commit.
    pub claims: Vec<PeriodClaim>,
    /// Where it is not what was asked for.
    pub warning: Option<String>,
}

/// Decides for the point of the backup `job`, consistent at `consistent_at`.
///
/// # Errors
/// The catalog does not answer, or a record cannot be read.
pub async fn decide(
    catalog: &Catalog,
    job: &Job,
    consistent_at: Timestamp,
) -> Result<Decision, CatalogError> {
    let Some((order, policy)) = job.backup.as_ref().and_then(|order| order.policy.map(|id| (order, id)))
    else {
        return Ok(Decision::by_default(consistent_at));
    };
    match catalog.policy(policy).await {
        Ok(policy) => by_policy(catalog, job, order, &policy, consistent_at).await,
        Err(CatalogError::PolicyNotFound(policy)) => Ok(Decision::by_default(consistent_at)
            .warning(format!("the policy {policy} is gone: the vault's default rule applies"))),
        Err(error) => Err(error),
    }
}

async fn by_policy(
    catalog: &Catalog,
    job: &Job,
    order: &BackupOrder,
    policy: &Policy,
    consistent_at: Timestamp,
) -> Result<Decision, CatalogError> {
    let (asked, claimable) = match order.kind {
        BackupKind::Scheduled => (Asked::Scheduled, policy.spec.periods(consistent_at)),
        BackupKind::OnDemand => (Asked::OnDemand(order.rule.unwrap_or(RuleName::Default)), Vec::new()),
    };
    let point = PointId::of_backup(job.id);
    let taken = catalog.taken_periods(job.instance, &claimable, point).await?;
    let (verdict, warning) = match policy.decide(consistent_at, asked, &taken) {
        Ok(verdict) => (verdict, None),
        Err(missing) => {
            // Every policy has a default rule: what it decides is the last word.
            let by_default = policy.decide(consistent_at, Asked::OnDemand(RuleName::Default), &taken);
            match by_default {
                Ok(verdict) => (verdict, Some(format!("{missing}: its default rule applies"))),
                Err(_) => return Ok(Decision::by_default(consistent_at).warning(missing.to_string())),
            }
        }
    };
    Ok(Decision { retention: verdict.retention, claims: verdict.claims, warning })
}

impl Decision {
    /// What applies where there is no policy.
    fn by_default(consistent_at: Timestamp) -> Self {
        let retention = StampedRetention::new(Rule::DEFAULT, consistent_at);
        Self { retention, claims: Vec::new(), warning: None }
    }

    fn warning(self, warning: String) -> Self {
        Self { warning: Some(warning), ..self }
    }
}
