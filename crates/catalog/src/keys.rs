//! Keys: where each record stands in the one table.
//!
//! | record | `pk` | `sk` | `gsi1pk` | `gsi1sk` |
//! |---|---|---|---|---|
//! | instance | `INSTANCE#<id>` | `INSTANCE` | `INSTANCES` | its name |
//! | an instance's name | `INSTANCE_NAME#<name>` | `INSTANCE_NAME` | | |
//! | a protected database | `DATA_SOURCE#<identity>` | `DATA_SOURCE` | | |
//! | running backup (the lock) | `INSTANCE#<id>` | `RUNNING_BACKUP` | | |
//! | soft deletion of its data | `INSTANCE#<id>` | `DELETION` | `DELETIONS` | `<due>#<instance>` |
//! | recovery point | `INSTANCE#<id>` | `POINT#<id>` | `DUE#<shard>`, where it is ever due | `<due>#<point>` |
//! | period that a point claims | `INSTANCE#<id>` | `PERIOD#<rule>#<period>` | | |
//! | policy | `POLICY#<id>` | `POLICY` | `POLICIES` | its name |
//! | a policy's name | `POLICY_NAME#<name>` | `POLICY_NAME` | | |
//! | an instance under a policy | `POLICY#<id>` | `INSTANCE#<id>` | | |
//! | job | `JOB#<id>` | `JOB` | `JOBS#<day of created_at, UTC>` | its id |
//! | open job, gone when it ends | `JOB#<id>` | `OPEN_JOB` | `OPEN_JOBS` | its id |
//! | progress of a task | `JOB#<id>` | `TASK#<n>` | | |
//! | snapshot of a backup | `JOB#<id>` | `SNAPSHOT` | | |
//! | retention plan | `RETENTION_PLAN#<id>` | `RETENTION_PLAN` | `RETENTION_PLANS` | its id |
//! | a part of its actions | `RETENTION_PLAN#<id>` | `PART#<n>` | | |
//! | the vault's immutability | `VAULT#` | `IMMUTABILITY` | | |
//!
//! Points of an instance sort by their ids, which sort by time; so do the jobs of a day, and retention plans. What is
//! due sorts by time, in whole seconds of UTC ([`crate::due`]); the index of it is sparse, and sharded so that one
//! partition does not carry a whole fleet.

use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use permafrost_domain::ids::PlanId;
use permafrost_domain::instance::InstanceName;
use permafrost_domain::policy::PolicyName;
use permafrost_domain::retention::PeriodClaim;
use permafrost_domain::{InstanceId, JobId, PointId, PolicyId};

/// The table's partition key.
pub(crate) const PK: &str = "pk";
/// The table's sort key.
pub(crate) const SK: &str = "sk";
/// The index's name.
pub(crate) const INDEX: &str = "gsi1";
/// The index's partition key.
pub(crate) const INDEX_PK: &str = "gsi1pk";
/// The index's sort key.
pub(crate) const INDEX_SK: &str = "gsi1sk";
/// When DynamoDB may drop the record: seconds since 1970.
pub(crate) const EXPIRES_AT: &str = "expires_at";
/// The one partition of the index that lists instances.
pub(crate) const INSTANCES: &str = "INSTANCES";
/// The one partition of the index that lists policies.
pub(crate) const POLICIES: &str = "POLICIES";
/// The one partition of the index that lists jobs that have not ended.
pub(crate) const OPEN_JOBS: &str = "OPEN_JOBS";
/// The one partition of the index that lists what is deleted softly, by when it is deleted for good.
pub(crate) const DELETIONS: &str = "DELETIONS";
/// The one partition of the index that lists retention plans.
pub(crate) const RETENTION_PLANS: &str = "RETENTION_PLANS";
/// What the sort keys of points begin with.
pub(crate) const POINT_PREFIX: &str = "POINT#";
/// What the sort keys of instances under a policy begin with.
pub(crate) const MEMBER_PREFIX: &str = "INSTANCE#";
/// What the sort keys of claimed periods begin with.
const PERIOD_PREFIX: &str = "PERIOD#";
/// What the sort keys of a plan's parts begin with.
pub(crate) const PART_PREFIX: &str = "PART#";

/// Where a record stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Key {
    /// An instance.
    Instance(InstanceId),
    /// The claim to an instance's name.
    InstanceName(InstanceName),
    /// The claim to a database, by `DataSource::identity`.
    DataSource(String),
    /// The lock that the running backup of an instance holds.
    RunningBackup(InstanceId),
    /// The soft deletion of an instance's data.
    Deletion(InstanceId),
    /// A recovery point.
    Point(InstanceId, PointId),
    /// The claim of a point to a period of a rule.
    Period(InstanceId, PeriodClaim),
    /// A policy.
    Policy(PolicyId),
    /// The claim to a policy's name.
    PolicyName(PolicyName),
    /// An instance under a policy.
    Member(PolicyId, InstanceId),
    /// A job.
    Job(JobId),
    /// The progress of one task of a job.
    Task(JobId, u32),
    /// The snapshot that a backup job reads.
    Snapshot(JobId),
    /// What says that a job has not ended.
    OpenJob(JobId),
    /// A retention plan.
    RetentionPlan(PlanId),
    /// The n-th part of a retention plan's actions.
    RetentionPlanPart(PlanId, u32),
    /// The immutability that the vault has had.
    Immutability,
}

impl Key {
    /// The partition key's value.
    pub(crate) fn pk(&self) -> String {
        match self {
            Self::Instance(id)
            | Self::RunningBackup(id)
            | Self::Deletion(id)
            | Self::Point(id, _)
            | Self::Period(id, _) => format!("INSTANCE#{id}"),
            Self::Policy(id) | Self::Member(id, _) => format!("POLICY#{id}"),
            Self::PolicyName(name) => format!("POLICY_NAME#{name}"),
            Self::InstanceName(name) => format!("INSTANCE_NAME#{name}"),
            Self::DataSource(identity) => format!("DATA_SOURCE#{identity}"),
            Self::Job(id) | Self::Task(id, _) | Self::Snapshot(id) | Self::OpenJob(id) => {
                format!("JOB#{id}")
            }
            Self::RetentionPlan(id) | Self::RetentionPlanPart(id, _) => format!("RETENTION_PLAN#{id}"),
            Self::Immutability => "VAULT#".to_owned(),
        }
    }

    /// The sort key's value.
    pub(crate) fn sk(&self) -> String {
        match self {
            Self::Instance(_) => "INSTANCE".to_owned(),
            Self::InstanceName(_) => "INSTANCE_NAME".to_owned(),
            Self::DataSource(_) => "DATA_SOURCE".to_owned(),
            Self::RunningBackup(_) => "RUNNING_BACKUP".to_owned(),
            Self::Deletion(_) => "DELETION".to_owned(),
            Self::Point(_, point) => format!("{POINT_PREFIX}{point}"),
            Self::Period(_, claim) => format!("{PERIOD_PREFIX}{claim}"),
            Self::Policy(_) => "POLICY".to_owned(),
            Self::PolicyName(_) => "POLICY_NAME".to_owned(),
            Self::Member(_, instance) => format!("{MEMBER_PREFIX}{instance}"),
            Self::Job(_) => "JOB".to_owned(),
            Self::Task(_, task) => format!("TASK#{task}"),
            Self::Snapshot(_) => "SNAPSHOT".to_owned(),
            Self::OpenJob(_) => "OPEN_JOB".to_owned(),
            Self::RetentionPlan(_) => "RETENTION_PLAN".to_owned(),
            Self::RetentionPlanPart(_, part) => format!("{PART_PREFIX}{part}"),
            Self::Immutability => "IMMUTABILITY".to_owned(),
        }
    }

    /// The key that is written as `pk` and `sk`, if there is one.
    pub(crate) fn parse(pk: &str, sk: &str) -> Option<Self> {
        let (kind, of) = pk.split_once('#')?;
        let key = match (kind, sk) {
            ("INSTANCE", "INSTANCE") => Self::Instance(of.parse().ok()?),
            ("INSTANCE", "RUNNING_BACKUP") => Self::RunningBackup(of.parse().ok()?),
            ("INSTANCE", "DELETION") => Self::Deletion(of.parse().ok()?),
            ("INSTANCE", sk) => match sk.strip_prefix(PERIOD_PREFIX) {
                Some(claim) => Self::Period(of.parse().ok()?, claim.parse().ok()?),
                None => Self::Point(of.parse().ok()?, sk.strip_prefix(POINT_PREFIX)?.parse().ok()?),
            },
            ("POLICY", "POLICY") => Self::Policy(of.parse().ok()?),
            ("POLICY", sk) => Self::Member(of.parse().ok()?, sk.strip_prefix(MEMBER_PREFIX)?.parse().ok()?),
            ("POLICY_NAME", "POLICY_NAME") => Self::PolicyName(of.parse().ok()?),
            ("INSTANCE_NAME", "INSTANCE_NAME") => Self::InstanceName(of.parse().ok()?),
            ("DATA_SOURCE", "DATA_SOURCE") => Self::DataSource(of.to_owned()),
            ("JOB", "JOB") => Self::Job(of.parse().ok()?),
            ("JOB", "SNAPSHOT") => Self::Snapshot(of.parse().ok()?),
            ("JOB", "OPEN_JOB") => Self::OpenJob(of.parse().ok()?),
            ("JOB", sk) => Self::Task(of.parse().ok()?, sk.strip_prefix("TASK#")?.parse().ok()?),
            ("RETENTION_PLAN", "RETENTION_PLAN") => Self::RetentionPlan(of.parse().ok()?),
            ("RETENTION_PLAN", sk) => {
                Self::RetentionPlanPart(of.parse().ok()?, sk.strip_prefix(PART_PREFIX)?.parse().ok()?)
            }
            ("VAULT", "IMMUTABILITY") if of.is_empty() => Self::Immutability,
            _ => return None,
        };
        // Numbers have more than one text (`007`, `+7`): only the one that is written here is a key.
        (key.sk() == sk).then_some(key)
    }
}

impl fmt::Display for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} / {}", self.pk(), self.sk())
    }
}

/// The day, in UTC, under which a job of `created_at` is listed.
pub(crate) fn day_of(created_at: Timestamp) -> Date {
    created_at.to_zoned(TimeZone::UTC).date()
}

/// The partition of the index that lists the jobs of `day`.
pub(crate) fn jobs_of(day: Date) -> String {
    format!("JOBS#{day}")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use permafrost_domain::calendar::WeekStart;
    use permafrost_domain::retention::RuleName;

    use super::*;

    /// A period that begins at `at` or before.
    fn period(at: Timestamp, rule: u32) -> PeriodClaim {
        let rules = RuleName::PERIODIC;
        let rule = rules[rule as usize % rules.len()];
        PeriodClaim::of(rule, day_of(at), WeekStart::Monday).unwrap()
    }

    fn any_key() -> impl Strategy<Value = Key> {
        (0_i64..253_402_207_200_000, any::<u128>(), any::<u32>(), "[a-z0-9][a-z0-9-]{0,20}", 0..17_usize)
            .prop_map(|(millis, random, task, word, kind)| {
                let at = Timestamp::from_millisecond(millis).unwrap();
                let (instance, job) = (InstanceId::new(at, random), JobId::new(at, random));
                let (policy, plan) = (PolicyId::new(at, random), PlanId::new(at, random));
                match kind {
                    0 => Key::Instance(instance),
                    1 => Key::InstanceName(word.parse().unwrap()),
                    2 => Key::DataSource(format!("{word}:5432/a#b")),
                    3 => Key::RunningBackup(instance),
                    4 => Key::Point(instance, PointId::of_backup(job)),
                    5 => Key::Job(job),
                    6 => Key::Task(job, task),
                    7 => Key::Snapshot(job),
                    8 => Key::Deletion(instance),
                    9 => Key::Period(instance, period(at, task)),
                    10 => Key::Policy(policy),
                    11 => Key::PolicyName(word.parse().unwrap()),
                    12 => Key::Member(policy, instance),
                    13 => Key::OpenJob(job),
                    14 => Key::RetentionPlan(plan),
                    15 => Key::RetentionPlanPart(plan, task),
                    _ => Key::Immutability,
                }
            })
    }

    proptest! {
        #[test]
        fn writing_and_parsing_are_inverse(key in any_key()) {
            prop_assert_eq!(Key::parse(&key.pk(), &key.sk()), Some(key));
        }

        #[test]
        fn two_keys_never_stand_in_one_place(a in any_key(), b in any_key()) {
            prop_assert_eq!(a == b, (a.pk(), a.sk()) == (b.pk(), b.sk()));
        }
    }

    #[test]
    fn other_text_is_no_key() {
        let job = JobId::new(Timestamp::UNIX_EPOCH, 1);
        let (instance, plan) =
            (InstanceId::new(Timestamp::UNIX_EPOCH, 1), PlanId::new(Timestamp::UNIX_EPOCH, 1));
        for (pk, sk) in [
            (format!("JOB#{job}"), "TASK#007"),
            (format!("JOB#{job}"), "TASK#+7"),
            (format!("JOB#{job}"), "INSTANCE"),
            (format!("INSTANCE#{job}"), "INSTANCE"),
            (format!("INSTANCE#{instance}"), "PERIOD#yearly#31"),
            (format!("INSTANCE#{instance}"), "PERIOD#default#2031"),
            (format!("INSTANCE#{instance}"), "PERIOD#monthly#2031-13"),
            (format!("INSTANCE#{instance}"), "DUE"),
            (format!("POLICY#{instance}"), "POLICY"),
            (format!("RETENTION_PLAN#{plan}"), "PART#01"),
            (format!("NOTE#{job}"), "NOTE"),
            (job.to_string(), "JOB"),
        ] {
            assert_eq!(Key::parse(&pk, sk), None, "{pk} / {sk}");
        }
    }

    #[test]
    fn days_are_days_of_utc() {
        let at = "2026-11-22T23:59:59.999Z".parse().unwrap();
        assert_eq!(jobs_of(day_of(at)), "JOBS#2026-11-22");
    }
}
