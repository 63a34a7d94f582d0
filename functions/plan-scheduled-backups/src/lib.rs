//! `PlanScheduledBackups`: which run of a policy is due when its schedule fires, and when the turn of each
//! instance comes.
//!
//! The schedule's expression is in UTC and fires at more times than the policy's zone has runs, so most of the
//! work here is to find out that there is nothing to do. It may fire late, and more than once: what is due follows
//! from the moment for which it fired, and the jobs of a run have their ids from the run. It writes nothing but
//! the schedule itself, which it makes what the catalog says: a change of the policy may have died half way, and
//! the years change what the zone's times are in UTC.

use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::CatalogError;
use permafrost_domain::policy::Policy;
use permafrost_domain::schedule::Schedule;
use permafrost_domain::wire::{MAX_INSTANCES_OF_POLICY, MAX_PAGE};
use permafrost_domain::{Code, Fault, InstanceId, PolicyId};
use permafrost_function::schedules::Schedules;
use permafrost_function::{Tools, clock};
use serde::{Deserialize, Serialize};

/// How long after a run a firing still means it. A firing tells the moment for which it is; where it does not, it
/// comes some seconds after that moment. Where two firings mean one run, the second meets the jobs of the first.
const FIRING_MEANS: SignedDuration = SignedDuration::from_mins(5);
/// How long the making of a policy may be under way: its schedule goes up before it stands in the catalog.
const MAKING_TAKES: SignedDuration = SignedDuration::from_mins(15);
/// The most items of a plan: 180 bytes each, where a payload holds 256 KB. Two requests at once may each find room
/// for the last instance of a policy, so some more than there may be.
const MAX_ITEMS: usize = MAX_INSTANCES_OF_POLICY + 200;

/// The step's input.
#[derive(Debug, Deserialize)]
pub struct Input {
    policy: PolicyId,
    scheduled_at: String,
    fired_at: Timestamp,
}

/// The step's answer.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct Output {
    backups: Vec<ScheduledBackup>,
}

/// The backup of one instance.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub struct ScheduledBackup {
    policy: PolicyId,
    instance: InstanceId,
    scheduled_at: Timestamp,
    start_at: Timestamp,
}

/// Plans the run that is due, if one is.
///
/// # Errors
/// The catalog or EventBridge Scheduler does not answer; `MaxConcurrentOperationLimitReached` where the policy has
/// more instances than a plan holds.
pub async fn handle(tools: &Tools, schedules: &Schedules, input: Input) -> Result<Output, Fault> {
    let now = clock::now();
    let nothing = Output { backups: Vec::new() };
    let policy = match tools.catalog.policy(input.policy).await {
        Ok(policy) => policy,
        Err(CatalogError::PolicyNotFound(_)) => {
            tracing::warn!(policy = %input.policy, "the schedule of a policy that is not there has fired");
            if now.duration_since(input.policy.made_at()) > MAKING_TAKES {
                schedules.remove(input.policy).await?;
            }
            return Ok(nothing);
        }
        Err(error) => return Err(error.into()),
    };
    schedules.settle(&tools.catalog, policy.id, now).await?;
    let Some(schedule) = &policy.spec.schedule else { return Ok(nothing) };
    let Some(run) = due(schedule, &input) else { return Ok(nothing) };
    let members = members(tools, &policy).await?;
    tracing::info!(policy = %policy.id, %run, instances = members.len(), "a run is due");
    Ok(Output { backups: turns(&policy, schedule, run, members) })
}

/// The run that a firing means.
fn due(schedule: &Schedule, input: &Input) -> Option<Timestamp> {
    // Left as it is by a service that does not know the placeholder.
    let moment = input.scheduled_at.parse().unwrap_or(input.fired_at);
    let after = moment.checked_sub(FIRING_MEANS).ok()?;
    schedule.run_due(after, moment).last().map(|run| run.at)
}

/// The turn of each instance, in the order of turns.
fn turns(
    policy: &Policy,
    schedule: &Schedule,
    run: Timestamp,
    members: Vec<InstanceId>,
) -> Vec<ScheduledBackup> {
    let mut backups: Vec<ScheduledBackup> = members
        .into_iter()
        .map(|instance| {
            let start_at = run.saturating_add(schedule.start_delay(instance)).unwrap_or(run);
            ScheduledBackup { policy: policy.id, instance, scheduled_at: run, start_at }
        })
        .collect();
    backups.sort_by_key(|backup| (backup.start_at, backup.instance));
    backups
}

/// The instances of the policy. Whether each is to be backed up is looked at when its turn has come.
async fn members(tools: &Tools, policy: &Policy) -> Result<Vec<InstanceId>, Fault> {
    let (mut members, mut next) = (Vec::new(), None);
    loop {
        let page = tools.catalog.policy_instances(policy.id, MAX_PAGE, next.as_deref()).await?;
        members.extend(page.items);
        if members.len() > MAX_ITEMS {
            let message = format!("the policy has more than {MAX_ITEMS} instances");
            return Err(Fault::new(Code::MaxConcurrentOperationLimitReached, message)
                .on(format!("policy {}", policy.name))
                .hint("Divide the instances among several policies."));
        }
        next = page.next;
        if next.is_none() {
            return Ok(members);
        }
    }
}

#[cfg(test)]
mod tests {
    use permafrost_domain::policy::PolicySpec;
    use serde_json::{from_value, json};

    use super::*;

    fn policy(schedule: &str) -> Policy {
        let retention = "retention: {default: {backup_store: P3M}}";
        let spec = PolicySpec::parse(&format!("schedule: {{{schedule}}}\n{retention}")).unwrap();
        let made = "2026-11-01T08:00:00Z".parse().unwrap();
        Policy {
            id: PolicyId::new(made, 1),
            name: "gold".parse().unwrap(),
            revision: 1,
            spec,
            created_at: made,
            updated_at: made,
        }
    }

    fn due_at(policy: &Policy, scheduled_at: &str, fired_at: &str) -> Option<String> {
        let input = json!({"policy": policy.id, "scheduled_at": scheduled_at, "fired_at": fired_at});
        let schedule = policy.spec.schedule.as_ref().unwrap();
        due(schedule, &from_value(input).unwrap()).map(|run| run.to_string())
    }

    #[test]
    fn a_firing_without_a_run_means_nothing() {
        let berlin = policy("every: day, at: ['02:00'], time_zone: Europe/Berlin");
        let (winter, summer) = ("2026-11-22T01:00:00Z", "2026-07-01T00:00:00Z");
        for (firing, run) in [(winter, Some(winter)), (summer, Some(summer))] {
            assert_eq!(due_at(&berlin, firing, firing).as_deref(), run);
        }
        // The one expression fires at both hours all year round.
        for firing in ["2026-11-22T00:00:00Z", "2026-07-01T01:00:00Z"] {
            assert_eq!(due_at(&berlin, firing, firing), None, "{firing}");
        }
    }

    #[test]
    fn a_late_firing_means_the_run_for_which_it_is() {
        let hourly = policy("every: hour, interval: 1, at: ['00:00'], time_zone: UTC");
        let run = "2026-11-22T03:00:00Z";
        assert_eq!(due_at(&hourly, run, "2026-11-22T07:41:00Z").as_deref(), Some(run));
    }

    #[test]
    fn a_firing_that_does_not_say_what_it_is_for_means_the_run_just_before() {
        let daily = policy("every: day, at: ['02:00'], time_zone: UTC");
        let placeholder = "<aws.scheduler.scheduled-time>";
        let run = Some("2026-11-22T02:00:00Z");
        assert_eq!(due_at(&daily, placeholder, "2026-11-22T02:00:09.750Z").as_deref(), run);
        assert_eq!(due_at(&daily, placeholder, "2026-11-22T01:59:59Z"), None);
        assert_eq!(due_at(&daily, placeholder, "2026-11-22T02:30:00Z"), None);
    }

    #[test]
    fn every_run_is_meant_by_a_firing_of_its_own() {
        let twice = policy("every: day, at: ['02:00', '02:03'], time_zone: UTC");
        for run in ["2026-11-22T02:00:00Z", "2026-11-22T02:03:00Z"] {
            assert_eq!(due_at(&twice, run, run).as_deref(), Some(run));
        }
    }

    #[test]
    fn turns_come_within_the_window_in_their_order_and_are_always_the_same() {
        let policy = policy("every: day, at: ['02:00'], time_zone: UTC, start_window: PT30M");
        let schedule = policy.spec.schedule.as_ref().unwrap();
        let run: Timestamp = "2026-11-22T02:00:00Z".parse().unwrap();
        let instance = |random: u128| InstanceId::new(policy.created_at, random);
        let members: Vec<InstanceId> = (0..200).map(instance).collect();
        let planned = turns(&policy, schedule, run, members.clone());
        assert_eq!(planned.len(), 200);
        assert!(planned.is_sorted_by_key(|backup| backup.start_at));
        let window = SignedDuration::from_mins(30);
        assert!(planned.iter().all(|backup| (run..run + window).contains(&backup.start_at)));
        let half = run + window / 2;
        let early = planned.iter().filter(|backup| backup.start_at < half).count();
        assert!((60..140).contains(&early), "{early} of 200 in the first half");
        assert_eq!(planned, turns(&policy, schedule, run, members.into_iter().rev().collect()));
    }

    #[test]
    fn a_full_plan_fits_into_a_payload() {
        let policy = policy("every: day, at: ['02:00'], time_zone: UTC");
        let schedule = policy.spec.schedule.as_ref().unwrap();
        let run: Timestamp = "2026-11-22T02:00:00Z".parse().unwrap();
        let members =
            (0..MAX_ITEMS as u128).map(|random| InstanceId::new(policy.created_at, random)).collect();
        let output = Output { backups: turns(&policy, schedule, run, members) };
        let bytes = serde_json::to_vec(&output).unwrap().len();
        assert!(bytes < 256 * 1024, "{bytes}");
    }
}
