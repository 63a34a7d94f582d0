//! The start window: how long after its time a run may begin.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// How long after its time a run may begin: whole minutes, 6 hours at most, 60 minutes unless said otherwise.
///
/// Written as an ISO 8601 duration: `PT0M`, `PT90M`, `PT6H`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct StartWindow(u16);

/// A text that is no start window.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no start window: expected PT<n>M or PT<n>H, at most 6 hours")]
pub struct InvalidStartWindow(String);

impl StartWindow {
    const MAX_MINUTES: u16 = 6 * 60;

    /// The window of so many minutes, at most 360.
    pub fn from_minutes(minutes: u16) -> Option<Self> {
        (minutes <= Self::MAX_MINUTES).then_some(Self(minutes))
    }

    /// The minutes.
    pub fn minutes(self) -> u16 {
        self.0
    }
}

impl Default for StartWindow {
    fn default() -> Self {
        Self(60)
    }
}

impl FromStr for StartWindow {
    type Err = InvalidStartWindow;
    fn from_str(text: &str) -> Result<Self, InvalidStartWindow> {
        let invalid = || InvalidStartWindow(text.chars().take(80).collect());
        let body = text.strip_prefix("PT").ok_or_else(invalid)?;
        let (digits, minutes_each) = match (body.strip_suffix('M'), body.strip_suffix('H')) {
            (Some(digits), _) => (digits, 1),
            (None, Some(digits)) => (digits, 60),
            (None, None) => return Err(invalid()),
        };
        if digits.is_empty() || !digits.bytes().all(|c| c.is_ascii_digit()) {
            return Err(invalid());
        }
        let count: u16 = digits.parse().map_err(|_| invalid())?;
        count.checked_mul(minutes_each).and_then(Self::from_minutes).ok_or_else(invalid)
    }
}

impl fmt::Display for StartWindow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PT{}M", self.0)
    }
}

impl TryFrom<String> for StartWindow {
    type Error = InvalidStartWindow;
    fn try_from(text: String) -> Result<Self, InvalidStartWindow> {
        text.parse()
    }
}

impl From<StartWindow> for String {
    fn from(window: StartWindow) -> String {
        window.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn windows_are_read_in_minutes_and_hours() {
        for (text, minutes) in [("PT0M", 0), ("PT60M", 60), ("PT6H", 360), ("PT360M", 360), ("PT1H", 60)] {
            assert_eq!(text.parse::<StartWindow>().unwrap().minutes(), minutes, "{text}");
        }
        for bad in ["", "PT", "PTM", "PT361M", "PT7H", "PT65535H", "PT1H30M", "P1D", "PT-1M", "PT+1M", "60"] {
            assert!(bad.parse::<StartWindow>().is_err(), "{bad}");
        }
        assert_eq!(StartWindow::default().to_string().parse(), Ok(StartWindow::default()));
    }
}
