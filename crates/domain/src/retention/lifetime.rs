//! How long a point stays in a store. Calendar arithmetic in UTC.

use std::fmt;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Span, Timestamp};
use serde::{Deserialize, Serialize};

/// The fewest days of so many months in a row: those that begin with February.
const FEWEST_DAYS_OF_MONTHS: [u32; 12] = [0, 28, 59, 89, 120, 150, 181, 212, 242, 273, 303, 334];

/// How long a point stays in a store: whole days, weeks, months or years, 7 days to 10 years.
///
/// Written as an ISO 8601 duration of one unit: `P10D`, `P2W`, `P3M`, `P10Y`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Lifetime {
    count: u16,
    unit: Unit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Unit {
    Days,
    Weeks,
    Months,
    Years,
}

/// A text that is no lifetime in a store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no lifetime: expected P<n>D, P<n>W, P<n>M or P<n>Y from 7 days to 10 years")]
pub struct InvalidLifetime(String);

impl Lifetime {
    /// Three months: what the default rule keeps where nothing else is said.
    pub const THREE_MONTHS: Self = Self { count: 3, unit: Unit::Months };

    /// The count and its unit in words: `3`, `month`.
    pub fn parts(self) -> (u16, &'static str) {
        let unit = match self.unit {
            Unit::Days => "day",
            Unit::Weeks => "week",
            Unit::Months => "month",
            Unit::Years => "year",
        };
        (self.count, unit)
    }

    /// The fewest days that it can come to, whatever it counts from.
    pub fn at_least_days(self) -> u32 {
        let count = u32::from(self.count);
        match self.unit {
            Unit::Days => count,
            Unit::Weeks => count * 7,
            Unit::Years => count * 365 + count / 8,
            Unit::Months => {
                (count / 12) * 365 + count / 96 + FEWEST_DAYS_OF_MONTHS[usize::from(self.count % 12)]
            }
        }
    }

    /// The moment at which a point of `from` has been kept for this long: after 31 January, one month ends
    /// on 28 or 29 February. The end of time where the calendar ends first.
    pub fn end(self, from: Timestamp) -> Timestamp {
        let count = i64::from(self.count);
        let span = match self.unit {
            Unit::Days => Span::new().days(count),
            Unit::Weeks => Span::new().weeks(count),
            Unit::Months => Span::new().months(count),
            Unit::Years => Span::new().years(count),
        };
        from.to_zoned(TimeZone::UTC).checked_add(span).map_or(Timestamp::MAX, |end| end.timestamp())
    }
}

impl FromStr for Lifetime {
    type Err = InvalidLifetime;
    fn from_str(text: &str) -> Result<Self, InvalidLifetime> {
        let invalid = || InvalidLifetime(text.chars().take(80).collect());
        let body = text.strip_prefix('P').ok_or_else(invalid)?;
        let unit = match body.chars().last() {
            Some('D') => Unit::Days,
            Some('W') => Unit::Weeks,
            Some('M') => Unit::Months,
            Some('Y') => Unit::Years,
            _ => return Err(invalid()),
        };
        let digits = &body[..body.len() - 1];
        if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
            return Err(invalid());
        }
        let count: u16 = digits.parse().map_err(|_| invalid())?;
        let valid = match unit {
            Unit::Days => (7..=3_653).contains(&count),
            Unit::Weeks => (1..=521).contains(&count),
            Unit::Months => (1..=120).contains(&count),
            Unit::Years => (1..=10).contains(&count),
        };
        if valid { Ok(Self { count, unit }) } else { Err(invalid()) }
    }
}

impl fmt::Display for Lifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let letter = match self.unit {
            Unit::Days => 'D',
            Unit::Weeks => 'W',
            Unit::Months => 'M',
            Unit::Years => 'Y',
        };
        write!(f, "P{}{letter}", self.count)
    }
}

impl TryFrom<String> for Lifetime {
    type Error = InvalidLifetime;
    fn try_from(text: String) -> Result<Self, InvalidLifetime> {
        text.parse()
    }
}

impl From<Lifetime> for String {
    fn from(lifetime: Lifetime) -> String {
        lifetime.to_string()
    }
}

/// How long a point stays in the archive store: 6 months to 10 years.
///
/// In days or weeks no less than the longest six months: 184 days, 27 weeks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct ArchiveLifetime(Lifetime);

/// A text that is no lifetime in the archive store.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is no lifetime in the archive store: expected P<n>D, P<n>W, P<n>M or P<n>Y from 6 months to 10 years"
)]
pub struct InvalidArchiveLifetime(String);

impl ArchiveLifetime {
    /// The lifetime, where the archive store keeps points for so long.
    pub fn new(lifetime: Lifetime) -> Option<Self> {
        let long_enough = match lifetime.unit {
            Unit::Days => lifetime.count >= 184,
            Unit::Weeks => lifetime.count >= 27,
            Unit::Months => lifetime.count >= 6,
            Unit::Years => true,
        };
        long_enough.then_some(Self(lifetime))
    }

    /// The lifetime.
    pub fn get(self) -> Lifetime {
        self.0
    }

    /// The moment at which a point that was moved at `from` has been in the archive store for this long.
    pub fn end(self, from: Timestamp) -> Timestamp {
        self.0.end(from)
    }
}

impl FromStr for ArchiveLifetime {
    type Err = InvalidArchiveLifetime;
    fn from_str(text: &str) -> Result<Self, InvalidArchiveLifetime> {
        text.parse()
            .ok()
            .and_then(Self::new)
            .ok_or_else(|| InvalidArchiveLifetime(text.chars().take(80).collect()))
    }
}

impl fmt::Display for ArchiveLifetime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl TryFrom<String> for ArchiveLifetime {
    type Error = InvalidArchiveLifetime;
    fn try_from(text: String) -> Result<Self, InvalidArchiveLifetime> {
        text.parse()
    }
}

impl From<ArchiveLifetime> for String {
    fn from(lifetime: ArchiveLifetime) -> String {
        lifetime.to_string()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn end(lifetime: &str, from: &str) -> String {
        lifetime.parse::<Lifetime>().unwrap().end(from.parse().unwrap()).to_string()
    }

    #[test]
    fn months_end_on_the_last_day_that_exists() {
        assert_eq!(end("P1M", "2027-01-31T10:00:00Z"), "2027-02-28T10:00:00Z");
        assert_eq!(end("P1M", "2028-01-31T10:00:00Z"), "2028-02-29T10:00:00Z");
        assert_eq!(end("P1Y", "2028-02-29T00:00:00Z"), "2029-02-28T00:00:00Z");
        assert_eq!(end("P2W", "2027-12-25T00:00:00Z"), "2028-01-08T00:00:00Z");
        assert_eq!(end("P10Y", "2026-11-22T00:00:00Z"), "2036-11-22T00:00:00Z");
    }

    #[test]
    fn lifetimes_outside_the_bounds_are_refused() {
        for bad in ["", "P", "P6D", "P3654D", "P11Y", "P121M", "P0W", "P-1M", "P1M2D", "3M", "P+3M", "P3H"] {
            assert!(bad.parse::<Lifetime>().is_err(), "{bad}");
        }
    }

    proptest! {
        #[test]
        fn display_and_from_str_are_inverse(count in 0_u16..4_000, unit in prop::sample::select(vec!['D', 'W', 'M', 'Y'])) {
            let text = format!("P{count}{unit}");
            if let Ok(lifetime) = text.parse::<Lifetime>() {
                prop_assert_eq!(lifetime.to_string(), text);
            }
        }

        #[test]
        fn a_point_is_never_over_before_it_began(seconds in 0_i64..4_000_000_000, months in 1_u16..=120) {
            let from = Timestamp::from_second(seconds).unwrap();
            let lifetime = format!("P{months}M").parse::<Lifetime>().unwrap();
            prop_assert!(lifetime.end(from) > from);
        }
    }
}
