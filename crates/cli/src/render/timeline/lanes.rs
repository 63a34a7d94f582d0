//! Lanes: intervals side by side where they overlap, in as few lanes as they fit into.

use std::cmp::Reverse;
use std::collections::{BTreeSet, BinaryHeap};

use jiff::Timestamp;

/// The lane of each of some intervals.
pub(super) struct Lanes {
    of_intervals: Vec<usize>,
    count: usize,
}

impl Lanes {
    /// Lanes for intervals in the order of their beginnings: each takes the first lane that is free.
    pub(super) fn of(intervals: impl Iterator<Item = (Timestamp, Timestamp)>) -> Self {
        let mut busy: BinaryHeap<Reverse<(Timestamp, usize)>> = BinaryHeap::new();
        let mut free: BTreeSet<usize> = BTreeSet::new();
        let mut lanes = Self { of_intervals: Vec::new(), count: 0 };
        for (begin, end) in intervals {
            while let Some(Reverse((_, lane))) =
                busy.peek().copied().filter(|Reverse((end, _))| *end <= begin)
            {
                busy.pop();
                free.insert(lane);
            }
            let lane = free.pop_first().unwrap_or_else(|| {
                lanes.count += 1;
                lanes.count - 1
            });
            busy.push(Reverse((end, lane)));
            lanes.of_intervals.push(lane);
        }
        lanes
    }

    /// The lane of each interval, in their order.
    pub(super) fn of_intervals(&self) -> &[usize] {
        &self.of_intervals
    }

    /// How many lanes there are: as many as intervals overlap at some moment.
    pub(super) fn count(&self) -> usize {
        self.count
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_taken_again_when_its_interval_is_over() {
        let second = |second| Timestamp::from_second(second).unwrap();
        let intervals = [(0, 10), (1, 5), (5, 7), (6, 20), (10, 12)];
        let lanes = Lanes::of(intervals.into_iter().map(|(begin, end)| (second(begin), second(end))));
        assert_eq!(lanes.of_intervals(), [0, 1, 1, 2, 0]);
        assert_eq!(lanes.count(), 3);
    }
}
