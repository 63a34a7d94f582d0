//! Plans of retention: the laws that no plan breaks.

use std::collections::BTreeSet;

use jiff::{SignedDuration, Timestamp};
use permafrost_domain::ids::{InstanceId, PointId};
use permafrost_domain::protection::{SoftDeleteDays, SoftDeletion, StopMode};
use permafrost_domain::recovery_point::{PointState, RecoveryPoint};
use permafrost_domain::retention::{
    ActReason, DeletionMargins, DueAction, InstanceFacts, KeepReason, NewestGoodPoint, RetentionPlan,
    plan_data_deletion, plan_retention,
};
use proptest::prelude::*;
use proptest::sample::select;
use serde_json::json;

use crate::points::point;

fn instance() -> InstanceId {
    InstanceId::new(Timestamp::UNIX_EPOCH, 1)
}

fn day(n: i64) -> Timestamp {
    Timestamp::from_second(1_800_000_000 + n * 86_400).unwrap()
}

/// What there is to know of an instance with exactly these points.
fn facts(points: &[RecoveryPoint]) -> InstanceFacts {
    let newest = points
        .iter()
        .filter(|point| point.state.is_good())
        .max_by_key(|point| (point.consistent_at, point.id))
        .map(|point| NewestGoodPoint { id: point.id, consistent_at: point.consistent_at });
    let live = |point: &&RecoveryPoint| !matches!(point.state, PointState::Expiring | PointState::Expired);
    InstanceFacts {
        instance: instance(),
        points: points.iter().filter(live).count().try_into().unwrap(),
        newest_good: newest,
        stopped: None,
        deletion: None,
    }
}

/// Points of one a day, the first `due` of which are due on day 0.
fn points(count: u32, due: u32) -> Vec<RecoveryPoint> {
    (0..count)
        .map(|n| {
            let age = i64::from(count - n);
            let mut point = point(instance(), n, day(-age));
            point.retention.backup_store_until = if n < due { day(-1) } else { day(10) };
            point
        })
        .collect()
}

fn plan(facts: &InstanceFacts, points: &[RecoveryPoint]) -> RetentionPlan {
    plan_retention(day(0), facts, points, DeletionMargins::DEFAULT)
}

fn gone(plan: &RetentionPlan) -> Vec<PointId> {
    let expire = plan.actions.iter().filter(|action| action.action == DueAction::Expire);
    expire.map(|action| action.point).collect()
}

/// Why the one point of a plan is kept.
fn kept(plan: &RetentionPlan) -> KeepReason {
    assert!(plan.actions.is_empty(), "{plan:?}");
    plan.kept[0].reason
}

#[test]
fn what_is_due_goes_the_oldest_first_and_the_rest_waits() {
    let points = points(100, 30);
    let plan = plan(&facts(&points), &points[..30]);
    assert_eq!(gone(&plan), points[..20].iter().map(|point| point.id).collect::<Vec<_>>());
    assert_eq!(plan.deletion_limit, 20);
    assert_eq!(plan.kept.len(), 10);
    assert!(plan.kept.iter().all(|kept| kept.reason == KeepReason::LimitReached { limit: 20 }));
    let action = plan.actions[0];
    assert_eq!((action.why, action.due, action.consistent_at), (ActReason::TimeOver, day(-1), day(-100)));
}

#[test]
fn a_run_deletes_a_fifth_and_five_in_any_case() {
    for (count, limit) in [(0, 5), (1, 5), (25, 5), (29, 5), (30, 6), (34, 6), (100, 20), (500, 100)] {
        assert_eq!(DeletionMargins::DEFAULT.limit(count), limit, "{count}");
    }
    assert_eq!(DeletionMargins { share_percent: 200, at_least: 0 }.limit(10), 10);
    assert_eq!(DeletionMargins::DEFAULT.limit(u64::MAX), u64::MAX / 5);
}

#[test]
fn if_backups_stop_deletion_stops_at_the_newest_point() {
    let mut left = points(12, 12);
    for _ in 0..10 {
        let plan = plan(&facts(&left), &left);
        let gone = gone(&plan);
        left.retain(|point| !gone.contains(&point.id));
    }
    assert_eq!(left.len(), 1);
    assert_eq!(kept(&plan(&facts(&left), &left)), KeepReason::NewestGoodPoint);
    assert_eq!(left[0].consistent_at, day(-1));
}

#[test]
fn damaged_points_are_not_the_newest_good_one() {
    let mut points = points(3, 3);
    points[2].state = PointState::Damaged;
    let plan = plan(&facts(&points), &points);
    assert_eq!(gone(&plan), [points[0].id, points[2].id]);
    assert_eq!(plan.kept[0].reason, KeepReason::NewestGoodPoint);
}

#[test]
fn nothing_goes_where_nobody_can_say_which_point_is_the_newest() {
    let points = points(3, 3);
    let blind = InstanceFacts { newest_good: None, ..facts(&points) };
    assert_eq!(kept(&plan(&blind, &points)), KeepReason::NoGoodPointKnown);
    // A point that was committed after the facts were read is newer than the newest that they know.
    let stale = facts(&points[..1]);
    let plan = plan(&stale, &points);
    assert!(plan.actions.is_empty() && plan.kept.len() == 3);
}

#[test]
fn each_reason_to_leave_a_point_alone() {
    let of = |change: fn(&mut RecoveryPoint)| {
        let mut points = points(2, 2);
        change(&mut points[0]);
        kept(&plan(&facts(&points), &points[..1]))
    };
    assert_eq!(of(|point| point.legal_hold = true), KeepReason::LegalHold);
    assert_eq!(of(|point| point.locked_until = Some(day(1))), KeepReason::Locked { until: day(1) });
    assert_eq!(of(|point| point.state = PointState::Rehydrating), KeepReason::Rehydrating);
    assert_eq!(of(|point| point.state = PointState::Expired), KeepReason::Deleted);
    assert_eq!(
        of(|point| {
            point.state = PointState::Rehydrated;
            point.rehydrated_until = Some(day(2));
        }),
        KeepReason::Rehydrated { until: day(2) }
    );
    assert_eq!(of(|point| point.retention.backup_store_until = day(3)), KeepReason::NotDue { due: day(3) });
    assert_eq!(
        of(|point| point.instance = InstanceId::new(Timestamp::UNIX_EPOCH, 2)),
        KeepReason::OfAnotherInstance
    );
}

#[test]
fn what_the_instance_says_holds_for_its_points() {
    let points = points(2, 2);
    let of = |stopped, deletion| {
        let facts = InstanceFacts { stopped, deletion, ..facts(&points) };
        plan(&facts, &points[..1])
    };
    assert_eq!(kept(&of(Some(StopMode::RetainForever), None)), KeepReason::RetainedForever);
    assert_eq!(gone(&of(Some(StopMode::RetainAsPerPolicy), None)), [points[0].id]);
    assert_eq!(kept(&of(Some(StopMode::DeleteData), None)), KeepReason::DataNotDeleted);
    let deletion = Some(deletion());
    assert_eq!(kept(&of(Some(StopMode::DeleteData), deletion)), KeepReason::SoftDeleted { until: day(13) });
}

/// Asked for on the day before.
fn deletion() -> SoftDeletion {
    SoftDeletion::new(day(-1), SoftDeleteDays::default(), "moved".to_owned(), "arn".to_owned())
}

#[test]
fn moves_have_no_limit_and_the_newest_point_moves_as_well() {
    let mut points = points(30, 30);
    for point in &mut points {
        point.retention.archive = Some(serde_json::from_value(json!({"until": day(400)})).unwrap());
    }
    let plan = plan(&facts(&points), &points);
    assert_eq!((plan.actions.len(), gone(&plan).len()), (30, 0));
}

#[test]
fn what_was_begun_is_finished_outside_the_limit() {
    let mut points = points(20, 10);
    points[0].state = PointState::Expiring;
    points[1].state = PointState::Archiving;
    points[1].retention.archive = Some(serde_json::from_value(json!({"until": day(400)})).unwrap());
    let forever = InstanceFacts { stopped: Some(StopMode::RetainForever), ..facts(&points) };
    let begun = plan(&forever, &points[..10]);
    let actions: Vec<_> =
        begun.actions.iter().map(|action| (action.point, action.action, action.why)).collect();
    assert_eq!(
        actions,
        [
            (points[0].id, DueAction::Expire, ActReason::Begun),
            (points[1].id, DueAction::Archive, ActReason::Begun),
        ]
    );
    assert_eq!(gone(&plan(&facts(&points), &points[..10])).len(), 1 + 5);
}

#[test]
fn deleted_data_goes_as_a_whole_when_its_time_is_over() {
    let mut points = points(12, 0);
    points[0].legal_hold = true;
    points[1].locked_until = Some(day(100));
    points[2].state = PointState::Rehydrating;
    let facts =
        InstanceFacts { deletion: Some(deletion()), stopped: Some(StopMode::DeleteData), ..facts(&points) };
    let early = plan_data_deletion(day(12), &facts, &points);
    assert!(early.actions.is_empty());
    assert_eq!(early.kept[3].reason, KeepReason::SoftDeleted { until: day(13) });
    let late = plan_data_deletion(day(13), &facts, &points);
    assert_eq!(gone(&late), points[3..].iter().map(|point| point.id).collect::<Vec<_>>());
    assert!(late.actions.iter().all(|action| action.why == ActReason::DataDeleted));
    let reasons: Vec<KeepReason> = late.kept.iter().map(|kept| kept.reason).collect();
    assert_eq!(
        reasons,
        [KeepReason::LegalHold, KeepReason::Locked { until: day(100) }, KeepReason::Rehydrating]
    );
    let taken_back = InstanceFacts { deletion: None, ..facts };
    assert_eq!(kept(&plan_data_deletion(day(99), &taken_back, &points[3..])), KeepReason::DataNotDeleted);
}

#[test]
fn a_plan_is_stored_and_read_again() {
    let points = points(20, 10);
    let plan = plan(&facts(&points), &points);
    let value = serde_json::to_value(&plan).unwrap();
    assert_eq!(value["kept"][0]["reason"], "limit_reached");
    assert_eq!(value["actions"][0]["action"], "expire");
    assert_eq!(serde_json::from_value::<RetentionPlan>(value).unwrap(), plan);
}

/// Any point of the instance, in any state, held, locked, due or not.
fn any_point() -> impl Strategy<Value = RecoveryPoint> {
    (
        (0_u32..40, select(PointState::ALL.to_vec()), -40_i64..0),
        (-30_i64..30, prop::option::of(0_i64..400), prop::bool::weighted(0.1)),
        (prop::option::weighted(0.3, -20_i64..20), prop::option::of(-20_i64..20)),
    )
        .prop_map(|((n, state, made), (until, archived_for, legal_hold), (locked, rehydrated))| {
            let mut point = point(instance(), n, day(made));
            point.state = state;
            point.retention.backup_store_until = day(until);
            point.retention.archive =
                archived_for.map(|days| serde_json::from_value(json!({"until": day(until + days)})).unwrap());
            point.legal_hold = legal_hold;
            point.locked_until = locked.map(day);
            point.rehydrated_until = rehydrated.map(day);
            point
        })
}

fn any_points() -> impl Strategy<Value = Vec<RecoveryPoint>> {
    prop::collection::vec(any_point(), 0..60).prop_map(|points| {
        let mut seen = BTreeSet::new();
        points.into_iter().filter(|point| seen.insert(point.id)).collect()
    })
}

fn any_stop() -> impl Strategy<Value = Option<StopMode>> {
    prop::option::of(select(vec![StopMode::RetainForever, StopMode::RetainAsPerPolicy]))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn the_laws_of_retention(
        points in any_points(), stopped in any_stop(), shuffle in any::<prop::sample::Index>(), now in -10_i64..30,
    ) {
        let now = day(now);
        let facts = InstanceFacts { stopped, ..facts(&points) };
        let plan = plan_retention(now, &facts, &points, DeletionMargins::DEFAULT);
        let of = |id: PointId| points.iter().find(|point| point.id == id).unwrap();
        prop_assert_eq!(plan.actions.len() + plan.kept.len(), points.len(), "every point has its verdict");
        for action in &plan.actions {
            let point = of(action.point);
            let begun = matches!(point.state, PointState::Expiring | PointState::Archiving);
            prop_assert!(!point.legal_hold, "a point under legal hold is never touched");
            prop_assert!(point.locked_until.is_none_or(|until| until <= now), "nor a locked one");
            prop_assert!(begun || action.due <= now, "nothing before its time");
            prop_assert!(begun || stopped != Some(StopMode::RetainForever), "nothing where all is retained");
            if action.action == DueAction::Expire && !begun {
                prop_assert!(point.retention.deleted_on() <= now, "nothing is deleted before its stamped time");
                prop_assert!(point.state.transition(PointState::Expiring).is_ok(), "only what can go");
                prop_assert!(Some(point.id) != facts.newest_good.map(|newest| newest.id));
            }
            if action.action == DueAction::Archive && !begun {
                prop_assert!(point.state.transition(PointState::Archiving).is_ok(), "only what can be moved");
            }
        }
        let gone = gone(&plan);
        let any_good = points.iter().any(|point| point.state.is_good());
        let good_left = points.iter().any(|point| point.state.is_good() && !gone.contains(&point.id));
        prop_assert_eq!(any_good, good_left, "a good point is left where there was one");
        let counted = plan.actions.iter().filter(|action| {
            action.action == DueAction::Expire && action.why == ActReason::TimeOver
        });
        let allowed = (facts.points / 5).max(5);
        prop_assert!(counted.count() as u64 <= allowed, "a fifth at most, five in any case");
        // The same facts make the same plan, in whatever order the points come, and however often.
        let mut turned = points.clone();
        if !turned.is_empty() {
            turned.rotate_left(shuffle.index(points.len()));
            turned.reverse();
            turned.push(turned[0].clone());
        }
        prop_assert_eq!(plan_retention(now, &facts, &turned, DeletionMargins::DEFAULT), plan);
    }

    /// Run after run, until nothing is due any more: what is left is what may not go, and the newest good point.
    #[test]
    fn run_after_run_everything_goes_that_may(points in any_points()) {
        let mut left = points;
        let now = day(1_000);
        for point in &mut left {
            point.state = if point.state == PointState::Rehydrating { PointState::Archived } else { point.state };
        }
        let newest = facts(&left).newest_good;
        for _ in 0..60 {
            let plan = plan_retention(now, &facts(&left), &left, DeletionMargins::DEFAULT);
            if plan.actions.is_empty() {
                break;
            }
            for action in &plan.actions {
                let point = left.iter_mut().find(|point| point.id == action.point).unwrap();
                point.state = match action.action {
                    DueAction::Archive => PointState::Archived,
                    DueAction::Expire => PointState::Expired,
                };
            }
        }
        for point in left.iter().filter(|point| point.state != PointState::Expired) {
            let is_newest = newest.is_some_and(|newest| newest.id == point.id);
            prop_assert!(point.legal_hold || is_newest || newest.is_none(), "{point:?} stays for no reason");
        }
        let is_left = |id| left.iter().any(|point| point.id == id && point.state.is_good());
        prop_assert!(newest.is_none_or(|newest| is_left(newest.id)));
    }

    /// After a person deleted the data, only what is held, locked or on its way between the stores is left.
    #[test]
    fn deleted_data_goes_but_for_what_may_not(points in any_points(), days in 0_i64..30) {
        let now = day(days);
        let facts = InstanceFacts { deletion: Some(deletion()), ..facts(&points) };
        let plan = plan_data_deletion(now, &facts, &points);
        for point in &points {
            let goes = plan.actions.iter().any(|action| action.point == point.id);
            let held = point.legal_hold || point.locked_until.is_some_and(|until| until > now);
            let over = now >= day(-1) + SignedDuration::from_hours(14 * 24);
            let expected = match point.state {
                PointState::Expiring => !held,
                PointState::Expired | PointState::Archiving | PointState::Rehydrating => false,
                _ => !held && over,
            };
            prop_assert_eq!(goes, expected, "{:?}", point);
        }
    }
}
