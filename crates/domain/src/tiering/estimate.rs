//! What a rehydration takes and costs, told before it starts.

use std::fmt;

use jiff::SignedDuration;
use serde::{Deserialize, Serialize};

use crate::tiering::{ArchiveClass, RehydrationDays, RehydrationPriority, RetrievalTier};

/// Bytes of a gigabyte, as S3 bills it: 2^30.
const GIGABYTE: u128 = 1 << 30;

/// The days of a month, as S3 bills storage.
const BILLED_MONTH_DAYS: u128 = 30;

/// The prices that an estimate was made with, in millionths of a US dollar. Taxes, transfer and discounts are not in
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct PriceList {
    /// Where the prices hold.
    pub region: &'static str,
    /// The day on which they were read: `YYYY-MM-DD`.
    pub as_of: &'static str,
    /// A gigabyte of the readable copy for a month.
    pub copy_gigabyte_month_usd_micros: u64,
    /// What each class asks for each tier.
    pub retrieval: [RetrievalPrice; 5],
}

/// What a class asks for a tier, in millionths of a US dollar.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct RetrievalPrice {
    /// The class.
    pub class: ArchiveClass,
    /// The tier.
    pub tier: RetrievalTier,
    /// A gigabyte.
    pub gigabyte_usd_micros: u64,
    /// A thousand objects.
    pub thousand_objects_usd_micros: u64,
}

impl PriceList {
    /// List prices of S3 in us-east-1. AWS's own worked example of retrievals (its knowledge center, "manage data
    /// retrieval and storage costs") and a price table of June 2026 agree with them.
    pub const US_EAST_1: PriceList = PriceList {
        region: "us-east-1",
        as_of: "2026-06-05",
        copy_gigabyte_month_usd_micros: 23_000,
        retrieval: [
            price(ArchiveClass::FlexibleRetrieval, RetrievalTier::Expedited, 30_000, 10_000_000),
            price(ArchiveClass::FlexibleRetrieval, RetrievalTier::Standard, 10_000, 50_000),
            price(ArchiveClass::FlexibleRetrieval, RetrievalTier::Bulk, 0, 0),
            price(ArchiveClass::DeepArchive, RetrievalTier::Standard, 20_000, 100_000),
            price(ArchiveClass::DeepArchive, RetrievalTier::Bulk, 2_500, 25_000),
        ],
    };

    /// What `class` asks for `tier`, where it has it.
    pub fn retrieval(&self, class: ArchiveClass, tier: RetrievalTier) -> Option<RetrievalPrice> {
        self.retrieval.into_iter().find(|price| (price.class, price.tier) == (class, tier))
    }
}

const fn price(
    class: ArchiveClass,
    tier: RetrievalTier,
    gigabyte_usd_micros: u64,
    thousand_objects_usd_micros: u64,
) -> RetrievalPrice {
    RetrievalPrice { class, tier, gigabyte_usd_micros, thousand_objects_usd_micros }
}

/// An amount of money: millionths of a US dollar.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema,
)]
#[serde(transparent)]
pub struct Cost(u64);

impl Cost {
    /// Millionths of a US dollar.
    pub fn usd_micros(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Cost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // To the cent, rounded up: an estimate of $0.00 would say that it is free.
        let cents = self.0.div_ceil(10_000);
        write!(f, "${}.{:02}", cents / 100, cents % 100)
    }
}

/// What a rehydration takes and costs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Estimate {
    /// The class that the point is kept in.
    pub class: ArchiveClass,
    /// The tier that S3 is asked for.
    pub tier: RetrievalTier,
    /// How long S3 takes at most, by its own description.
    pub takes_at_most_minutes: u64,
    /// What S3 asks for the retrieval.
    pub retrieval_usd_micros: Cost,
    /// What the readable copy costs for its days.
    pub copy_usd_micros: Cost,
    /// Where the prices hold.
    pub price_region: String,
    /// The day on which the prices were read.
    pub prices_as_of: String,
}

impl Estimate {
    /// What it costs in all.
    pub fn cost(&self) -> Cost {
        Cost(self.retrieval_usd_micros.0.saturating_add(self.copy_usd_micros.0))
    }

    /// How long S3 takes at most.
    pub fn takes_at_most(&self) -> SignedDuration {
        SignedDuration::from_mins(i64::try_from(self.takes_at_most_minutes).unwrap_or(i64::MAX / 60))
    }
}

/// What it takes and costs to rehydrate `objects` objects of `bytes` bytes in all, by `prices`.
pub fn estimate(
    bytes: u64,
    objects: u64,
    class: ArchiveClass,
    priority: RehydrationPriority,
    days: RehydrationDays,
    prices: &PriceList,
) -> Estimate {
    let tier = priority.tier(class);
    let retrieval = prices.retrieval(class, tier).map_or(0, |price| {
        u128::from(bytes) * u128::from(price.gigabyte_usd_micros) / GIGABYTE
            + u128::from(objects) * u128::from(price.thousand_objects_usd_micros) / 1_000
    });
    let copy = u128::from(bytes) * u128::from(prices.copy_gigabyte_month_usd_micros) * u128::from(days.get())
        / (GIGABYTE * BILLED_MONTH_DAYS);
    Estimate {
        class,
        tier,
        takes_at_most_minutes: priority.takes_at_most(class).as_mins().unsigned_abs(),
        retrieval_usd_micros: cost(retrieval),
        copy_usd_micros: cost(copy),
        price_region: prices.region.to_owned(),
        prices_as_of: prices.as_of.to_owned(),
    }
}

fn cost(usd_micros: u128) -> Cost {
    Cost(u64::try_from(usd_micros).unwrap_or(u64::MAX))
}
