//! Ids: a prefix that tells the kind, then 26 characters of Crockford base 32 (48 bits of milliseconds since
//! 1970, 80 random bits: a ULID in lower case). Ids of one kind sort by the time of their making.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::job::Operation;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const BODY_LEN: usize = 26;

/// A text that is not an id of the kind asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {expected}: expected {prefix:?} and 26 characters of 0-9 a-z without i l o u")]
pub struct InvalidId {
    text: String,
    expected: &'static str,
    prefix: &'static str,
}

/// The part of an id behind its prefix.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct Body([u8; BODY_LEN]);

impl Body {
    fn new(made_at: Timestamp, random: u128) -> Self {
        let millis = u128::try_from(made_at.as_millisecond()).unwrap_or(0) & ((1 << 48) - 1);
        let mut bits = (millis << 80) | (random & ((1 << 80) - 1));
        let mut body = [b'0'; BODY_LEN];
        for slot in body.iter_mut().rev() {
            *slot = ALPHABET[(bits & 31) as usize];
            bits >>= 5;
        }
        Self(body)
    }

    /// The moment in the 48 bits before the random ones.
    fn made_at(&self) -> Timestamp {
        let digit = |c: &u8| ALPHABET.iter().position(|letter| letter == c).unwrap_or(0) as u128;
        let bits = self.0.iter().fold(0_u128, |bits, c| (bits << 5) | digit(c));
        let millis = i64::try_from(bits >> 80).unwrap_or(i64::MAX);
        Timestamp::from_millisecond(millis).unwrap_or(Timestamp::MAX)
    }

    fn parse(text: &str) -> Option<Self> {
        let body: [u8; BODY_LEN] = text.as_bytes().try_into().ok()?;
        // 26 * 5 bits are 130: the first character holds only three of the 128.
        let valid = body.iter().all(|c| ALPHABET.contains(c)) && body[0] <= b'7';
        valid.then_some(Self(body))
    }

    fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

macro_rules! id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal, $article:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(Body);

        impl $name {
            /// The id made at `made_at` with the low 80 bits of `random`.
            pub fn new(made_at: Timestamp, random: u128) -> Self {
                Self(Body::new(made_at, random))
            }

            /// The moment that it was made for, to the millisecond.
            pub fn made_at(self) -> Timestamp {
                self.0.made_at()
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&format!("{}{}", $prefix, self.0.as_str()))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidId;
            fn from_str(text: &str) -> Result<Self, InvalidId> {
                text.strip_prefix($prefix).and_then(Body::parse).map(Self).ok_or_else(|| InvalidId {
                    text: text.chars().take(80).collect(),
                    expected: $article,
                    prefix: $prefix,
                })
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> String {
                id.to_string()
            }
        }

        impl utoipa::PartialSchema for $name {
            fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
                utoipa::openapi::ObjectBuilder::new()
                    .schema_type(utoipa::openapi::schema::Type::String)
                    .pattern(Some(concat!("^", $prefix, "[0-7][0-9a-hjkmnp-tv-z]{25}$")))
                    .into()
            }
        }

        impl utoipa::ToSchema for $name {}
    };
}

id! {
    /// A backup instance: `bi-…`.
    InstanceId, "bi-", "a backup instance's id"
}
id! {
    /// A job: `job-…`. The name of the execution that carries it out.
    JobId, "job-", "a job's id"
}
id! {
    /// A recovery point: `rp-…`, with the same body as the backup job that made it.
    PointId, "rp-", "a recovery point's id"
}

id! {
    /// A backup policy: `bp-…`.
    PolicyId, "bp-", "a backup policy's id"
}
id! {
    /// A retention plan: `plan-…`.
    PlanId, "plan-", "a retention plan's id"
}

impl JobId {
    /// The job of `operation` on `instance` that is due at `due`: the same whenever it is asked, so that a
    /// doubled trigger meets itself.
    pub fn of_run(instance: InstanceId, due: Timestamp, operation: Operation) -> Self {
        Self::new(due, hash(&[&instance.to_string(), &due.to_string(), &operation.to_string()]))
    }

    /// The job of `operation` on `point` that is due at `due`: the same whenever it is asked.
    pub fn of_point(point: PointId, due: Timestamp, operation: Operation) -> Self {
        Self::new(due, hash(&[&point.to_string(), &due.to_string(), &operation.to_string()]))
    }
}

impl PlanId {
    /// The plan that the run `run` of retention makes for `instance`: the same whenever it is asked, so that a
    /// repeated run meets its own plan.
    pub fn of_run(run: Timestamp, instance: InstanceId) -> Self {
        Self::new(run, hash(&[&instance.to_string(), &run.to_string()]))
    }
}

/// The hash of `parts`: of the bytes alone, the same in every version.
pub(crate) fn hash(parts: &[&str]) -> u128 {
    xxhash_rust::xxh3::xxh3_128(parts.join("\n").as_bytes())
}

impl PointId {
    /// The point that the backup job `job` makes: the same whenever it is asked, so that a repeated commit
    /// meets itself.
    pub fn of_backup(job: JobId) -> Self {
        Self(job.0)
    }

    /// The backup job that made this point.
    pub fn backup_job(self) -> JobId {
        JobId(self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn display_and_from_str_are_inverse(millis in 0_i64..281_474_976_710_655, random: u128) {
            let made_at = Timestamp::from_millisecond(millis.min(253_402_207_200_000)).unwrap();
            let id = JobId::new(made_at, random);
            prop_assert_eq!(id.to_string().parse::<JobId>(), Ok(id));
            prop_assert_eq!(id.made_at(), made_at);
            prop_assert!(id.to_string().parse::<InstanceId>().is_err());
            prop_assert_eq!(PointId::of_backup(id).backup_job(), id);
        }

        #[test]
        fn a_doubled_trigger_makes_the_same_job(random: u128, due in 0_i64..4_000_000_000, later in 1_i64..100_000) {
            let instance = InstanceId::new(Timestamp::UNIX_EPOCH, random);
            let other = InstanceId::new(Timestamp::UNIX_EPOCH, !random);
            let (due, later) = (Timestamp::from_second(due).unwrap(), Timestamp::from_second(due + later).unwrap());
            let job = JobId::of_run(instance, due, Operation::Backup);
            prop_assert_eq!(job, JobId::of_run(instance, due, Operation::Backup));
            prop_assert_ne!(job, JobId::of_run(other, due, Operation::Backup));
            prop_assert_ne!(job, JobId::of_run(instance, due, Operation::Expire));
            prop_assert!(job < JobId::of_run(instance, later, Operation::Backup));
        }

        #[test]
        fn ids_sort_by_time(a in 0_i64..253_402_207_200_000, b in 0_i64..253_402_207_200_000, ra: u128, rb: u128) {
            prop_assume!(a < b);
            let earlier = PointId::new(Timestamp::from_millisecond(a).unwrap(), ra);
            let later = PointId::new(Timestamp::from_millisecond(b).unwrap(), rb);
            prop_assert!(earlier < later);
            prop_assert!(earlier.to_string() < later.to_string());
        }

        #[test]
        fn other_text_is_refused(text in ".{0,40}") {
            if let Ok(id) = text.parse::<InstanceId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
