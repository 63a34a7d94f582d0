//! Objects in memory: versions are kept, and there is a limit.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

/// One version of an object.
#[derive(Debug, Clone)]
pub(crate) struct Object {
    /// Its version.
    pub(crate) version: String,
    /// Its bytes.
    pub(crate) body: Bytes,
    /// Its SHA-256 as the writer gave it, in base 64.
    pub(crate) sha256: Option<String>,
}

/// Why an object was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Its key is taken, and it was to be new.
    Exists,
    /// There is no room.
    Full,
}

/// Whether a write may follow another one to the same key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Condition {
    /// Always.
    None,
    /// Only where the key is free (`If-None-Match: *`).
    Absent,
}

/// All objects.
#[derive(Debug)]
pub(crate) struct Objects {
    limit_bytes: u64,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    bytes: u64,
    writes: u64,
    versions: HashMap<String, Vec<Object>>,
}

impl Objects {
    /// Room for `limit_bytes`.
    pub(crate) fn new(limit_bytes: u64) -> Self {
        Self { limit_bytes, kept: Mutex::default() }
    }

    /// Keeps a version and returns its name.
    pub(crate) fn put(
        &self,
        key: &str,
        body: Bytes,
        sha256: Option<String>,
        condition: Condition,
    ) -> Result<String, Refusal> {
        let mut kept = self.kept();
        if condition == Condition::Absent && kept.versions.contains_key(key) {
            return Err(Refusal::Exists);
        }
        let bytes = kept.bytes + body.len() as u64;
        if bytes > self.limit_bytes {
            return Err(Refusal::Full);
        }
        kept.bytes = bytes;
        kept.writes += 1;
        let version = format!("v{}", kept.writes);
        let object = Object { version: version.clone(), body, sha256 };
        kept.versions.entry(key.to_owned()).or_default().push(object);
        Ok(version)
    }

    /// A version, or the newest one.
    pub(crate) fn get(&self, key: &str, version: Option<&str>) -> Option<Object> {
        let kept = self.kept();
        let versions = kept.versions.get(key)?;
        match version {
            None => versions.last().cloned(),
            Some(version) => versions.iter().find(|object| object.version == version).cloned(),
        }
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_kept_and_the_limit_holds() {
        let objects = Objects::new(5);
        let put =
            |body: &'static [u8], condition| objects.put("k", Bytes::from_static(body), None, condition);
        let first = put(b"ab", Condition::Absent).unwrap();
        assert_eq!(put(b"c", Condition::Absent), Err(Refusal::Exists));
        let second = put(b"cd", Condition::None).unwrap();
        assert_eq!(put(b"ef", Condition::None), Err(Refusal::Full));
        assert_eq!(&objects.get("k", Some(&first)).unwrap().body[..], b"ab");
        assert_eq!(objects.get("k", None).unwrap().version, second);
        assert!(objects.get("k", Some("v9")).is_none() && objects.get("l", None).is_none());
    }
}
