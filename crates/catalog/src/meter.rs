//! What the catalog reads, counted: so that a cost that should follow what is due can be seen to do so.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use aws_sdk_dynamodb::types::ConsumedCapacity;

use crate::Catalog;

/// Counts what a catalog reads. Its clones count together.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Counts>);

#[derive(Debug, Default)]
struct Counts {
    requests: AtomicU64,
    items: AtomicU64,
    /// DynamoDB bills in halves of a unit.
    half_units: AtomicU64,
}

/// What was read.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Reads {
    /// Requests that were answered.
    pub requests: u64,
    /// Items that DynamoDB looked at, those included that it did not return.
    pub items: u64,
    /// Read capacity units that DynamoDB says were consumed.
    pub units: f64,
}

impl Catalog {
    /// The same catalog, counting what it reads in `meter`.
    #[must_use]
    pub fn metered(self, meter: &Meter) -> Self {
        Self { meter: meter.clone(), ..self }
    }
}

impl Meter {
    /// What was read so far.
    pub fn reads(&self) -> Reads {
        let Counts { requests, items, half_units } = &*self.0;
        #[expect(clippy::cast_precision_loss, reason = "far fewer than 2^52 units are ever counted")]
        let units = half_units.load(Ordering::Relaxed) as f64 / 2.0;
        Reads { requests: requests.load(Ordering::Relaxed), items: items.load(Ordering::Relaxed), units }
    }

    /// Counts one request that looked at `items`.
    pub(crate) fn count(&self, items: u64, consumed: Option<&ConsumedCapacity>) {
        let units = consumed.and_then(ConsumedCapacity::capacity_units).unwrap_or(0.0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a small count of halves"
        )]
        let half_units = (units * 2.0).round() as u64;
        self.0.requests.fetch_add(1, Ordering::Relaxed);
        self.0.items.fetch_add(items, Ordering::Relaxed);
        self.0.half_units.fetch_add(half_units, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clones_count_together_and_halves_are_kept() {
        let meter = Meter::default();
        let half = ConsumedCapacity::builder().capacity_units(0.5).build();
        meter.count(3, Some(&half));
        meter.clone().count(0, Some(&half));
        meter.count(1, None);
        assert_eq!(meter.reads(), Reads { requests: 3, items: 4, units: 1.0 });
    }
}
