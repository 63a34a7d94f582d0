//! One expression of EventBridge in UTC that covers the runs of a schedule in any time zone.
//!
//! EventBridge knows time zones, but it skips times that do not exist. So the expression is in UTC and fires at
//! every time of day at which a run can be due: each wall-clock time at each offset that the zone has in the
//! coming years, and the ends of the gaps that swallow one. Days are left to the schedule itself.

use std::collections::BTreeSet;
use std::fmt;

use jiff::tz::Offset;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::TimeOfDay;
use crate::schedule::zone::Zone;

/// How far ahead an expression looks: ten years, the longest that a policy is made for, and one more.
const HORIZON: SignedDuration = SignedDuration::from_hours(11 * 366 * 24);

/// An EventBridge expression in UTC: `cron(0,30 1,2 * * ? *)`. It fires at every minute with every hour.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CronExpression {
    minutes: BTreeSet<u8>,
    hours: BTreeSet<u8>,
}

impl CronExpression {
    pub(crate) fn covering(times: &BTreeSet<TimeOfDay>, zone: &Zone, from: Timestamp) -> Self {
        let until = from.saturating_add(HORIZON).unwrap_or(Timestamp::MAX);
        let mut expression = Self { minutes: BTreeSet::new(), hours: BTreeSet::new() };
        let mut before = zone.rules().to_offset(from);
        expression.add_times(times, before);
        for transition in zone.rules().following(from).take_while(|next| next.timestamp() <= until) {
            let after = transition.offset();
            expression.add_times(times, after);
            if after > before {
                expression.add_gap(times, transition.timestamp(), before, after);
            }
            before = after;
        }
        expression
    }

    /// Whether it fires in the minute of `at`.
    pub fn fires_at(&self, at: Timestamp) -> bool {
        let clock = Offset::UTC.to_datetime(at);
        self.hours.contains(&clock.hour().unsigned_abs())
            && self.minutes.contains(&clock.minute().unsigned_abs())
    }

    /// How often it fires in a day.
    pub fn firings_a_day(&self) -> usize {
        self.minutes.len() * self.hours.len()
    }

    fn add_times(&mut self, times: &BTreeSet<TimeOfDay>, offset: Offset) {
        for time in times {
            self.add(i64::from(time.minutes()) * 60 - i64::from(offset.seconds()));
        }
    }

    /// Adds the end of the gap at `end`, where the gap swallows one of `times`.
    fn add_gap(&mut self, times: &BTreeSet<TimeOfDay>, end: Timestamp, before: Offset, after: Offset) {
        let opens = before.to_datetime(end);
        let closes = after.to_datetime(end);
        // A gap can pass midnight: then it swallows times of two days, or a whole day.
        let swallows = std::iter::successors(Some(opens.date()), |date| date.tomorrow().ok())
            .take_while(|date| *date <= closes.date())
            .any(|date| times.iter().any(|time| (opens..closes).contains(&date.to_datetime(time.to_time()))));
        if swallows {
            self.add(end.as_second());
        }
    }

    /// Adds the minute of the second `second` of a day in UTC, counted from any midnight.
    fn add(&mut self, second: i64) {
        let minute = second.div_euclid(60).rem_euclid(24 * 60);
        let small = |number: i64| u8::try_from(number).unwrap_or_default();
        self.hours.insert(small(minute / 60));
        self.minutes.insert(small(minute % 60));
    }
}

impl fmt::Display for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |numbers: &BTreeSet<u8>| numbers.iter().map(ToString::to_string).collect::<Vec<_>>().join(",");
        write!(f, "cron({} {} * * ? *)", list(&self.minutes), list(&self.hours))
    }
}
