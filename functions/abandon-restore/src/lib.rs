//! abandon-restore.
