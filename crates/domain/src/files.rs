//! Restoring as files: where they go, what they are, how they are compressed.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::data_source::text;
use crate::ids::PointId;

text! {
    /// The name of an S3 bucket.
    BucketName, "bucket name", "expected 3 to 63 lower-case letters, digits, '-' or '.'",
    |t| (3..=63).contains(&t.len())
        && t.bytes().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || b"-.".contains(&c))
        && !t.contains("..")
        && [t.bytes().next(), t.bytes().last()]
            .into_iter()
            .flatten()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit())
}
text! {
    /// A folder in a bucket: no slash before or behind it. Its names need no quoting in a shell or a URL.
    KeyPrefix, "prefix", "expected 1 to 512 letters, digits, '-', '_', '.', '=' or '/', no empty or dotted part",
    |t| (1..=512).contains(&t.len())
        && t.bytes().all(|c| c.is_ascii_alphanumeric() || b"-_.=/".contains(&c))
        && t.split('/').all(|part| !["", ".", ".."].contains(&part))
}

/// A folder in a bucket that is the caller's own, in the vault's region.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct FilesTarget {
    /// The bucket.
    pub bucket: BucketName,
    /// The folder, which must be empty.
    pub prefix: KeyPrefix,
}

impl fmt::Display for FilesTarget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "s3://{}/{}", self.bucket, self.prefix)
    }
}

/// What a restore as files makes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileFormat {
    /// A directory archive, as of `pg_dump -Fd`: `pg_restore` reads it with several connections.
    #[default]
    Directory,
    /// An archive in one file, as of `pg_dump -Fc`.
    Custom,
    /// An SQL script, as of `pg_dump -Fp`, for `psql`.
    Plain,
}

impl fmt::Display for FileFormat {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Directory => "directory",
            Self::Custom => "custom",
            Self::Plain => "plain",
        })
    }
}

/// How files are compressed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FileCompression {
    /// As the backup is: nothing is compressed anew.
    #[default]
    Stored,
    /// Zstandard; pg_restore knows it from version 16 on.
    Zstd,
    /// gzip; every pg_restore knows it.
    Gzip,
    /// Not at all.
    None,
}

/// What a restore as files was asked to do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct FilesOrder {
    /// The point to restore.
    pub point: PointId,
    /// Where the files go.
    pub target: FilesTarget,
    /// What they are.
    pub format: FileFormat,
    /// How they are compressed.
    pub compression: FileCompression,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_mean_something_else_elsewhere_are_refused() {
        for good in ["abc", "a.b-c", "0restores9"] {
            assert_eq!(good.parse::<BucketName>().unwrap().as_str(), good);
        }
        for bad in ["", "ab", "Abc", "a_b", "-abc", "abc.", "a..b", "a/b", "a\nb", &"a".repeat(64)] {
            assert!(bad.parse::<BucketName>().is_err(), "{bad:?}");
        }
        for good in ["a", "shop/2026-11-22", "a=b/c.d_e"] {
            assert_eq!(good.parse::<KeyPrefix>().unwrap().as_str(), good);
        }
        for bad in ["", "/a", "a/", "a//b", "a/../b", ".", "a b", "a?b", "ä", "a%2fb", &"a".repeat(513)] {
            assert!(bad.parse::<KeyPrefix>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn what_is_not_said_is_the_directory_as_it_is_stored() {
        assert_eq!(FileFormat::default(), FileFormat::Directory);
        assert_eq!(serde_json::to_value(FileCompression::default()).unwrap(), "stored");
        for format in [FileFormat::Directory, FileFormat::Custom, FileFormat::Plain] {
            assert_eq!(serde_json::to_value(format).unwrap(), format.to_string());
        }
    }
}
