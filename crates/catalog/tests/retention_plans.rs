//! Retention plans: written as a whole, found again by a repeated run, listed newest first.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use permafrost_domain::ids::PlanId;
use permafrost_domain::retention::{
    ActReason, DueAction, KeepReason, KeptPoint, PlannedAction, RetentionPlan, RuleName,
};
use permafrost_domain::{Code, PointId};
use support::emulator::table;
use support::samples::{at, instance};

/// A plan of the run at `at(seconds)` with so many actions and points left alone.
fn plan(seconds: i64, actions: u32, kept: u32) -> RetentionPlan {
    let point = |n: u32| PointId::new(at(0), u128::from(n));
    let action = |n| PlannedAction {
        point: point(n),
        action: if n % 2 == 0 { DueAction::Archive } else { DueAction::Expire },
        why: ActReason::TimeOver,
        consistent_at: at(i64::from(n)),
        rule: RuleName::Weekly,
        due: at(5),
    };
    let reasons = [
        KeepReason::NewestGoodPoint,
        KeepReason::LimitReached { limit: 5 },
        KeepReason::NotDue { due: at(9) },
    ];
    let keep = |n: u32| KeptPoint {
        point: point(n),
        consistent_at: at(i64::from(n)),
        reason: reasons[n as usize % reasons.len()],
    };
    let instance = instance(1).id;
    RetentionPlan {
        id: PlanId::of_run(at(seconds), instance),
        instance,
        made_at: at(seconds),
        deletion_limit: 5,
        actions: (0..actions).map(action).collect(),
        kept: (0..kept).map(keep).collect(),
    }
}

#[tokio::test]
async fn a_plan_comes_back_as_it_was_written_however_much_it_lists() {
    let catalog = table().await.catalog;
    for (run, actions, kept) in [(0, 0, 0), (1, 3, 2), (2, 600, 0), (3, 601, 1_900), (4, 7_200, 1)] {
        let plan = plan(run, actions, kept);
        assert_eq!(catalog.store_retention_plan(&plan).await.unwrap(), plan);
        assert_eq!(catalog.retention_plan(plan.id).await.unwrap(), plan, "{actions} {kept}");
    }
    let too_large = catalog.store_retention_plan(&plan(9, 7_201, 0)).await.unwrap_err();
    assert_eq!(too_large.code(), Code::InvalidRequest);
    let missing = catalog.retention_plan(plan(9, 0, 0).id).await.unwrap_err();
    assert_eq!(missing.code(), Code::RetentionPlanNotFound);
}

#[tokio::test]
async fn a_repeated_run_finds_what_it_had_planned() {
    let catalog = table().await.catalog;
    let first = plan(1, 3, 2);
    catalog.store_retention_plan(&first).await.unwrap();
    // By now some of it is done.
    for again in [plan(1, 2, 2), plan(1, 2_000, 0)] {
        assert_eq!(catalog.store_retention_plan(&again).await.unwrap(), first);
    }
    let (one, two) = (plan(2, 3, 0), plan(2, 900, 0));
    let (stored_one, stored_two) =
        tokio::join!(catalog.store_retention_plan(&one), catalog.store_retention_plan(&two));
    let stored = stored_one.unwrap();
    assert_eq!(stored, stored_two.unwrap());
    assert!(stored == one || stored == two);
}

#[tokio::test]
async fn plans_are_listed_newest_first_in_pages() {
    let catalog = table().await.catalog;
    for run in [3, 1, 2] {
        catalog.store_retention_plan(&plan(run, 700, 1)).await.unwrap();
    }
    let first = catalog.retention_plans(2, None).await.unwrap();
    let second = catalog.retention_plans(2, first.next.as_deref()).await.unwrap();
    let listed: Vec<_> = first.items.into_iter().chain(second.items).collect();
    let made: Vec<_> = listed.iter().map(|plan| (plan.made_at, plan.actions, plan.kept)).collect();
    assert_eq!(made, [(at(3), 700, 1), (at(2), 700, 1), (at(1), 700, 1)]);
    assert_eq!(second.next, None);
}
