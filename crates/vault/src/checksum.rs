//! Checksums: SHA-256 for objects, BLAKE3 for frames, XXH3 for what is in them (why three: `docs/format.md`).

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::Digest;

/// A text that is not as many hexadecimal digits as the checksum has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is no checksum: expected {digits} hexadecimal digits in lower case")]
pub struct InvalidChecksum {
    text: String,
    digits: usize,
}

macro_rules! checksum {
    ($(#[$doc:meta])* $name:ident, $bytes:literal, $compute:expr) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name([u8; $bytes]);

        impl $name {
            /// The checksum of `bytes`.
            pub fn of(bytes: &[u8]) -> Self {
                let compute: fn(&[u8]) -> [u8; $bytes] = $compute;
                Self(compute(bytes))
            }

            /// Its bytes.
            pub fn as_bytes(&self) -> &[u8; $bytes] {
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
                let mut bytes = [0; $bytes];
                let lower = !text.bytes().any(|c| c.is_ascii_uppercase());
                if lower && hex::decode_to_slice(text, &mut bytes).is_ok() {
                    Ok(Self(bytes))
                } else {
                    Err(InvalidChecksum { text: text.chars().take(80).collect(), digits: 2 * $bytes })
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
    Sha256, 32, |bytes| sha2::Sha256::digest(bytes).into()
}
checksum! {
    /// The BLAKE3 of a frame.
    Blake3, 32, |bytes| *blake3::hash(bytes).as_bytes()
}
checksum! {
    /// The XXH3 (128 bits) of what a frame holds.
    Xxh3, 16, |bytes| xxhash_rust::xxh3::xxh3_128(bytes).to_be_bytes()
}

/// The SHA-256 of bytes that come piece by piece.
#[derive(Debug, Clone, Default)]
pub struct Sha256Sum(sha2::Sha256);

impl Sha256Sum {
    /// Adds the next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The checksum of what was added.
    pub fn finish(self) -> Sha256 {
        Sha256(self.0.finalize().into())
    }
}

impl Blake3 {
    /// BLAKE3 over other checksums, in order.
    pub fn of_all<'a>(checksums: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut hasher = blake3::Hasher::new();
        for checksum in checksums {
            hasher.update(checksum);
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
        // As `xxh128sum` prints it.
        assert_eq!(Xxh3::of(b"").to_string(), "99aa06d3014798d86001c324468d497f");
        assert!(empty.parse::<Xxh3>().is_err());
    }
}
