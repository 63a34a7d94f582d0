//! Names that people give: short words in lower case that are never taken for an id.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::ids::{InstanceId, PolicyId};

/// Whether `text` is 1 to 63 of a-z, 0-9 and '-', not beginning with '-'.
fn is_name(text: &str) -> bool {
    (1..=63).contains(&text.len())
        && text.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == b'-')
        && !text.starts_with('-')
}

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $id:ident, $(#[$invalid_doc:meta])* $invalid:ident, $message:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, utoipa::ToSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schema(value_type = String, pattern = "^[a-z0-9][a-z0-9-]{0,62}$")]
        pub struct $name(String);

        $(#[$invalid_doc])*
        #[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
        #[error($message)]
        pub struct $invalid(String);

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = $invalid;
            fn from_str(text: &str) -> Result<Self, $invalid> {
                if is_name(text) && text.parse::<$id>().is_err() {
                    Ok(Self(text.to_owned()))
                } else {
                    Err($invalid(text.chars().take(80).collect()))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = $invalid;
            fn try_from(text: String) -> Result<Self, $invalid> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }
    };
}

name! {
    /// The name people call an instance by; unique in its vault.
    InstanceName, InstanceId,
    /// A text that cannot name an instance.
    InvalidInstanceName,
    "{0:?} is no instance name: expected 1 to 63 of a-z, 0-9 and '-', not beginning with '-' and unlike an id (bi-…)"
}

name! {
    /// The name people call a policy by; unique in its vault.
    PolicyName, PolicyId,
    /// A text that cannot name a policy.
    InvalidPolicyName,
    "{0:?} is no policy name: expected 1 to 63 of a-z, 0-9 and '-', not beginning with '-' and unlike an id (bp-…)"
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    #[test]
    fn an_id_is_never_a_name() {
        let instance = InstanceId::new(Timestamp::UNIX_EPOCH, 7).to_string();
        let policy = PolicyId::new(Timestamp::UNIX_EPOCH, 7).to_string();
        assert!(instance.parse::<InstanceName>().is_err());
        assert!(policy.parse::<PolicyName>().is_err());
        for bad in ["", "-a", "Shop", "a b", "a_b", "ä", &"x".repeat(64)] {
            assert!(bad.parse::<InstanceName>().is_err(), "{bad}");
            assert!(bad.parse::<PolicyName>().is_err(), "{bad}");
        }
        for good in ["a", "7-years", &"x".repeat(63)] {
            assert_eq!(good.parse::<PolicyName>().unwrap().as_str(), good);
        }
    }
}
