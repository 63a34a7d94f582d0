//! hold-snapshot.
