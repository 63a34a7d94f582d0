//! Checksums: SHA-256 for objects, BLAKE3 for frames (why two: `docs/format.md`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest;

/// A text that is not 64 hexadecimal digits.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no checksum: expected 64 hexadecimal digits in lower case")]
pub struct InvalidChecksum(String);

macro_rules! checksum {
    ($(#[$doc:meta])* $name:ident, $compute:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; 32]);

        impl $name {
            /// The checksum of `bytes`.
            pub fn of(bytes: &[u8]) -> Self {
                let compute: fn(&[u8]) -> [u8; 32] = $compute;
                Self(compute(bytes))
            }

            /// Its 32 bytes.
            pub fn as_bytes(&self) -> &[u8; 32] {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidChecksum;
            fn from_str(text: &str) -> Result<Self, InvalidChecksum> {
                let mut bytes = [0; 32];
                let lower = !text.bytes().any(|c| c.is_ascii_uppercase());
                if lower && hex::decode_to_slice(text, &mut bytes).is_ok() {
                    Ok(Self(bytes))
                } else {
                    Err(InvalidChecksum(text.chars().take(80).collect()))
                }
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidChecksum;
            fn try_from(text: String) -> Result<Self, InvalidChecksum> {
                text.parse()
            }
        }

        impl From<$name> for String {
            fn from(checksum: $name) -> String {
                checksum.to_string()
            }
        }
    };
}

checksum! {
    /// The SHA-256 of an object.
    Sha256, |bytes| sha2::Sha256::digest(bytes).into()
}
checksum! {
    /// The BLAKE3 of a frame.
    Blake3, |bytes| *blake3::hash(bytes).as_bytes()
}

impl Sha256 {
    /// The checksum whose 32 bytes these are, of bytes that were summed piece by piece.
    pub(crate) fn from_digest(digest: [u8; 32]) -> Self {
        Self(digest)
    }
}

impl Blake3 {
    /// BLAKE3 over other checksums, in order.
    pub fn of_all<'a>(checksums: impl IntoIterator<Item = &'a Blake3>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for checksum in checksums {
            hasher.update(&checksum.0);
        }
        Self(*hasher.finalize().as_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn checksums_are_the_published_ones() {
        let empty = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(Sha256::of(b"").to_string(), empty);
        assert_eq!(empty.parse(), Ok(Sha256::of(b"")));
        let empty = "af1349b9f5f9a1a6a0404dea36dcc9499bcb25c9adc112b7cc9a93cae41f3262";
        assert_eq!(Blake3::of(b"").to_string(), empty);
        assert_eq!(Blake3::of_all([]), Blake3::of(b""));
        assert!(empty.to_uppercase().parse::<Blake3>().is_err());
        assert!("00".parse::<Sha256>().is_err());
    }
}
