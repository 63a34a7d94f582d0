//! Whose turn it is to hold: a pure decision, made anew each time a function looks at the catalog.

use std::fmt;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use permafrost_catalog::{Snapshot, SnapshotState};
use serde::Deserialize;

use crate::limits::{GRACE, Limits};

/// One of the two lanes of the relay. The holders of odd generations run in one, those of even generations in the
/// other: while one holds, the next is waiting.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Lane {
    /// Takes the snapshot, and holds generations 1, 3, 5.
    Odd,
    /// Holds generations 2, 4, 6.
    Even,
}

impl Lane {
    /// The lane whose functions hold `generation`.
    fn of(generation: u32) -> Self {
        if generation.is_multiple_of(2) { Self::Even } else { Self::Odd }
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Odd => "odd",
            Self::Even => "even",
        })
    }
}

/// What a function that does not hold has to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Turn<'a> {
    /// Take the first snapshot, or another first one in place of one whose holder is gone.
    Begin,
    /// Take the snapshot over from its holder.
    TakeOver(&'a Snapshot),
    /// Look again in a moment.
    Wait,
    /// The same, but by another function: this one would not live long enough to hold.
    Leave,
    /// Nobody needs the snapshot any more.
    End,
    /// The holder is gone, and nobody can take its place.
    Broken(&'a Snapshot),
}

/// What a function of `lane` that may live for another `life_left` has to do, where the catalog has `snapshot`.
pub(crate) fn turn<'a>(
    lane: Lane,
    snapshot: Option<&'a Snapshot>,
    now: Timestamp,
    life_left: Duration,
    limits: &Limits,
) -> Turn<'a> {
    let wait = if life_left < limits.to_hold() { Turn::Leave } else { Turn::Wait };
    let Some(snapshot) = snapshot else {
        return match lane {
            Lane::Odd => Turn::Begin,
            Lane::Even => wait,
        };
    };
    let lease_is_over = snapshot.lease_until < now;
    match snapshot.state {
        SnapshotState::Releasing | SnapshotState::Released | SnapshotState::Abandoned => Turn::End,
        SnapshotState::Lost => without_holder(lane, snapshot, now, wait),
        SnapshotState::Held if lease_is_over => without_holder(lane, snapshot, now, wait),
        // The holder is of this very lane: its function was taken for dead, or ran twice.
        SnapshotState::Held if Lane::of(snapshot.generation) == lane => wait,
        SnapshotState::Held if now < after(snapshot.held_since, limits.lifetime) => wait,
        SnapshotState::Held if life_left < limits.to_hold() => Turn::Leave,
        SnapshotState::Held => Turn::TakeOver(snapshot),
    }
}

/// The first holder may be replaced as long as nobody has read, which the catalog knows; the odd lane asks it. No
/// later one may.
fn without_holder<'a>(lane: Lane, snapshot: &'a Snapshot, now: Timestamp, wait: Turn<'a>) -> Turn<'a> {
    match lane {
        _ if snapshot.generation > 1 => Turn::Broken(snapshot),
        Lane::Odd => Turn::Begin,
        Lane::Even if now < after(snapshot.lease_until, GRACE) => wait,
        Lane::Even => Turn::Broken(snapshot),
    }
}

fn after(time: Timestamp, duration: Duration) -> Timestamp {
    let duration = SignedDuration::try_from(duration).unwrap_or(SignedDuration::MAX);
    time.saturating_add(duration).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use permafrost_domain::JobId;

    use super::*;

    const LIMITS: Limits = Limits { lifetime: Duration::from_secs(100), snapshot: Duration::from_hours(24) };
    const LONG: Duration = Duration::from_secs(860);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(1_800_000_000 + second).unwrap()
    }

    /// Held since second 0, under a lease until second `lease_until`.
    fn held(generation: u32, lease_until: i64) -> Snapshot {
        Snapshot {
            job: JobId::new(at(0), 1),
            snapshot_id: "00000003-00000002-1".to_owned(),
            holder: "h".to_owned(),
            generation,
            held_since: at(0),
            consistent_at: at(-5),
            state: SnapshotState::Held,
            lease_until: at(lease_until),
            tables: 1,
        }
    }

    fn in_state(generation: u32, state: SnapshotState) -> Snapshot {
        Snapshot { state, ..held(generation, 500) }
    }

    fn turns(snapshot: Option<&Snapshot>, second: i64) -> [Turn<'_>; 2] {
        [Lane::Odd, Lane::Even].map(|lane| turn(lane, snapshot, at(second), LONG, &LIMITS))
    }

    #[test]
    fn the_odd_lane_begins_and_the_even_one_waits() {
        assert_eq!(turns(None, 0), [Turn::Begin, Turn::Wait]);
        assert_eq!(turns(Some(&held(1, 500)), 99), [Turn::Wait, Turn::Wait]);
    }

    #[test]
    fn the_other_lane_takes_over_when_the_holder_has_had_its_time() {
        for (generation, second) in [(1, 100), (7, 400)] {
            let snapshot = held(generation, 500);
            assert_eq!(turns(Some(&snapshot), second), [Turn::Wait, Turn::TakeOver(&snapshot)]);
        }
        let snapshot = held(2, 500);
        assert_eq!(turns(Some(&snapshot), 100), [Turn::TakeOver(&snapshot), Turn::Wait]);
    }

    #[test]
    fn nobody_takes_over_who_cannot_hold_long_enough() {
        let short = LIMITS.to_hold().saturating_sub(Duration::from_millis(1));
        for second in [0, 100] {
            for lane in [Lane::Odd, Lane::Even] {
                assert_eq!(turn(lane, Some(&held(1, 500)), at(second), short, &LIMITS), Turn::Leave);
            }
        }
        assert_eq!(turn(Lane::Even, None, at(0), short, &LIMITS), Turn::Leave);
        // Whoever has waited for as long as the other holds can still hold.
        let waited = crate::limits::FUNCTION_LIFE.saturating_sub(Limits::LONGEST_LIFETIME);
        let longest = Limits { lifetime: Limits::LONGEST_LIFETIME, ..LIMITS };
        let snapshot = held(1, 500);
        let turn = turn(Lane::Even, Some(&snapshot), at(315), waited, &longest);
        assert_eq!(turn, Turn::TakeOver(&snapshot));
    }

    #[test]
    fn a_first_holder_that_is_gone_may_be_replaced_and_a_later_one_may_not() {
        assert_eq!(turns(Some(&held(1, 10)), 11), [Turn::Begin, Turn::Wait]);
        assert_eq!(turns(Some(&in_state(1, SnapshotState::Lost)), 11), [Turn::Begin, Turn::Wait]);
        let silent = held(1, 10);
        assert_eq!(turns(Some(&silent), 300), [Turn::Begin, Turn::Broken(&silent)]);
        for generation in [2, 3] {
            for snapshot in [held(generation, 10), in_state(generation, SnapshotState::Lost)] {
                assert_eq!(turns(Some(&snapshot), 11), [Turn::Broken(&snapshot); 2]);
            }
        }
    }

    #[test]
    fn where_nobody_needs_the_snapshot_both_end() {
        for generation in [1, 2] {
            for state in [SnapshotState::Releasing, SnapshotState::Released, SnapshotState::Abandoned] {
                assert_eq!(turns(Some(&in_state(generation, state)), 100), [Turn::End; 2]);
            }
        }
    }
}
