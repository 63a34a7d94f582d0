//! Continuation tokens: the place after which a list goes on. Opaque to who holds them; each is read back
//! into types and names its list, so that a token leads nowhere but on.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use jiff::civil::Date;
use permafrost_domain::ids::PlanId;
use permafrost_domain::instance::InstanceName;
use permafrost_domain::policy::PolicyName;
use permafrost_domain::{InstanceId, JobId, PointId, PolicyId};
use serde::{Deserialize, Serialize};

use crate::due::DueShard;
use crate::error::CatalogError;

/// The place after which a list goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "list", rename_all = "snake_case", deny_unknown_fields)]
pub(crate) enum Continuation {
    /// After this instance.
    Instances {
        /// Its name, by which the list is sorted.
        name: InstanceName,
        /// Its id.
        id: InstanceId,
    },
    /// On this day, after this job where one is named.
    Jobs {
        /// The day of UTC.
        day: Date,
        /// The job.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        job: Option<JobId>,
    },
    /// After this point.
    Points {
        /// Its instance.
        instance: InstanceId,
        /// The point.
        point: PointId,
    },
    /// After this policy.
    Policies {
        /// Its name, by which the list is sorted.
        name: PolicyName,
        /// Its id.
        id: PolicyId,
    },
    /// Under this policy, after this instance.
    Members {
        /// The policy.
        policy: PolicyId,
        /// The instance.
        instance: InstanceId,
    },
    /// After this open job.
    OpenJobs {
        /// The job.
        job: JobId,
    },
    /// In this shard of what is due, after this point.
    Due {
        /// The shard.
        shard: DueShard,
        /// When the point is due: a whole second.
        due: Timestamp,
        /// Its instance.
        instance: InstanceId,
        /// The point.
        point: PointId,
    },
    /// After the soft deletion of this instance's data.
    Deletions {
        /// When it is due: a whole second.
        due: Timestamp,
        /// The instance.
        instance: InstanceId,
    },
    /// After this retention plan.
    RetentionPlans {
        /// The plan.
        plan: PlanId,
    },
}

impl Continuation {
    /// The token.
    pub(crate) fn to_token(&self) -> String {
        // Writing plain strings as JSON into memory cannot fail.
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }

    /// The place that `token` stands for.
    pub(crate) fn parse(token: &str) -> Result<Self, CatalogError> {
        URL_SAFE_NO_PAD
            .decode(token)
            .ok()
            .and_then(|bytes| serde_json::from_slice(&bytes).ok())
            .ok_or(CatalogError::InvalidContinuation)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn writing_and_parsing_are_inverse(millis in 0_i64..253_402_207_200_000, random: u128, kind in 0..10) {
            let at = Timestamp::from_millisecond(millis).unwrap();
            let (id, job) = (InstanceId::new(at, random), JobId::new(at, random));
            let place = match kind {
                0 => Continuation::Instances { name: "shop".parse().unwrap(), id },
                1 => Continuation::Jobs { day: crate::keys::day_of(at), job: Some(job) },
                2 => Continuation::Jobs { day: crate::keys::day_of(at), job: None },
                3 => Continuation::Points { instance: id, point: PointId::of_backup(job) },
                4 => Continuation::Policies { name: "daily".parse().unwrap(), id: PolicyId::new(at, random) },
                5 => Continuation::Members { policy: PolicyId::new(at, random), instance: id },
                6 => Continuation::OpenJobs { job },
                7 => {
                    let point = PointId::of_backup(job);
                    Continuation::Due { shard: DueShard::of(point), due: at, instance: id, point }
                }
                8 => Continuation::Deletions { due: at, instance: id },
                _ => Continuation::RetentionPlans { plan: PlanId::of_run(at, id) },
            };
            let token = place.to_token();
            prop_assert!(token.bytes().all(|c| c.is_ascii_alphanumeric() || c == b'-' || c == b'_'));
            prop_assert_eq!(Continuation::parse(&token).unwrap(), place);
        }

        #[test]
        fn other_text_is_refused(text in ".{0,60}") {
            prop_assert!(Continuation::parse(&text).is_err());
        }
    }
}
