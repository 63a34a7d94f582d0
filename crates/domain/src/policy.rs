//! Backup policies: a schedule and retention rules, shared by many instances.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::ids::PolicyId;
use crate::policy::form::PolicyForm;
use crate::policy::node::Node;
use crate::retention::{Asked, PeriodClaim, PolicyStamp, RetentionRules, RuleNotInPolicy, Verdict, decide};
use crate::schedule::{Schedule, Zone};

pub use crate::names::{InvalidPolicyName, PolicyName};
pub use crate::policy::problem::{PolicyProblem, PolicyProblems, Position};

mod cautions;
mod explain;
mod form;
mod node;
mod problem;
mod read;
mod read_retention;
mod read_schedule;
mod yaml;

/// A policy as a request names it: by id or by name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum PolicyRef {
    /// By its id.
    Id(PolicyId),
    /// By its name.
    Name(PolicyName),
}

impl FromStr for PolicyRef {
    type Err = InvalidPolicyName;
    fn from_str(text: &str) -> Result<Self, InvalidPolicyName> {
        match text.parse() {
            Ok(id) => Ok(Self::Id(id)),
            Err(_) => text.parse().map(Self::Name),
        }
    }
}

impl fmt::Display for PolicyRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => fmt::Display::fmt(id, f),
            Self::Name(name) => fmt::Display::fmt(name, f),
        }
    }
}

impl TryFrom<String> for PolicyRef {
    type Error = InvalidPolicyName;
    fn try_from(text: String) -> Result<Self, InvalidPolicyName> {
        text.parse()
    }
}

impl From<PolicyRef> for String {
    fn from(named: PolicyRef) -> String {
        named.to_string()
    }
}

impl utoipa::PartialSchema for PolicyRef {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::String)
            .pattern(Some("^[a-z0-9][a-z0-9-]{0,62}$"))
            .into()
    }
}

impl utoipa::ToSchema for PolicyRef {}

/// What a policy says: when backups run, and how long they stay.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PolicySpec {
    /// When backups run; without one, only on demand.
    pub schedule: Option<Schedule>,
    /// How long they stay.
    pub retention: RetentionRules,
}

/// A backup policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Policy {
    /// Its id.
    pub id: PolicyId,
    /// The name people call it by.
    pub name: PolicyName,
    /// Counts its changes from 1: a change names the revision that it is made to.
    pub revision: u32,
    /// What it says.
    pub spec: PolicySpec,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    pub created_at: Timestamp,
    /// When it was last changed.
    #[schema(value_type = String, format = DateTime)]
    pub updated_at: Timestamp,
}

impl PolicySpec {
    /// The policy of a text in YAML or JSON.
    ///
    /// # Errors
    /// All that is wrong with it, each problem with its line and column and what is allowed there.
    pub fn parse(text: &str) -> Result<Self, PolicyProblems> {
        read::spec(&Node::parse(text)?)
    }

    /// Whether the policy keeps the rules that a text would have to keep: for one that was put together from parts.
    ///
    /// # Errors
    /// All that is wrong with it.
    pub fn validate(&self) -> Result<(), PolicyProblems> {
        let form = serde_json::to_value(PolicyForm::from(self)).map_err(|error| PolicyProblem {
            position: None,
            path: String::new(),
            message: error.to_string(),
            allowed: None,
        })?;
        read::spec(&Node::of_json(&form)).map(|_| ())
    }

    /// The policy as YAML, with everything said that was left to its default.
    pub fn to_yaml(&self) -> String {
        yaml::text(&PolicyForm::from(self))
    }

    /// What the policy does, in sentences, one a line.
    pub fn explain(&self) -> Vec<String> {
        explain::lines(self)
    }

    /// What the policy is allowed to say but hardly means, in sentences: rules that no run can meet, days that
    /// months lack, a higher rule that keeps for less than a lower one.
    pub fn cautions(&self) -> Vec<String> {
        cautions::cautions(self)
    }

    /// The time zone that days, weeks, months and years are those of: the schedule's, else UTC.
    pub fn zone(&self) -> Zone {
        self.schedule.as_ref().map_or_else(Zone::utc, |schedule| schedule.time_zone.clone())
    }

    /// The periods that a scheduled point of `consistent_at` would claim if all were free.
    pub fn periods(&self, consistent_at: Timestamp) -> Vec<PeriodClaim> {
        self.retention.periods(&self.zone(), consistent_at)
    }
}

impl Serialize for PolicySpec {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        PolicyForm::from(self).serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PolicySpec {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // One reader for files and values: a policy that one of them takes, the other takes as well.
        let value = serde_json::Value::deserialize(deserializer)?;
        read::spec(&Node::of_json(&value)).map_err(serde::de::Error::custom)
    }
}

impl utoipa::PartialSchema for PolicySpec {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        PolicyForm::schema()
    }
}

impl utoipa::ToSchema for PolicySpec {
    fn schemas(schemas: &mut Vec<(String, utoipa::openapi::RefOr<utoipa::openapi::schema::Schema>)>) {
        PolicyForm::schemas(schemas);
    }
}

impl Policy {
    /// The policy as it is now, for a point to remember.
    pub fn stamp(&self) -> PolicyStamp {
        PolicyStamp { id: self.id, revision: self.revision }
    }

    /// The verdict of [`decide`], stamped with the policy.
    ///
    /// # Errors
    /// [`RuleNotInPolicy`] where a caller chose a rule that the policy lacks.
    pub fn decide(
        &self,
        consistent_at: Timestamp,
        asked: Asked,
        taken: &BTreeSet<PeriodClaim>,
    ) -> Result<Verdict, RuleNotInPolicy> {
        let mut verdict = decide(&self.spec, consistent_at, asked, taken)?;
        verdict.retention.policy = Some(self.stamp());
        Ok(verdict)
    }
}
