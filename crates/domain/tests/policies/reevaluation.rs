//! Re-evaluation of existing points: it may lengthen, and shortens nothing that is immutable.

use std::collections::BTreeSet;

use jiff::Timestamp;
use permafrost_domain::ids::InstanceId;
use permafrost_domain::immutability::Immutability;
use permafrost_domain::policy::PolicySpec;
use permafrost_domain::recovery_point::{BackupKind, PointState, RecoveryPoint};
use permafrost_domain::retention::{
    Asked, PeriodClaim, Reason, RuleName, StampedRetention, Verdict, decide, reevaluate,
};
use permafrost_domain::tiering::ArchiveClass;
use proptest::prelude::*;
use proptest::sample::select;

use crate::arbitrary;
use crate::points::point;

fn spec(text: &str) -> PolicySpec {
    PolicySpec::parse(text).unwrap()
}

/// A scheduled point of 31 January 2031 under `spec`.
fn committed(spec: &PolicySpec) -> RecoveryPoint {
    let at: Timestamp = "2031-01-31T02:00:00Z".parse().unwrap();
    let mut point = point(InstanceId::new(Timestamp::UNIX_EPOCH, 1), 1, at);
    point.retention = decide(spec, at, Asked::Scheduled, &BTreeSet::new()).unwrap().retention;
    point
}

fn again(point: &RecoveryPoint, spec: &PolicySpec, immutability: Immutability) -> Verdict {
    reevaluate(point, spec, immutability, &BTreeSet::new())
}

fn days(stamp: &StampedRetention) -> (String, Option<String>) {
    let day = |at: Timestamp| at.to_string()[..10].to_owned();
    (day(stamp.backup_store_until), stamp.archive.map(|archive| day(archive.until)))
}

#[test]
fn a_longer_policy_lengthens() {
    let point = committed(&spec("retention: {default: {backup_store: P1M}}"));
    let longer = spec("retention: {monthly: {backup_store: P6M, on_expiry: archive, archive_store: P1Y}}");
    for immutability in Immutability::ALL {
        let verdict = again(&point, &longer, immutability);
        assert_eq!(verdict.rule, RuleName::Monthly);
        assert_eq!(days(&verdict.retention), ("2031-07-31".to_owned(), Some("2032-07-31".to_owned())));
        assert_eq!(verdict.claims, ["monthly#2031-01".parse().unwrap()]);
        let last = verdict.reasons.last().unwrap().to_string();
        assert_eq!(last, "lengthened: would have been deleted on 2031-02-28T02:00:00Z");
        assert_eq!(verdict.retention.reasons, verdict.reasons);
    }
}

#[test]
fn a_shorter_policy_shortens_only_where_nothing_is_immutable() {
    let point = committed(&spec("retention: {default: {backup_store: P1Y}}"));
    let shorter = spec("retention: {default: {backup_store: P1M}}");
    let verdict = again(&point, &shorter, Immutability::Disabled);
    assert_eq!(days(&verdict.retention), ("2031-02-28".to_owned(), None));
    assert!(matches!(verdict.reasons.last(), Some(Reason::Shortened { .. })));
    for immutability in [Immutability::Enabled, Immutability::Locked] {
        let verdict = again(&point, &shorter, immutability);
        assert_eq!(days(&verdict.retention), ("2032-01-31".to_owned(), None));
        assert_eq!(
            verdict.reasons.last().unwrap().to_string(),
            "not shortened: the policy would delete it on 2031-02-28T02:00:00Z, the vault is immutable"
        );
    }
    let locked = RecoveryPoint { locked_until: Some(point.retention.backup_store_until), ..point };
    let verdict = again(&locked, &shorter, Immutability::Disabled);
    assert_eq!(days(&verdict.retention), ("2032-01-31".to_owned(), None), "its objects are locked");
}

#[test]
fn what_is_left_of_an_archives_time_is_spent_where_it_costs_less() {
    let old = spec("retention: {default: {backup_store: P1M, on_expiry: archive, archive_store: P1Y}}");
    let point = committed(&old);
    assert_eq!(days(&point.retention), ("2031-02-28".to_owned(), Some("2032-02-28".to_owned())));
    // Eleven months in the backup store leave four weeks: S3 would charge for 180 days.
    let warm = spec("retention: {default: {backup_store: P12M}}");
    let verdict = again(&point, &warm, Immutability::Locked);
    assert_eq!(days(&verdict.retention), ("2032-02-28".to_owned(), None));
    // Two months leave ten: those it is archived for, in the class it was to have.
    let cold = spec("retention: {default: {backup_store: P2M}}");
    let verdict = again(&point, &cold, Immutability::Locked);
    assert_eq!(days(&verdict.retention), ("2031-03-31".to_owned(), Some("2032-02-28".to_owned())));
}

#[test]
fn a_point_in_the_archive_store_stays_there() {
    let old = "retention: {default: {backup_store: P1M, on_expiry: archive, archive_store: P1Y, archive_class: flexible_retrieval}}";
    let mut point = committed(&spec(old));
    for state in
        [PointState::Archiving, PointState::Archived, PointState::Rehydrating, PointState::Rehydrated]
    {
        point.state = state;
        let longer = spec("retention: {default: {backup_store: P5Y}}");
        let retention = again(&point, &longer, Immutability::Disabled).retention;
        assert_eq!(days(&retention), ("2031-02-28".to_owned(), Some("2036-01-31".to_owned())));
        assert_eq!(retention.archive.unwrap().class, Some(ArchiveClass::FlexibleRetrieval));
        let shorter = spec("retention: {default: {backup_store: P7D}}");
        let retention = again(&point, &shorter, Immutability::Disabled).retention;
        assert_eq!(days(&retention), ("2031-02-28".to_owned(), Some("2031-02-28".to_owned())));
        let retention = again(&point, &shorter, Immutability::Enabled).retention;
        assert_eq!(days(&retention), ("2031-02-28".to_owned(), Some("2032-02-28".to_owned())));
    }
}

#[test]
fn a_chosen_rule_stays_chosen_while_the_policy_has_it() {
    let old = spec("retention: {yearly: {backup_store: P1Y}}");
    let mut point = committed(&old);
    point.kind = BackupKind::OnDemand;
    point.retention = decide(&old, point.consistent_at, Asked::OnDemand(RuleName::Yearly), &BTreeSet::new())
        .unwrap()
        .retention;
    let has_it = spec("retention: {yearly: {backup_store: P2Y}, monthly: {backup_store: P3Y}}");
    let verdict = again(&point, &has_it, Immutability::Disabled);
    assert_eq!((verdict.rule, verdict.claims.len()), (RuleName::Yearly, 0));
    let lacks_it = spec("retention: {monthly: {backup_store: P3Y}}");
    assert_eq!(again(&point, &lacks_it, Immutability::Disabled).rule, RuleName::Default);
}

#[test]
fn what_is_being_deleted_stays_as_it_is() {
    let mut point = committed(&PolicySpec::default());
    for state in [PointState::Expiring, PointState::Expired] {
        point.state = state;
        let verdict =
            again(&point, &spec("retention: {default: {backup_store: P9Y}}"), Immutability::Disabled);
        assert_eq!((verdict.retention, verdict.claims), (point.retention.clone(), vec![]));
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// No edit of a policy shortens a point of an immutable vault, nor one whose objects are locked, in either store;
    /// and looking twice changes nothing more.
    #[test]
    fn no_edit_shortens_what_is_immutable(
        old in arbitrary::spec(), new in arbitrary::spec(), at in arbitrary::moment(),
        state in select(PointState::ALL.to_vec()), immutability in select(Immutability::ALL.to_vec()),
        locked: bool, on_demand: bool, taken: bool,
    ) {
        let mut point = point(InstanceId::new(Timestamp::UNIX_EPOCH, 1), 1, at);
        point.retention = decide(&old, at, Asked::Scheduled, &BTreeSet::new()).unwrap().retention;
        point.state = state;
        point.kind = if on_demand { BackupKind::OnDemand } else { BackupKind::Scheduled };
        point.locked_until = locked.then_some(point.retention.backup_store_until);
        let taken: BTreeSet<PeriodClaim> = if taken { new.periods(at).into_iter().collect() } else { BTreeSet::new() };
        let verdict = reevaluate(&point, &new, immutability, &taken);
        let (before, after) = (&point.retention, &verdict.retention);
        if locked || immutability != Immutability::Disabled {
            prop_assert!(after.backup_store_until >= before.backup_store_until);
            prop_assert!(after.deleted_on() >= before.deleted_on());
        }
        prop_assert!(after.deleted_on() >= after.backup_store_until);
        prop_assert!(verdict.claims.iter().all(|claim| !taken.contains(claim)));
        // What is to be moved stays long enough for what S3 charges.
        if let (Some(archive), PointState::Available | PointState::Damaged) = (after.archive, state) {
            let least = archive.class.unwrap_or(ArchiveClass::DeepArchive).minimum_days();
            let stays = archive.until.duration_since(after.backup_store_until);
            prop_assert!(stays.as_hours() >= i64::from(least) * 24, "{stays} is less than is charged for");
        }
        let claimed_by_itself = taken;
        let mut looked_at = point.clone();
        looked_at.retention = after.clone();
        let twice = reevaluate(&looked_at, &new, immutability, &claimed_by_itself);
        if !on_demand {
            prop_assert_eq!(twice.rule, verdict.rule);
            prop_assert_eq!(twice.retention.backup_store_until, after.backup_store_until);
            prop_assert_eq!(twice.retention.deleted_on(), after.deleted_on());
        }
    }
}
