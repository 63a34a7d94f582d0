//! Retention: how long a recovery point stays, in which store, and why.

pub use crate::retention::claim::{InvalidPeriodClaim, PeriodClaim};
pub use crate::retention::criteria::{ChosenDays, Criteria, CriteriaField};
pub use crate::retention::lifetime::{ArchiveLifetime, InvalidArchiveLifetime, InvalidLifetime, Lifetime};
pub use crate::retention::plan::{
    ActReason, DeletionMargins, InstanceFacts, KeepReason, KeptPoint, NewestGoodPoint, PlannedAction,
    RetentionPlan, plan_data_deletion, plan_retention,
};
pub use crate::retention::reason::Reason;
pub use crate::retention::reevaluate::reevaluate;
pub use crate::retention::rules::{
    InvalidRuleName, OnExpiry, RetentionRules, Rule, RuleName, RuleNotInPolicy,
};
pub use crate::retention::stamp::{DueAction, PolicyStamp, StampedArchive, StampedRetention};
pub use crate::retention::verdict::{Asked, Verdict, decide};

mod claim;
mod criteria;
mod lifetime;
mod plan;
mod reason;
mod reevaluate;
mod rules;
mod stamp;
mod verdict;
