//! Rehydration: how fast an archived point comes back, and for how long.

use std::fmt;
use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::tiering::ArchiveClass;

/// How fast an archived point is wanted back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RehydrationPriority {
    /// In hours, at the lower price.
    #[default]
    Standard,
    /// As soon as the class allows.
    High,
}

/// A tier of S3's retrieval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RetrievalTier {
    /// Minutes; Flexible Retrieval alone has it.
    Expedited,
    /// Hours.
    Standard,
    /// The cheapest.
    Bulk,
}

impl RehydrationPriority {
    /// Every priority.
    pub const ALL: [RehydrationPriority; 2] = [Self::Standard, Self::High];

    /// The word, as requests write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::High => "high",
        }
    }

    /// The tier of S3 that `class` is asked for.
    pub fn tier(self, class: ArchiveClass) -> RetrievalTier {
        match (class, self) {
            (ArchiveClass::FlexibleRetrieval, Self::High) => RetrievalTier::Expedited,
            (ArchiveClass::FlexibleRetrieval, Self::Standard) | (ArchiveClass::DeepArchive, Self::High) => {
                RetrievalTier::Standard
            }
            (ArchiveClass::DeepArchive, Self::Standard) => RetrievalTier::Bulk,
        }
    }

    /// How long S3 takes at most, by its own description, until an object is readable.
    pub fn takes_at_most(self, class: ArchiveClass) -> SignedDuration {
        match (class, self) {
            (ArchiveClass::FlexibleRetrieval, Self::High) => SignedDuration::from_mins(5),
            (ArchiveClass::FlexibleRetrieval, Self::Standard) => SignedDuration::from_hours(5),
            (ArchiveClass::DeepArchive, Self::High) => SignedDuration::from_hours(12),
            (ArchiveClass::DeepArchive, Self::Standard) => SignedDuration::from_hours(48),
        }
    }
}

impl fmt::Display for RehydrationPriority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is no priority.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no priority of rehydration: expected standard or high")]
pub struct InvalidRehydrationPriority(String);

impl FromStr for RehydrationPriority {
    type Err = InvalidRehydrationPriority;
    fn from_str(text: &str) -> Result<Self, InvalidRehydrationPriority> {
        Self::ALL
            .into_iter()
            .find(|priority| priority.as_str() == text)
            .ok_or_else(|| InvalidRehydrationPriority(text.chars().take(80).collect()))
    }
}

impl RetrievalTier {
    /// The word, as S3 has it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expedited => "Expedited",
            Self::Standard => "Standard",
            Self::Bulk => "Bulk",
        }
    }
}

/// How many days a rehydrated point stays readable: 10 to 30, 15 unless said otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct RehydrationDays(u16);

/// A number of days that a point cannot be rehydrated for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a point cannot be rehydrated for {0} days: expected 10 to 30")]
pub struct InvalidRehydrationDays(u16);

impl RehydrationDays {
    /// The number.
    pub fn get(self) -> u16 {
        self.0
    }

    /// The moment until which a point that became readable at `from` is; the end of time where the calendar ends
    /// first.
    pub fn end(self, from: Timestamp) -> Timestamp {
        from.saturating_add(SignedDuration::from_hours(i64::from(self.0) * 24)).unwrap_or(Timestamp::MAX)
    }
}

impl Default for RehydrationDays {
    fn default() -> Self {
        Self(15)
    }
}

impl TryFrom<u16> for RehydrationDays {
    type Error = InvalidRehydrationDays;
    fn try_from(days: u16) -> Result<Self, InvalidRehydrationDays> {
        if (10..=30).contains(&days) { Ok(Self(days)) } else { Err(InvalidRehydrationDays(days)) }
    }
}

impl From<RehydrationDays> for u16 {
    fn from(days: RehydrationDays) -> u16 {
        days.0
    }
}

impl FromStr for RehydrationDays {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let days: u16 = text.parse().map_err(|_| format!("{text:?} is no number of days"))?;
        Self::try_from(days).map_err(|error| error.to_string())
    }
}

impl fmt::Display for RehydrationDays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

impl utoipa::PartialSchema for RehydrationDays {
    fn schema() -> utoipa::openapi::RefOr<utoipa::openapi::schema::Schema> {
        utoipa::openapi::ObjectBuilder::new()
            .schema_type(utoipa::openapi::schema::Type::Integer)
            .minimum(Some(10))
            .maximum(Some(30))
            .into()
    }
}

impl utoipa::ToSchema for RehydrationDays {}
