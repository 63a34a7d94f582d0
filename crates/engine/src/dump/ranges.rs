//! Cutting a large table into ranges of its rows.

use permafrost_vault::plan::{KeyRange, PageRange};

/// Pages of a full range: 8 MiB with the usual page size. Frames do not cross a multiple of it, so that a later
/// backup of an unchanged range has the same frames.
pub(super) const STEP_PAGES: u32 = 1024;

/// Cuts a table of `pages` pages and `bytes` bytes (with its TOAST) into ranges of about `target_bytes`. None where it
/// has no more than `whole_bytes`, or not much more than the target: such a table is copied as a whole, which costs the
/// server less (`docs/adr/0008-whole-tables.md`).
///
/// Every range begins at a multiple of its step, which is a power of two; a table whose rows are mostly outside
/// of its pages has smaller steps. The last range has no end: what the server counted may be outdated. A table
/// of no more than one step is not worth ranges.
pub(super) fn page_ranges(pages: u32, bytes: u64, target_bytes: u64, whole_bytes: u64) -> Vec<PageRange> {
    let wanted = u128::from(pages) * u128::from(target_bytes.max(1)) / u128::from(bytes.max(1));
    let wanted = u32::try_from(wanted).unwrap_or(u32::MAX).clamp(1, pages.max(1));
    let step = STEP_PAGES.min(previous_power_of_two(wanted));
    // A part that is a little larger than the target costs less than one more that is tiny.
    if pages <= step || bytes <= whole_bytes.max(target_bytes.saturating_add(target_bytes / 2)) {
        return Vec::new();
    }
    let length = wanted / step * step;
    (0..pages)
        .step_by(length as usize)
        .map(|from| {
            let to = from.checked_add(length).filter(|to| *to < pages);
            PageRange { from, to, step }
        })
        .collect()
}

fn previous_power_of_two(number: u32) -> u32 {
    1 << number.max(1).ilog2()
}

/// Cuts a table along `bounds`, ascending values of a column, into at most `count` ranges that hold about as many
/// of the bounds each.
pub(super) fn key_ranges(column: &str, of_type: &str, bounds: &[String], count: usize) -> Vec<KeyRange> {
    let count = count.clamp(1, bounds.len() + 1);
    let cuts: Vec<&String> = (1..count).map(|n| &bounds[n * (bounds.len() + 1) / count - 1]).collect();
    (0..=cuts.len())
        .map(|n| KeyRange {
            column: column.to_owned(),
            of_type: of_type.to_owned(),
            from: n.checked_sub(1).map(|n| cuts[n].clone()),
            to: cuts.get(n).map(|cut| (*cut).clone()),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn ranges_of_pages_cover_the_table_once(
            pages: u32,
            bytes in 0_u64..1 << 45,
            target in 1_u64..1 << 40,
            whole in 0_u64..1 << 42,
        ) {
            // As many ranges as that are refused long before, for their number of tasks.
            prop_assume!(bytes / target < 100_000);
            let ranges = page_ranges(pages, bytes, target, whole);
            if let (Some(first), Some(last)) = (ranges.first(), ranges.last()) {
                prop_assert_eq!((first.from, last.to), (0, None));
            } else {
                prop_assert!(pages <= STEP_PAGES || bytes <= whole.max(target + target / 2));
            }
            for (range, next) in ranges.iter().zip(ranges.iter().skip(1)) {
                prop_assert_eq!(range.to, Some(next.from));
                prop_assert!(range.from < next.from);
            }
            prop_assert!(ranges.len() != 1 && (bytes > whole || ranges.is_empty()));
            for range in &ranges {
                prop_assert!(range.step.is_power_of_two() && range.step <= STEP_PAGES);
                prop_assert_eq!(range.from % range.step, 0);
            }
        }

        #[test]
        fn ranges_of_keys_cover_the_table_once(bounds in 0_usize..150, count in 0_usize..200) {
            let bounds: Vec<String> = (0..bounds).map(|n| n.to_string()).collect();
            let ranges = key_ranges("id", "int4", &bounds, count);
            prop_assert!(ranges.len() <= count.max(1));
            prop_assert_eq!(&ranges[0].from, &None);
            prop_assert_eq!(&ranges[ranges.len() - 1].to, &None);
            for (range, next) in ranges.iter().zip(ranges.iter().skip(1)) {
                prop_assert!(range.to.is_some());
                prop_assert_eq!(&range.to, &next.from);
            }
            let cuts: Vec<i32> = ranges.iter().filter_map(|range| range.to.as_ref()?.parse().ok()).collect();
            prop_assert!(cuts.is_sorted_by(|a, b| a < b));
        }
    }

    #[test]
    fn a_table_is_cut_by_its_bytes() {
        const GIB: u64 = 1 << 30;
        let ranges = |pages, bytes| {
            let ranges = page_ranges(pages, bytes, GIB, 0);
            ranges.iter().map(|range| (range.from, range.to, range.step)).collect::<Vec<_>>()
        };
        assert_eq!(ranges(1024, 8 << 20), []);
        assert_eq!(ranges(131_072, GIB), []);
        assert_eq!(ranges(262_144, 2 * GIB), [(0, Some(131_072), 1024), (131_072, None, 1024)]);
        // Few pages, much TOAST.
        assert_eq!(
            ranges(300, 3 * GIB),
            [
                (0, Some(64), 64),
                (64, Some(128), 64),
                (128, Some(192), 64),
                (192, Some(256), 64),
                (256, None, 64)
            ]
        );
    }
}
