//! Plans of retention: what a run set out to do, and why.

use permafrost_domain::retention::{ActReason, DueAction, KeepReason, RetentionPlan};
use permafrost_domain::wire::RetentionPlanSummary;

use super::table::{Column, fields, table};
use super::units::{count, day, time};

/// A list of plans.
pub(crate) fn retention_plans(plans: &[RetentionPlanSummary]) -> String {
    let columns = [
        Column::Text("PLAN"),
        Column::Text("MADE AT"),
        Column::Text("INSTANCE"),
        Column::Figure("ACTIONS"),
        Column::Figure("KEPT"),
    ];
    let rows = plans.iter().map(|plan| {
        vec![
            plan.id.to_string(),
            time(plan.made_at),
            plan.instance.to_string(),
            count(plan.actions),
            count(plan.kept),
        ]
    });
    table(&columns, rows.collect(), "No plan yet: nothing was due so far.")
}

/// One plan: what is done with which point and why, the oldest first.
pub(crate) fn retention_plan(plan: &RetentionPlan) -> String {
    let head = fields(&[
        ("Plan", Some(plan.id.to_string())),
        ("Instance", Some(plan.instance.to_string())),
        ("Made at", Some(time(plan.made_at))),
        ("Deletes at most", Some(format!("{} points", count(plan.deletion_limit)))),
    ]);
    let columns =
        [Column::Text("CONSISTENT AT"), Column::Text("POINT"), Column::Text("WHAT"), Column::Prose("WHY")];
    let mut rows: Vec<_> = plan
        .actions
        .iter()
        .map(|planned| {
            let what = match planned.action {
                DueAction::Archive => "archive",
                DueAction::Expire => "delete",
            };
            let since = day(planned.due);
            let why = match planned.why {
                ActReason::TimeOver => format!("{}, over since {since}", planned.rule),
                ActReason::Begun => "an earlier run began it".to_owned(),
                ActReason::DataDeleted => format!("the instance's data was deleted, over since {since}"),
            };
            (planned.consistent_at, planned.point, what, why)
        })
        .collect();
    rows.extend(plan.kept.iter().map(|kept| (kept.consistent_at, kept.point, "keep", keeps(kept.reason))));
    rows.sort();
    let rows = rows
        .into_iter()
        .map(|(at, point, what, why)| vec![time(at), point.to_string(), what.to_owned(), why])
        .collect();
    format!("{head}\n{}", table(&columns, rows, "Nothing was due."))
}

/// Why a point is left alone, in words.
fn keeps(reason: KeepReason) -> String {
    match reason {
        KeepReason::OfAnotherInstance => "it is another instance's".to_owned(),
        KeepReason::Deleted => "it is deleted already".to_owned(),
        KeepReason::NotDue { due } => format!("not due before {}", time(due)),
        KeepReason::LegalHold => "under legal hold".to_owned(),
        KeepReason::Locked { until } => format!("locked until {}", time(until)),
        KeepReason::Rehydrating => "being rehydrated".to_owned(),
        KeepReason::Rehydrated { until } => format!("rehydrated until {}", time(until)),
        KeepReason::Archiving => "on its way into the archive store".to_owned(),
        KeepReason::RetainedForever => "protection is stopped, everything stays".to_owned(),
        KeepReason::SoftDeleted { until } => {
            format!("deleted with the instance's data on {}, unless that is taken back", day(until))
        }
        KeepReason::DataNotDeleted => "nobody deleted the instance's data".to_owned(),
        KeepReason::NewestGoodPoint => "the newest good point stays".to_owned(),
        KeepReason::NoGoodPointKnown => "no good point of the instance is known".to_owned(),
        KeepReason::LimitReached { limit } => format!("this run deletes {limit} points already"),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{from_value, json};

    use super::*;

    fn plan() -> RetentionPlan {
        from_value(json!({
            "id": "plan-01kb0000000000000000000000", "instance": "bi-01kb0000000000000000000001",
            "made_at": "2031-02-01T00:00:00Z", "deletion_limit": 5,
            "actions": [
                {"point": "rp-01kb0000000000000000000003", "action": "expire", "why": "time_over",
                 "consistent_at": "2030-10-24T02:00:00Z", "rule": "default", "due": "2031-01-24T02:00:00Z"},
                {"point": "rp-01kb0000000000000000000005", "action": "archive", "why": "time_over",
                 "consistent_at": "2030-10-31T02:00:00Z", "rule": "monthly", "due": "2031-01-31T02:00:00Z"},
            ],
            "kept": [
                {"point": "rp-01kb0000000000000000000004", "consistent_at": "2030-10-25T02:00:00Z",
                 "reason": "legal_hold"},
            ],
        }))
        .unwrap()
    }

    #[test]
    fn a_list_of_plans() {
        assert_eq!(
            retention_plans(&[RetentionPlanSummary {
                id: plan().id,
                instance: plan().instance,
                made_at: plan().made_at,
                deletion_limit: 5,
                actions: 2,
                kept: 1,
            }]),
            "\
PLAN                             MADE AT               INSTANCE                       ACTIONS  KEPT
plan-01kb0000000000000000000000  2031-02-01T00:00:00Z  bi-01kb0000000000000000000001        2     1"
        );
    }

    #[test]
    fn a_plan_tells_why_point_by_point() {
        assert_eq!(
            retention_plan(&plan()),
            "\
Plan:            plan-01kb0000000000000000000000
Instance:        bi-01kb0000000000000000000001
Made at:         2031-02-01T00:00:00Z
Deletes at most: 5 points

CONSISTENT AT         POINT                          WHAT     WHY
2030-10-24T02:00:00Z  rp-01kb0000000000000000000003  delete   default, over since 2031-01-24
2030-10-25T02:00:00Z  rp-01kb0000000000000000000004  keep     under legal hold
2030-10-31T02:00:00Z  rp-01kb0000000000000000000005  archive  monthly, over since 2031-01-31"
        );
    }
}
