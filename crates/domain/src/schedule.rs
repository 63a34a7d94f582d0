//! Schedules: when backups run, in a time zone with its daylight saving.
//!
//! A schedule names times of the wall clock. A time that does not exist (a clock set forward) runs at the next
//! valid instant, the end of the gap; a time that happens twice (a clock set back) runs once, at the first. Two
//! times that come to the same instant are one run. So runs never come out of order, and none is lost.

use std::collections::BTreeSet;

use jiff::civil::Date;
use jiff::{SignedDuration, Timestamp};

use crate::calendar::{MonthDay, TimeOfDay, Weekday};
use crate::ids::{self, InstanceId};

pub use crate::schedule::cron::CronExpression;
pub use crate::schedule::window::{InvalidStartWindow, StartWindow};
pub use crate::schedule::zone::{UnknownZone, Zone};

mod cron;
mod window;
mod zone;

/// When backups run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Schedule {
    /// On which days, at which times.
    pub recurrence: Recurrence,
    /// Where the clock hangs that shows these times.
    pub time_zone: Zone,
    /// How long after its time a run may begin: instances spread over it.
    pub start_window: StartWindow,
}

/// On which days, at which times of the wall clock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recurrence {
    /// Every so many hours, through `anchor`.
    Hourly {
        /// How many hours lie between two runs.
        interval: HourInterval,
        /// A time of day at which it runs.
        anchor: TimeOfDay,
    },
    /// Every day.
    Daily {
        /// The times.
        at: BTreeSet<TimeOfDay>,
    },
    /// On days of the week.
    Weekly {
        /// The days.
        on: BTreeSet<Weekday>,
        /// The times.
        at: BTreeSet<TimeOfDay>,
    },
    /// On days of the month. A month that lacks a day has no run for it.
    Monthly {
        /// The days.
        on: BTreeSet<MonthDay>,
        /// The times.
        at: BTreeSet<TimeOfDay>,
    },
}

/// A number of hours that a day can be divided by: 1, 2, 3, 4, 6, 8 or 12.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct HourInterval(u8);

impl HourInterval {
    /// Every interval.
    pub const ALL: [HourInterval; 7] = [Self(1), Self(2), Self(3), Self(4), Self(6), Self(8), Self(12)];

    /// The interval of so many hours, where a day can be divided by it.
    pub fn new(hours: u8) -> Option<Self> {
        Self::ALL.into_iter().find(|interval| interval.0 == hours)
    }

    /// The hours.
    pub fn hours(self) -> u8 {
        self.0
    }
}

/// One run of a schedule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ScheduledRun {
    /// When it is due.
    pub at: Timestamp,
}

impl Schedule {
    /// The runs after `after`, in their order, to the end of the calendar.
    pub fn runs_after(&self, after: Timestamp) -> impl Iterator<Item = ScheduledRun> + '_ {
        let times = self.recurrence.times();
        // Where a clock was set forward past midnight, a run of yesterday is due today.
        let first = self.time_zone.date(after).yesterday().unwrap_or(Date::MIN);
        let mut last = after;
        std::iter::successors(Some(first), |date| date.tomorrow().ok())
            .filter(|date| self.recurrence.runs_on(*date))
            .flat_map(move |date| {
                times.clone().into_iter().map(move |time| self.time_zone.first_instant(date, time.to_time()))
            })
            .filter(move |at| {
                let next = *at > last;
                if next {
                    last = *at;
                }
                next
            })
            .map(|at| ScheduledRun { at })
    }

    /// The runs that are due after `after` and no later than `until`.
    pub fn run_due(&self, after: Timestamp, until: Timestamp) -> Vec<ScheduledRun> {
        self.runs_after(after).take_while(|run| run.at <= until).collect()
    }

    /// One expression in UTC whose firings include every run of the eleven years from `from`, to the minute.
    ///
    /// It fires more often than runs are due: who is fired asks [`Schedule::run_due`].
    pub fn utc_cron(&self, from: Timestamp) -> CronExpression {
        CronExpression::covering(&self.recurrence.times(), &self.time_zone, from)
    }

    /// How long after the time of a run the backup of `instance` begins: always the same for an instance,
    /// evenly spread over the start window.
    pub fn start_delay(&self, instance: InstanceId) -> SignedDuration {
        start_delay(instance, self.start_window)
    }
}

/// How long after the time of a run the backup of `instance` begins: always the same for an instance, evenly
/// spread over `window`.
pub fn start_delay(instance: InstanceId, window: StartWindow) -> SignedDuration {
    let seconds = u128::from(window.minutes()) * 60;
    let delay = if seconds == 0 { 0 } else { ids::hash(&["start", &instance.to_string()]) % seconds };
    SignedDuration::from_secs(i64::try_from(delay).unwrap_or(0))
}

impl Recurrence {
    /// The times of the wall clock at which a day's runs are due, in their order.
    pub fn times(&self) -> BTreeSet<TimeOfDay> {
        match self {
            Self::Hourly { interval, anchor } => {
                let step = u16::from(interval.hours()) * 60;
                (anchor.minutes() % step..24 * 60)
                    .step_by(usize::from(step))
                    .filter_map(TimeOfDay::from_minutes)
                    .collect()
            }
            Self::Daily { at } | Self::Weekly { at, .. } | Self::Monthly { at, .. } => at.clone(),
        }
    }

    /// Whether runs are due on `date`.
    pub fn runs_on(&self, date: Date) -> bool {
        match self {
            Self::Hourly { .. } | Self::Daily { .. } => true,
            Self::Weekly { on, .. } => on.contains(&Weekday::of(date)),
            Self::Monthly { on, .. } => on.iter().any(|day| day.matches(date)),
        }
    }
}
