//! How far back a list goes: a span before now, or a moment.

use std::str::FromStr;

use jiff::{SignedDuration, Timestamp};

/// A span before now (`90m`, `12h`, `7d`, `4w`), or a moment in RFC 3339.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// So long before now.
    Ago(SignedDuration),
    /// At this moment.
    At(Timestamp),
}

/// A text that is neither a span nor a moment.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no time: expected 90m, 12h, 7d, 4w, or a moment like 2026-11-22T08:00:00Z")]
pub(crate) struct InvalidSince(String);

impl Since {
    /// The moment meant, where it is `now`; the beginning of time where the span reaches farther back.
    pub(crate) fn moment(self, now: Timestamp) -> Timestamp {
        match self {
            Self::Ago(span) => now.checked_sub(span).unwrap_or(Timestamp::MIN),
            Self::At(moment) => moment,
        }
    }
}

impl FromStr for Since {
    type Err = InvalidSince;
    fn from_str(text: &str) -> Result<Self, InvalidSince> {
        let invalid = || InvalidSince(text.chars().take(40).collect());
        if let Ok(moment) = text.parse() {
            return Ok(Self::At(moment));
        }
        let hours_of_unit = match text.chars().last() {
            Some('m') => return minutes(text).map(Self::Ago).ok_or_else(invalid),
            Some('h') => 1,
            Some('d') => 24,
            Some('w') => 7 * 24,
            _ => return Err(invalid()),
        };
        let count: u16 = text[..text.len() - 1].parse().map_err(|_| invalid())?;
        Ok(Self::Ago(SignedDuration::from_hours(i64::from(count) * hours_of_unit)))
    }
}

fn minutes(text: &str) -> Option<SignedDuration> {
    let count: u16 = text.strip_suffix('m')?.parse().ok()?;
    Some(SignedDuration::from_mins(i64::from(count)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_moments_are_read() {
        let now: Timestamp = "2026-11-22T08:00:00Z".parse().unwrap();
        for (text, moment) in [
            ("90m", "2026-11-22T06:30:00Z"),
            ("12h", "2026-11-21T20:00:00Z"),
            ("7d", "2026-11-15T08:00:00Z"),
            ("4w", "2026-10-25T08:00:00Z"),
            ("2026-01-31T12:00:00+02:00", "2026-01-31T10:00:00Z"),
        ] {
            assert_eq!(text.parse::<Since>().unwrap().moment(now).to_string(), moment, "{text}");
        }
        for bad in ["", "d", "7", "-7d", "7 d", "yesterday", "7dä", "70000d"] {
            assert!(bad.parse::<Since>().is_err(), "{bad}");
        }
    }
}
