//! Re-evaluation: an existing point looked at again under another policy, where somebody asked for that.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::immutability::Immutability;
use crate::policy::PolicySpec;
use crate::recovery_point::{BackupKind, PointState, RecoveryPoint};
use crate::retention::claim::PeriodClaim;
use crate::retention::reason::Reason;
use crate::retention::stamp::{StampedArchive, StampedRetention};
use crate::retention::verdict::{Verdict, by_rules, on_demand};
use crate::tiering::ArchiveClass;

/// The verdict on an existing point under `spec`, where other points of its instance hold the periods `taken`.
///
/// Under an immutable vault, and for a point whose objects are locked, neither time ever gets earlier. A point that
/// a caller chose the rule of keeps that rule while the policy has it, and takes the default rule else. A point that
/// is being deleted, or is, stays as it is. Points of one instance are looked at the oldest first, each with the
/// claims of those before it among `taken`; then the same points claim the same periods whenever it is repeated.
pub fn reevaluate(
    point: &RecoveryPoint,
    spec: &PolicySpec,
    immutability: Immutability,
    taken: &BTreeSet<PeriodClaim>,
) -> Verdict {
    let old = &point.retention;
    if matches!(point.state, PointState::Expiring | PointState::Expired) {
        return Verdict {
            rule: old.rule,
            retention: old.clone(),
            claims: Vec::new(),
            reasons: old.reasons.clone(),
        };
    }
    let mut verdict = asked_again(point, spec, taken);
    let asked_for = verdict.retention.deleted_on();
    let keeps_at_least =
        (immutability.forbids_shortening() || point.locked_until.is_some()).then_some(old.deleted_on());
    verdict.retention = if is_in_archive(point) {
        in_archive(old, verdict.retention, keeps_at_least)
    } else {
        in_backup_store(old, verdict.retention, keeps_at_least)
    };
    let deleted_on = verdict.retention.deleted_on();
    if asked_for < deleted_on {
        verdict.reasons.push(Reason::NotShortened { to: asked_for });
    }
    match deleted_on.cmp(&old.deleted_on()) {
        std::cmp::Ordering::Greater => verdict.reasons.push(Reason::Lengthened { from: old.deleted_on() }),
        std::cmp::Ordering::Less => verdict.reasons.push(Reason::Shortened { from: old.deleted_on() }),
        std::cmp::Ordering::Equal => {}
    }
    verdict.retention.reasons.clone_from(&verdict.reasons);
    verdict
}

/// The verdict as if the point were committed now, with what was asked for then.
fn asked_again(point: &RecoveryPoint, spec: &PolicySpec, taken: &BTreeSet<PeriodClaim>) -> Verdict {
    match point.kind {
        BackupKind::Scheduled => by_rules(spec, point.consistent_at, taken),
        BackupKind::OnDemand => {
            let rule = spec.retention.rule(point.retention.rule);
            on_demand(rule.unwrap_or(spec.retention.default_rule()), point.consistent_at)
        }
    }
}

/// Whether its segments are, or are about to be, in the archive store.
fn is_in_archive(point: &RecoveryPoint) -> bool {
    let moved = matches!(
        point.state,
        PointState::Archiving | PointState::Archived | PointState::Rehydrating | PointState::Rehydrated
    );
    moved || point.archive.is_some()
}

/// The new times of a point that was moved: its time in the backup store is past.
fn in_archive(
    old: &StampedRetention,
    new: StampedRetention,
    at_least: Option<Timestamp>,
) -> StampedRetention {
    let until = at_least.map_or(new.deleted_on(), |least| least.max(new.deleted_on()));
    // The class that the segments are in: a move between classes of the archive store is none of ours.
    let class = old.archive.and_then(|archive| archive.class);
    StampedRetention {
        backup_store_until: old.backup_store_until,
        archive: Some(StampedArchive { class, until: until.max(old.backup_store_until) }),
        ..new
    }
}

/// The new times of a point in the backup store.
fn in_backup_store(
    old: &StampedRetention,
    mut new: StampedRetention,
    at_least: Option<Timestamp>,
) -> StampedRetention {
    let Some(at_least) = at_least else { return new };
    new.backup_store_until = new.backup_store_until.max(old.backup_store_until);
    let until = new.deleted_on().max(new.backup_store_until).max(at_least);
    if until == new.backup_store_until {
        new.archive = None;
        return new;
    }
    let class = new.archive.or(old.archive).and_then(|archive| archive.class);
    let charged_days = i64::from(class.unwrap_or(ArchiveClass::DeepArchive).minimum_days());
    let stays = until.duration_since(new.backup_store_until);
    if stays < jiff::SignedDuration::from_hours(charged_days * 24) {
        // Too short for the archive store: S3 would charge for longer than the point stays there.
        new.backup_store_until = until;
        new.archive = None;
    } else {
        new.archive = Some(StampedArchive { class, until });
    }
    new
}
