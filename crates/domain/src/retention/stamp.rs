//! The stamp: what was decided for a point when it was committed. Later edits of rules leave it alone.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::ids::PolicyId;
use crate::recovery_point::PointState;
use crate::retention::reason::Reason;
use crate::retention::rules::{OnExpiry, Rule, RuleName};
use crate::tiering::ArchiveClass;

/// What was decided for a point when it was committed; later edits of rules leave it alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StampedRetention {
    /// The one rule that set it.
    pub rule: RuleName,
    /// When the point's time in the backup store ends.
    #[schema(value_type = String, format = DateTime)]
    pub backup_store_until: Timestamp,
    /// Its time in the archive store, where it has one; else it is deleted when its time in the backup store ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub archive: Option<StampedArchive>,
    /// The policy that the rule belongs to; none where the instance had none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyStamp>,
    /// Why this rule, and why none above it: one reason for each rule, the highest priority first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reasons: Vec<Reason>,
}

/// A point's time in the archive store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct StampedArchive {
    /// The class it is kept in; the vault's where absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class: Option<ArchiveClass>,
    /// When it is deleted.
    #[schema(value_type = String, format = DateTime)]
    pub until: Timestamp,
}

/// A policy as it was at some time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct PolicyStamp {
    /// The policy.
    pub id: PolicyId,
    /// Its revision.
    pub revision: u32,
}

/// What is to be done with a point on a day.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum DueAction {
    /// It moves into the archive store.
    Archive,
    /// It is deleted.
    Expire,
}

impl StampedRetention {
    /// What `rule` means for a point that is consistent at `consistent_at`: the archive's time counts from the end
    /// of the backup store's.
    pub fn new(rule: Rule, consistent_at: Timestamp) -> Self {
        let backup_store_until = rule.backup_store.end(consistent_at);
        let archive = match rule.on_expiry {
            OnExpiry::Delete => None,
            OnExpiry::Archive { keep, class } => {
                Some(StampedArchive { class, until: keep.end(backup_store_until) })
            }
        };
        Self { rule: rule.name, backup_store_until, archive, policy: None, reasons: Vec::new() }
    }

    /// When the point is deleted.
    pub fn deleted_on(&self) -> Timestamp {
        self.archive.map_or(self.backup_store_until, |archive| archive.until)
    }

    /// What is due next for a point in `state`, and when. Nothing is due for one that is deleted.
    ///
    /// A move or a deletion that was begun is due since the point's time in the backup store ended: whoever looks
    /// for what is due finds it again, whatever its times have become.
    pub fn next_due(&self, state: PointState) -> Option<(Timestamp, DueAction)> {
        match state {
            PointState::Archiving => Some((self.backup_store_until, DueAction::Archive)),
            PointState::Available if self.archive.is_some() => {
                Some((self.backup_store_until, DueAction::Archive))
            }
            PointState::Expiring => Some((self.backup_store_until, DueAction::Expire)),
            PointState::Available
            | PointState::Archived
            | PointState::Rehydrating
            | PointState::Rehydrated
            | PointState::Damaged => Some((self.deleted_on(), DueAction::Expire)),
            PointState::Expired => None,
        }
    }
}
