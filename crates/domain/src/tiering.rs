//! The archive store's classes: what they are called in S3, what they cost at least, and how points come back.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::retention::Lifetime;

pub use crate::tiering::estimate::{Cost, Estimate, PriceList, estimate};
pub use crate::tiering::rehydration::{
    InvalidRehydrationDays, InvalidRehydrationPriority, RehydrationDays, RehydrationPriority, RetrievalTier,
};

mod estimate;
mod rehydration;

/// A class of the archive store.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum ArchiveClass {
    /// S3 Glacier Flexible Retrieval: back in minutes to hours; paid for at least 90 days.
    FlexibleRetrieval,
    /// S3 Glacier Deep Archive: back in 12 to 48 hours; paid for at least 180 days.
    DeepArchive,
}

impl ArchiveClass {
    /// Every class, the warmer first.
    pub const ALL: [ArchiveClass; 2] = [Self::FlexibleRetrieval, Self::DeepArchive];

    /// The word, as policies write it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::FlexibleRetrieval => "flexible_retrieval",
            Self::DeepArchive => "deep_archive",
        }
    }

    /// The storage class, as S3 has it.
    pub fn storage_class(self) -> &'static str {
        match self {
            Self::FlexibleRetrieval => "GLACIER",
            Self::DeepArchive => "DEEP_ARCHIVE",
        }
    }

    /// The class of this storage class of S3.
    pub fn of_storage_class(storage_class: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.storage_class() == storage_class)
    }

    /// The days that S3 charges an object for, however soon it is deleted.
    pub fn minimum_days(self) -> u32 {
        match self {
            Self::FlexibleRetrieval => 90,
            Self::DeepArchive => 180,
        }
    }

    /// Whether keeping points here for `keep` is worth what S3 charges.
    ///
    /// # Errors
    /// [`LosesMoney`] where S3 charges for longer than points are kept.
    pub fn check(self, keep: Lifetime) -> Result<(), LosesMoney> {
        if keep.at_least_days() < self.minimum_days() {
            Err(LosesMoney { class: self, keep })
        } else {
            Ok(())
        }
    }
}

/// A rule that moves points into a class that charges for longer than it keeps them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "{class} charges for {} days at least, and {keep} can be as little as {}: the rest would be paid for nothing",
    .class.minimum_days(), .keep.at_least_days()
)]
pub struct LosesMoney {
    /// The class.
    pub class: ArchiveClass,
    /// How long points were to be kept there.
    pub keep: Lifetime,
}

impl fmt::Display for ArchiveClass {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

/// A text that is no class of the archive store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no class of the archive store: expected flexible_retrieval or deep_archive")]
pub struct InvalidArchiveClass(String);

impl FromStr for ArchiveClass {
    type Err = InvalidArchiveClass;
    fn from_str(text: &str) -> Result<Self, InvalidArchiveClass> {
        Self::ALL
            .into_iter()
            .find(|class| class.as_str() == text)
            .ok_or_else(|| InvalidArchiveClass(text.chars().take(80).collect()))
    }
}
