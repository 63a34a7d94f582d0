//! The server's version as a number that can be compared.

use std::fmt;
use std::str::FromStr;

/// A server's version, in the form of PostgreSQL's own `server_version_num`: 150018 is 15.18,
/// 90624 is 9.6.24. A development or beta version counts as its major's `.0`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ServerVersion(u32);

impl ServerVersion {
    /// From `server_version_num`.
    pub const fn from_num(num: u32) -> Self {
        Self(num)
    }

    /// As `server_version_num` says it.
    pub const fn num(self) -> u32 {
        self.0
    }

    /// The first number: 15 for 15.18, and 9 for all of 9.0 to 9.6.
    pub const fn major(self) -> u32 {
        self.0 / 10_000
    }
}

/// The version's name without what a distribution adds to it: `15.18`, `9.6.24`.
impl fmt::Display for ServerVersion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let major = self.major();
        let rest = self.0 % 10_000;
        if major >= 10 {
            write!(f, "{major}.{rest}")
        } else {
            write!(f, "{major}.{}.{}", rest / 100, rest % 100)
        }
    }
}

/// A `server_version` that does not begin with a number.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not a PostgreSQL version")]
pub struct UnknownServerVersion(pub String);

/// Reads the parameter `server_version`: `15.18 (Debian 15.18-1)`, `9.6.24`, `18beta1`, `17devel`.
impl FromStr for ServerVersion {
    type Err = UnknownServerVersion;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let numeric = text.find(|c: char| c != '.' && !c.is_ascii_digit()).map_or(text, |end| &text[..end]);
        let mut parts = numeric.split('.').map_while(|part| part.parse::<u32>().ok());
        let unknown = || UnknownServerVersion(text.to_owned());
        let major = parts.next().ok_or_else(unknown)?;
        let second = parts.next().unwrap_or(0);
        let third = parts.next().unwrap_or(0);
        let in_range =
            if major >= 10 { major < 1000 && second < 10_000 } else { second < 100 && third < 100 };
        if !in_range {
            return Err(unknown());
        }
        let minor = if major >= 10 { second } else { second * 100 + third };
        Ok(Self(major * 10_000 + minor))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_servers_say() {
        for (text, num, shown) in [
            ("15.18 (Debian 15.18-0+deb12u1)", 150_018, "15.18"),
            ("18beta1", 180_000, "18.0"),
            ("17devel", 170_000, "17.0"),
            ("16rc1 (Ubuntu 16~rc1-1)", 160_000, "16.0"),
            ("9.6.24", 90_624, "9.6.24"),
            ("9.5beta2", 90_500, "9.5.0"),
            ("10.23", 100_023, "10.23"),
            ("15.4.1 (vendor)", 150_004, "15.4"),
        ] {
            let version: ServerVersion = text.parse().unwrap();
            assert_eq!((version.num(), version.to_string().as_str()), (num, shown), "{text}");
        }
    }

    #[test]
    fn refuses_what_is_no_version() {
        for text in ["", "unknown", ".5", "99999999999.1", "9.600.1", "15.10000"] {
            assert_eq!(text.parse::<ServerVersion>(), Err(UnknownServerVersion(text.into())));
        }
    }

    #[test]
    fn compares_across_the_change_of_numbering() {
        let parse = |text: &str| text.parse::<ServerVersion>().unwrap();
        assert!(parse("9.6.24") < parse("10.0") && parse("10.23") < parse("18beta1"));
        assert_eq!((parse("9.6.24").major(), parse("18beta1").major()), (9, 18));
    }
}
