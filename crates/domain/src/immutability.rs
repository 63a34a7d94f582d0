//! Immutability of the vault: whether objects are locked until their stamped expiry, and how firmly.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How firmly the vault's objects are locked. It only ever rises.
#[derive(
    Debug,
    Clone,
    Copy,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Serialize,
    Deserialize,
    utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Immutability {
    /// No locks.
    #[default]
    Disabled,
    /// Governance locks: who may bypass them can delete.
    Enabled,
    /// Compliance locks: nobody can delete, nor take the locks back.
    Locked,
}

/// The mode of an S3 Object Lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum LockMode {
    /// Who has `s3:BypassGovernanceRetention` can delete.
    Governance,
    /// Nobody can delete before the lock ends.
    Compliance,
}

/// An immutability that was to be lowered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("immutability cannot be lowered from {from} to {to}")]
pub struct ImmutabilityLowered {
    /// What it is.
    pub from: Immutability,
    /// What it was to be.
    pub to: Immutability,
}

impl Immutability {
    /// Every degree, the lowest first.
    pub const ALL: [Immutability; 3] = [Self::Disabled, Self::Enabled, Self::Locked];

    /// The word, as configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Disabled => "disabled",
            Self::Enabled => "enabled",
            Self::Locked => "locked",
        }
    }

    /// `to`, where that is no lower.
    ///
    /// # Errors
    /// [`ImmutabilityLowered`] where it is.
    pub fn change_to(self, to: Immutability) -> Result<Immutability, ImmutabilityLowered> {
        if to < self { Err(ImmutabilityLowered { from: self, to }) } else { Ok(to) }
    }

    /// The lock that an object gets, where it gets one.
    pub fn lock_mode(self) -> Option<LockMode> {
        match self {
            Self::Disabled => None,
            Self::Enabled => Some(LockMode::Governance),
            Self::Locked => Some(LockMode::Compliance),
        }
    }

    /// Whether a point's stamped times may only grow.
    pub fn forbids_shortening(self) -> bool {
        self != Self::Disabled
    }
}

impl LockMode {
    /// The word, as S3 has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Governance => "GOVERNANCE",
            Self::Compliance => "COMPLIANCE",
        }
    }
}

impl fmt::Display for Immutability {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is no degree of immutability.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no degree of immutability: expected disabled, enabled or locked")]
pub struct InvalidImmutability(String);

impl FromStr for Immutability {
    type Err = InvalidImmutability;
    fn from_str(text: &str) -> Result<Self, InvalidImmutability> {
        Self::ALL
            .into_iter()
            .find(|degree| degree.as_str() == text)
            .ok_or_else(|| InvalidImmutability(text.chars().take(80).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_only_ever_rises() {
        for from in Immutability::ALL {
            for to in Immutability::ALL {
                let lowered = matches!(
                    (from, to),
                    (Immutability::Enabled, Immutability::Disabled)
                        | (Immutability::Locked, Immutability::Disabled | Immutability::Enabled)
                );
                let expected = if lowered { Err(ImmutabilityLowered { from, to }) } else { Ok(to) };
                assert_eq!(from.change_to(to), expected);
            }
        }
    }

    #[test]
    fn words_are_the_same_everywhere() {
        for degree in Immutability::ALL {
            assert_eq!(serde_json::to_value(degree).unwrap(), degree.as_str());
            assert_eq!(degree.to_string().parse(), Ok(degree));
        }
        assert!("Locked".parse::<Immutability>().is_err());
    }
}
