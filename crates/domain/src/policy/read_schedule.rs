//! Reads the part `schedule` of a policy.

use std::collections::BTreeSet;
use std::str::FromStr;

use crate::calendar::{MonthDay, TimeOfDay, Weekday};
use crate::policy::read::{Field, Fields, Reader, one_of};
use crate::schedule::{HourInterval, Recurrence, Schedule, StartWindow, Zone};

const TIME: &str = "a time of day as \"HH:MM\", from \"00:00\" to \"23:59\"";

/// What a schedule's runs come back with.
#[derive(Clone, Copy)]
enum Every {
    Hour,
    Day,
    Week,
    Month,
}

impl Every {
    const ALLOWED: &str = "hour, day, week or month";
}

impl FromStr for Every {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "hour" => Ok(Self::Hour),
            "day" => Ok(Self::Day),
            "week" => Ok(Self::Week),
            "month" => Ok(Self::Month),
            _ => Err(()),
        }
    }
}

/// A number as it stands in the text; whether it is allowed is checked behind.
struct Hours(HourInterval);

impl FromStr for Hours {
    type Err = ();
    fn from_str(text: &str) -> Result<Self, ()> {
        text.parse().ok().and_then(HourInterval::new).map(Self).ok_or(())
    }
}

impl Reader {
    pub(super) fn schedule(&mut self, field: &Field<'_>) -> Option<Schedule> {
        let fields = self.fields(field, &["every", "interval", "on", "at", "time_zone", "start_window"])?;
        let time_zone = match fields.get("time_zone") {
            Some(zone) => {
                self.value(&zone, "the name of a time zone of the IANA database, for instance Europe/Berlin")
            }
            None => Some(Zone::utc()),
        };
        let start_window = match fields.get("start_window") {
            Some(window) => self.value(&window, "PT<n>M or PT<n>H, at most 6 hours"),
            None => Some(StartWindow::default()),
        };
        let every = self
            .required(&fields, "every", Every::ALLOWED)
            .and_then(|every| self.value::<Every>(&every, Every::ALLOWED));
        let recurrence = every.and_then(|every| self.recurrence(&fields, every));
        Some(Schedule { recurrence: recurrence?, time_zone: time_zone?, start_window: start_window? })
    }

    fn recurrence(&mut self, fields: &Fields<'_>, every: Every) -> Option<Recurrence> {
        if !matches!(every, Every::Hour) {
            self.forbid(fields, "interval", "says something only with `every: hour`");
        }
        match every {
            Every::Hour => {
                self.forbid(fields, "on", "says something only with `every: week` or `every: month`");
                self.hourly(fields)
            }
            Every::Day => {
                self.forbid(fields, "on", "says something only with `every: week` or `every: month`");
                Some(Recurrence::Daily { at: self.times(fields)? })
            }
            Every::Week => {
                let on = self.days::<Weekday>(fields, &one_of(&Weekday::ALL));
                let at = self.times(fields);
                Some(Recurrence::Weekly { on: on?, at: at? })
            }
            Every::Month => {
                let on = self.days::<MonthDay>(fields, "a day from 1 to 31, or last");
                let at = self.times(fields);
                Some(Recurrence::Monthly { on: on?, at: at? })
            }
        }
    }

    fn hourly(&mut self, fields: &Fields<'_>) -> Option<Recurrence> {
        let interval = match fields.get("interval") {
            Some(interval) => {
                let hours = HourInterval::ALL.map(HourInterval::hours);
                self.value(&interval, &one_of(&hours)).map(|Hours(interval)| interval)
            }
            None => Some(HourInterval::ALL[0]),
        };
        let anchor = match fields.get("at") {
            Some(at) => self.set::<TimeOfDay>(&at, TIME).and_then(|times| {
                let mut times = times.into_iter();
                let anchor = times.next();
                if times.next().is_some() {
                    self.tell(
                        at.node.position,
                        &at.path,
                        "an hourly schedule runs through one time of day",
                        Some(TIME.to_owned()),
                    );
                    return None;
                }
                anchor
            }),
            None => Some(TimeOfDay::MIDNIGHT),
        };
        Some(Recurrence::Hourly { interval: interval?, anchor: anchor? })
    }

    fn times(&mut self, fields: &Fields<'_>) -> Option<BTreeSet<TimeOfDay>> {
        let allowed = format!("a list of times: {TIME}");
        let at = self.required(fields, "at", &allowed)?;
        self.set(&at, TIME)
    }

    fn days<T: FromStr + Ord + Copy + std::fmt::Display>(
        &mut self,
        fields: &Fields<'_>,
        allowed: &str,
    ) -> Option<BTreeSet<T>> {
        let on = self.required(fields, "on", &format!("a list of days: {allowed}"))?;
        self.set(&on, allowed)
    }
}
