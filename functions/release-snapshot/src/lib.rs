//! release-snapshot.
