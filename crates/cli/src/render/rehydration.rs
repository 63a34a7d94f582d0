//! What a rehydration takes and costs.

use permafrost_domain::tiering::Estimate;

use super::table::fields;
use super::units::span;

/// An estimate, before anything starts.
pub(crate) fn estimate(estimate: &Estimate) -> String {
    fields(&[
        ("Archive class", Some(estimate.class.to_string())),
        ("Retrieval tier", Some(estimate.tier.as_str().to_owned())),
        ("Takes at most", Some(span(estimate.takes_at_most()))),
        (
            "Costs about",
            Some(format!(
                "{}: {} to retrieve it, {} to keep the copy\nby the list of {} of {}, before taxes and discounts",
                estimate.cost(),
                estimate.retrieval_usd_micros,
                estimate.copy_usd_micros,
                estimate.price_region,
                estimate.prices_as_of,
            )),
        ),
    ])
}

#[cfg(test)]
mod tests {
    use permafrost_domain::tiering::{ArchiveClass, PriceList, RehydrationDays, RehydrationPriority};

    use super::*;

    #[test]
    fn time_and_money_are_told() {
        let (bytes, objects) = (100 << 30, 1_600);
        let (class, priority) = (ArchiveClass::DeepArchive, RehydrationPriority::High);
        let made = permafrost_domain::tiering::estimate(
            bytes,
            objects,
            class,
            priority,
            RehydrationDays::default(),
            &PriceList::US_EAST_1,
        );
        assert_eq!(
            estimate(&made),
            "\
Archive class:  deep_archive
Retrieval tier: Standard
Takes at most:  12 h 0 min
Costs about:    $3.31: $2.16 to retrieve it, $1.15 to keep the copy
                by the list of us-east-1 of 2026-06-05, before taxes and discounts
"
        );
    }
}
