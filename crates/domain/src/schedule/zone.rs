//! Time zones: those of the IANA database that is built in, so that every machine finds the same instants.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use jiff::civil::{Date, Time};
use jiff::tz::{AmbiguousOffset, TimeZone, TimeZoneDatabase};
use serde::{Deserialize, Serialize};

/// A time zone of the IANA database.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Zone {
    name: String,
    rules: TimeZone,
}

/// A text that names no time zone.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time zone of the IANA database")]
pub struct UnknownZone(String);

impl Zone {
    /// Coordinated universal time.
    pub fn utc() -> Self {
        Self { name: "UTC".to_owned(), rules: TimeZone::UTC }
    }

    /// The name, as the database writes it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The zone's rules.
    pub fn rules(&self) -> &TimeZone {
        &self.rules
    }

    /// The date that the zone's clock shows at `at`.
    pub fn date(&self, at: Timestamp) -> Date {
        self.rules.to_datetime(at).date()
    }

    /// The first instant at which the zone's clock shows `time` on `date` or, where it never does, a later time:
    /// the end of the gap. The end of time where the calendar ends first.
    pub fn first_instant(&self, date: Date, time: Time) -> Timestamp {
        let clock = date.to_datetime(time);
        let instant = match self.rules.to_ambiguous_timestamp(clock).offset() {
            AmbiguousOffset::Unambiguous { offset } => offset.to_timestamp(clock),
            AmbiguousOffset::Fold { before, .. } => before.to_timestamp(clock),
            AmbiguousOffset::Gap { before, after } => after.to_timestamp(clock).map(|earlier| {
                self.rules.following(earlier).find(|transition| transition.offset() == after).map_or_else(
                    || before.to_timestamp(clock).unwrap_or(Timestamp::MAX),
                    |end| end.timestamp(),
                )
            }),
        };
        instant.unwrap_or(Timestamp::MAX)
    }
}

impl FromStr for Zone {
    type Err = UnknownZone;
    fn from_str(text: &str) -> Result<Self, UnknownZone> {
        let unknown = || UnknownZone(text.chars().take(80).collect());
        // Not the machine's database: two machines would find two instants for a run.
        let rules = TimeZoneDatabase::bundled().get(text).map_err(|_| unknown())?;
        let name = rules.iana_name().ok_or_else(unknown)?.to_owned();
        Ok(Self { name, rules })
    }
}

impl fmt::Display for Zone {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&self.name)
    }
}

impl TryFrom<String> for Zone {
    type Error = UnknownZone;
    fn try_from(text: String) -> Result<Self, UnknownZone> {
        text.parse()
    }
}

impl From<Zone> for String {
    fn from(zone: Zone) -> String {
        zone.name
    }
}
